from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.schema import Column
from steps.data.time_order import time_order

DAY = Column("day", Kind.DATETIME)


def days(first: str, number: int) -> pd.Series:
    """So many days from a first one on."""
    return pd.Series(pd.date_range(first, periods=number))


@pytest.mark.parametrize(
    ("train", "test", "level", "said"),
    [
        (days("2023-01-01", 100), days("2023-04-11", 40), "ok", "after the training rows"),
        (days("2023-04-11", 100), days("2023-01-01", 40), "warning", "before the training rows"),
        (days("2023-01-01", 100), days("2023-02-01", 40), "ok", "cover the same time"),
        (days("2023-01-01", 100), days("2023-04-11", 9), "ok", "times enough"),
        (days("2023-01-01", 100), pd.Series(pd.NaT, range(40), dtype="datetime64[ns]"), "ok", "times enough"),
        (pd.Series(days("2023-01-01", 1).repeat(50)), pd.Series(days("2023-01-01", 1).repeat(50)), "ok", "same time"),
    ],
)
def test_the_order_of_the_files(train, test, level, said):
    """Later test rows are as they should be, earlier ones a warning, mixed ones a random split; few say nothing."""
    check = time_order([DAY], {"day": train}, {"day": test})

    assert (check.code, check.level) == ("time_order", level)
    assert said in check.what
    assert bool(check.fix) == (level == "warning")


def test_a_few_rows_out_of_order_change_nothing():
    """One test row from after the training does not hide that all others lie before it."""
    test = pd.concat([days("2022-01-01", 199), days("2024-01-01", 1)], ignore_index=True)
    check = time_order([DAY], {"day": days("2023-01-01", 100)}, {"day": test})

    assert check.level == "warning"
    assert check.figures["day"] == pytest.approx(1 / 200)


def test_random_splits_are_never_a_warning():
    """Even of small files, whose times differ by chance."""
    times = days("2023-01-01", 30)
    for seed in range(200):
        mixed = times[np.random.default_rng(seed).permutation(30)]
        assert time_order([DAY], {"day": mixed[:20]}, {"day": mixed[20:]}).level == "ok"


def test_files_without_times():
    """Nothing is to be said, and numbers are no times."""
    column = Column("age", Kind.NUMBER)
    values = {"age": pd.Series(np.arange(50.0))}

    assert time_order([column], values, values).columns == ()
