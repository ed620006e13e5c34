"""What drives the answers: how much worse they get when one column's cells are dealt out anew.

On test rows and raw columns, as a user knows them. A column whose knowledge stands in another one too looks less
important than it is; such columns are therefore also dealt out together, as the groups that `related` finds. None of
this says what causes what.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from steps.judging import metrics
from steps.judging.metrics import Floats, Ints

SEED = 1
ROWS = 2000  # more rows narrow the spread less than they cost
FEWEST_ROWS = 200
FEWEST_OF_CLASS = 20  # where the file has them, so that a rare class is not lost from the sample
REPEATS = 5
LIMIT_S = 5.0

Answer = Callable[[pd.DataFrame], tuple[Floats, Ints]]
"""A model as this module needs it: an enforced frame to probabilities (n_rows, n_classes) and positions (n_rows,)."""


@dataclass(frozen=True)
class Importance:
    """One column: mean drop of the metric when it is shuffled (positive: the model uses it), and its range."""

    column: str
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupImportance:
    """Columns that know the same, shuffled together: mean drop of the metric, and its range."""

    columns: tuple[str, ...]
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class Importances:
    """All measured columns, the most important first, and what the measurement rests on."""

    metric: str
    columns: tuple[Importance, ...]
    rows: int
    repeats: int
    left_out: int  # columns that there was no time for
    groups: tuple[GroupImportance, ...] = ()  # the most important first


def measure(
    answer: Answer,
    frame: pd.DataFrame,
    y: Ints,
    positive_at: int | None,
    metric: str,
    limit_s: float = LIMIT_S,
    groups: Sequence[Sequence[str]] = (),
) -> Importances:
    """Shuffle each column in turn, and each group of columns, and score again.

    Args:
        answer: the model, at its threshold.
        frame: (n_rows, n_columns) enforced; not changed.
        y: (n_rows,) positions of the true classes.
        positive_at: position of the positive class for two classes, else None.
        metric: one of `metrics.METRICS`.
        limit_s: wall-clock limit in seconds for the repeats; the first round, which looks at every column once, may
            take as long again. What does not fit is left out and counted.
        groups: columns that are shuffled together, beside each for itself; all rows of a group stay whole.
    """
    place = {name: at for at, name in enumerate(frame.columns)}
    asked = [(at,) for at in range(frame.shape[1])] + [tuple(place[name] for name in group) for group in groups]
    with threadpool_limits(1):  # threads of small scorings wait for each other longer than they help
        return _measure(answer, frame, y, positive_at, metric, limit_s, asked)


def _measure(
    answer: Answer,
    frame: pd.DataFrame,
    y: Ints,
    positive_at: int | None,
    metric: str,
    limit_s: float,
    asked: Sequence[tuple[int, ...]],
) -> Importances:
    """`measure` on one thread; `asked` are the positions of columns that are shuffled together."""
    source = np.random.default_rng(SEED)
    kept = _sample(y, ROWS, source)
    answer(frame.iloc[kept[:1]].reset_index(drop=True))  # the first call of a pipeline is slow and would mislead
    seconds, base = _timed(answer, frame.iloc[kept], y[kept], positive_at, metric)
    wanted = seconds * len(asked) * REPEATS
    if wanted > limit_s and len(kept) > FEWEST_ROWS:
        kept = _sample(y, max(FEWEST_ROWS, int(len(kept) * limit_s / wanted)), source)
        seconds, base = _timed(answer, frame.iloc[kept], y[kept], positive_at, metric)
    if not math.isfinite(base):
        return Importances(metric, (), len(kept), 0, frame.shape[1])
    rows, truth = frame.iloc[kept].reset_index(drop=True), y[kept]
    deadline = time.monotonic() + limit_s
    drops: dict[tuple[int, ...], list[float]] = {}
    for repeat in range(REPEATS):
        for group in asked:
            if time.monotonic() + seconds > deadline + (0 if repeat else limit_s):
                return _summary(metric, rows, drops, repeat)
            shuffled = rows.copy()
            order = source.permutation(len(rows))
            for at in group:
                shuffled.isetitem(at, rows.iloc[order, at].array)
            value = _figure(answer, shuffled, truth, positive_at, metric)
            drops.setdefault(group, []).append(float(metrics.gain(metric, base, value)))
    return _summary(metric, rows, drops, REPEATS)


def _summary(metric: str, rows: pd.DataFrame, drops: dict[tuple[int, ...], list[float]], repeats: int) -> Importances:
    """Means and ranges of the full rounds; of the first round where not even that was done."""
    complete = max(1, repeats)
    singles, groups = [], []
    for asked, all_of in drops.items():
        of = all_of[:complete]
        names, figures = tuple(str(rows.columns[at]) for at in asked), (float(np.mean(of)), min(of), max(of))
        if len(names) == 1:
            singles.append(Importance(names[0], *figures))
        else:
            groups.append(GroupImportance(names, *figures))
    singles.sort(key=lambda each: (-each.drop, each.column))
    groups.sort(key=lambda each: (-each.drop, each.columns))
    left_out = rows.shape[1] - len(singles)
    return Importances(metric, tuple(singles), len(rows), complete, left_out, tuple(groups))


def _sample(y: Ints, size: int, source: np.random.Generator) -> Ints:
    """Row numbers (at most about `size`,), sorted: each class in its share, but not fewer rows than needed."""
    if len(y) <= size:
        return np.arange(len(y))
    kept = []
    for at in np.unique(y):
        rows = np.flatnonzero(y == at)
        share = max(round(size * len(rows) / len(y)), min(len(rows), FEWEST_OF_CLASS))
        kept.append(source.choice(rows, share, replace=False))
    return np.sort(np.concatenate(kept))


def _timed(answer: Answer, frame: pd.DataFrame, y: Ints, positive_at: int | None, metric: str) -> tuple[float, float]:
    """Seconds that one scoring takes, and the metric of the untouched rows."""
    start = time.monotonic()
    value = _figure(answer, frame.reset_index(drop=True), y, positive_at, metric)
    return time.monotonic() - start, value


def _figure(answer: Answer, frame: pd.DataFrame, y: Ints, positive_at: int | None, metric: str) -> float:
    """The metric of one scoring."""
    scores, predicted = answer(frame)
    return metrics.figures(y, scores, predicted, positive_at)[metric]
