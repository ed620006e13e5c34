"""Features of text columns."""

from __future__ import annotations

import math
import pickle
import sys
from types import MappingProxyType

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from pyfunc.estimators import Columns
from pyfunc.texts import LONGEST_READ, MISSING, MOST_HEADS, MOST_PARTS, NO_LETTERS, REST, TextFeatures, head_of

NAMES = pd.Series([f"Berg{at}, {title} Anna" for at, title in enumerate(["Mr.", "Mrs.", "Miss."] * 10)], dtype=object)
CABINS = pd.Series([*(f"{deck}{at}" for at in range(30) for deck in "ABC"), "T1", "7", np.nan], dtype=object)


def of(texts, *, fitted=None):
    """Features of texts, by name, under what the names and cabins have in common."""
    fitted = fitted or TextFeatures().fit(CABINS)
    numbers, heads = fitted.transform(pd.Series(texts, dtype=object))
    return {**dict(zip(fitted.names, numbers.T.tolist(), strict=True)), "head": heads.tolist()}


def test_plain_features():
    """Length in characters, words, digits, and the last whole number of each text; none for a missing one."""
    found = of(["A./5 21171", "a b", np.nan, "9 or 10", "7" * 16])
    assert found["length"] == [10, 3, 0, 7, 16]
    assert found["words"] == [3, 2, 0, 3, 1]
    assert found["digits"] == [6, 0, 0, 3, 16]
    np.testing.assert_array_equal(found["number"], [21171, math.nan, math.nan, 10, math.nan])


@pytest.mark.parametrize(
    ("text", "head"),
    [("C85", "c"), ("  C85 C87", "c"), ("A./5. 21171", "a"), ("S.O.C. 14879", "soc"), ("SC/PARIS 2", "scparis"),
     ("W./C. 6607", "wc"), ("113803", ""), ("", ""), ("Ölberg 3", "ölberg"), ("дом 3", "дом"), ("🦩 b", ""),
     ("x" * 99, "x" * 20), ("Straße", "strasse")],
)  # fmt: skip
def test_the_head_is_the_leading_letters(text, head):
    """Up to a space or digit, signs between them dropped, case folded."""
    assert head_of(text) == head


def test_heads_are_those_that_several_rows_share():
    """A rare head, no letters and a missing text are told apart, and from every head."""
    assert of(["A1", "a99", "T1", "Zebra", "7", "", np.nan])["head"] == [
        "a", "a", REST, REST, NO_LETTERS, NO_LETTERS, MISSING,
    ]  # fmt: skip
    many = TextFeatures().fit(pd.Series([f"{chr(97 + at % 26)}{chr(97 + at // 26 % 3)} {at}" for at in range(2000)]))
    assert len(many.heads_) == MOST_HEADS


def test_parts_are_frequent_words():
    """Words in 5 rows or more, but not in nearly all of them, the most frequent first; upper case is lower case."""
    texts = [f"Mr. {at} all" if at < 8 else f"MRS {at} all" if at < 13 else f"Dr {at} all" for at in range(17)]
    fitted = TextFeatures().fit(pd.Series(texts, dtype=object))
    assert fitted.words_ == ("mr", "mrs")
    found = of(["mrs Mr", "a MR.", "mrx", np.nan], fitted=fitted)
    assert (found["part0"], found["part1"]) == ([1, 1, 0, 0], [1, 0, 0, 0])


def test_there_are_at_most_thirty_parts():
    """Of more frequent words the most frequent are kept, on a tie by the alphabet, whatever the order of the rows."""
    texts = pd.Series([f"w{word:02} n{at * 50 + word}" for at in range(6) for word in range(50)], dtype=object)
    fitted = TextFeatures().fit(texts)
    assert fitted.words_ == tuple(f"w{word:02}" for word in range(MOST_PARTS))
    assert TextFeatures().fit(texts[::-1]).words_ == fitted.words_


def test_a_training_row_does_not_count_itself():
    """`same` of a text that stands in one training row is 0 there, as for a new text; a new row with it has log 2."""
    texts = pd.Series(["once", "twice", "twice", np.nan, np.nan], dtype=object)
    fitted = TextFeatures()
    at = fitted.fit(texts).names.index("same")
    np.testing.assert_allclose(fitted.fit_transform(texts)[0][:, at], np.log1p([0, 1, 1, 0, 0]))
    np.testing.assert_allclose(fitted.transform(texts)[0][:, at], np.log1p([1, 2, 2, 0, 0]))
    np.testing.assert_allclose(fitted.transform(pd.Series(["new"], dtype=object))[0][:, at], [0])


@given(st.lists(st.one_of(st.just(np.nan), st.text(st.characters(), max_size=8)), min_size=1, max_size=6))
def test_any_row_alone_is_as_among_others(texts):
    """Any text, half of a surrogate pair too, has finite features (but for `number`), which other rows do not move."""
    column = pd.Series(texts, dtype=object)
    fitted = TextFeatures().fit(CABINS)
    numbers, heads = fitted.transform(column)
    assert np.isfinite(np.delete(numbers, 3, axis=1)).all()
    assert not np.isinf(numbers).any()
    for at in range(len(column)):
        one, head = fitted.transform(column.iloc[[at]])
        np.testing.assert_array_equal(one[0], numbers[at])
        assert head[0] == heads[at]


def test_long_texts_are_read_to_a_limit():
    """Words, digits and heads count up to a limit, the length in full."""
    found = of(["1 " * LONGEST_READ])
    assert (found["length"], found["words"], found["digits"]) == (
        [2 * LONGEST_READ], [LONGEST_READ / 2], [LONGEST_READ / 2],
    )  # fmt: skip


@pytest.mark.parametrize("texts", [[], [np.nan], ["a"]])
def test_nothing_to_learn_from_is_no_fault(texts):
    """No row, no text and a single text make features, without parts."""
    fitted = TextFeatures()
    fitted.fit_transform(pd.Series(texts, dtype=object))
    assert (fitted.words_, fitted.heads_) == ((), ())
    assert of(["a", np.nan], fitted=fitted)["head"] == [REST, MISSING]


def test_no_text_of_a_training_row_is_kept():
    """The fitted features hold no name: words and heads that many rows share, and hashes."""
    secret = pd.Series([*NAMES, "SECRETNAME, Mr. Theodor"], dtype=object)
    kept = pickle.dumps(TextFeatures().fit(secret))
    assert b"anna" in kept or b"mrs" in kept
    assert b"secretname" not in kept.lower()
    assert b"theodor" not in kept.lower()


FRAME = pd.DataFrame({"age": np.arange(30.0), "name": NAMES, "when": pd.date_range("2024-01-01", periods=30)})


def test_columns_make_features_of_texts():
    """In place of the text a category and a block of numbers; other columns are as without it."""
    made = Columns((1,)).fit_transform(FRAME)
    assert [name for name in made if made[name].dtype == object] == ["x1head"]
    assert {"x1length", "x1words", "x1digits", "x1number", "x1same", "x1part0", "x1part2"} <= {*made}
    assert "x1" not in made
    plain = Columns().fit_transform(FRAME.drop(columns="name"))
    pd.testing.assert_frame_equal(made[["x0"]], plain[["x0"]])
    np.testing.assert_array_equal(made["x2age"], plain["x1age"])
    assert list(Columns((1,)).fit(FRAME).transform(FRAME.iloc[[3]])) == list(made)


def test_texts_are_kept_on_request():
    """`keep_texts` hands the texts on as a category beside their features."""
    made = Columns((1,), keep_texts=True).fit_transform(FRAME)
    pd.testing.assert_series_equal(made["x1"], FRAME["name"], check_names=False)


def test_labels_change_no_feature():
    """Features of training and new rows are the same under the labels, shuffled labels and none."""
    y = (NAMES.str.contains("Mr.", regex=False)).astype(int).to_numpy()
    shuffled = np.random.default_rng(1).permutation(y)
    columns, others = Columns((1,)), Columns((1,))
    pd.testing.assert_frame_equal(columns.fit_transform(FRAME, y), others.fit_transform(FRAME, shuffled))
    pd.testing.assert_frame_equal(columns.transform(FRAME), others.transform(FRAME))
    pd.testing.assert_frame_equal(Columns((1,)).fit(FRAME, y).transform(FRAME), others.transform(FRAME))


def test_features_follow_rows_not_their_order():
    """Training rows in another order have the same features each."""
    order = np.random.default_rng(1).permutation(len(FRAME))
    made, mixed = Columns((1,)).fit_transform(FRAME), Columns((1,)).fit_transform(FRAME.iloc[order])
    pd.testing.assert_frame_equal(made.iloc[order], mixed)


def test_fitting_a_pipeline_counts_training_rows_without_themselves():
    """scikit-learn's pipeline fits with `fit_transform`, so that its last step learns from those features."""
    seen = []

    class Last:
        def fit(self, frame, _=None):
            seen.append(frame)
            return self

    make_pipeline(clone(Columns((1,))), Last()).fit(FRAME)
    assert seen[0]["x1same"].tolist() == [0.0] * len(FRAME)


def test_columns_pickled_before_there_were_texts_still_answer():
    """An object without the attributes of texts transforms as it did."""
    old = Columns.__new__(Columns)
    old.__dict__ |= MappingProxyType({"latest_": {2: FRAME["when"].max()}})
    assert "texts" not in old.__dict__
    restored = cloudpickle.loads(cloudpickle.dumps(old))
    pd.testing.assert_frame_equal(restored.transform(FRAME), Columns().fit(FRAME).transform(FRAME))
    assert restored.get_params() == {"texts": (), "keep_texts": False}


def test_many_rows_take_a_moment():
    """A hundred thousand different texts are no matter of minutes: looked at once each, without a loop over words."""
    texts = pd.Series([f"Berg{at}, Mr. Anna {at % 7}" for at in range(20_000)], dtype=object)
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    fitted = TextFeatures().fit(texts)
    sys.setprofile(count)
    try:
        fitted.transform(texts)
    finally:
        sys.setprofile(None)
    assert calls < 60 * len(texts)
