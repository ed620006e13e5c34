"""From an enforced frame to the plain columns that a compiled model answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.columns import Cell, Coded, Column

TEXTS = (Kind.CATEGORY, Kind.TEXT)


def columns_of(frame: pd.DataFrame, kinds: Sequence[Kind]) -> list[Column]:
    """The columns of an enforced frame (n_rows, n_columns), whose kinds are these."""
    made: list[Column] = []
    for at, kind in enumerate(kinds):
        values = frame.iloc[:, at]
        if kind in TEXTS:
            codes, texts = pd.factorize(values)
            made.append(Coded(codes, [str(text) for text in texts]))
        elif kind is Kind.DATETIME:
            made.append(values.to_numpy(dtype="datetime64[ns]"))
        else:
            made.append(values.to_numpy(dtype=np.float64))
    return made


def cells_of(frame: pd.DataFrame, kinds: Sequence[Kind]) -> list[Cell]:
    """The cells of an enforced frame of one row."""
    made: list[Cell] = []
    for at, kind in enumerate(kinds):
        cell: Any = frame.iloc[0, at]
        if kind in TEXTS:
            made.append(cell if isinstance(cell, str) else None)
        elif kind is Kind.DATETIME:
            made.append(pd.Timestamp(cell).to_datetime64() if not pd.isna(cell) else np.datetime64("NaT", "ns"))
        else:
            made.append(float(cell))
    return made
