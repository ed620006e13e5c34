"""How the model treats groups of rows: fairlearn's figures by group, and what lies between the groups.

`selection_rate`, `true_positive_rate`, `false_positive_rate`, `demographic_parity_difference` and `_ratio`,
`equalized_odds_difference` and `_ratio` are those of fairlearn's `MetricFrame`, made in `framed`, over the groups with
enough rows. Unlike there, a rate of no rows is not defined instead of 0, and a group's rate enters a difference only
where it rests on ten rows. `_shares` counts the same for thousands of resamples at once, for the bounds.

The largest of some differences is above 0 even if nothing but chance makes them. So each stands beside `by_chance`:
what 19 of 20 shuffles of the groups stay below, with the numbers of rows held (drawn from the hypergeometric
distribution that such shuffles have).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from fairlearn.metrics import MetricFrame
from scipy import sparse

from steps.judging import framed, metrics, resampling
from steps.judging.intervals import UNDEFINED, Figure, percentiles, wilson
from steps.judging.metrics import Floats, Ints
from steps.judging.parts import Part
from steps.judging.sensitive import Sensitive

FEWEST_ROWS = 30  # fewer, and a group is shown but not judged
FEWEST_OF_RATE = 10  # rows that a rate has to rest on to enter a difference
SHUFFLES = 2000
CHANCE = 95.0  # percentile of the shuffles
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
SPANS = {  # what lies between groups: the rates, of which the worst counts
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "true_positive_rate": ("true_positive_rate",),
    "false_positive_rate": ("false_positive_rate",),
    "accuracy": ("accuracy",),
}
RATIOS = ("demographic_parity", "equalized_odds")

Shares = dict[str, tuple[Floats, Floats]]
"""By name: how many rows have it, and of how many, each (..., n_groups)."""


@dataclass(frozen=True)
class Group:
    """One group of test rows.

    `figures` by name: for two classes `RATES` and log_loss; for more accuracy, log_loss and `recall_<position>` of each
    class.
    """

    part: Part
    rows: int
    positives: int | None
    is_judged: bool
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Span:
    """A difference or ratio between groups; `by_chance` for differences."""

    figure: Figure
    by_chance: float | None = None


@dataclass(frozen=True)
class Treated:
    """One declared column: its groups, and what lies between those that are judged."""

    column: str
    is_read: bool
    groups: tuple[Group, ...]
    spans: Mapping[str, Span]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "column": self.column,
            "is_read": self.is_read,
            "groups": [
                {
                    "part": asdict(group.part),
                    "rows": group.rows,
                    "positives": group.positives,
                    "is_judged": group.is_judged,
                    "figures": {name: figure.to_dict() for name, figure in group.figures.items()},
                }
                for group in self.groups
            ],
            "spans": {
                name: {**span.figure.to_dict(), "by_chance": span.by_chance} for name, span in self.spans.items()
            },
        }


def from_json(stored: Mapping[str, Any]) -> Treated:
    """The record that one entry of `sensitive` in `evaluation.json` holds."""
    groups = tuple(
        Group(
            Part(**each["part"]),
            each["rows"],
            each["positives"],
            each["is_judged"],
            {name: Figure.from_dict(figure) for name, figure in each["figures"].items()},
        )
        for each in stored["groups"]
    )
    spans = {name: Span(Figure.from_dict(span), span["by_chance"]) for name, span in stored["spans"].items()}
    return Treated(stored["column"], stored["is_read"], groups, spans)


def compare(
    declared: Sequence[Sensitive], answered: tuple[Ints, Floats, Ints], positive_at: int | None
) -> tuple[Treated, ...]:
    """Compare the groups of each declared column.

    Args:
        declared: columns and their groups, (n_rows,) each.
        answered: true positions (n_rows,), probabilities (n_rows, n_classes), predicted positions (n_rows,).
        positive_at: position of the positive class; None for more than two classes.
    """
    return tuple(_compare(column, answered, positive_at) for column in declared)


def _compare(column: Sensitive, answered: tuple[Ints, Floats, Ints], positive_at: int | None) -> Treated:
    """One column."""
    if column.groups is None:
        return Treated(column.name, column.is_read, (), {})
    y, scores, predicted = answered
    kept = [at for at in range(len(column.groups.parts)) if (column.groups.where == at).any()]
    where = np.searchsorted(kept, column.groups.where)
    said = predicted == y if positive_at is None else predicted == positive_at
    truth, n_classes = (y, scores.shape[1]) if positive_at is None else ((y == positive_at).astype(np.int64), 2)
    losses = metrics.log_losses(y, scores)
    cells = (where * n_classes + truth) * 2 + said
    shape = (len(kept), n_classes, 2)
    counts = np.bincount(cells, minlength=math.prod(shape)).reshape(shape).astype(np.float64)
    resampled, resampled_losses = _resampled(cells, losses, where, shape, scores.shape[1])
    sums = np.bincount(cells, losses, math.prod(shape)).reshape(shape).astype(np.float64)
    measured = framed.values(framed.frame(counts, sums, positive_at))
    found = _shares(counts, positive_at)
    groups = []
    for at, part in enumerate(kept):
        rows = int(counts[at].sum())
        figures = {name: _rate(measured[at][name], hits[at], of[at]) for name, (hits, of) in found.items()}
        figures["log_loss"] = _bounded(measured[at]["log_loss"], resampled_losses[:, at])
        positives = None if positive_at is None else int(counts[at, 1].sum())
        groups.append(Group(column.groups.parts[part], rows, positives, rows >= FEWEST_ROWS, figures))
    judged = np.array([group.is_judged for group in groups])
    if judged.sum() < 2:  # noqa: PLR2004 - one group differs from nothing
        return Treated(column.name, column.is_read, tuple(groups), {})
    enough = judged[:, None, None]
    between = framed.frame(counts * enough, sums, positive_at, FEWEST_OF_RATE)
    spans = _spans(between, found, _shares(resampled, positive_at), judged)
    return Treated(column.name, column.is_read, tuple(groups), spans)


def _resampled(
    cells: Ints, losses: Floats, where: Ints, shape: tuple[int, int, int], n_classes: int
) -> tuple[Floats, Floats]:
    """Counts (n_resamples, *shape) and mean losses (n_resamples, n_groups) on resamples of the rows."""
    n_rows = len(cells)
    marks = sparse.csr_matrix((np.ones(n_rows), (cells, np.arange(n_rows))), shape=(math.prod(shape), n_rows))
    of_groups = sparse.csr_matrix((losses, (where, np.arange(n_rows))), shape=(shape[0], n_rows))
    counts, sums = [], []
    for weights in resampling.weights(n_rows, resampling.number(n_rows, n_classes)):
        counts.append((marks @ weights.T).T.reshape(-1, *shape))
        sums.append((of_groups @ weights.T).T)
    whole = np.concatenate(counts)
    return whole, metrics.ratio(np.concatenate(sums), whole.sum(axis=(2, 3)), np.nan)


def _shares(counts: Floats, positive_at: int | None) -> Shares:
    """Every rate of every group, from counts (..., n_groups, n_classes, 2): not said and said, or wrong and right."""
    total, said = counts.sum(axis=(-1, -2)), counts[..., 1].sum(axis=-1)
    if positive_at is None:
        of_classes = counts.sum(axis=-1)
        recalls = {f"recall_{at}": (counts[..., at, 1], of_classes[..., at]) for at in range(counts.shape[-2])}
        return {"accuracy": (said, total), **recalls}
    negatives, positives = counts[..., 0, :], counts[..., 1, :]
    return {
        "selection_rate": (said, total),
        "true_positive_rate": (positives[..., 1], positives.sum(axis=-1)),
        "false_positive_rate": (negatives[..., 1], negatives.sum(axis=-1)),
        "precision": (positives[..., 1], said),
        "accuracy": (positives[..., 1] + negatives[..., 0], total),
    }


def _rate(value: float, hits: float, of: float) -> Figure:
    """A share with Wilson's bounds; not defined of nothing."""
    return Figure(value, *wilson(hits, of)) if of else UNDEFINED


def _spans(between: MetricFrame, found: Shares, resampled: Shares, judged: metrics.Bools) -> dict[str, Span]:
    """Differences and ratios between the judged groups, with bounds and what chance does."""
    spans, differences, ratios = {}, between.difference(), between.ratio()
    for name, wanted in SPANS.items():
        rates = [rate for rate in wanted if rate in found]
        enough = [judged & (found[rate][1] >= FEWEST_OF_RATE) for rate in rates]
        usable = [(rate, ok) for rate, ok in zip(rates, enough, strict=True) if ok.sum() > 1]
        if not usable:
            continue
        by_chance = np.max([_shuffled(found[rate], ok) for rate, ok in usable], axis=0)
        ends = [_ends(resampled[rate], ok) for rate, ok in usable]
        value = max(differences[rate] for rate, _ in usable)
        spread = np.max([high - low for low, high in ends], axis=0)
        spans[f"{name}_difference"] = Span(_bounded(value, spread), float(np.percentile(by_chance, CHANCE)))
        if name in RATIOS:
            # not defined if one of them is not: Python's min, which fairlearn takes, would go by their order
            value = np.min([ratios[rate] for rate, _ in usable])
            spread = np.min([metrics.ratio(low, high, np.nan) for low, high in ends], axis=0)
            spans[f"{name}_ratio"] = Span(_bounded(value, spread))
    return spans


def _ends(share: tuple[Floats, Floats], judged: metrics.Bools) -> tuple[Floats, Floats]:
    """The lowest and the highest rate (...,) of the judged groups; a rate of nothing is left out."""
    rates = metrics.ratio(share[0][..., judged], share[1][..., judged], np.nan)
    low = np.where(np.isnan(rates), np.inf, rates).min(axis=-1)
    high = np.where(np.isnan(rates), -np.inf, rates).max(axis=-1)
    return np.asarray(low), np.asarray(high)


def _shuffled(share: tuple[Floats, Floats], judged: metrics.Bools) -> Floats:
    """The difference of a rate between groups (n_shuffles,) when its rows are dealt out to the groups by chance."""
    hits, of = share[0][judged].astype(np.int64), share[1][judged].astype(np.int64)
    source = np.random.default_rng(resampling.SEED)
    drawn = source.multivariate_hypergeometric(of, int(hits.sum()), size=SHUFFLES, method="marginals") / of
    return np.asarray(drawn.max(axis=1) - drawn.min(axis=1))


def _bounded(value: Any, resampled: Any) -> Figure:
    """A figure with the percentiles of its resamples."""
    if not math.isfinite(value):
        return UNDEFINED
    low, high = percentiles(resampled)
    return Figure(float(value), min(low, float(value)), max(high, float(value)))
