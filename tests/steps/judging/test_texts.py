"""A text column in what is asked of a model: no single text is shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps.judging import dependence, importance, related, slices
from steps.judging.parts import cut, said

ROWS = 200
RNG = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "name": [f"SECRET{at} {'Mr' if at % 2 else 'Mrs'}" for at in range(ROWS)],
        "number": RNG.normal(size=ROWS),
        "cabin": [f"SECRET{at}" if at % 3 else np.nan for at in range(ROWS)],
    }
)
SCHEMA = InputSchema(
    (Column("name", Kind.TEXT), Column("number", Kind.NUMBER), Column("cabin", Kind.TEXT, missing=0.3)),
    Target("y", ("no", "yes"), positive="yes"),
)
Y = (np.arange(ROWS) % 2).astype(np.int64)


def answer(frame):
    """A model that reads the name."""
    second = frame["name"].str.endswith("Mr").to_numpy() * 0.8 + 0.1
    return np.column_stack([1 - second, second]), (second > 0.5).astype(np.int64)


def test_a_text_is_missing_or_not():
    """The parts of a text column name no text."""
    made = cut("cabin", Kind.TEXT, FRAME["cabin"], FRAME["cabin"])
    assert [said(made.parts[at]) for at in made.where[:2]] == ["“cabin” is missing", "“cabin” is not missing"]
    assert "SECRET" not in repr(made.parts)


def test_slices_by_text_are_its_gaps():
    """Text columns are asked for their gaps only, beside columns of numbers."""
    scores, predicted = answer(FRAME)
    found = slices.find(FRAME, FRAME, SCHEMA, (Y, scores, predicted), 1)
    assert found.columns == 3
    assert "SECRET" not in repr(found)


def test_a_text_is_shuffled_as_a_whole():
    """The text that the model reads matters, the other does not."""
    found = importance.measure(answer, FRAME, Y, 1, "roc_auc")
    drops = {one.column: one.drop for one in found.columns}
    assert drops["name"] > 0.3
    assert drops["cabin"] == drops["number"] == 0


def test_no_dependence_on_texts():
    """There is no grid of texts; the columns after them are looked at."""
    found = dependence.measure(lambda rows: answer(rows)[0], FRAME, FRAME, SCHEMA.columns, 1)
    assert [one.column for one in found] == ["number"]


def test_different_texts_are_related_to_nothing():
    """Texts that are all different go with no column; equal ones with what they say the same as."""
    strengths = related.strengths(FRAME, SCHEMA)
    assert np.allclose(strengths, np.eye(3), atol=0.2)
    same = FRAME.assign(name=np.where(Y, "one text", "another text"), cabin=np.where(Y, "c", "d"))
    assert related.strengths(same, SCHEMA)[0, 2] > 0.9
