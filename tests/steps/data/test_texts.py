"""Questions about files with a text column."""

from __future__ import annotations

import numpy as np
import pytest

from pyfunc.cells import Kind
from steps.data.checks import compare
from steps.data.kinds import Asked
from steps.data.profile import features
from tests.steps.data.test_statistics import N_TEST, N_TRAIN, TEST, TRAIN, YES, both

WORDS = ["red", "green", "blue", "late", "early", "small", "large"]


def notes(n_rows, seed, words=3):
    """Sentences of a few words and a number."""
    rng = np.random.default_rng(seed)
    return [f"{' '.join(rng.choice(WORDS, words))} {at}" for at in range(n_rows)]


def asked(train, test):
    """The answers about files with a column `note`, by code."""
    return {check.code: check for check in compare(*both("note", train, test), "y").checks}


def test_a_text_that_says_nothing_is_left_in_peace():
    """Notes of random words give nothing away, and are alike in both files."""
    checks = asked(notes(N_TRAIN, 1), notes(N_TEST, 2))
    for code in ("target_leak", "column_drift", "unseen_category", "text_column"):
        assert checks[code].level == "ok"
    assert checks["text_column"].columns == ("note",)


@pytest.mark.parametrize("how", ["word", "number", "head", "equal texts", "gaps"])
def test_a_text_that_gives_the_target_away_is_named(how):
    """By a word, number, head or equal texts it is warned of; gaps that tell everything are refused."""
    plain = notes(N_TRAIN, 1)
    telling = {
        "word": [f"{text} {'granted' if yes else 'refused'}" for text, yes in zip(plain, YES, strict=True)],
        "number": [f"{text} of {at + 10_000 * yes}" for at, (text, yes) in enumerate(zip(plain, YES, strict=True))],
        "head": [f"{'AB'[yes]}{text}" for text, yes in zip(plain, YES, strict=True)],
        "equal texts": [f"case {at % 90} {'ab'[yes]} of ours" for at, yes in enumerate(YES)],
        "gaps": [text if yes else "" for text, yes in zip(plain, YES, strict=True)],
    }[how]
    check = asked(telling, notes(N_TEST, 2))["target_leak"]
    assert (check.level, check.columns) == ("refused" if how == "gaps" else "warning", ("note",))


def test_texts_of_another_length_are_drift():
    """Notes that are twice as long in the test file are distributed differently."""
    check = asked(notes(N_TRAIN, 1), notes(N_TEST, 2, words=6))["column_drift"]
    assert (check.level, check.columns) == ("warning", ("note",))


def test_a_text_column_that_is_absent_may_have_another_name():
    """Of the unused columns the one that is text as well is offered, not one of numbers or categories."""
    test = TEST.assign(remark=notes(N_TEST, 2), size=range(N_TEST), colour=WORDS[0])
    found = {c.code: c for c in compare(TRAIN.assign(note=notes(N_TRAIN, 1)), test, "y").checks}["column_in_one_file"]
    assert (found.level, found.columns) == ("refused", ("note",))
    assert "'remark' for 'note'" in found.fix


def test_numbers_that_are_asked_for_as_text_are_text():
    """A column of numbers becomes text on request, and a constant stays one."""
    found = features(TRAIN.assign(one="1"), "y", (), {"age": Asked(Kind.TEXT), "one": Asked(Kind.TEXT)})
    assert [c.kind for c in found.columns if c.name == "age"] == [Kind.TEXT]
    assert [c.kind for c in found.left_out if c.name == "one"] == [Kind.CONSTANT]
