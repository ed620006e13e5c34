"""Columns as codes for statistics, and samples of rows; the same files give the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pyfunc.cells import Kind

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def codes_of(kind: Kind, column: pd.Series) -> Floats:
    """Whole numbers from 0 as float64 (n_rows,), NaN for a gap.

    Numbers, times and booleans keep their order, and differences that float32 would lose (scikit-learn's trees are
    float32). Categories stand in the order of their number of rows, the commonest first. Of a
    text the length counts.
    """
    present = column.notna().to_numpy(dtype=bool)
    codes = np.full(len(column), np.nan)
    if not present.any():
        return codes
    held = column[present]
    if kind is Kind.CATEGORY:
        order = held.value_counts(sort=False).reset_index()
        order.columns = ["value", "rows"]
        order = order.sort_values(["rows", "value"], ascending=[False, True])  # no tie is left to chance
        codes[present] = held.map(dict(zip(order["value"], range(len(order)), strict=True))).to_numpy(dtype=np.float64)
        return codes
    if kind is Kind.TEXT:
        held = held.str.len()
    numbers = held.to_numpy(dtype="datetime64[ns]").astype(np.int64) if kind is Kind.DATETIME else held.to_numpy()
    codes[present] = np.unique(numbers, return_inverse=True)[1]
    return codes


def rows_for(size: int, total: int, most: int) -> int:
    """How many of `size` rows, out of `total`, belong into a sample of `most` rows."""
    return size if total <= most else round(most * size / total)


def sample(n_rows: int, most: int, seed: int) -> Ints:
    """Positions of at most `most` rows, in their order."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, most, replace=False))


def area(scores: Floats, is_one: Bools) -> float:
    """Area under the ROC curve of scores (n_rows,) for the rows that are one; ties count half. Both sorts have rows."""
    n_ones = int(is_one.sum())
    below = rankdata(scores)[is_one].sum() - n_ones * (n_ones + 1) / 2
    return float(below / (n_ones * (len(scores) - n_ones)))
