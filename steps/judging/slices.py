"""Where the model fails: parts of the test rows whose log loss is higher than that of the other rows, beyond chance.

Every part of every column that the model reads is asked (`parts`), and every pair of parts of two columns. A part's
p-value is one-sided and that of shuffling the rows' losses: their mean over so many rows drawn without replacement has
a known mean, variance and skewness, and the Pearson type III distribution with these stands for it (losses are too
skewed for a normal one, and so many slices ask for p-values that shuffling itself cannot give). A pair has to be worse
than the rest of either of its parts: its p-value is the greater of those two. Then Benjamini and Hochberg's correction
for all slices that were asked.

Log loss is defined for rows of one class too, so a slice needs rows, not classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from pyfunc.schema import InputSchema
from steps.judging import metrics
from steps.judging.intervals import Figure, wilson
from steps.judging.metrics import Bools, Floats, Ints
from steps.judging.parts import Cut, Part, cut

FEWEST_ROWS = 30
LEVEL = 0.05  # share of false findings that is accepted
LISTED = 10
EXAMINED = 200  # slices that survive, the worst, among which those to list are looked for
SAME = 0.7  # of the rows of two slices that both hold, from which on only the first is listed
COLUMNS = 300  # that are cut; those that the model uses most
PAIRED = 24  # columns whose pairs are asked: 276 pairs of columns, some 7,000 slices
AT_ONCE = 4_000_000  # memberships of rows in parts held at a time: 32 MB
ROUNDING = 1e-10  # share of the mean square below which a variance is none: the losses are equal
SYMMETRIC = 1e-6  # skewness below which the distribution is normal


@dataclass(frozen=True)
class Slice:
    """Rows of the test file that are answered worse, and the others."""

    parts: tuple[Part, ...]
    rows: int
    positives: int | None  # two classes
    log_loss: Figure
    elsewhere: float
    error_rate: Figure
    error_rate_elsewhere: float
    p: float
    q: float  # corrected


@dataclass(frozen=True)
class Slices:
    """What was asked, and the worst of what was found."""

    asked: int
    asked_pairs: int
    columns: int
    paired: int  # columns whose pairs were asked
    survived: int
    fewest_rows: int
    level: float
    worst: tuple[Slice, ...]


@dataclass(frozen=True)
class _Sums:
    """Rows and losses of every part, and of every two of the first ones, whose pairs are asked."""

    own: Floats  # (n_parts,) rows
    powers: Floats  # (3, n_parts) sums of the losses, of their squares and of their cubes
    rows: Floats  # (n_paired, n_paired) rows in both
    losses: Floats  # (n_paired, n_paired) sums of the losses in both


def find(
    frame: pd.DataFrame,
    train: pd.DataFrame,
    schema: InputSchema,
    answered: tuple[Ints, Floats, Ints],
    positive_at: int | None,
    ranked: Sequence[str] = (),
) -> Slices:
    """Ask every slice.

    Args:
        frame: (n_rows, n_columns) enforced test rows, as the model reads them.
        train: (n_train_rows, n_columns) enforced training rows, which say where columns are cut.
        schema: of both.
        answered: true positions (n_rows,), probabilities (n_rows, n_classes), predicted positions (n_rows,).
        positive_at: position of the positive class; None for more than two classes.
        ranked: columns, the most important first; decides which are asked where there are many.
    """
    y, scores, predicted = answered
    order = {name: at for at, name in enumerate(ranked)}
    columns = sorted(schema.columns, key=lambda column: order.get(column.name, len(order)))[:COLUMNS]
    made = [cut(column.name, column.kind, frame[column.name], train[column.name]) for column in columns]
    losses = metrics.log_losses(y, scores)
    asked, p_values, means = _asked(made, losses)
    q_values = stats.false_discovery_control(p_values) if len(p_values) else p_values
    kept = np.flatnonzero(q_values <= LEVEL)
    parts = [part for each in made for part in each.parts]
    found = []
    for at in kept[np.argsort(-means[kept], kind="stable")][:EXAMINED]:
        pair = tuple(sorted({int(asked[at, 0]), int(asked[at, 1])}))
        is_in = np.logical_and.reduce([_members(made, one) for one in pair])
        named = tuple(parts[one] for one in pair)
        found.append((_slice(named, is_in, (y, losses, predicted), positive_at, (p_values[at], q_values[at])), is_in))
    found.sort(key=lambda each: (-each[0].log_loss.value, each[0].p, len(each[0].parts)))
    pairs = int((asked[:, 0] != asked[:, 1]).sum())
    return Slices(
        len(asked), pairs, len(made), min(PAIRED, len(made)), len(kept), FEWEST_ROWS, LEVEL, _different(found)
    )


def from_json(stored: Mapping[str, Any]) -> Slices:
    """The record that `evaluation.json` holds under `slices`."""
    worst = [
        Slice(
            **{
                **one,
                "parts": tuple(Part(**part) for part in one["parts"]),
                "log_loss": Figure.from_dict(one["log_loss"]),
                "error_rate": Figure.from_dict(one["error_rate"]),
            }
        )
        for one in stored["worst"]
    ]
    return Slices(**{**stored, "worst": tuple(worst)})


def shuffled_p(total: Floats, rows: Floats, powers: tuple[Floats, Floats, Floats], of: Floats) -> Floats:
    """How often `rows` losses drawn from `of` ones, without replacement, sum up to `total` or more.

    Args:
        total: sum of the losses.
        rows: how many they are.
        powers: sums of the losses of all `of` rows, of their squares and of their cubes.
        of: rows that are drawn from.

    Returns:
        Of the common shape of the arguments; 1 where nothing can be drawn otherwise.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean, square, third = (power / of for power in powers)
        second = square - mean**2
        third = third - 3 * mean * square + 2 * mean**3
        second = np.where(second > ROUNDING * square, second, 0.0)
        left = of - rows
        variance = rows * left / (of - 1) * second
        cubed = rows * left * (left - rows) / ((of - 1) * (of - 2)) * third
        z = (total - rows * mean) / np.sqrt(variance)
        skew = cubed / variance**1.5
        shape = 4 / skew**2
        at = shape + np.abs(shape) ** 0.5 * np.where(skew < 0, -z, z)
        tail = np.where(
            skew > 0, special.gammaincc(shape, np.maximum(at, 0)), special.gammainc(shape, np.maximum(at, 0))
        )
        found = np.where(np.abs(skew) < SYMMETRIC, special.ndtr(-z), tail)
    return np.where((variance > 0) & np.isfinite(found), found, 1.0)


def _asked(made: Sequence[Cut], losses: Floats) -> tuple[Ints, Floats, Floats]:
    """Positions of the two parts (n_asked, 2), twice the same for a single part; p-values and mean losses (n_asked,).

    The means are less that of all rows.
    """
    centred = losses - losses.mean()
    sums = _sums(made, centred)
    n_rows = float(len(losses))
    whole = tuple(np.float64((centred**power).sum()) for power in (1, 2, 3))
    own, close = sums.own, sums.own[: len(sums.rows)]
    singles = np.flatnonzero((own >= FEWEST_ROWS) & (n_rows - own >= FEWEST_ROWS))
    p_single = shuffled_p(sums.powers[0, singles], own[singles], whole, np.float64(n_rows))  # type: ignore[arg-type]
    column = np.repeat(np.arange(len(made)), [len(each.parts) for each in made])[: len(close)]
    is_asked = (column[:, None] < column[None, :]) & (sums.rows >= FEWEST_ROWS)
    is_asked &= (sums.rows < close[:, None]) & (sums.rows < close[None, :])
    first, second = np.nonzero(is_asked)
    rows, total = sums.rows[first, second], sums.losses[first, second]
    within = [
        shuffled_p(total, rows, (sums.powers[0, part], sums.powers[1, part], sums.powers[2, part]), own[part])
        for part in (first, second)
    ]
    asked = np.concatenate([np.column_stack([singles, singles]), np.column_stack([first, second])])
    means = np.concatenate([sums.powers[0, singles] / own[singles], total / rows])
    return asked, np.concatenate([p_single, np.maximum(*within)]), means


def _sums(made: Sequence[Cut], losses: Floats) -> _Sums:
    """The sums of losses (n_rows,)."""
    starts = np.cumsum([0, *(len(each.parts) for each in made)])
    n_parts = int(starts[-1])
    paired = int(starts[min(PAIRED, len(made))])
    rows, total = np.zeros((paired, paired)), np.zeros((paired, paired))
    powers, own = np.zeros((3, n_parts)), np.zeros(n_parts)
    step = max(1, AT_ONCE // n_parts)
    for low in range(0, len(losses), step):
        some = losses[low : low + step]
        member = np.zeros((len(some), n_parts))
        for start, each in zip(starts, made, strict=False):
            member[np.arange(len(some)), start + each.where[low : low + step]] = 1
        close = member[:, :paired]
        rows += close.T @ close
        total += close.T @ (close * some[:, None])
        powers += np.array([some, some**2, some**3]) @ member
        own += member.sum(axis=0)
    return _Sums(own, powers, rows, total)


def _different(found: Sequence[tuple[Slice, Bools]]) -> tuple[Slice, ...]:
    """The first slices of a list, without those that hold mostly the same rows as one before them."""
    kept: list[tuple[Slice, Bools]] = []
    for one, is_in in found:
        if len(kept) == LISTED:
            break
        if not any((is_in & other).sum() >= SAME * (is_in | other).sum() for _, other in kept):
            kept.append((one, is_in))
    return tuple(one for one, _ in kept)


def _members(made: Sequence[Cut], position: int) -> Bools:
    """The rows (n_rows,) of a part, by its position among all parts."""
    for each in made:
        if position < len(each.parts):
            return np.asarray(each.where == position)
        position -= len(each.parts)
    raise AssertionError("no such part")


def _slice(
    parts: tuple[Part, ...],
    is_in: Bools,
    answered: tuple[Ints, Floats, Ints],
    positive_at: int | None,
    chance: tuple[float, float],
) -> Slice:
    """The figures of a slice and of the other rows."""
    y, losses, predicted = answered
    rows, wrong = int(is_in.sum()), predicted != y
    errors = float(wrong[is_in].sum())
    return Slice(
        parts=parts,
        rows=rows,
        positives=None if positive_at is None else int((y[is_in] == positive_at).sum()),
        log_loss=mean_of(losses[is_in]),
        elsewhere=float(losses[~is_in].mean()),
        error_rate=Figure(errors / rows, *wilson(errors, rows)),
        error_rate_elsewhere=float(wrong[~is_in].mean()),
        p=float(chance[0]),
        q=float(chance[1]),
    )


def mean_of(losses: Floats) -> Figure:
    """The mean of losses (n,) with bounds by Student's distribution; without bounds for less than two."""
    mean = float(losses.mean())
    if len(losses) < 2:  # noqa: PLR2004 (a spread takes two)
        return Figure(mean, mean, mean)
    half = float(stats.t.ppf(0.975, len(losses) - 1) * losses.std(ddof=1) / np.sqrt(len(losses)))
    return Figure(mean, max(0.0, mean - half), mean + half)
