from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfunc.cells import Kind, Spelling
from pyfunc.errors import SchemaMismatchError, rows_named
from pyfunc.faults import WHAT_OF
from pyfunc.schema import Column, InputSchema, Target

MOST = 5  # rows that a sentence names, so that all of them can be looked for
SCHEMA = InputSchema(
    (
        Column("plain", Kind.NUMBER, minimum=0.0, maximum=10.0),
        Column("money", Kind.NUMBER, spelling=Spelling(unit="€", thousands=".", decimal=",", missing_words=("n/k",))),
        Column("share", Kind.NUMBER, spelling=Spelling(unit="%")),
        Column("city", Kind.CATEGORY, categories=("Cádiz", "León", "NA")),
        Column("member", Kind.BOOLEAN, spelling=Spelling(words=("nein", "ja"))),
        Column("since", Kind.DATETIME, spelling=Spelling(format="%d.%m.%Y")),
        Column("seen", Kind.DATETIME, spelling=Spelling(timezone="UTC")),
    ),
    Target("y", ("0", "1"), integer=True, positive="1"),
)
GAPS = (None, "", " ", np.nan)
GOOD = {
    "plain": (*GAPS, "NA", "?", "3", 4, 5.5, " 1e1 ", np.float32(2), "20"),
    "money": (*GAPS, "-", "N/K", "1.234,56 €", "7", 7.25, "-0,5"),
    "share": (*GAPS, "--", "12.5 %", 0.125, "0.5", "100%"),
    "city": (*GAPS, "Cádiz", "León", "NA"),
    "member": (*GAPS, ".", "JA", "nein ", True, False, 1, 0.0, "true", "0"),
    "since": (*GAPS, "null", "31.05.2024", "2024-05-31", "2024-05-31T10:00", pd.Timestamp(2024, 5, 31)),
    "seen": (*GAPS, "2024-05-31T10:00Z", "2024-05-31 10:00:00+02:00", pd.Timestamp(2024, 5, 31, tz="UTC")),
}
BAD = {
    "plain": (("x", "not_a_number"), ("1,5", "not_a_number"), (True, "not_a_number"), ("inf", "infinite_number"),
              (2**53 + 1, "integer_too_large"), ("1e39", "number_too_large"), ([1], "not_a_number")),
    "money": (("1.5", "not_a_number"), ("$7", "not_a_number"), ("word", "not_a_number"), (np.inf, "infinite_number")),
    "share": (("5 €", "not_a_number"), ({}, "not_a_number")),
    "city": (([1], "not_text"), ({"a": 1}, "not_text"), ("Málaga", "unseen_category"), (3, "unseen_category")),
    "member": (([True], "not_a_boolean"), ("maybe", "unseen_category"), (2, "unseen_category")),
    "since": (("31.02.2024", "not_a_datetime"), ("05/31/2024", "not_a_datetime"), (3, "not_a_datetime"),
              ("2024-05-31T10:00Z", "unwanted_time_zone")),
    "seen": (("2024-05-31", "no_time_zone"), ("soon", "not_a_datetime"), ("2024-02-30T10:00Z", "not_a_datetime")),
}  # fmt: skip
POLICIES = st.sampled_from(["missing", "warn", "reject"])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[object]]:
    """Columns of good cells, all of one length."""
    n_rows = draw(st.integers(1, MOST))
    return {
        name: draw(st.lists(st.sampled_from(cells), min_size=n_rows, max_size=n_rows)) for name, cells in GOOD.items()
    }


def framed(table: dict[str, list[object]]) -> pd.DataFrame:
    """A frame of Python objects."""
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in table.items()})


@settings(max_examples=60)
@given(tables(), st.data())
def test_every_planted_problem_is_named(table, data):
    """Whatever is wrong, in whatever columns and rows at once, is named in one answer, and nothing else is."""
    n_rows = len(table["plain"])
    planted: dict[tuple[str, str], set[int]] = {}
    for name, faults in BAD.items():
        for row in data.draw(st.sets(st.integers(0, n_rows - 1), max_size=n_rows)):
            cell, code = data.draw(st.sampled_from(faults))
            table[name][row] = cell
            planted.setdefault((name, code), set()).add(row + 1)
    absent = data.draw(st.sets(st.sampled_from(sorted(GOOD)), max_size=3))
    expected = {
        f"'{name}' {WHAT_OF[code]} in {rows_named(sorted(rows))}."
        for (name, code), rows in planted.items()
        if name not in absent
    }
    frame = framed(table).drop(columns=sorted(absent))
    try:
        replace(SCHEMA, unseen_category="reject").enforce(frame, "test")
        found = set()
    except SchemaMismatchError as error:
        found = {problem.what for problem in error.problems if problem.code not in ("missing_column", "no_rows")}
        missing = [problem.what for problem in error.problems if problem.code == "missing_column"]
        assert all(f"'{name}'" in missing[0] for name in absent)
        assert bool(missing) == bool(absent)
    assert found == expected


@settings(max_examples=60)
@given(tables(), st.data(), POLICIES)
def test_enforce_is_pure_and_idempotent(table, data, policy):
    """The caller's frame stays as it was; what has passed passes again as it is, whatever the policy."""
    for name in ("city", "member"):
        for row in data.draw(st.sets(st.integers(0, len(table[name]) - 1))):
            table[name][row] = "seen nowhere" if policy != "reject" else None
    schema = replace(SCHEMA, unseen_category=policy)
    index = [f"row {at}" for at in range(len(table["city"]))]
    frame = framed(table).set_axis(index)
    before = frame.copy(deep=True)
    once, _ = schema.enforce(frame, "test")
    pd.testing.assert_frame_equal(frame, before)
    assert [list(map(type, frame[name])) for name in frame] == [list(map(type, before[name])) for name in before]
    twice, notices = schema.enforce(once, "test")
    pd.testing.assert_frame_equal(twice, once)
    assert {notice.code for notice in notices} <= {"missing_value", "out_of_range", "unseen_category"}
    assert policy == "warn" or "unseen_category" not in {notice.code for notice in notices}


@settings(max_examples=30)
@given(tables())
def test_types_do_not_matter(table):
    """A frame as Python objects and the same with pandas' best types for it mean the same."""
    frame = framed(table)
    expected = SCHEMA.enforce(frame, "test")[0]
    pd.testing.assert_frame_equal(SCHEMA.enforce(frame.infer_objects(), "test")[0], expected)
    pd.testing.assert_frame_equal(SCHEMA.enforce(expected.convert_dtypes(), "test")[0], expected)
