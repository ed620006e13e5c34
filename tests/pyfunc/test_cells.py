from __future__ import annotations

import datetime as dt
import decimal
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfunc import cells
from pyfunc.cells import Kind, Spelling, convert, objects, text_of
from pyfunc.scalars import number_of

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes(), st.times(),
    st.decimals(allow_nan=False), st.binary(max_size=4), st.lists(st.integers(), max_size=2),
)  # fmt: skip


def series(column: pd.Series, kind: Kind, timezone: str | None = None) -> pd.Series:
    """A converted column, after asserting that none of its cells was wrong."""
    result = convert(column, kind, Spelling(timezone=timezone))
    assert result.wrong == {}
    return result.values  # noqa: PD011 (a field of ours)


def values(cells_given: list[object], kind: Kind, timezone: str | None = None, dtype: object = object) -> list[object]:
    """Converted cells as a list."""
    return series(pd.Series(cells_given, dtype=dtype), kind, timezone).tolist()


def wrong(cells_given: list[object], kind: Kind, timezone: str | None = None, dtype: object = object) -> object:
    """Rows of cells that do not fit, by code."""
    return convert(pd.Series(cells_given, dtype=dtype), kind, Spelling(timezone=timezone)).wrong


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("00123", "00123"), (" a ", " a "), (True, "true"), (np.False_, "false"), (30, "30"), (np.int64(-3), "-3"),
        (30.0, "30"), (-0.0, "0"), (30.5, "30.5"), (np.float32(0.5), "0.5"), (2.0**53, "9007199254740992"),
        (1e20, "1e+20"), (float("inf"), "inf"), (decimal.Decimal("3.00"), "3"), (decimal.Decimal("3.10"), "3.10"),
        (10**30, str(10**30)), (dt.date(2024, 5, 31), "2024-05-31"),
        (pd.Timestamp(2024, 5, 31, 1), "2024-05-31T01:00:00"),
        (dt.time(1, 2), "01:02:00"), ([1], None), ({}, None), (b"x", None), (1j, None),
    ],
)  # fmt: skip
def test_a_cell_has_one_text(cell, text):
    """Numbers, booleans and dates have the text they would have in a file; what is no scalar has none."""
    assert text_of(cell) == text


def test_objects_tells_missing_cells():
    """None, NaN, NaT, pd.NA, empty and blank text are missing; tokens, zero and false are not."""
    column = pd.Series([None, np.nan, pd.NaT, pd.NA, "", " \t", "NA", 0, False], dtype=object)
    found, missing = objects(column)
    assert missing.tolist() == [True] * 6 + [False] * 3
    assert found[6:].tolist() == ["NA", 0, False]


@pytest.mark.parametrize("dtype", ["category", "string", "Int64", "boolean", "float32", "datetime64[ns]"])
def test_objects_reads_every_dtype(dtype):
    """Extension and numpy dtypes give Python objects and their gaps."""
    cell = {"category": "a", "string": "a", "Int64": 1, "boolean": True, "float32": 1.5}.get(
        dtype, pd.Timestamp(2024, 1, 1)
    )
    found, missing = objects(pd.Series([cell, None], dtype=dtype))
    assert found[0] == cell
    assert missing.tolist() == [False, True]


@pytest.mark.parametrize(
    "cells_given",
    [
        ["30", "", "1.5"],
        [30, None, 1.5],
        [" 30 ", "NA", "1.5"],
        ["+30", "nan", "15e-1"],
        [decimal.Decimal(30), np.nan, "1.50"],
    ],
)
def test_a_number_is_its_text(cells_given):
    """CSV, JSON and Parquet forms of a number are the same float64; gaps and tokens are NaN."""
    got = values(cells_given, Kind.NUMBER)
    assert got[0] == 30.0
    assert math.isnan(got[1])
    assert got[2] == 1.5


@pytest.mark.parametrize("dtype", ["int8", "uint64", "int64", "float32", "Int64", "Float64"])
def test_number_dtypes_become_float64(dtype):
    """Every numeric dtype is accepted and comes back as float64."""
    got = series(pd.Series([1, 2], dtype=dtype), Kind.NUMBER)
    assert got.dtype == np.float64
    assert got.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("abc", "not_a_number"), ("1,5", "not_a_number"), ("1_000", "not_a_number"), ("0x10", "not_a_number"),
        ("1e", "not_a_number"), ("٣", "not_a_number"), (True, "not_a_number"),
        ([1], "not_a_number"), (1j, "not_a_number"),
        (dt.date(2024, 1, 1), "not_a_number"), ("inf", "infinite_number"), ("-Infinity", "infinite_number"),
        ("1e999", "infinite_number"), (float("inf"), "infinite_number"), ("9007199254740993", "integer_too_large"),
        (2**53 + 1, "integer_too_large"), ("1" * 500, "integer_too_large"), ("1e39", "number_too_large"),
        (-1e39, "number_too_large"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_named(cell, code):
    """Each way of not being a number has its code, with the 1-based row."""
    assert wrong(["1", cell, "2"], Kind.NUMBER) == {code: [2]}


def test_largest_exact_integer_is_accepted():
    """2**53 is still exact as text, as integer and in an int64 column; one more is refused everywhere."""
    assert values([2**53, str(2**53)], Kind.NUMBER) == [2.0**53] * 2
    assert wrong([2**53, 1], Kind.NUMBER, dtype="int64") == {}
    assert wrong([2**53 + 1, -(2**53) - 1, 5], Kind.NUMBER, dtype="int64") == {"integer_too_large": [1, 2]}
    assert wrong([2**63, 1], Kind.NUMBER, dtype="uint64") == {"integer_too_large": [1]}


def test_float_columns_name_infinite_and_huge_rows():
    """In float dtypes infinite and huge numbers are told apart, and all rows are listed."""
    got = wrong([np.inf, 1.0, -np.inf, 1e39, np.nan], Kind.NUMBER, dtype="float64")
    assert got == {"infinite_number": [1, 3], "number_too_large": [4]}


def test_bool_column_is_no_number():
    """True is not silently 1."""
    assert wrong([True, False], Kind.NUMBER, dtype="bool") == {"not_a_number": [1, 2]}


@given(st.lists(st.text("0123456789+-.eE xXinfa_,", max_size=8), min_size=1, max_size=4))
def test_fast_and_careful_reading_of_numbers_agree(texts):
    """What the fast path accepts is what the careful one reads, to the last bit."""
    fast = cells._plain_numbers(np.array(texts, dtype=object))
    if fast is not None:
        assert fast.tolist() == [number_of(text, Spelling(), frozenset()) for text in texts]


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_number_text_round_trip(number):
    """A number written out is read back as itself."""
    assert values([repr(number), "x"][:1], Kind.NUMBER) == [number]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (True, 1.0),
        ("true", 1.0),
        ("TRUE ", 1.0),
        (1, 1.0),
        ("1.0", 1.0),
        (False, 0.0),
        ("False", 0.0),
        (0.0, 0.0),
        ("0", 0.0),
    ],
)
def test_booleans_by_their_text(cell, expected):
    """true, false, 1 and 0 are booleans in every form."""
    assert values([cell], Kind.BOOLEAN) == [expected]


@pytest.mark.parametrize("cell", ["yes", 2, 0.5, "t", "01", dt.date(2024, 1, 1)])
def test_what_is_none_of_the_words_is_unseen(cell):
    """Another text or number is missing and its row is known; it is no fault of the cell."""
    result = convert(pd.Series([True, cell], dtype=object), Kind.BOOLEAN)
    assert (result.wrong, result.unseen) == ({}, [2])
    assert result.values.isna().tolist() == [False, True]  # noqa: PD011 (a field of ours)


@pytest.mark.parametrize("cell", [[True], {}, b"true"])
def test_nested_cells_are_no_booleans(cell):
    """Lists, objects and bytes have no text that could be a word."""
    assert wrong([True, cell], Kind.BOOLEAN) == {"not_a_boolean": [2]}


@pytest.mark.parametrize("cells_given", [["YES", " no "], [True, False], [1, 0], ["1.0", "0.0"], ["true", "FALSE"]])
def test_a_column_with_words_takes_its_words_and_the_plain_ones(cells_given):
    """The column's own words in any casing, true and false, 1 and 0 are accepted side by side."""
    spelling = Spelling(words=("No", "Yes"))
    assert convert(pd.Series(cells_given, dtype=object), Kind.BOOLEAN, spelling).values.tolist() == [1.0, 0.0]  # noqa: PD011
    assert convert(pd.Series(["ja"], dtype=object), Kind.BOOLEAN, spelling).unseen == [1]


def test_boolean_dtypes_and_gaps():
    """bool, nullable boolean, objects with None and missing tokens give float64 with NaN."""
    assert values([True, False], Kind.BOOLEAN, dtype="bool") == [1.0, 0.0]
    assert np.isnan(values([None, True], Kind.BOOLEAN, dtype="boolean")[0])
    assert np.isnan(values(["NA", "true"], Kind.BOOLEAN)[0])


def test_categories_are_text_as_it_stands():
    """Texts keep zeros, tokens and spaces; numbers and booleans have their text; blank text is missing."""
    got = values(["00123", "NA", " x", 30, 30.0, True, None, ""], Kind.CATEGORY)
    assert got[:6] == ["00123", "NA", " x", "30", "30", "true"]
    assert all(isinstance(gap, float) and math.isnan(gap) for gap in got[6:])


def test_empty_category_column_has_nan_not_none():
    """Gaps are NaN, because scikit-learn's imputer ignores None."""
    got = series(pd.Series([None, None], dtype=object), Kind.CATEGORY)
    assert got.dtype == object
    assert [type(gap) for gap in got] == [float, float]


def test_nested_cells_are_no_categories():
    """Lists and objects are refused with their rows, beside good cells."""
    assert wrong(["a", [1], {"b": 1}, None], Kind.CATEGORY) == {"not_text": [2, 3]}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-05-31", "2024-05-31T00:00:00"), (" 2024-05-31 ", "2024-05-31T00:00:00"),
        ("2024-05-31T13:45", "2024-05-31T13:45:00"), ("2024-05-31 13:45:10,5", "2024-05-31T13:45:10.500000"),
        (dt.date(2024, 5, 31), "2024-05-31T00:00:00"), (pd.Timestamp("2024-05-31"), "2024-05-31T00:00:00"),
        (np.datetime64("2024-05-31"), "2024-05-31T00:00:00"),
    ],
)  # fmt: skip
def test_dates_without_zone(cell, expected):
    """ISO text, dates and timestamps are the same moment."""
    assert values([cell], Kind.DATETIME)[0] == pd.Timestamp(expected)


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+0000", "+00", " +00:00"])
def test_dates_with_zone_are_converted_to_utc(zone):
    """Every ISO form of a zone is understood; the result is in UTC."""
    got = values([f"2024-05-31T12:00:00{zone}", "2024-05-31T14:00:00+02:00"], Kind.DATETIME, "UTC")
    assert got == [pd.Timestamp("2024-05-31T12:00:00", tz="UTC")] * 2


@pytest.mark.parametrize(
    ("cell", "timezone", "code"),
    [
        ("2024-02-30", None, "not_a_datetime"), ("31.05.2024", None, "not_a_datetime"),
        ("2024", None, "not_a_datetime"),
        ("9999-12-31", None, "not_a_datetime"), ("0001-01-01", None, "not_a_datetime"),
        (20240531, None, "not_a_datetime"),
        (dt.time(1), None, "not_a_datetime"), ("2024-05-31T12:00:00Z", None, "unwanted_time_zone"),
        ("2024-05-31T12:00:00", "UTC", "no_time_zone"), ("2024-05-31", "UTC", "no_time_zone"),
        ("2024-05-31T24:61", None, "not_a_datetime"), ("2024-05-31T12:00:00+99:99", "UTC", "not_a_datetime"),
    ],
)  # fmt: skip
def test_what_is_no_date_is_named(cell, timezone, code):
    """Impossible, ambiguous and unreachable dates and wrong zones have their codes."""
    assert wrong([None, cell], Kind.DATETIME, timezone) == {code: [2]}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetime_dtypes(unit):
    """Every resolution becomes nanoseconds; zones are converted to UTC."""
    naive = pd.Series(["2024-05-31T12:00:00", None]).astype("datetime64[ns]").astype(f"datetime64[{unit}]")
    got = series(naive, Kind.DATETIME)
    assert got.dtype == "datetime64[ns]"
    assert got.isna().tolist() == [False, True]
    zoned = series(naive.dt.tz_localize("Europe/Madrid"), Kind.DATETIME, "UTC")
    assert zoned.dtype == "datetime64[ns, UTC]"
    assert zoned[0] == pd.Timestamp("2024-05-31T10:00:00Z")
    assert wrong(naive.dt.tz_localize("UTC").tolist(), Kind.DATETIME, None, "datetime64[ns, UTC]") == {
        "unwanted_time_zone": [1]
    }
    assert convert(naive, Kind.DATETIME, Spelling(timezone="UTC")).wrong == {"no_time_zone": [1]}


def test_datetime_dtype_beyond_nanoseconds_is_named():
    """Year 9999 in a microsecond column, a common way to say never, is refused with its row."""
    column = pd.Series(np.array(["2024-01-01", "9999-12-31"], dtype="datetime64[us]"))
    assert convert(column, Kind.DATETIME).wrong == {"not_a_datetime": [2]}


@given(st.lists(st.from_regex(cells.DATE_TEXT, fullmatch=True), min_size=1, max_size=5), st.sampled_from([None, "UTC"]))
def test_date_like_text_is_converted_or_named(texts, timezone):
    """Whatever looks like a date becomes a moment or a row in a problem."""
    result = convert(pd.Series(texts, dtype=object), Kind.DATETIME, Spelling(timezone=timezone))
    named = {row for rows in result.wrong.values() for row in rows}
    assert named or series(pd.Series(texts, dtype=object), Kind.DATETIME, timezone).notna().all()


@given(st.lists(SCALARS, max_size=6), st.sampled_from(list(Kind)), st.sampled_from([None, "UTC"]))
def test_any_cells_are_converted_or_named(given_cells, kind, timezone):
    """No cell raises: it is converted, missing, or its row is named; the column is as long as before and untouched."""
    column = pd.Series(given_cells, dtype=object)
    before = column.copy()
    result = convert(column, kind, Spelling(timezone=timezone))
    assert len(result.values) == len(column)
    rows = [row for rows in result.wrong.values() for row in rows]
    assert all(1 <= row <= len(column) for row in rows)
    assert [repr(cell) for cell in column] == [repr(cell) for cell in before]


def test_own_missing_tokens_replace_the_usual_ones():
    """Tokens are the schema's, not the program's."""
    result = convert(pd.Series(["?", "1"], dtype=object), Kind.NUMBER, missing_tokens=("?",))
    assert result.wrong == {}
    assert convert(pd.Series(["NA"], dtype=object), Kind.NUMBER, missing_tokens=()).wrong == {"not_a_number": [1]}


def test_the_index_does_not_matter():
    """A filtered frame's index does not shift rows."""
    column = pd.Series(["1", "x"], index=[7, 7], dtype=object)
    assert convert(column, Kind.NUMBER).wrong == {"not_a_number": [2]}
    assert series(column, Kind.CATEGORY).index.tolist() == [0, 1]
