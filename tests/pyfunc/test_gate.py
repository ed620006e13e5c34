"""The short way: what it takes, it answers as the long way does; what has to be decided, it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfunc.cells import Kind
from pyfunc.compiled.extract import extract
from pyfunc.errors import SchemaMismatchError
from pyfunc.model import Scorer
from pyfunc.package import Package
from pyfunc.schema import InputSchema
from tests.pyfunc.compiled.test_compiled import SCHEMA, bagged, labels, piped

PIPELINE = piped(bagged("lightgbm", labels(2)))
PLAN = extract(PIPELINE, SCHEMA)
COLUMNS = tuple(replace(each, missing=0.1 if at % 2 == 0 else 0.0) for at, each in enumerate(SCHEMA.columns))
KNOWN = InputSchema(COLUMNS, SCHEMA.target)
SCORER = Scorer(Package(PIPELINE, KNOWN, 0.4, {}, PLAN))
ROW = {
    "one": 0.5, "two": 10, "three": None, "flag": True, "few": "few 1", "many": "many 7", "when": None, "says": "Mrs B",
}  # fmt: skip
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), st.text(max_size=5), st.just("few 2"),
    st.just("2021-05-06"), st.just("1.5"), st.just(""), st.just(" "), st.just("many 3"), st.floats(-1, 1),
    st.lists(st.integers(), max_size=1), st.just("\ud800"),
)  # fmt: skip


@st.composite
def rows_of_anything(draw):
    """A plain row in which some cells are anything, one may be gone, and another may have come; in any order."""
    made = dict(ROW)
    for name in draw(st.lists(st.sampled_from([*ROW, "extra"]), max_size=3)):
        made[name] = draw(ANYTHING)
    if draw(st.integers(0, 9)) == 0:
        del made[draw(st.sampled_from([*made]))]
    return dict(draw(st.permutations([*made.items()])))


def the_long_way(rows: list[dict], threshold: float | None = None) -> tuple[list[dict], list]:
    """As `/predict` reads JSON: a frame of objects."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    frame = pd.DataFrame({name: pd.Series([each.get(name) for each in rows], dtype=object) for name in names})
    answers, notices = SCORER.answer(frame, "rows", threshold)
    return answers.to_dict("records"), notices


@settings(max_examples=300, deadline=None)
@given(st.lists(rows_of_anything(), min_size=1, max_size=4))
def test_what_is_taken_is_answered_as_the_long_way_does(rows):
    """The same figures, and nothing to speak of; or it is not taken."""
    found = SCORER.answer_plain(rows)

    if found is None:
        return
    wanted, notices = the_long_way(rows)
    assert notices == []
    assert [list(each) for each in found] == [list(each) for each in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours["prediction"] == theirs["prediction"]
        assert type(ours["prediction"]) is int
        assert ours["probability"] == pytest.approx(theirs["probability"], rel=0, abs=1e-12)


@pytest.mark.parametrize("many", [1, 3])
def test_ordinary_rows_are_taken(many):
    """In any order of columns, with gaps where training had some, at a threshold that was sent."""
    rows = [dict(reversed([*ROW.items()])), {**ROW, "one": None, "says": "Mr. A 12"}, ROW][:many]
    for threshold in (None, 0.0, 1.0):
        found = SCORER.answer_plain(rows, threshold)
        wanted, _ = the_long_way(rows, threshold)
        assert found is not None
        assert [each["prediction"] for each in found] == [each["prediction"] for each in wanted]


@pytest.mark.parametrize(
    "change",
    [
        {"one": "0.5"}, {"one": 1e9}, {"two": 2**53}, {"one": True}, {"one": float("nan")}, {"two": None},
        {"flag": 1}, {"flag": "true"}, {"few": "unheard of"}, {"few": 1}, {"when": "2021-05-06"}, {"says": " "},
        {"says": "\ud800"}, {"many": None}, {"extra": 1}, {"one": [1]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("many", [1, 2])
def test_what_has_to_be_decided_is_left_alone(change, many):
    """Whatever `enforce` would convert, refuse or speak of."""
    rows = [{**ROW, **change}, ROW][:many]

    assert SCORER.answer_plain(rows) is None


def test_absent_columns_and_bad_thresholds_are_left_to_those_who_name_them():
    """The long way refuses both."""
    short = {name: cell for name, cell in ROW.items() if name != "few"}

    assert SCORER.answer_plain([short]) is None
    assert SCORER.answer_plain([ROW], 2.0) is None
    with pytest.raises(SchemaMismatchError):
        the_long_way([short])


def test_a_pipeline_without_a_plan_goes_the_long_way():
    """There is nothing that could be faster than its frame."""
    assert Scorer(Package(PIPELINE, KNOWN, 0.5, {})).answer_plain([ROW]) is None


def test_all_kinds_of_columns_are_looked_at():
    """What this file changes has them all."""
    read = {Kind.NUMBER, Kind.BOOLEAN, Kind.CATEGORY, Kind.TEXT, Kind.DATETIME}
    assert {column.kind for column in KNOWN.columns} == read
    assert np.isfinite(SCORER.answer_plain([ROW])[0]["probability"])
