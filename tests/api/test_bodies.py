"""Bodies of requests: what of JSON is read the short way."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.bodies import plain_records

TEXTS = st.text('":\\ a\n\u00e9', max_size=4)
CELLS = st.none() | st.integers(-9, 9) | TEXTS
PAIRS = st.lists(st.tuples(TEXTS, CELLS | st.dictionaries(TEXTS, CELLS, max_size=2)), min_size=1, max_size=3)


def written(pairs: list[tuple[str, Any]], colon: str) -> str:
    """An object with these names, also where one is there twice."""
    return "{" + ", ".join(f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in pairs) + "}"


@given(st.lists(PAIRS, min_size=1, max_size=3), st.sampled_from([":", ": ", " :", "\n:\t"]))
def test_records_are_read_the_short_way_unless_a_name_is_there_twice(rows: list[list[tuple[str, Any]]], colon: str):
    """Whatever names and texts hold that looks like the end of a name."""
    body = f"[{', '.join(written(row, colon) for row in rows)}]"
    is_distinct = all(len(dict(row)) == len(row) for row in rows)

    assert plain_records(body.encode()) == (json.loads(body) if is_distinct else None)


def test_a_name_twice_is_seen_where_white_space_and_texts_would_hide_it():
    """One colon behind a space less, and one at the beginning of a text more."""
    assert plain_records(b'[{"a" : 1, "a": ":2"}]') is None
    assert plain_records(b'[{"a": {"b": 1, "b": 2}}]') is None
