from __future__ import annotations

import io
import warnings

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind, Spelling
from steps.data.checks import compare
from steps.data.describing import described
from steps.data.profile import describe, features, profile
from steps.data.readers import read


def column(cells: object, name: str = "column", dtype: object = object) -> object:
    """The description of a column with these cells."""
    return describe(name, pd.Series(cells, dtype=dtype))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["Yes", "No"], ("No", "Yes")), (["YES", "no", None], ("no", "YES")), (["yes", "Yes", "no"], ("no", "yes")),
        (["y", "n", "NA"], ("n", "y")), (["T", "F"], ("F", "T")), (["on", " off "], ("off", "on")),
        (["ja", "Nein"], ("Nein", "ja")), (["sí", "no"], ("no", "sí")), (["si", "no"], ("no", "si")),
        (["oui", "non"], ("non", "oui")), (["True", "FALSE"], ("false", "true")), ([True, False], ("false", "true")),
        (["true", None], ("false", "true")), (["-", "yes", "no"], ("no", "yes")),
    ],
)  # fmt: skip
def test_booleans_and_their_words(cells, words):
    """Known pairs are booleans with the words as they are written; true and false are lower-case in every format."""
    found = column(cells)
    assert (found.kind, found.spelling) == (Kind.BOOLEAN, Spelling(words=words))
    assert found.reason == f"Every value is {words[1]} or {words[0]}."


@pytest.mark.parametrize("cells", [["yes", "true"], ["yes", None], ["no", "oui"], ["yes", "no", "maybe"], ["m", "f"]])
def test_other_words_are_no_booleans(cells):
    """Half a pair, words of two pairs, a third word and unknown pairs are categories."""
    assert column(cells).kind is Kind.CATEGORY


@pytest.mark.parametrize(
    ("cells", "pattern", "ends"),
    [
        (["31/05/2024", "01/02/2024"], "%d/%m/%Y", ("2024-02-01", "2024-05-31")),
        (["05/31/2024", "01/02/2024"], "%m/%d/%Y", ("2024-01-02", "2024-05-31")),
        (["31-05-2024", "1-2-2024"], "%d-%m-%Y", ("2024-02-01", "2024-05-31")),
        (["31/05/24", "01/02/24"], "%d/%m/%y", ("2024-02-01", "2024-05-31")),
        (["01.02.2024", "3.4.2024", "?"], "%d.%m.%Y", ("2024-02-01", "2024-04-03")),
        (["01.02.24", "03.04.24"], "%d.%m.%y", ("2024-02-01", "2024-04-03")),
        (["2024/05/31", "2024/1/2"], "%Y/%m/%d", ("2024-01-02", "2024-05-31")),
        (["2024.05.31", "2024.01.02"], "%Y.%m.%d", ("2024-01-02", "2024-05-31")),
        (["31 May 2024", "1 Jun 2024"], "%d %b %Y", ("2024-05-31", "2024-06-01")),
        (["31-May-2024", "01-JUN-2024"], "%d-%b-%Y", ("2024-05-31", "2024-06-01")),
        (["May 31, 2024", "June 1, 2024"], "%B %d, %Y", ("2024-05-31", "2024-06-01")),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("time_of_day", "directives", "finest"),
    [("", "", "day"), (" 13:45", " %H:%M", "minute"), (" 13:45:10", " %H:%M:%S", "second"),
     (" 01:00 PM", " %I:%M %p", "hour"), (" 1:45:10 pm", " %I:%M:%S %p", "second")],
)  # fmt: skip
def test_dates_and_their_patterns(cells, pattern, ends, time_of_day, directives, finest):
    """One pattern that fits every text, with the time of day as it is written, and how fine the values are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = column([f"{cell}{time_of_day}" if cell != "?" else cell for cell in cells])
    assert found.kind is Kind.DATETIME
    assert found.spelling == Spelling(format=f"{pattern}{directives}", granularity=finest)
    assert (found.minimum[:10], found.maximum[:10]) == ends
    assert found.reason == f"Every value is a date or time, written {pattern}{directives}."


@pytest.mark.parametrize(
    ("cells", "first", "second"),
    [
        (["01/02/2024", "12/12/2024"], "%d/%m/%Y", "%m/%d/%Y"), (["1-2-2024", "3-4-2024"], "%d-%m-%Y", "%m-%d-%Y"),
        (["01/02/24", "02/02/24"], "%d/%m/%y", "%m/%d/%y"),
        (["01/02/2024 10:00", "02/02/2024 10:00"], "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_told_is_not_guessed(cells, first, second):
    """The column stays text, its reason says how to say the order, and the doubt is there for a check."""
    found = described("when", pd.Series(cells))
    assert (found.column.kind, found.doubt) == (Kind.CATEGORY, "ambiguous_dates")
    assert f"say kinds=when:datetime:{first} or kinds=when:datetime:{second}." in found.column.reason


@pytest.mark.parametrize(
    "cells",
    [
        ["31/05/2024", "05/31/2024"], ["31/02/2024", "01/01/2024"], ["1.2.10", "1.3.11"], ["31.05.2024", "2024-05-31"],
        ["31/05/2024", "31-05-2024"], ["31 Mai 2024", "1 Juni 2024"], ["10:30", "11:45"], ["now", "today"],
        ["31/05/2024 10:00", "31/05/2024"],
    ],
)  # fmt: skip
def test_what_is_no_date_stays_text(cells):
    """Two orders in one column, impossible dates, versions, mixed patterns and times alone are categories."""
    found = described("d", pd.Series(cells))
    assert (found.column.kind, found.doubt) == (Kind.CATEGORY, "")


@pytest.mark.parametrize(
    ("cells", "spelling", "ends"),
    [
        (["1.234,56 €", "7 €", "0,5"], Spelling(unit="€", thousands=".", decimal=","), (0.5, 1234.56)),
        (["$1,234.50", "-$7"], Spelling(unit="$", thousands=","), (-7.0, 1234.5)),
        (["1,234,567", "12"], Spelling(thousands=","), (12.0, 1234567.0)),
        (["1,234", "12.5"], Spelling(thousands=","), (12.5, 1234.0)),
        (["1.234.567", "1.234"], Spelling(thousands=".", decimal=","), (1234.0, 1234567.0)),
        (["12.5 %", "0", "?"], Spelling(unit="%"), (0.0, 0.125)),
        (["12,5%", "3%"], Spelling(unit="%", decimal=","), (0.03, 0.125)),
        (["1,5", "2,75"], Spelling(decimal=","), (1.5, 2.75)), (["0,123", "0,5"], Spelling(decimal=","), (0.123, 0.5)),
        (["5 EUR", "eur 7"], Spelling(unit="EUR"), (5.0, 7.0)),
        (["1 234", "5"], Spelling(thousands=" "), (5.0, 1234.0)),
        (["1'234.5", "5"], Spelling(thousands="'"), (5.0, 1234.5)), (["£5", "£ 7.25"], Spelling(unit="£"), (5.0, 7.25)),
    ],
)  # fmt: skip
def test_numbers_and_their_style(cells, spelling, ends):
    """Units and separators are found where every text fits one style."""
    found = column(cells)
    assert (found.kind, found.spelling, (found.minimum, found.maximum)) == (Kind.NUMBER, spelling, ends)
    assert found.reason.startswith("Every value is a number; ")


@pytest.mark.parametrize(
    "cells", [["1,234", "25,000"], ["1,234 €", "950 €"], ["1.234 €", "950 €"], ["$3.459", "$3.512"]]
)
def test_separators_that_cannot_be_told_are_not_guessed(cells):
    """Three digits behind every separator may be a thousand or decimals."""
    found = described("n", pd.Series(cells))
    assert (found.column.kind, found.doubt) == (Kind.CATEGORY, "ambiguous_numbers")
    assert "whether they have thousands or decimals cannot be told" in found.column.reason


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["$5", "5 €"], "Numbers with different units. 2 different values."),
        (["12.5%", "13"], "Some numbers carry % and some do not. 2 different values."),
        (["007", "12"], "Codes with leading zeros. 2 different values."),
        (["123456789012345678", "1"], "Whole numbers too large to be exact: codes. 2 different values."),
        (["007 €", "5 €"], "2 different values."), (["1,2,4", "1,3"], "2 different values."),
        (["1.5", "1,5"], "1 of 2 cells is a number; row 2 is not. 2 different values."),
    ],
)  # fmt: skip
def test_what_is_no_number_says_why(cells, reason):
    """Codes, mixed units and lists stay categories, with the reason."""
    found = column(cells)
    assert (found.kind, found.reason) == (Kind.CATEGORY, reason)


def test_mixed_columns_are_counted_and_named():
    """From half the cells on few others are named as likely faults; else the numbers among words are just said."""
    numbers = [str(at) for at in range(38)]
    mixed = described("m", pd.Series([*numbers[:2], "x", *numbers[2:15], "unknown", *numbers[15:], None, "?"]))
    assert mixed.doubt == "mixed_column"
    assert mixed.column.reason.startswith("38 of 40 cells are numbers; rows 3, 17 are not. ")
    few = described("m", pd.Series(["1", "x", "y"]))
    assert (few.doubt, few.column.reason) == ("", "1 of 3 cells is a number. 3 different values.")
    money = described("m", pd.Series(["$1,200.50", "$7", "5", "unknown"]))
    assert money.doubt == "mixed_column"
    assert money.column.reason.startswith("3 of 4 cells are numbers; row 4 is not. ")
    tickets = described("m", pd.Series([str(at) for at in range(30)] + [f"A/{at}" for at in range(11)]))
    assert tickets.doubt == ""
    assert tickets.column.reason.startswith("30 of 41 cells are numbers; rows 31, 32, 33, 34, 35 and 6 more are not. ")
    half = described("m", pd.Series(["1", "x"]))
    assert half.doubt == "mixed_column"


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("zip", ["28001", "28002"], Kind.CATEGORY), ("ZipCode", [28001, 28002.0, None], Kind.CATEGORY),
        ("plz_kunde", ["10115", "10117"], Kind.CATEGORY), ("Postal Code", ["28001", "28002"], Kind.CATEGORY),
        ("zip", ["28001.5", "28002"], Kind.NUMBER), ("zip", [1000 * at for at in range(1, 51)], Kind.NUMBER),
        ("zipper", ["28001", "28002"], Kind.NUMBER),
    ],
)  # fmt: skip
def test_postcodes_are_categories(name, cells, kind):
    """Whole numbers in a column named like postcodes are categories, as long as there are not too many; it is said."""
    found = column(cells, name)
    assert found.kind is kind
    assert ("postcodes" in found.reason) == ((name == "zip" and len(cells) > 2) or kind is Kind.CATEGORY)
    if kind is Kind.CATEGORY:
        assert found.categories[0] in ("28001", "10115")


@pytest.mark.parametrize(
    ("moments", "finest"),
    [
        (["2024-05-31", "2024-06-01"], "day"), (["2024-05-31T10:00", "2024-06-01"], "hour"),
        (["2024-05-31T10:01", None], "minute"), (["2024-05-31T10:00:01", "2024-05-31T10:00:02"], "second"),
        (["2024-05-31T10:00:00.5", "2024-05-31T10:00:02"], "subsecond"),
        (["1969-12-31T23:00Z", "1960-01-01T00:00Z"], "hour"),
    ],
)  # fmt: skip
def test_granularity_is_that_of_the_values(moments, finest):
    """The finest part that any value uses, as text and as a typed column alike."""
    typed = pd.to_datetime(pd.Series(moments), format="ISO8601")
    assert column(moments).spelling.granularity == finest
    assert describe("column", typed) == column(moments)


def test_one_table_in_many_formats_has_one_schema():
    """CSV, JSON, Parquet and Excel of a table with every spelling give the same columns."""
    rows = 40
    frame = pd.DataFrame(
        {
            "paid": ["Yes", "No"] * (rows // 2), "flag": [True, False] * (rows // 2), "whole": range(0, 7 * rows, 7),
            "price": [f"{at}.{at:03d},50 €" for at in range(1, rows + 1)], "share": [f"{at} %" for at in range(rows)],
            "when": [f"{1 + at % 28:02d}.{1 + at % 12:02d}.2024" for at in range(rows)],
            "stamp": [f"2024-01-{1 + at % 28:02d}" for at in range(rows)], "y": ["a", "b"] * (rows // 2),
        }
    )  # fmt: skip
    files = {}
    for ending, write in (
        ("csv", lambda out: out.write(frame.to_csv(index=False, sep="\t").encode())),
        ("json", lambda out: out.write(frame.to_json(orient="records").encode())),
        ("parquet", frame.to_parquet),
        ("xlsx", lambda out: frame.to_excel(out, index=False)),
        (
            "typed.parquet",
            frame.assign(stamp=pd.to_datetime(frame["stamp"]), paid=frame["paid"].astype("category")).to_parquet,
        ),
    ):
        out = io.BytesIO()
        write(out)
        files[ending] = profile(read(out.getvalue(), f"t.{ending}").frame, "y").to_dict()
    assert all(found == files["csv"] for found in files.values())
    kinds = [column["kind"] for column in files["csv"]["columns"]]
    assert kinds == ["boolean", "boolean", "number", "number", "number", "datetime", "datetime"]


def test_doubts_name_their_columns():
    """Features list the columns behind each doubt; ignored ones are no matter."""
    frame = pd.DataFrame({"a": ["1", "x"], "b": ["01/02/2024", "02/01/2024"], "c": ["2", "x"], "d": ["1,234", "2,345"]})
    assert features(frame, None).doubts == {
        "mixed_column": ("a", "c"), "ambiguous_dates": ("b",), "ambiguous_numbers": ("d",),
    }  # fmt: skip
    assert features(frame, None, ignore=("a", "b", "c", "d")).doubts == {}


def test_words_that_only_the_test_file_has_are_unseen():
    """A word that a boolean column does not know is a warning of the comparison, as an unseen category is."""
    train = pd.DataFrame({"a": ["yes", "no"] * 10, "n": range(0, 100, 5), "y": ["0", "1"] * 10})
    checks = {check.code: check for check in compare(train, train.assign(a=["maybe", "no"] * 10), "y").checks}
    assert (checks["unseen_category"].level, checks["unseen_category"].columns) == ("warning", ("a",))
    assert checks["unseen_category"].figures == {"cells": 10.0}
    assert checks["type_mismatch"].level == "ok"


def test_many_different_dates_and_sums_are_described():
    """Columns of which no text occurs twice are looked at as a whole, and found."""
    times = pd.Series(pd.date_range("2000-01-01", periods=5_000, freq="97min")).dt.strftime("%d.%m.%Y %H:%M")
    sums = pd.Series([f"{at:,.2f} €" for at in np.arange(5_000) * 17.5])
    for cells, kind in ((times, Kind.DATETIME), (sums, Kind.NUMBER)):
        assert describe("c", cells.astype(object)).kind is kind
