from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfunc.cells import Kind, Spelling
from pyfunc.errors import SchemaMismatchError
from pyfunc.schema import Column, InputSchema, LeftOut, Target

SCHEMA = InputSchema(
    columns=(
        Column("age", Kind.NUMBER, minimum=18.0, maximum=90.0),
        Column("city", Kind.CATEGORY, categories=("Cádiz", "León")),
        Column("employed", Kind.BOOLEAN),
        Column("since", Kind.DATETIME, minimum="2019-01-01T00:00:00", maximum="2024-12-31T00:00:00"),
        Column(
            "seen",
            Kind.DATETIME,
            minimum="2019-01-01T00:00:00+00:00",
            maximum="2024-12-31T00:00:00+00:00",
            spelling=Spelling(timezone="UTC"),
        ),
    ),
    target=Target("approved", ("no", "yes"), positive="yes"),
    left_out=(LeftOut("id", Kind.IDENTIFIER, "It names rows."),),
)
ROW = {"age": 30, "city": "León", "employed": True, "since": "2020-02-29", "seen": "2020-02-29T12:00:00Z"}


def enforce(*rows: dict[str, object]) -> pd.DataFrame:
    """The enforced frame of accepted rows."""
    return SCHEMA.enforce(pd.DataFrame(rows, dtype=object), "test")[0]


def problems(frame: pd.DataFrame) -> dict[str, str]:
    """What is wrong with refused rows, by code."""
    with pytest.raises(SchemaMismatchError) as caught:
        SCHEMA.enforce(frame, "request body")
    assert {p.where for p in caught.value.problems} == {"request body"}
    return {p.code: p.what for p in caught.value.problems}


def test_enforced_types():
    """Numbers and booleans become float64, categories objects, dates nanoseconds, in the schema's order."""
    frame = enforce(dict(reversed(ROW.items())))
    assert list(frame.columns) == SCHEMA.names
    dtypes = ["float64", "object", "float64", "datetime64[ns]", "datetime64[ns, UTC]"]
    assert [str(dtype) for dtype in frame.dtypes] == dtypes
    assert frame.iloc[0].tolist() == [30.0, "León", 1.0, pd.Timestamp("2020-02-29"), pd.Timestamp("2020-02-29T12:00Z")]


def test_the_same_row_in_every_form():
    """Typed columns, text as in CSV, and JSON values give the identical frame."""
    typed = pd.DataFrame(
        {
            "age": np.array([30], dtype=np.int64),
            "city": pd.Categorical(["León"]),
            "employed": [True],
            "since": pd.to_datetime(["2020-02-29"]),
            "seen": pd.to_datetime(["2020-02-29T14:00:00+02:00"]),
        }
    )
    text = {"age": "30", "city": "León", "employed": "true", "since": "2020-02-29", "seen": "2020-02-29 12:00:00+00:00"}
    expected = enforce(ROW)
    pd.testing.assert_frame_equal(expected, SCHEMA.enforce(typed, "test")[0])
    pd.testing.assert_frame_equal(expected, enforce(text))


def test_gaps_of_every_kind():
    """None, NaN, empty text and missing tokens are NaN or NaT; an all-empty row is accepted."""
    frame = enforce(ROW, dict.fromkeys(ROW), dict.fromkeys(ROW, ""), dict.fromkeys(ROW, np.nan))
    assert frame.iloc[1:].isna().all().all()
    assert frame["city"].map(type).tolist() == [str, float, float, float]


def test_input_stays_untouched_and_index_is_fresh():
    """The caller's frame is not changed, whatever its index."""
    frame = pd.DataFrame([ROW, ROW], index=["b", "b"], dtype=object)
    before = frame.copy(deep=True)
    enforced, _ = SCHEMA.enforce(frame, "test")
    pd.testing.assert_frame_equal(frame, before)
    assert enforced.index.tolist() == [0, 1]


def test_extra_columns_are_named_once():
    """Columns that the model does not read are one notice, also when they were left out of training."""
    _, notices = SCHEMA.enforce(pd.DataFrame([{**ROW, "id": 1, "new": "x"}]), "test")
    assert [(n.code, n.columns, n.count) for n in notices] == [("extra_columns", ("id", "new"), 2)]


def test_unseen_category_counts_as_missing():
    """An unseen category becomes NaN, is counted and named without its value."""
    frame, notices = SCHEMA.enforce(pd.DataFrame([ROW, {**ROW, "city": "Secretville"}]), "test")
    assert frame["city"].isna().tolist() == [False, True]
    assert [(n.code, n.columns, n.count) for n in notices] == [("unseen_category", ("city",), 1)]
    assert "Secretville" not in notices[0].what


def test_numbers_out_of_range_are_kept_and_counted():
    """A number outside the training range stays and is a notice; the ends are inside."""
    frame, notices = SCHEMA.enforce(pd.DataFrame([{**ROW, "age": age} for age in (18, 90, 17, 91)]), "test")
    assert frame["age"].tolist() == [18.0, 90.0, 17.0, 91.0]
    assert [(n.code, n.count) for n in notices] == [("out_of_range", 2)]


def test_everything_wrong_is_said_at_once_without_values():
    """Missing columns and all wrong cells come in one answer, with rows and never with cells."""
    rows = [
        {"age": "SECRET", "employed": ["SECRET"], "since": "SECRET", "seen": "2020-01-01"},
        {"age": np.inf, "employed": None, "since": None, "seen": None},
    ]
    found = problems(pd.DataFrame(rows))
    assert found == {
        "missing_column": "'city' is missing.",
        "not_a_number": "'age' is not a number in row 1.",
        "infinite_number": "'age' is not a finite number in row 2.",
        "not_a_boolean": "'employed' is neither true nor false in row 1.",
        "not_a_datetime": "'since' is not a date or time in row 1.",
        "no_time_zone": "'seen' has no time zone in row 1.",
    }


def test_repeated_columns_are_refused():
    """A name that stands twice is refused by name, not answered from one of the two."""
    frame = pd.DataFrame([[*ROW.values(), 31]], columns=[*ROW, "age"])
    assert problems(frame) == {"duplicate_column": "'age' stands more than once."}


def test_no_rows_are_refused():
    """A frame without rows is an error, together with what is wrong with its columns."""
    assert problems(pd.DataFrame(columns=SCHEMA.names)) == {"no_rows": "There are no rows."}
    assert set(problems(pd.DataFrame())) == {"missing_column", "no_rows"}


def test_many_rows_are_counted():
    """More than five rows are not listed."""
    found = problems(pd.DataFrame([{**ROW, "age": "x"}] * 7))
    assert found["not_a_number"] == "'age' is not a number in rows 1, 2, 3, 4, 5 and 2 more."


@pytest.mark.parametrize("names", [[0, "a b"], ["", "é"], ["a" * 500, "<b>"]])
def test_strange_column_names(names):
    """Numbers, spaces, markup, empty and long names are names like others; integers by their text."""
    schema = InputSchema(tuple(Column(str(name), Kind.NUMBER) for name in names), Target("y", ("0", "1")))
    frame, notices = schema.enforce(pd.DataFrame([[1, 2]], columns=names), "test")
    assert frame.to_numpy().tolist() == [[1.0, 2.0]]
    assert notices == []


def test_json_round_trip():
    """What is stored is what is read back, through real JSON."""
    stored = json.loads(json.dumps(SCHEMA.to_dict()))
    assert InputSchema.from_dict(stored) == SCHEMA
    assert stored["format"] == 3
    assert stored["columns"][0]["kind"] == "number"


def test_unknown_schema_format_is_not_tried():
    """Another format number is refused."""
    with pytest.raises(ValueError, match="schema format 4"):
        InputSchema.from_dict({**SCHEMA.to_dict(), "format": 4})


FORMAT_1 = {
    "format": 1,
    "columns": [
        {"name": "age", "kind": "number", "reason": "Every value is a number.", "missing": 0.25, "categories": [],
         "minimum": 18.0, "maximum": 90.0, "timezone": None},
        {"name": "city", "kind": "category", "reason": "2 different values.", "missing": 0.0,
         "categories": ["Cádiz", "León"], "minimum": None, "maximum": None, "timezone": None},
        {"name": "seen", "kind": "datetime", "reason": "Every value is a date or time.", "missing": 0.0,
         "categories": [], "minimum": "2019-01-01T00:00:00+00:00", "maximum": "2024-12-31T00:00:00+00:00",
         "timezone": "UTC"},
    ],
    "left_out": [{"name": "id", "kind": "identifier", "reason": "It names rows."}],
    "target": {"name": "approved", "classes": ["no", "yes"], "integer": False, "positive": "yes"},
    "unseen_category": "missing",
    "missing_tokens": ["NA", "null"],
}  # fmt: skip


def test_the_format_before_is_still_read():
    """A stored model of format 1 keeps its time zone, its tokens and everything else, and answers as before."""
    schema = InputSchema.from_dict(json.loads(json.dumps(FORMAT_1)))
    assert [column.spelling for column in schema.columns] == [Spelling(), Spelling(), Spelling(timezone="UTC")]
    assert (schema.columns[0].missing, schema.columns[1].categories) == (0.25, ("Cádiz", "León"))
    assert (schema.missing_tokens, schema.unseen_category) == (("NA", "null"), "missing")
    frame, _ = schema.enforce(pd.DataFrame([{"age": "NA", "city": "León", "seen": "2020-01-01T01:00+01:00"}]), "test")
    assert frame.iloc[0].isna().tolist() == [True, False, False]
    assert frame["seen"][0] == pd.Timestamp("2020-01-01T00:00Z")
    assert InputSchema.from_dict(schema.to_dict()) == schema


def test_format_2_is_still_read():
    """A stored schema of format 2 differs in nothing but that text was left out, and keeps it so."""
    left_out = (LeftOut("note", Kind.TEXT, "40 different texts in 50 rows: it is prose."),)
    schema = replace(SCHEMA, left_out=left_out)
    assert InputSchema.from_dict({**schema.to_dict(), "format": 2}) == schema
    assert schema.texts == ()


TEXTS = InputSchema((Column("note", Kind.TEXT), Column("n", Kind.NUMBER)), Target("y", ("0", "1")))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("a new word", "a new word"), ("  spaces ", "  spaces "), (30, "30"), (30.5, "30.5"), (True, "true"), ("NA", "NA"),
     ("\u202bשר\u202c 🙂", "\u202bשר\u202c 🙂"), ("x" * 100_000, "x" * 100_000)],
)  # fmt: skip
@pytest.mark.parametrize("policy", ["missing", "warn", "reject"])
def test_no_text_is_unseen(cell, expected, policy):
    """Any scalar is text as it is written, under every policy for categories, without a notice."""
    schema = replace(TEXTS, unseen_category=policy)
    frame, notices = schema.enforce(pd.DataFrame({"note": [cell], "n": [1]}), "test")
    assert (frame["note"].tolist(), notices) == ([expected], [])
    pd.testing.assert_frame_equal(schema.enforce(frame, "test")[0], frame)


def test_gaps_and_faults_of_text_columns_are_those_of_other_columns():
    """A gap is NaN and noticed where training had none, a list is refused, an absent column is missing."""
    frame, notices = TEXTS.enforce(pd.DataFrame({"note": [None, " ", "a"], "n": [1, 2, 3]}), "test")
    assert frame["note"].isna().tolist() == [True, True, False]
    assert [(n.code, n.columns, n.rows) for n in notices] == [("missing_value", ("note",), (1, 2))]
    with pytest.raises(SchemaMismatchError) as caught:
        TEXTS.enforce(pd.DataFrame({"note": [["a"]], "n": [1]}), "test")
    assert [p.code for p in caught.value.problems] == ["not_text"]
    with pytest.raises(SchemaMismatchError, match="'note' is missing"):
        TEXTS.enforce(pd.DataFrame({"n": [1]}), "test")
    assert TEXTS.texts == (0,)
    assert TEXTS.example()["note"].tolist() == ["text"]


def test_every_spelling_comes_back_from_json():
    """Whatever a column's spelling says is stored and read back."""
    spelling = Spelling("UTC", "%d.%m.%Y", "day", ("no", "yes"), "€", ".", ",", ("n/k",))
    schema = InputSchema((Column("a", Kind.NUMBER, spelling=spelling),), SCHEMA.target, unseen_category="reject")
    assert InputSchema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_unseen_categories_that_are_kept():
    """With "warn" an unseen category stays and is named; an unseen word of a boolean is missing all the same."""
    schema = replace(SCHEMA, unseen_category="warn")
    frame, notices = schema.enforce(pd.DataFrame([ROW, {**ROW, "city": "Secretville", "employed": "maybe"}]), "test")
    assert frame["city"].tolist() == ["León", "Secretville"]
    assert frame["employed"].isna().tolist() == [False, True]
    assert [(n.code, n.columns, n.count) for n in notices] == [
        ("unseen_category", ("city",), 1), ("unseen_category", ("employed",), 1),
    ]  # fmt: skip
    assert not any("Secretville" in notice.what or "maybe" in notice.what for notice in notices)
    again, notices = schema.enforce(frame, "test")
    pd.testing.assert_frame_equal(again, frame)
    assert [(n.code, n.columns) for n in notices] == [("unseen_category", ("city",)), ("missing_value", ("employed",))]


def test_unseen_categories_that_are_refused():
    """With "reject" all columns and rows are named at once, beside other problems and without values."""
    schema = replace(SCHEMA, unseen_category="reject")
    rows = [ROW, {**ROW, "city": "SECRET", "employed": 2}, {**ROW, "city": "SECRET", "age": "SECRET"}]
    with pytest.raises(SchemaMismatchError) as caught:
        schema.enforce(pd.DataFrame(rows, dtype=object), "test")
    assert [(p.code, p.what) for p in caught.value.problems] == [
        ("not_a_number", "'age' is not a number in row 3."),
        ("unseen_category", "'city' has a category that training has not seen in rows 2, 3."),
        ("unseen_category", "'employed' has a category that training has not seen in row 2."),
    ]
    assert "/schema" in caught.value.problems[1].fix
    assert schema.enforce(pd.DataFrame([{**ROW, "city": None, "employed": ""}], dtype=object), "test")[0].shape == (
        1,
        5,
    )


def test_an_unseen_word_is_missing_and_no_gap():
    """A boolean's unseen word is counted as unseen, not as a gap that training had not."""
    frame, notices = SCHEMA.enforce(pd.DataFrame([{**ROW, "employed": "ja"}, {**ROW, "employed": None}]), "test")
    assert frame["employed"].isna().all()
    assert [(n.code, n.columns, n.count) for n in notices] == [
        ("unseen_category", ("employed",), 1), ("missing_value", ("employed",), 1),
    ]  # fmt: skip


def test_columns_whose_commas_a_reader_may_turn_into_points():
    """Number columns that read no commas themselves."""
    columns = (
        Column("plain", Kind.NUMBER), Column("text", Kind.CATEGORY),
        Column("share", Kind.NUMBER, spelling=Spelling(unit="%")),
        Column("german", Kind.NUMBER, spelling=Spelling(decimal=",")),
        Column("english", Kind.NUMBER, spelling=Spelling(thousands=",")),
    )  # fmt: skip
    assert InputSchema(columns, SCHEMA.target).decimal_comma_names == ["plain", "share"]


def test_a_wrong_date_names_the_columns_pattern():
    """The fix says how the training file wrote its dates."""
    schema = InputSchema((Column("d", Kind.DATETIME, spelling=Spelling(format="%d.%m.%Y")),), SCHEMA.target)
    with pytest.raises(SchemaMismatchError, match=r"or text written %d\.%m\.%Y as in the training file"):
        schema.enforce(pd.DataFrame({"d": ["05/31/2024"]}), "test")


def test_labels_keep_their_type():
    """Whole-number classes come back as int64, others as text."""
    assert Target("y", ("2", "10"), integer=True).labels().tolist() == [2, 10]
    assert Target("y", ("2", "10"), integer=True).labels().dtype == np.int64
    assert SCHEMA.target.labels().tolist() == ["no", "yes"]


def test_the_example_fits():
    """The made-up example row passes the gate without a notice."""
    assert SCHEMA.enforce(SCHEMA.example(), "example")[1] == []


CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.datetimes(),
    st.lists(st.integers(), max_size=1),
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(SCHEMA.names, CELL)), min_size=1, max_size=4))
def test_any_rows_are_enforced_or_refused(rows):
    """No row raises anything else; what was enforced has the promised types."""
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in SCHEMA.names})
    try:
        enforced, _ = SCHEMA.enforce(frame, "test")
    except SchemaMismatchError:
        return
    assert [dtype.kind for dtype in enforced.dtypes] == ["f", "O", "f", "M", "M"]
    assert np.isfinite(enforced["age"].dropna()).all()


@pytest.mark.parametrize("rows", [[ROW, dict.fromkeys(ROW)], [dict.fromkeys(ROW)]])
def test_enforcing_twice_changes_nothing(rows):
    """An enforced frame passes again as it is: rows go through the gate at ingest, at evaluation and in the model."""
    once = enforce(*rows)
    pd.testing.assert_frame_equal(SCHEMA.enforce(once, "test")[0], once)
