from __future__ import annotations

import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.errors import TrainingRefusedError
from pyfunc.schema import Column, InputSchema, Target
from steps.data.profile import describe, encode, features, labels_of, profile, target_of
from steps.data.readers import read
from tests.conftest import DATA


def kind(cells: list[object], name: str = "column", dtype: object = object) -> Kind:
    """The kind of a column with these cells."""
    return describe(name, pd.Series(cells, dtype=dtype)).kind


def test_the_table_of_the_tests_is_what_its_readme_says(loans):
    """The program in the README makes the file, byte by byte."""
    program = re.search(r"```python\n(.*?)```", (DATA / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert program is not None
    made = subprocess.run([sys.executable, "-X", "utf8", "-c", program[1]], capture_output=True, check=True)
    assert made.stdout == loans


def test_loans_are_described(loans):
    """Each column of the table provokes what its README says."""
    schema = profile(read(loans, "loans.csv").frame, "approved")
    kinds = {column.name: str(column.kind) for column in schema.columns}
    assert kinds == {
        "income": "number", "age": "number", "children": "number", "amount": "number", "city": "category",
        "purpose": "category", "branch": "category", "since": "datetime", "employed": "boolean",
    }  # fmt: skip
    assert [(column.name, str(column.kind)) for column in schema.left_out] == [
        ("loan_id", "identifier"),
        ("currency", "constant"),
    ]
    facts = {column.name: column for column in schema.columns}
    assert facts["children"].missing == round(1 / 240, 6)
    assert facts["branch"].categories == ("007", "012", "103")
    assert facts["city"].categories == ("A Coruña", "Cádiz", "León", "Málaga")
    assert (facts["amount"].minimum, facts["amount"].maximum) == (2000.0, 29500.0)
    assert facts["since"].minimum == "2019-01-04T00:00:00"
    assert schema.target == Target("approved", ("no", "yes"), integer=False, positive="no")
    assert all(column.reason for column in (*schema.columns, *schema.left_out))


@pytest.mark.parametrize("form", ["parquet", "json", "excel", "typed parquet"])
def test_the_schema_does_not_depend_on_the_format(loans, form):
    """The same table as CSV, Parquet, JSON and Excel gives the identical schema."""
    expected = profile(read(loans, "loans.csv").frame, "approved")
    dtype = {"branch": str, "loan_id": str}
    frame = pd.read_csv(io.BytesIO(loans), dtype=dtype, parse_dates=["since"] if form == "typed parquet" else None)
    out = io.BytesIO()
    if form == "json":
        out.write(frame.to_json(orient="records", force_ascii=False).encode())
    elif form == "excel":
        frame.to_excel(out, index=False)
    else:
        if form == "typed parquet":
            frame = frame.astype({"city": "category", "children": "Int64", "amount": "int64"})
        frame.to_parquet(out)
    found = profile(read(out.getvalue(), "body").frame, "approved")
    assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5", "NA", ""], Kind.NUMBER), ([1, 2.5, None], Kind.NUMBER), (["1", "2", "007"], Kind.CATEGORY),
        (["-01", "2"], Kind.CATEGORY), (["0", "0.5", "-0.5"], Kind.NUMBER), (["1", "x"], Kind.CATEGORY),
        (["true", "False", ""], Kind.BOOLEAN), ([True, False, None], Kind.BOOLEAN), ([True, 1], Kind.CATEGORY),
        (["true", "NA", "false"], Kind.BOOLEAN), (["0", "1"], Kind.NUMBER), (["yes", "no"], Kind.BOOLEAN),
        (["2024-01-01", "2024-01-02", "NA"], Kind.DATETIME), (["2024-01-01", "2024-02-30"], Kind.CATEGORY),
        (["2024-01-01T10:00Z", "2024-01-02T10:00+02:00"], Kind.DATETIME),
        (["2024-01-01T10:00Z", "2024-01-02T10:00"], Kind.CATEGORY),
        (["NA", "EU"], Kind.CATEGORY), (["a", "a"], Kind.CONSTANT), (["1", "1.0"], Kind.CONSTANT),
        ([None, ""], Kind.CONSTANT),
        (["NA", None, "null"], Kind.CONSTANT), (["a", None], Kind.CATEGORY), (["1", None], Kind.NUMBER),
        (["123456789012345678", "123456789012345679"], Kind.CATEGORY),
    ],
)  # fmt: skip
def test_kinds(cells, expected):
    """The kind follows from what the cells mean."""
    assert kind(cells) is expected


def test_tokens_are_gaps_in_numbers_and_categories_in_text():
    """`NA` among numbers is missing; among texts it is a value like others."""
    assert describe("n", pd.Series(["1", "2", "NA", "NA"])).missing == 0.5
    text = describe("t", pd.Series(["EU", "NA", "NA", None]))
    assert (text.missing, text.categories) == (0.25, ("EU", "NA"))


def test_zoned_times_are_kept_in_utc():
    """A column with zones says so, and its ends carry the zone."""
    column = describe("t", pd.Series(["2024-01-01T10:00+02:00", "2024-01-02T10:00Z"]))
    assert (column.spelling.timezone, column.minimum, column.maximum) == (
        "UTC",
        "2024-01-01T08:00:00+00:00",
        "2024-01-02T10:00:00+00:00",
    )


def test_dates_beyond_nanoseconds_are_categories_in_every_format():
    """Year 9999 fits no datetime; as text and as a microsecond column it is the same kind."""
    text = ["2024-01-01T00:00:00", "9999-12-31T00:00:00"] * 3
    typed = pd.Series(np.array(text, dtype="datetime64[us]"))
    assert describe("d", typed) == describe("d", pd.Series(text))


@pytest.mark.parametrize(
    ("n_distinct", "n_rows", "text", "expected"),
    [
        (20, 20, "k{}", Kind.CATEGORY), (21, 21, "k{}", Kind.IDENTIFIER), (50, 100, "k{}", Kind.CATEGORY),
        (51, 100, "k{}", Kind.IDENTIFIER), (51, 100, "a sentence of {} words", Kind.TEXT),
        (51, 100, "x" * 40 + "{}", Kind.IDENTIFIER),
    ],
)  # fmt: skip
def test_text_that_names_rows(n_distinct, n_rows, text, expected):
    """Mostly different texts without words are identifiers, sentences text, few different ones categories."""
    assert kind([text.format(at % n_distinct) for at in range(n_rows)]) is expected


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("customer_id", range(100, 2100, 100), Kind.IDENTIFIER),
        ("PassengerId", range(100, 2100, 100), Kind.IDENTIFIER),
        ("Row No", range(100, 2100, 100), Kind.IDENTIFIER), ("paid", range(100, 2100, 100), Kind.NUMBER),
        ("id", range(100, 2000, 100), Kind.NUMBER), ("reading", range(50), Kind.IDENTIFIER),
        ("reading", range(49), Kind.NUMBER),
        ("reading", range(0, 200, 4), Kind.NUMBER), ("reading", range(0, 150, 3), Kind.IDENTIFIER),
        ("id", [0.5, *range(99)], Kind.NUMBER),
        ("id", [*range(99), 5], Kind.NUMBER), ("id", [*range(99), None], Kind.NUMBER),
    ],
)  # fmt: skip
def test_numbers_that_name_or_count_rows(name, cells, expected):
    """Whole numbers without repeat and gap are identifiers by name, or where they are dense."""
    assert kind(list(cells), name) is expected
    assert kind([float(cell) if cell is not None else None for cell in cells], name, "float64") is expected


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["1", "inf"], "infinite_number"),
        ([1.0, np.inf], "infinite_number"),
        (["1", "1e39"], "number_too_large"),
        ([1, [2]], "not_text"),
    ],
)
def test_cells_that_no_model_can_read_are_refused(cells, code):
    """Infinite and huge numbers and nested cells are refused with column and row."""
    with pytest.raises(TrainingRefusedError) as caught:
        describe("x", pd.Series(cells, dtype=object))
    assert [(p.code, "'x'" in p.what, "row 2" in p.what) for p in caught.value.problems] == [(code, True, True)]


def test_ignored_columns_are_left_out_whatever_they_hold():
    """A column to ignore is named as such, also if no model could read it."""
    frame = pd.DataFrame({"a": [1, 2], "b": [[1], 2], "y": [0, 1]})
    found = features(frame, "y", ("b", "a"))
    assert [(column.name, column.reason) for column in found.left_out] == [
        ("a", "Left out on request."),
        ("b", "Left out on request."),
    ]
    assert found.problems == ()


def test_nothing_left_to_learn_from_is_refused_together_with_the_rest():
    """A schema without columns is refused, and a wrong positive label in the same answer."""
    with pytest.raises(TrainingRefusedError) as caught:
        profile(pd.DataFrame({"a": ["x", "x"], "y": ["0", "1"]}), "y", (), "2")
    assert [problem.code for problem in caught.value.problems] == ["no_columns", "positive_unknown"]


@pytest.mark.parametrize(
    ("cells", "classes", "is_integer"),
    [
        (["10", "2", "10"], ("2", "10"), True), ([10.0, 2.0], ("2", "10"), True), (["1.0", "0"], ("0", "1"), True),
        (["10", "2", "x"], ("10", "2", "x"), False), (["01", "2"], ("01", "2"), False),
        ([0.5, 1.0], ("0.5", "1"), False),
        ([True, False], ("false", "true"), False), (["True", "False"], ("False", "True"), False),
        (["yes", " no"], (" no", "yes"), False),
        (["é", "z", "a"], ("a", "z", "é"), False), (["-1", "1"], ("-1", "1"), True),
    ],
)  # fmt: skip
def test_labels(cells, classes, is_integer):
    """Whole numbers are integers, sorted by size; everything else is text as it stands, sorted by code point."""
    labels = labels_of(pd.Series(cells, dtype=object))
    assert (tuple(labels.counts), labels.integer) == (classes, is_integer)


def test_gaps_in_labels_have_rows():
    """Empty cells are gaps; tokens are among whole numbers, not among texts."""
    assert labels_of(pd.Series(["1", None, "NA", "0"])).gaps == [2, 3]
    assert labels_of(pd.Series(["a", None, "NA", ""])).gaps == [2, 4]


@pytest.mark.parametrize(
    ("cells", "asked", "positive"),
    [(["a", "a", "b"], "auto", "b"), (["a", "b", "b"], "auto", "a"), (["a", "b"], "auto", "b"), (["a", "b"], "a", "a"),
     (["9", "10"], "auto", "10"), (["a", "b", "c"], "auto", None), (["a", "b", "c"], "a", None)],
)  # fmt: skip
def test_the_positive_class(cells, asked, positive):
    """The rarer of two, on a tie the last, or the one asked for; none where there are more."""
    assert target_of("y", labels_of(pd.Series(cells)), asked).positive == positive


def test_a_positive_label_that_is_no_class_is_refused():
    """The classes are listed, because labels are names."""
    with pytest.raises(TrainingRefusedError, match="'no', 'yes'"):
        target_of("y", labels_of(pd.Series(["yes", "no"])), "maybe")


def test_encode_follows_the_schema():
    """Positions are by the schema's classes, in every form; gaps, tokens and other labels are -1."""
    whole = InputSchema((Column("a", Kind.NUMBER),), Target("y", ("2", "10"), integer=True))
    assert encode(pd.Series(["2", "10.0", "2.0", None, "NA", "3", "02"]), whole).tolist() == [0, 1, 0, -1, -1, -1, -1]
    assert encode(pd.Series([10, 2]), whole).tolist() == [1, 0]
    text = InputSchema((Column("a", Kind.NUMBER),), Target("y", ("false", "true")))
    assert encode(pd.Series([True, False, True]), text).tolist() == [1, 0, 1]
    assert encode(pd.Series(["true"]), text).dtype == np.int64
