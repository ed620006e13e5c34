"""What the model answers when one column is set to other values: for single rows, and on average.

Partial dependence with the curves of single rows (Friedman 2001, Goldstein et al. 2015), on test rows, through the
whole pipeline. It shows the model, not causes: the rows that are made up need not exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pyfunc.cells import Kind
from pyfunc.schema import Column
from steps.judging.metrics import Floats

SEED = 1
COLUMNS = 6
ROWS = 200  # of the test file, whose mean is shown
FEWEST_ROWS = 30
CURVES = 30  # of single rows
POINTS = 16  # places of a number's grid
ENDS = (0.01, 0.99)  # quantiles of the training rows between which the grid lies
CATEGORIES = 8  # the commonest of the training file
LIMIT_S = 4.0
SPREAD = (0.1, 0.9)  # of the rows, in the table

Scores = Callable[[pd.DataFrame], Floats]
"""A model as this module needs it: an enforced frame to probabilities (n_rows, n_classes)."""


@dataclass(frozen=True)
class Dependence:
    """One column: the probability of one class at each place of its grid.

    Attributes:
        column: its name.
        kind: what it holds.
        grid: numbers as they are, times in nanoseconds since 1970, positions for booleans and categories (n_points,).
        words: each place as text.
        class_at: position of the class whose probability it is.
        mean: over the rows (n_points,).
        low: tenth of the rows that is lowest (n_points,).
        high: tenth of the rows that is highest (n_points,).
        curves: of single rows (n_curves, n_points).
        rows: how many the mean rests on.
    """

    column: str
    kind: Kind
    grid: Floats
    words: tuple[str, ...]
    class_at: int
    mean: Floats
    low: Floats
    high: Floats
    curves: Floats
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without the curves of single rows."""
        return {
            "column": self.column,
            "class_at": self.class_at,
            "rows": self.rows,
            "at": list(self.words),
            "mean": self.mean.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }


def measure(
    scores: Scores,
    frame: pd.DataFrame,
    train: pd.DataFrame,
    columns: Sequence[Column],
    positive_at: int | None,
    limit_s: float = LIMIT_S,
) -> tuple[Dependence, ...]:
    """Set each column to each value of its grid, in a sample of the rows, and ask the model.

    Args:
        scores: the model.
        frame: (n_rows, n_columns) enforced test rows; not changed.
        train: (n_train_rows, n_columns) enforced training rows, which give the grids.
        columns: the ones to look at, in their order; at most six are, and none of texts.
        positive_at: position of the positive class for two classes; for more, each column shows the class whose
            probability it moves most.
        limit_s: wall-clock limit in seconds; fewer rows are asked where it would not do, and at last fewer columns.
    """
    source = np.random.default_rng(SEED)
    kept = np.sort(source.choice(len(frame), min(ROWS, len(frame)), replace=False))
    columns = [column for column in columns if column.kind is not Kind.TEXT]  # no grid of texts
    grids = [(column, *_grid(column, train[column.name])) for column in columns[:COLUMNS]]
    grids = [each for each in grids if len(each[2]) > 1]
    if not grids:
        return ()
    with threadpool_limits(1):
        scores(frame.iloc[kept[:1]].reset_index(drop=True))  # the first call of a pipeline is slow and would mislead
        start = time.monotonic()
        scores(_made_up(frame.iloc[kept], grids[0][0].name, grids[0][1]))
        seconds = (time.monotonic() - start) * sum(len(words) for _, _, words, _ in grids) / len(grids[0][2])
        if seconds > limit_s:
            fewer = max(min(FEWEST_ROWS, len(kept)), int(len(kept) * limit_s / seconds))
            kept = np.sort(source.choice(kept, fewer, replace=False))
        rows = frame.iloc[kept].reset_index(drop=True)
        found, deadline = [], start + 2 * limit_s
        for column, cells, words, places in grids:
            if time.monotonic() > deadline:
                break
            asked = scores(_made_up(rows, column.name, cells))
            by_row = asked.reshape(len(words), len(rows), -1).transpose(1, 0, 2)
            found.append(_of(column, places, words, by_row, positive_at))
    return tuple(found)


def _made_up(rows: pd.DataFrame, name: str, cells: pd.Series) -> pd.DataFrame:
    """The rows once for each cell, (n_cells * n_rows, n_columns), with the cell in the column."""
    whole = pd.concat([rows] * len(cells), ignore_index=True)
    whole[name] = cells.repeat(len(rows)).reset_index(drop=True)
    return whole


def _of(column: Column, grid: Floats, words: tuple[str, ...], by_row: Floats, positive_at: int | None) -> Dependence:
    """The curves of one class, from probabilities (n_rows, n_points, n_classes)."""
    means = by_row.mean(axis=0)
    at = int((means.max(axis=0) - means.min(axis=0)).argmax()) if positive_at is None else positive_at
    own = by_row[:, :, at]
    low, high = np.quantile(own, SPREAD, axis=0)
    thinned = own[np.unique(np.linspace(0, len(own) - 1, min(CURVES, len(own))).astype(int))]
    return Dependence(column.name, column.kind, grid, words, at, means[:, at], low, high, thinned, len(own))


def _grid(column: Column, train: pd.Series) -> tuple[pd.Series, tuple[str, ...], Floats]:
    """Cells (n_points,) of the column's own type, each as text, and where it is drawn; of present training cells."""
    present = train.dropna()
    if column.kind is Kind.CATEGORY:
        counts = present.astype(str).value_counts()
        listed = sorted(counts.index, key=lambda one: (-counts[one], one))[:CATEGORIES]
        return pd.Series(listed, dtype=object), tuple(listed), np.arange(len(listed), dtype=np.float64)
    if column.kind is Kind.BOOLEAN:
        return pd.Series([0.0, 1.0]), ("false", "true"), np.array([0.0, 1.0])
    if present.empty:
        return present, (), np.empty(0)
    places = np.linspace(*ENDS, POINTS)
    if column.kind is Kind.DATETIME:
        days = present.dt.floor("D").quantile(list(places)).dt.floor("D").drop_duplicates().reset_index(drop=True)
        words = tuple(day.date().isoformat() for day in days)
        return days.astype(train.dtype), words, days.astype("int64").to_numpy(dtype=np.float64)
    values = present.to_numpy(dtype=np.float64)
    grid = np.unique(np.quantile(values, places))
    if (values == np.floor(values)).all():
        grid = np.unique(np.round(grid))
    else:
        grid = np.unique([float(f"{value:.4g}") for value in grid])
    return pd.Series(grid), tuple(f"{value:.6g}".replace("-", "\u2212") for value in grid), grid
