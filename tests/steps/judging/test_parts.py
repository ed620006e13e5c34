from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from steps.judging.parts import Part, between, cut, edges, said


def words(name, kind, values, train=None):
    """What each row's part is called."""
    column = pd.Series(values)
    made = cut(name, kind, column, column if train is None else pd.Series(train))
    return [said(made.parts[at]).removeprefix(f"\u201c{name}\u201d ") for at in made.where]


def test_numbers_are_cut_where_the_training_rows_say():
    """The training file's quartiles decide, and a number on an edge is in the part above it."""
    found = words("age", Kind.NUMBER, [1.0, 25, 49, 50, 99, np.nan], train=np.arange(1.0, 100))

    assert found == [
        "is below 26", "is below 26", "is 26 to below 50", "is 50 to below 75", "is 75 or more", "is missing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "train",
    [
        np.arange(100.0),
        np.random.default_rng(0).normal(size=500),
        np.random.default_rng(0).normal(1e9, 3e4, 500),
        np.random.default_rng(0).normal(size=500) * 1e-7,
        np.random.default_rng(0).exponential(size=500) ** 6,
        np.r_[np.zeros(400), np.arange(100)],
        np.r_[np.zeros(400), np.random.default_rng(0).random(100)],
        np.array([0.0, 1.0]),
    ],
)
def test_a_part_holds_exactly_what_it_is_called(train):
    """Reading the edges back from their words gives the same parts, whatever the scale, and no edge is outside."""
    made = cut("x", Kind.NUMBER, pd.Series(train), pd.Series(train))

    for value, at in zip(train, made.where, strict=True):
        part = made.parts[at]
        assert part.low is None or float(part.low) <= value
        assert part.high is None or value < float(part.high)
    assert len(set(made.where)) == len(made.parts) - 1  # none is empty but `missing`
    assert len(made.parts) > 2


def test_the_smallest_number_is_told_from_the_others_where_it_is_frequent():
    """Of a column that is nearly always 0, the rows above 0 are a part."""
    assert edges(np.r_[np.zeros(90), np.arange(1.0, 11)]) == ["1"]
    assert edges(np.r_[np.zeros(60), np.full(40, 0.25)])[0] == "0.1"


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.0, 1.0, "1"), (0.0, 0.25, "0.1"), (-1.0, 3.0, "0"), (2.5, 2.51, "2.51")]
)
def test_an_edge_between_two_numbers_is_short(low, high, found):
    """The fewest decimals that still divide them."""
    assert between(low, high) == found


def test_equal_numbers_and_no_numbers_are_not_cut():
    """One value, or none, makes one part; what is missing is another."""
    assert set(words("x", Kind.NUMBER, [3.0, 3, np.nan])) == {"is not missing", "is missing"}
    assert set(words("x", Kind.NUMBER, [np.nan, np.nan])) == {"is missing"}
    assert set(words("x", Kind.DATETIME, pd.to_datetime(pd.Series([None, None])))) == {"is missing"}
    assert set(words("x", Kind.CATEGORY, pd.Series([None, None], dtype=object))) == {"is missing"}


def test_the_commonest_categories_have_parts_of_their_own():
    """The rest of the training file's categories, and new ones, share one."""
    train = [letter for at, letter in enumerate("abcdefghijklmno") for _ in range(20 - at)]

    found = words("c", Kind.CATEGORY, ["a", "o", "new", None], train=train)

    assert found == ["is \u201ca\u201d", "is a rarer category", "is a rarer category", "is missing"]


def test_booleans_are_true_or_false():
    """By their words."""
    assert words("b", Kind.BOOLEAN, [1.0, 0.0, np.nan]) == ["is true", "is false", "is missing"]


@pytest.mark.parametrize(
    ("train", "values", "found"),
    [
        (pd.date_range("2016-01-01", "2023-12-31", freq="D"), ["2015-05-05", "2018-01-01", "2024-01-01"],
         ["is in 2017 or earlier", "is in 2018 to 2019", "is in 2021 or later"]),
        (pd.date_range("2024-01-01", "2024-08-31", freq="h"), ["2024-01-31", "2024-12-01"],
         ["is in 2024-02 or earlier", "is in 2024-07 or later"]),
        (pd.date_range("2024-01-01", "2024-01-09", freq="h"), ["2024-01-01", "2024-01-20"],
         ["is in 2024-01-02 or earlier", "is in 2024-01-07 or later"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_times_are_cut_in_whole_years_months_or_days(train, values, found, zone):
    """Whichever unit the training file covers; zones change nothing."""
    rows, trained = pd.Series(pd.to_datetime(values)), pd.Series(train)

    made = words("t", Kind.DATETIME, rows.dt.tz_localize(zone), trained.dt.tz_localize(zone))

    assert made == found


def test_long_numbers_and_names_are_readable():
    """Thin spaces, a true minus sign, names cut in the middle."""
    assert (
        said(Part("x", "range", None, "-12345.5", "1000000"))
        == "\u201cx\u201d is \u221212\u202f345.5 to below 1\u202f000\u202f000"
    )
    assert len(said(Part("n" * 200, "category", "v" * 200))) < 70
