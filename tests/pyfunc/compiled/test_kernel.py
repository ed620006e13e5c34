"""Trees that are asked for many rows together say what they say row by row."""

from __future__ import annotations

import dataclasses
import gzip

import numpy as np
import pytest

from pyfunc.compiled import descent, kernel, machine, models, objects, places
from pyfunc.compiled.descent import Descent
from pyfunc.compiled.engine import Engine
from pyfunc.compiled.extract import extract
from pyfunc.compiled.forest import read
from pyfunc.compiled.kernel import Questions
from pyfunc.compiled.lightgbm_text import Tree, model
from pyfunc.compiled.models import LEAST_ROWS, MANY_ROWS, WAITED_FOR, Bag
from pyfunc.compiled.places import NotAskedError, Places
from pyfunc.compiled.room import Members
from pyfunc.compiled.walk import Walk
from pyfunc.recalibration import Recalibration
from tests.api.served import until
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
    trees = read(gzip.decompress(bag.packed))
    put = Places(trees)
    together = Questions(trees, outputs, put)
    alone = Descent(trees, Members(bag.members, bag.outputs), bag.features, put)

    wanted = bag._library(bag.packed).batch(matrix)

    np.testing.assert_allclose(together.sums(matrix), wanted, rtol=0, atol=1e-12)
    for one in (alone.sums, bag._library(bag.packed).row):
        np.testing.assert_allclose(np.array([one(row) for row in matrix[:100]]), wanted[:100], rtol=0, atol=1e-12)
    assert together.sums(matrix[:0]).shape == (0, outputs)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("learner", ["et", "rf"])
@pytest.mark.parametrize("limit", ["leaves", "bounds"])
def test_trees_that_are_too_deep_are_walked(learner, classes, limit, monkeypatch):
    """With more leaves, or more different bounds, than places and questions take: the library is not asked."""
    bag = compiled(learner, classes)
    matrix = odd(bag.features, 301)  # no multiple of a group
    wanted, alone = bag.score(matrix[:99]), np.array([bag.score_row(row) for row in matrix[:99]])
    monkeypatch.setattr(*((kernel, "MOST_LEAVES", 1) if limit == "leaves" else (places, "MOST_BOUNDS", 1)))
    bag.warm()
    bag.__dict__.pop("_engine", None)
    monkeypatch.setattr(models, "Engine", None)

    assert bag._asked.walk is not None
    assert (bag._asked.questions, bag._asked.descent) == (None, None)
    np.testing.assert_allclose(bag.score(matrix)[:99], wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose([bag.score_row(row) for row in matrix[:99]], alone, rtol=0, atol=1e-12)
    assert bag.score(matrix[:0]).shape == (0, classes)


def test_sets_of_codes_are_not_walked():
    """Nor trees with more nodes than 16 bits can count; their library answers."""
    with pytest.raises(NotAskedError, match="sets of codes"):
        Walk(read(gzip.decompress(compiled("lightgbm", 2).packed)), Members(3, 1), 6)


def test_once_trees_are_ready_their_library_is_gone(monkeypatch):
    """One row, few and many are answered by the same trees, to the same probabilities."""
    bag = compiled("lightgbm", 2)
    many = odd(bag.features, WAITED_FOR)
    before = np.array([bag.score_row(row) for row in many[:99]])
    assert "_engine" in bag.__dict__
    found = bag.score(many)
    assert "_engine" not in bag.__dict__
    monkeypatch.setattr(models, "Engine", None)

    np.testing.assert_allclose(found[:99], before, rtol=0, atol=1e-12)
    np.testing.assert_allclose([bag.score_row(row) for row in many[:99]], before, rtol=0, atol=1e-12)
    for few in (0, 1, LEAST_ROWS - 1, LEAST_ROWS, 99):
        np.testing.assert_array_equal(bag.score(many[:few]), found[:few])


def test_the_file_of_a_stored_model_is_let_go_once_trees_are_ready():
    """It is as large as they are. One that is still to be written is kept."""
    bag = compiled("lightgbm", 2)
    stored = dataclasses.replace(bag, is_stored=True)
    rows = odd(bag.features, 99)
    before = stored.score(rows)
    for each in (bag, stored):
        each.warm()

    assert (len(bag.packed) > 1000, stored.packed) == (True, b"")
    np.testing.assert_allclose(stored.score(rows), before, rtol=0, atol=1e-12)


def test_a_few_hundred_rows_do_not_wait_for_the_compiler():
    """It begins aside, and the next ones find it."""
    bag = compiled("lightgbm", 2)
    rows = odd(bag.features, MANY_ROWS)
    by_library = bag.score(rows)
    until(lambda: bag._asked.questions is not None)

    np.testing.assert_allclose(bag.score(rows), by_library, rtol=0, atol=1e-12)


def test_without_a_compiler_the_library_answers(monkeypatch):
    """Nothing is refused for it."""
    bag = compiled("lightgbm", 2)
    matrix = odd(bag.features, WAITED_FOR)
    wanted = bag.score(matrix)

    def none(_: str) -> bytes:
        raise objects.NoMachineError

    monkeypatch.setattr(machine, "_functions", {})
    monkeypatch.setattr(objects, "of", none)
    other = compiled("lightgbm", 2)

    np.testing.assert_allclose(other.score(matrix), wanted, rtol=0, atol=1e-12)
    assert other._asked.descent is None


def tree(**changed: object) -> Tree:
    """One question, two leaves."""
    two = np.array([1.0, 2.0])
    parts = {
        "feature": np.array([0]), "threshold": np.array([0.5]), "missing_left": np.array([True]), "categories": {},
        "left": np.array([-1]), "right": np.array([-2]), "leaves": two, **changed,
    }  # fmt: skip
    return Tree(**parts)


def both(text: str, outputs: int, rows: np.ndarray) -> list[list[float]]:
    """What all ways say, which is the same."""
    trees = read(text.encode())
    put = Places(trees)
    alone, found = Descent(trees, Members(outputs, 1), rows.shape[1], put), Questions(trees, outputs, put).sums(rows)
    np.testing.assert_array_equal(np.array([alone.sums(row) for row in rows]), found)
    if not trees.is_code.any():
        walked = Walk(trees, Members(outputs, 1), rows.shape[1])
        np.testing.assert_array_equal(walked.sums(rows), found)
        np.testing.assert_array_equal(np.array([walked._room.sums(row) for row in rows]), found)
    return found.tolist()


def test_a_gap_goes_where_its_tree_sends_it():
    """Left, right, or wherever zero goes: each its own way at the same bound."""
    left, right = tree().text(), tree(missing_left=np.array([False])).text()
    as_zero = left.replace("decision_type=10", "decision_type=0")
    rows = np.array([[np.nan], [0.5], [0.6]])

    assert both(model([[left], [right], [as_zero]], 1), 3, rows) == [[1, 2, 1], [1, 1, 1], [2, 2, 2]]


def test_sets_of_any_size_are_asked_for():
    """Within a word and beyond it; what is no code is in no set."""
    small, large = tree(categories={0: [0, 62]}).text(), tree(categories={0: [1, 200]}, feature=np.array([1])).text()
    codes = np.array([[0, 0], [62, 1], [63, 200], [64, 201], [np.nan, np.nan], [-1, -1], [1e6, 1e6]])

    assert both(model([[small], [large]], 2), 2, codes) == [[1, 2], [1, 1], [2, 1], [2, 2], [2, 2], [2, 2], [2, 2]]


def test_a_level_asks_for_a_set_of_any_size():
    """A tree that asks the same at all nodes of a level, for codes far apart: the answers are the bits of a leaf."""
    at_level = np.repeat([0, 1, 2], [1, 2, 4])
    made = tree(
        feature=at_level, threshold=np.full(7, 0.5), missing_left=np.ones(7, dtype=bool),
        categories={node: [0, 40] for node in (1, 2)}, left=np.array([1, 3, 5, -1, -3, -5, -7]),
        right=np.array([2, 4, 6, -2, -4, -6, -8]), leaves=np.arange(8.0),
    )  # fmt: skip
    text = model([[made.text()]], 3)
    rows = np.array([[0, 0, 0], [0, 40, 1], [0, 1, 0], [1, 41, 1], [1, 40, 0], [1, np.nan, 1]])

    assert Places(read(text.encode())).levels.trees.tolist() == [0]
    assert both(text, 1, rows) == [[0], [1], [2], [7], [4], [7]]


def of_levels(random: np.random.Generator, depth: int, *, with_sets: bool) -> Tree:
    """A tree that asks the same at all nodes of a level: columns 0 to 3 are numbers, column 4 holds codes."""
    asked = random.integers(0, 5 if with_sets else 4, depth)
    bounds = random.normal(size=depth)
    levels = np.repeat(np.arange(depth), 2 ** np.arange(depth))
    sets = [sorted({*random.integers(0, 40, 5).tolist()}) for _ in range(depth)]
    n = 2**depth - 1
    at = np.arange(n)
    is_last = levels == depth - 1
    return tree(
        feature=asked[levels], threshold=bounds[levels], missing_left=np.ones(n, dtype=bool),
        categories={node: sets[level] for node, level in enumerate(levels.tolist()) if asked[level] == 4},
        left=np.where(is_last, -2 * (at - n // 2) - 1, 2 * at + 1),
        right=np.where(is_last, -2 * (at - n // 2) - 2, 2 * at + 2), leaves=random.normal(size=n + 1),
    )  # fmt: skip


@pytest.mark.parametrize("with_sets", [False, True])
def test_trees_of_levels_of_all_depths_stand_beside_others(with_sets):
    """More than a group of each, in any order: each channel gets its own trees."""
    random = np.random.default_rng(5)
    depths = random.permutation(np.repeat([1, 2, 3, 4, 5, 6, 7], 15)).tolist()
    trees = [of_levels(random, depth, with_sets=with_sets) for depth in depths]
    text = model([[each.text() for each in trees[channel::3]] for channel in range(3)], 5)
    rows = np.column_stack([random.normal(size=(60, 4)), random.integers(-1, 45, 60)])
    rows[random.random(rows.shape) < 0.1] = np.nan

    wanted = Engine(text.encode(), 3, 5).batch(rows)
    forest = read(text.encode())
    put = Places(forest)

    assert (len(put.levels.trees), int(put.levels.is_other.sum())) == (75, 30)
    alone = Descent(forest, Members(3, 1), 5, put)
    np.testing.assert_allclose(Questions(forest, 3, put).sums(rows), wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose([alone.sums(row) for row in rows], wanted, rtol=0, atol=1e-12)


def test_more_sets_than_are_counted_are_left_to_others(monkeypatch):
    """A node has 16 bits for a place, and each set has one."""
    trees = read(model([[tree(categories={0: [code]}).text() for code in range(5)]], 1).encode())
    monkeypatch.setattr(descent, "MOST", 4)
    with pytest.raises(NotAskedError, match="sets"):
        Descent(trees, Members(1, 1), 1, Places(trees))


def test_a_deep_tree_takes_many_words():
    """A chain of 200 questions: every leaf is found."""
    n = 200
    chain = tree(
        feature=np.zeros(n, dtype=int), threshold=np.arange(n) + 0.5, missing_left=np.ones(n, dtype=bool),
        left=-np.arange(n) - 1, right=np.append(np.arange(1, n), -n - 1), leaves=np.arange(n + 1.0),
    )  # fmt: skip
    rows = np.arange(n + 1.0)[:, None]

    assert both(model([[chain.text()]], 1), 1, rows) == [[at] for at in range(n + 1)]


@pytest.mark.parametrize("why", ["zeros that mean missing", "large trees"])
def test_what_cannot_be_asked_is_named(why, monkeypatch):
    """Such trees are gone down row by row."""
    text = model([[tree().text()]], 1)
    if why == "large trees":
        monkeypatch.setattr(kernel, "MOST_LEAVES", 1)
    else:
        text = text.replace("decision_type=10", "decision_type=6")

    trees = read(text.encode())

    with pytest.raises(NotAskedError, match=why):
        Questions(trees, 1, Places(trees))


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("trees", [0, 40])
def test_the_mean_of_one_row_is_that_of_many(outputs, trees):
    """What members say is averaged by machine code for one row, and by arrays for many."""
    random = np.random.default_rng(3)
    bag = Bag(b"", 4, max(2, outputs), models.SHARES if trees else models.MARGINS, trees, 1)
    for _ in range(50):
        said = random.random((4, outputs)) * (trees or 900)
        if trees and outputs > 1:
            said *= trees / said.sum(axis=1, keepdims=True)
        constant = [[tree(leaves=np.array([each, each])).text()] for each in said.ravel()]
        forest = read(model(constant, 1).encode())
        alone = Descent(forest, Members(4, outputs, trees), 1, Places(forest))

        found = alone.mean(np.zeros(1))

        np.testing.assert_array_equal(alone.sums(np.zeros(1)), said.ravel())
        np.testing.assert_allclose(found, bag._probabilities(said).sum(axis=0) / 4, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.sum(), 1)


@pytest.mark.parametrize(
    "recalibration",
    [
        Recalibration("temperature", np.array([1.7])),
        Recalibration("sigmoid", np.array([0.8, -0.2])),
        Recalibration("isotonic", np.array([[0.1, 0.3, 0.3, 0.7], [0.05, 0.2, 0.4, 0.9]])),
        Recalibration("isotonic", np.array([[0.5], [0.4]])),
    ],
    ids=["temperature", "sigmoid", "isotonic", "one point"],
)
def test_one_row_is_recalibrated_as_many_are(recalibration):
    """On the points, between them, and beyond them."""
    second = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1])
    scores = np.column_stack([1 - second, second])

    found = np.array([recalibration.of_row(row) for row in scores])

    np.testing.assert_allclose(found, recalibration(scores), rtol=0, atol=1e-12)
