"""The way without a frame: what it takes, it answers as the long way does; what is wrong, it leaves alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfunc.cells import Kind
from pyfunc.compiled.extract import extract
from pyfunc.enforced import columns_of
from pyfunc.errors import Problem, SchemaMismatchError
from pyfunc.model import Scorer, answer_columns, answers_of
from pyfunc.package import Package
from pyfunc.schema import InputSchema, Target
from steps.data.stream import frame_of
from tests.pyfunc.compiled.test_compiled import SCHEMA, bagged, labels, piped

PIPELINE = piped(bagged("lightgbm", labels(2)))
PLAN = extract(PIPELINE, SCHEMA)
COLUMNS = tuple(replace(each, missing=0.1 if at % 2 == 0 else 0.0) for at, each in enumerate(SCHEMA.columns))
KNOWN = InputSchema(COLUMNS, SCHEMA.target)
POLICIES = ("missing", "warn", "reject")
SCORERS = {
    policy: Scorer(Package(PIPELINE, replace(KNOWN, unseen_category=policy), 0.4, {}, PLAN)) for policy in POLICIES
}
SCORER = SCORERS["missing"]
ROW = {
    "one": 0.5, "two": 10, "three": None, "flag": True, "few": "few 1", "many": "many 7", "when": None, "says": "Mrs B",
}  # fmt: skip
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), st.text(max_size=5), st.just("few 2"),
    st.just("2021-05-06"), st.just("1.5"), st.just(""), st.just(" "), st.just("many 3"), st.floats(-1, 1),
    st.lists(st.integers(), max_size=1), st.just("\ud800"),
)  # fmt: skip

TEXTS = st.one_of(
    st.none(), st.text(st.characters(codec="utf-8"), max_size=5), st.integers(-(2**60), 2**60).map(str),
    st.floats().map(repr), st.just("few 2"), st.sampled_from(["2021-05-06", " ", "1.5", " 12 ", "1e5", "0"]),
    st.sampled_from(["True", "yes", "NA"]),
)  # fmt: skip


@st.composite
def rows_of_anything(draw, *, texts_only: bool = False):
    """A plain row in which some cells are anything, one may be gone, and another may have come; in any order."""
    made = {name: None if cell is None else str(cell) for name, cell in ROW.items()} if texts_only else dict(ROW)
    for name in draw(st.lists(st.sampled_from([*ROW, "extra"]), max_size=3)):
        made[name] = draw(TEXTS if texts_only else ANYTHING)
    if draw(st.integers(0, 9)) == 0:
        del made[draw(st.sampled_from([*made]))]
    return dict(draw(st.permutations([*made.items()])))


def the_long_way(rows: list[dict], threshold: float | None = None, policy: str = "missing") -> tuple[list[dict], list]:
    """As `/predict` reads JSON: a frame of objects."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    frame = pd.DataFrame({name: pd.Series([each.get(name) for each in rows], dtype=object) for name in names})
    return by_enforce(frame, threshold, policy)


def by_enforce(frame: pd.DataFrame, threshold: float | None = None, policy: str = "missing") -> tuple[list[dict], list]:
    """What the specification makes of a frame, and what is answered to that."""
    schema = SCORERS[policy].schema
    enforced, notices = schema.enforce(frame, "rows")
    scores = PLAN.score(columns_of(enforced, [column.kind for column in schema.columns]))
    answers = answers_of(scores, schema, SCORERS[policy].package.threshold if threshold is None else threshold)
    return answers.to_dict("records"), notices


def same(found: tuple[list[dict], list], wanted: tuple[list[dict], list]) -> None:
    """The same columns, labels and figures, and the same notices about the same rows."""
    assert [(each, each.rows) for each in found[1]] == [(each, each.rows) for each in wanted[1]]
    assert [list(each) for each in found[0]] == [list(each) for each in wanted[0]]
    for ours, theirs in zip(found[0], wanted[0], strict=True):
        assert ours["prediction"] == theirs["prediction"]
        assert type(ours["prediction"]) is int
        assert ours["probability"] == pytest.approx(theirs["probability"], rel=0, abs=1e-12)


@settings(max_examples=400, deadline=None)
@given(st.lists(rows_of_anything(), min_size=1, max_size=4), st.sampled_from(POLICIES))
def test_what_is_taken_is_answered_as_the_long_way_does(rows, policy):
    """The same figures and notices; or it is not taken."""
    found = SCORERS[policy].answer_records(rows)

    if found is not None:
        same(found, the_long_way(rows, policy=policy))


@settings(max_examples=400, deadline=None)
@given(st.lists(rows_of_anything(texts_only=True), min_size=1, max_size=4), st.sampled_from(POLICIES))
def test_batches_of_texts_are_answered_as_their_frame_is(rows, policy):
    """As CSV is read: texts, null for an empty cell."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    cells = {name: [None if each.get(name) in (None, "") else str(each[name]) for each in rows] for name in names}
    batch = pa.RecordBatch.from_pydict({name: pa.array(each, pa.string()) for name, each in cells.items()})

    found = SCORERS[policy].answer_batch(batch)

    if found is not None:
        same((found[0].to_pylist(), found[1]), by_enforce(frame_of(batch), policy=policy))


def test_batches_of_types_are_answered_as_their_frame_is():
    """As Parquet is read: numbers, truths, dictionaries and times as they are; with and without gaps."""
    moments = pd.Series(pd.to_datetime(["2021-05-06", None, "2022-01-01"]))
    columns = {
        "one": pa.array([0.5, None, float("nan")]), "two": pa.array([1, None, -3], pa.int32()),
        "three": pa.array([1.0, 2.0, 3.0], pa.float32()), "flag": pa.array([True, None, False]),
        "few": pa.array(["few 1", "unheard of", None]).dictionary_encode(),
        "many": pa.array(["many 3", " ", "many 1"], pa.large_string()), "when": pa.array(moments),
        "says": pa.array([None, "Mrs B", ""]), "extra": pa.array([b"1", b"2", None]),
    }  # fmt: skip
    batch = pa.RecordBatch.from_pydict(columns)

    for policy in ("missing", "warn"):
        found = SCORERS[policy].answer_batch(batch)
        assert found is not None
        same((found[0].to_pylist(), found[1]), by_enforce(frame_of(batch), policy=policy))
    assert SCORERS["reject"].answer_batch(batch) is None


def test_columns_that_stand_twice_are_left_alone():
    """The long way names them."""
    batch = pa.RecordBatch.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["one", "one"])

    assert SCORER.answer_batch(batch) is None


@pytest.mark.parametrize("many", [1, 3])
def test_ordinary_rows_are_taken(many):
    """In any order of columns, with gaps where training had some, at a threshold that was sent."""
    rows = [dict(reversed([*ROW.items()])), {**ROW, "one": None, "says": "Mr. A 12"}, ROW][:many]
    for threshold in (None, 0.0, 1.0):
        found = SCORER.answer_records(rows, threshold)
        assert found is not None
        same(found, the_long_way(rows, threshold))


@pytest.mark.parametrize(
    "change",
    [
        {"one": 1e9}, {"flag": "true"}, {"flag": "0"}, {"few": "unheard of"}, {"when": "2021-05-06"}, {"two": None},
        {"when": "2021-05-06T07:08:09"}, {"many": None}, {"extra": 1}, {"extra": [1], "few": None}, {"one": "0.25"},
        {"one": " 1e-1"}, {"two": "NA"}, {"few": 1}, {"few": 2.5}, {"many": True}, {"says": 7}, {"flag": 1.0},
        {"flag": "perhaps"}, {"when": " 2021-05-06 "}, {"when": "NA"}, {"one": math.nan}, {"few": math.nan},
    ],
)  # fmt: skip
@pytest.mark.parametrize("many", [1, 2])
def test_what_is_spoken_of_is_taken_too(change, many):
    """With the same words about the same rows."""
    rows = [{**ROW, **change}, {**ROW, **dict.fromkeys(change.keys() - ROW.keys(), 0)}][:many]

    found = SCORER.answer_records(rows)

    assert found is not None
    same(found, the_long_way(rows))


@pytest.mark.parametrize(
    "change",
    [
        {"two": 2**60}, {"one": True}, {"one": "nothing"}, {"flag": [1]}, {"few": [1]}, {"when": "2021-13-06"},
        {"when": "yesterday"}, {"says": "\ud800"}, {"one": [1]}, {"few": {}}, {"one": float("inf")},
    ],
)  # fmt: skip
@pytest.mark.parametrize("many", [1, 2])
def test_what_is_wrong_is_left_alone(change, many):
    """Whatever `enforce` refuses, it words."""
    rows = [{**ROW, **change}, ROW][:many]

    assert SCORER.answer_records(rows) is None


TIMES = pd.to_datetime(["2021-05-06", None, "2022-01-01T01:02:03.123456789"], format="ISO8601")
TYPED = {
    "one": [0.5, None, -1e9], "two": np.array([1, 2, 3], np.int32), "three": np.array([0.1, np.nan, 3], np.float32),
    "flag": [True, False, True], "few": pd.Categorical(["few 1", None, "unheard of"]), "many": ["many 3", " ", None],
    "when": TIMES, "says": ["a", pd.NA, "Mrs B 12"],
    "extra": [b"1", None, {}],
}  # fmt: skip
OTHERS = {
    "one": pd.array([1, None, 3], "Int64"), "two": ["1", "2.5", "NA"], "flag": pd.array([True, None, False], "boolean"),
    "few": np.array([1, 2, 3]), "many": pd.array(["many 1", None, "x"], "string[pyarrow]"),
    "when": ["2021-05-06", "", "NA"], "says": np.array([1.5, np.nan, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("policy", ["missing", "warn"])
@pytest.mark.parametrize("columns", [TYPED, {**TYPED, **OTHERS}])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(1, 2), slice(2, 3), slice(0, 3)])
def test_frames_of_few_rows_are_answered_as_enforce_reads_them(rows, columns, policy):
    """Whatever the types of their columns are; the answers keep the index."""
    frame = pd.DataFrame(columns, index=["x", "y", "z"]).iloc[rows]
    wanted = by_enforce(frame, policy=policy)

    answers, notices = SCORERS[policy].answer(frame, "rows")

    assert [*answers.index] == [*frame.index]
    same((answers.to_dict("records"), notices), wanted)


@settings(max_examples=300, deadline=None)
@given(st.lists(rows_of_anything(), min_size=1, max_size=4), st.sampled_from(POLICIES))
def test_frames_of_anything_are_answered_or_refused_as_enforce_does(rows, policy):
    """The same figures and notices, or the same problems."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    frame = pd.DataFrame({name: pd.Series([each.get(name) for each in rows], dtype=object) for name in names})

    def told(answer):
        try:
            return answer()
        except SchemaMismatchError as error:
            return error.problems

    wanted = told(lambda: by_enforce(frame, policy=policy))
    found = told(lambda: SCORERS[policy].answer(frame, "rows"))

    if isinstance(wanted[0], Problem):
        assert found == wanted
    else:
        same((found[0].to_dict("records"), found[1]), wanted)


def test_absent_columns_and_bad_thresholds_are_left_to_those_who_name_them():
    """The long way refuses both."""
    short = {name: cell for name, cell in ROW.items() if name != "few"}

    assert SCORER.answer_records([short]) is None
    assert SCORER.answer_records([ROW], 2.0) is None
    with pytest.raises(SchemaMismatchError):
        the_long_way([short])


def test_a_pipeline_without_a_plan_goes_the_long_way():
    """There is nothing that could be faster than its frame."""
    assert Scorer(Package(PIPELINE, KNOWN, 0.5, {})).answer_records([ROW]) is None


def test_all_kinds_of_columns_are_looked_at():
    """What this file changes has them all."""
    read = {Kind.NUMBER, Kind.BOOLEAN, Kind.CATEGORY, Kind.TEXT, Kind.DATETIME}
    assert {column.kind for column in KNOWN.columns} == read
    assert np.isfinite(SCORER.answer_records([ROW])[0][0]["probability"])


@pytest.mark.parametrize("positive", ["a", "b", None])
@pytest.mark.parametrize("scores", [[0.5, 0.5], [0.4, 0.6], [0.6, 0.4], [0.2, 0.4, 0.4], [0.3, 0.3, 0.4]])
def test_a_row_alone_is_answered_as_among_others(positive, scores):
    """Ties, cuts and any number of classes: the same label, of the same type, as the columns of many rows have it."""
    classes = ("a", "b", "c")[: len(scores)]
    schema = InputSchema(KNOWN.columns, Target("label", classes, positive=positive if len(scores) == 2 else None))
    scorer = Scorer(Package(PIPELINE, schema, 0.5, {}, PLAN))
    for cut in (0.0, 0.4, 0.5, 1.0):
        many = answer_columns(np.array([scores]), schema, cut)

        assert scorer._answer(scores, cut) == {name: column.tolist()[0] for name, column in many.items()}
