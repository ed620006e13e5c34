"""Trees that are asked for many rows together say what they say row by row."""

from __future__ import annotations

import builtins
import gzip
import threading

import numpy as np
import pytest

from pyfunc.compiled import kernel
from pyfunc.compiled.extract import extract
from pyfunc.compiled.kernel import NotAskedError, Questions
from pyfunc.compiled.lightgbm_text import Tree, model
from pyfunc.compiled.models import Bag
from tests.pyfunc.compiled.test_compiled import FRAME, LEARNERS, MATRIX, SCHEMA, bagged, labels, piped

CODES = (4, 5)  # features of the matrix that are codes


def compiled(learner: str, classes: int) -> Bag:
    """A bag's trees."""
    found = extract(piped(bagged(learner, labels(classes))), SCHEMA).parts[0].model
    assert isinstance(found, Bag)
    return found


def odd(features: int, rows: int = 3000) -> np.ndarray:
    """Rows (n_rows, n_features) with gaps, numbers of training and far ones, codes that are there and others."""
    random = np.random.default_rng(1)
    known = np.nan_to_num(np.asarray(MATRIX, dtype=float)[random.integers(0, len(FRAME), rows), :features])
    made = np.where(random.random(known.shape) < 0.2, random.normal(size=known.shape) * 1e4, known)
    for at in CODES:
        made[:, at] = random.integers(0, 100, rows)
    return np.where(random.random(made.shape) < 0.2, np.nan, made)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("learner", LEARNERS)
def test_sums_are_the_same(learner, classes):
    """Of every library's trees; only the order of adding may differ."""
    bag = compiled(learner, classes)
    matrix = odd(bag.features)
    outputs = bag.members * bag.outputs
    asked = Questions(gzip.decompress(bag.packed).decode(), outputs)

    wanted = bag._engine.batch(matrix)

    np.testing.assert_allclose(asked.sums(matrix), wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.array([bag._engine.row(row) for row in matrix[:50]]), wanted[:50], rtol=0, atol=1e-12)
    assert asked.sums(matrix[:0]).shape == (0, outputs)


def test_batches_go_through_the_kernel_and_single_rows_do_not(monkeypatch):
    """Both give the same probabilities; the library's own loop answers where few rows come."""
    bag = compiled("lightgbm", 2)
    few, many = odd(bag.features, 10), odd(bag.features, kernel.WAITED_FOR)
    wanted = bag._probabilities(bag._engine.batch(many).reshape(len(many), bag.members, 1)[:, 0])
    monkeypatch.setattr(bag._engine, "batch", None)

    assert bag.score(many).shape == wanted.shape
    with pytest.raises(TypeError):
        bag.score(few)


def test_a_few_hundred_rows_do_not_wait_for_the_compiler(monkeypatch):
    """It begins aside, and the next ones find it."""
    bag, asked = compiled("lightgbm", 2), threading.Event()
    monkeypatch.setattr(kernel, "_loaded", [])
    monkeypatch.setattr(kernel, "load_aside", asked.set)

    found = bag.score(odd(bag.features, kernel.LEAST_ROWS))

    assert asked.is_set()
    assert found.shape == (kernel.LEAST_ROWS, 2)


def test_without_numba_trees_are_gone_down_row_by_row(monkeypatch):
    """Nothing is refused for it."""
    bag = compiled("lightgbm", 2)
    matrix = odd(bag.features, kernel.WAITED_FOR)
    wanted = bag.score(matrix)
    real = builtins.__import__

    def without(name: str, *arguments: object, **named: object) -> object:
        if name.startswith("numba"):
            raise ImportError
        return real(name, *arguments, **named)

    monkeypatch.setattr(kernel, "_loaded", [])
    monkeypatch.setattr(builtins, "__import__", without)
    other = compiled("lightgbm", 2)

    np.testing.assert_allclose(other.score(matrix), wanted, rtol=0, atol=1e-12)


def tree(**changed: object) -> Tree:
    """One question, two leaves."""
    two = np.array([1.0, 2.0])
    parts = {
        "feature": np.array([0]), "threshold": np.array([0.5]), "missing_left": np.array([True]), "categories": {},
        "left": np.array([-1]), "right": np.array([-2]), "leaves": two, **changed,
    }  # fmt: skip
    return Tree(**parts)


def test_a_gap_goes_where_its_tree_sends_it():
    """Left, right, or wherever zero goes: each its own way at the same bound."""
    left, right = tree().text(), tree(missing_left=np.array([False])).text()
    as_zero = left.replace("decision_type=10", "decision_type=0")
    asked = Questions(model([[left], [right], [as_zero]], 1), 3)

    assert asked.sums(np.array([[np.nan], [0.5], [0.6]])).tolist() == [[1, 2, 1], [1, 1, 1], [2, 2, 2]]


def test_sets_of_any_size_are_asked_for():
    """Within a word and beyond it; what is no code is in no set."""
    small, large = tree(categories={0: [0, 62]}).text(), tree(categories={0: [1, 200]}, feature=np.array([1])).text()
    asked = Questions(model([[small], [large]], 2), 2)
    codes = np.array([[0, 0], [62, 1], [63, 200], [64, 201], [np.nan, np.nan], [-1, -1]])

    assert asked.sums(codes).tolist() == [[1, 2], [1, 1], [2, 1], [2, 2], [2, 2], [2, 2]]


def test_a_deep_tree_takes_many_words():
    """A chain of 200 questions: every leaf is found."""
    n = 200
    chain = tree(
        feature=np.zeros(n, dtype=int), threshold=np.arange(n) + 0.5, missing_left=np.ones(n, dtype=bool),
        left=-np.arange(n) - 1, right=np.append(np.arange(1, n), -n - 1), leaves=np.arange(n + 1.0),
    )  # fmt: skip
    asked = Questions(model([[chain.text()]], 1), 1)

    assert asked.sums(np.arange(n + 1.0)[:, None])[:, 0].tolist() == list(range(n + 1))


@pytest.mark.parametrize("why", ["zeros that mean missing", "large trees"])
def test_what_cannot_be_asked_is_named(why, monkeypatch):
    """Such trees are gone down row by row."""
    text = model([[tree().text()]], 1)
    if why == "large trees":
        monkeypatch.setattr(kernel, "MOST_LEAVES", 1)
    else:
        text = text.replace("decision_type=10", "decision_type=6")

    with pytest.raises(NotAskedError, match=why):
        Questions(text, 1)
