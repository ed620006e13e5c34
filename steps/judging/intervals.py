"""How sure a figure is: 95 % bounds by the method that holds them.

Shares of rows (accuracy, precision, recall) have Wilson's score interval. F1 is `2j / (1 + j)` of a share `j`, the
hits among rows that are positive or were called so, and inherits its interval. Balanced accuracy of two classes is
the mean of two independent shares, whose intervals combine. ROC AUC of two classes has Newcombe's. The rest comes from
resampled rows: log loss and Brier score studentised; average precision, the correlation and every mean over more
classes by their spread on the scale of the logit. Each method with its source: `methods`. How often they hold the true
figure, measured: tests/bench/results/coverage.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steps.judging import methods, metrics
from steps.judging.methods import LEVEL, newcombe, percentiles, wilson
from steps.judging.metrics import Floats, Ints

__all__ = ["LEVEL", "RANGES", "UNDEFINED", "Figure", "averages", "bounds", "newcombe", "paired_difference", "per_class",
           "percentiles", "wilson"]  # fmt: skip
FREEDOM_OF_COUNTS = 0.5  # of means over more than two classes, whose counts are skewed: with 1, 92 % hold, with 0.5, 95
RANGES = {name: (0.0, math.inf if name == "log_loss" else 1.0) for name in metrics.METRICS}
RANGES |= {f"{how}_{name}": (0.0, 1.0) for how in metrics.AVERAGES for name in metrics.AVERAGED}
RANGES["mcc"] = (-1.0, 1.0)
RANGES["brier"] = (0.0, 2.0)  # two classes: at most 1, and percentiles of it stay there


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % bounds; all NaN where the rows do not define it."""

    value: float
    low: float
    high: float

    @property
    def is_defined(self) -> bool:
        """Whether the rows define it."""
        return math.isfinite(self.value)

    def to_dict(self) -> dict[str, float | None]:
        """JSON form; None for what is not defined."""
        return {
            name: number if math.isfinite(number) else None
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Figure:
        """Read the JSON form."""
        return cls(*(math.nan if stored[key] is None else float(stored[key]) for key in ("value", "low", "high")))


UNDEFINED = Figure(math.nan, math.nan, math.nan)


def bounds(
    y: Ints, scores: Floats, predicted: Ints, positive_at: int | None, resamples: Mapping[str, Floats]
) -> dict[str, Figure]:
    """Every figure with its bounds; the first four arguments as for `metrics.figures`.

    Args:
        y: (n_rows,).
        scores: (n_rows, n_classes).
        predicted: (n_rows,).
        positive_at: position or None.
        resamples: of the same answers, from `resampling.resampled`.

    Returns:
        By name; `low <= value <= high` and inside the figure's range wherever it is defined.
    """
    once = np.ones((1, len(y)))
    found = {n: float(v[0]) for n, v in metrics.everything(y, scores, predicted, positive_at, once).items()}
    counts = metrics.confusion(y, predicted, scores.shape[1], once)[0]
    limits = {
        "accuracy": wilson(np.trace(counts), counts.sum()),
        "mcc": _correlation(found["mcc"], resamples["mcc"], len(y), counts.sum(axis=1)),
        **_losses(y, scores, positive_at, resamples),
    }
    true, said, hits = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    if positive_at is not None:
        limits["balanced_accuracy"] = methods.mean_of_two_shares(hits, true)
        limits |= methods.of_class(hits[positive_at], true[positive_at], said[positive_at])
        limits["roc_auc"] = newcombe(found["roc_auc"], true[positive_at], len(y) - true[positive_at])
        rows = true[[positive_at]]
    else:
        rows = true
    for name in metrics.METRICS:
        if name not in limits:
            limits[name] = _mean_over_classes(name, found[name], resamples[name], rows, np.ones(len(rows)))
    return {name: _enclosing(name, found[name], limits[name]) for name in metrics.METRICS}


def averages(
    y: Ints, scores: Floats, predicted: Ints, positive_at: int | None, resamples: Mapping[str, Floats]
) -> dict[str, dict[str, Figure]]:
    """Precision, recall, f1 and roc_auc averaged over the classes: `macro` and `weighted` by their rows.

    The arguments are those of `bounds`. Recall weighted by rows is accuracy.
    """
    once = np.ones((1, len(y)))
    found = metrics.everything(y, scores, predicted, positive_at, once)
    rows = np.bincount(y, minlength=scores.shape[1]).astype(np.float64)
    alike = np.ones(len(rows))  # of two classes the rarer one is what the spread is made of, whatever its share
    shares = {"macro": alike, "weighted": rows if positive_at is None else alike}
    made: dict[str, dict[str, Figure]] = {how: {} for how in metrics.AVERAGES}
    for how, name in itertools.product(metrics.AVERAGES, metrics.AVERAGED):
        key = f"{how}_{name}"
        value = float(found[key][0])
        made[how][name] = _enclosing(key, value, _mean_over_classes(name, value, resamples[key], rows, shares[how]))
    accuracy = float(np.mean(y == predicted))
    made["weighted"]["recall"] = _enclosing("accuracy", accuracy, wilson(accuracy * len(y), len(y)))
    if positive_at is not None:
        counts = metrics.confusion(y, predicted, scores.shape[1], once)[0]
        hits, said = np.diag(counts), counts.sum(axis=0)
        for name, tried in (("precision", said), ("recall", rows)):
            if np.all(rows + said > 0):  # else it is the other class's figure alone
                value = made["macro"][name].value
                made["macro"][name] = _enclosing(f"macro_{name}", value, methods.mean_of_two_shares(hits, tried))
        auc = float(found["roc_auc"][0])  # the same pairs for both classes
        same = _enclosing("roc_auc", auc, newcombe(auc, rows[positive_at], len(y) - rows[positive_at]))
        made["macro"]["roc_auc"] = made["weighted"]["roc_auc"] = same
    return made


def per_class(y: Ints, scores: Floats, predicted: Ints) -> list[dict[str, Figure]]:
    """Precision, recall, f1 and roc_auc (against the rest) of every class, in the order of the classes."""
    n_classes = scores.shape[1]
    once = np.ones((1, len(y)))
    counts = metrics.confusion(y, predicted, n_classes, once)
    precision, recall, f1 = (values[0] for values in metrics.of_classes(counts))
    found = []
    for at in range(n_classes):
        hits, true, said = counts[0, at, at], counts[0, at].sum(), counts[0, :, at].sum()
        auc = float(metrics.ranking(y == at, scores[:, at], once)[0][0])
        limits = {**methods.of_class(hits, true, said), "roc_auc": newcombe(auc, true, len(y) - true)}
        own = {"precision": precision[at], "recall": recall[at], "f1": f1[at], "roc_auc": auc}
        found.append({name: _enclosing(name, float(own[name]), limits[name]) for name in own})
    return found


def paired_difference(
    metric: str,
    a: float,
    b: float,
    a_resamples: Mapping[str, Floats],
    b_resamples: Mapping[str, Floats],
    rows: int | None = None,
) -> tuple[float, float, float]:
    """How much better `a` is than `b` on the same rows: value, low, high; positive is better.

    Args:
        metric: which figure.
        a: its value for the first model.
        b: its value for the second model.
        a_resamples: the first model's figures on the resamples.
        b_resamples: the second model's, on the same resamples.
        rows: of the test file. Where all of them differ alike, so that no resample differs from another, as many as
            could have gone unseen may differ the other way.
    """
    value = float(metrics.gain(metric, a, b))
    low, high = percentiles(metrics.gain(metric, a_resamples[metric], b_resamples[metric]))
    if rows and low == high:
        unseen = 2 * wilson(0, rows)[1] * value
        low, high = min(value, value - unseen), max(value, value - unseen)
    return (value, min(low, value), max(high, value)) if math.isfinite(value) else (math.nan,) * 3


def _losses(
    y: Ints, scores: Floats, positive_at: int | None, resamples: Mapping[str, Floats]
) -> dict[str, tuple[float, float]]:
    """Bounds of the two means over rows."""
    log, worst_log = metrics.log_losses(y, scores), metrics.worst_log_losses(scores)
    squared = metrics.squared_errors(y, scores, positive_at)
    worst_squared = metrics.worst_squared_errors(scores, positive_at)
    named = (("log_loss", log, worst_log), ("brier", squared, worst_squared))
    return {
        name: methods.of_losses(losses, worst, resamples[name], resamples[metrics.ERRORS[name]])
        for name, losses, worst in named
    }


def _correlation(value: float, resampled: Floats, rows: int, true: Floats) -> tuple[float, float]:
    """Bounds of a correlation: those of `(1 + r) / 2`, whose logit is twice Fisher's z.

    Of two classes a rare one decides it alone; with more, no single one does.
    """
    occurring = true[true > 0].tolist()
    counted = occurring if len(true) == 2 else [rows]  # noqa: PLR2004
    quantile = methods.quantile(counted, [1] * len(counted))
    low, high = methods.on_logit_scale((1 + value) / 2, (1 + resampled) / 2, quantile, rows)
    return 2 * low - 1, 2 * high - 1


def _mean_over_classes(name: str, value: float, resampled: Floats, rows: Floats, shares: Floats) -> tuple[float, float]:
    """Bounds of a mean over classes, with `shares` in it, of which those without rows are left out."""
    occurs = (rows > 0) & (shares > 0)
    if not occurs.any():
        return math.nan, math.nan
    counted = rows[occurs].tolist(), shares[occurs].tolist()
    of_counts = len(rows) > 2 and not name.endswith("roc_auc")  # noqa: PLR2004
    quantile = methods.quantile(*counted, freedom=FREEDOM_OF_COUNTS if of_counts else 1.0)
    return methods.on_logit_scale(value, resampled, quantile, methods.trials(*counted))


def _enclosing(name: str, value: float, limits: tuple[float, float]) -> Figure:
    """A figure whose bounds hold it and stay in its range."""
    if not math.isfinite(value):
        return UNDEFINED
    least, most = RANGES[name]
    low, high = (limit if math.isfinite(limit) else value for limit in limits)
    return Figure(value, min(value, max(low, least)), max(value, min(high, most)))
