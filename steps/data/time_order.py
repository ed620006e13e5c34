"""Whether the test rows come after the training rows, as the rows of real use do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.errors import quoted
from pyfunc.schema import Column
from steps.data.samples import area, codes_of
from steps.records import Check

FEWEST_ROWS = 10  # with a time, in each file: the order of fewer is an accident
NEARLY_ALL = 0.99  # share of the pairs of a training and a test row: single rows out of order change nothing


def time_order(columns: Sequence[Column], train: Mapping[str, pd.Series], test: Mapping[str, pd.Series]) -> Check:
    """`time_order`: a warning where the model would be judged on the past.

    Args:
        columns: those that the model reads.
        train: the training file's converted columns (n_train,) by name.
        test: those of the test file (n_test,), in the same types.
    """
    later = {}
    for column in columns:
        if column.kind is Kind.DATETIME:
            share = _later(train[column.name].dropna(), test[column.name].dropna())
            if share is not None:
                later[column.name] = share
    if not later:
        return Check("time_order", "ok", "No column has times enough to say which file is the later one.")
    before = tuple(name for name, share in later.items() if share <= 1 - NEARLY_ALL)
    after = tuple(name for name, share in later.items() if share >= NEARLY_ALL)
    if before:
        what = f"By {quoted(before)} the test rows lie before the training rows: the model is judged on the past."
        fix = "Exchange the files or split at a date, the later rows for the test: in use, rows come after training."
        return Check("time_order", "warning", what, before, fix, later)
    if after:
        what = f"By {quoted(after)} the test rows lie after the training rows, as they will in use."
        return Check("time_order", "ok", what, after, "", later)
    names = tuple(later)
    what = (
        f"By {quoted(names)} both files cover the same time, as a random split does: how the model does on later rows"
        " is not tested."
    )
    return Check("time_order", "ok", what, names, "", later)


def _later(train: pd.Series, test: pd.Series) -> float | None:
    """Share of the pairs of rows in which the test row is the later one, ties half; None for too few times."""
    if min(len(train), len(test)) < FEWEST_ROWS:
        return None
    codes = codes_of(Kind.DATETIME, pd.concat([train, test], ignore_index=True))
    return area(codes, np.repeat([False, True], [len(train), len(test)]))
