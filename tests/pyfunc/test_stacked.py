"""What a bag on top of others hears of them, and what it answers."""

from __future__ import annotations

import cloudpickle
import numpy as np
import pytest

from pyfunc.bags import Bag, Stacked, heard
from pyfunc.boosters import LEAST_HEARD, sayings
from tests.pyfunc.test_bags import splits_of

BOOSTED = {"learning_rate": 0.3, "num_leaves": 4, "min_data_in_leaf": 3}
GROWN = {"n_estimators": 10}
CASES = pytest.mark.parametrize("classes", [2, 3])


def stacked(classes: int, rows: int = 150) -> tuple[Stacked, np.ndarray, list[np.ndarray]]:
    """Two bags and one on top of them, the matrix, and what the two said out of fold."""
    random = np.random.default_rng(2)
    y = np.arange(rows) % classes
    matrix = np.column_stack([y + random.normal(size=rows), random.normal(size=rows), random.integers(0, 4, rows)])
    splits = splits_of(y)
    bases = [Bag("lightgbm", BOOSTED, categories=(2,)), Bag("et", GROWN)]
    scores = [base.fit(matrix, y, splits).forget() for base in bases]
    top = Bag("rf", GROWN, left_out=(1,)).fit(heard(matrix, scores), y, splits)
    return Stacked(bases, top), matrix, scores


def test_of_two_classes_the_log_odds_are_heard():
    """One column: 0 for a half, the odds of the second class by their logarithm."""
    found = sayings(np.array([[0.5, 0.5], [0.2, 0.8]]))

    np.testing.assert_allclose(found, [[0], [np.log(4)]], rtol=0, atol=1e-12)


def test_of_three_classes_each_ones_logarithm_is_heard():
    """A column a class."""
    scores = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])

    np.testing.assert_allclose(sayings(scores), np.log(scores), rtol=0, atol=1e-12)


@CASES
def test_certainty_is_heard_as_a_number(classes):
    """Probabilities of 0 and below the least that is heard are the same, and finite."""
    certain = np.eye(classes)
    nearly = np.where(certain == 0, LEAST_HEARD / 10, 1.0)

    found = sayings(certain)

    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, sayings(nearly))
    assert found.min() == pytest.approx(np.log(LEAST_HEARD))


@CASES
def test_what_is_heard_stands_behind_the_matrix_in_its_order(classes):
    """The matrix as it was, then what the first said, then the second."""
    matrix = np.arange(8.0).reshape(4, 2)
    first, second = (np.random.default_rng(seed).dirichlet(np.ones(classes), 4) for seed in (1, 2))

    found = heard(matrix, [first, second])

    each = 1 if classes == 2 else classes
    assert found.shape == (4, 2 + 2 * each)
    np.testing.assert_array_equal(found[:, :2], matrix)
    np.testing.assert_array_equal(found[:, 2 : 2 + each], sayings(first))
    np.testing.assert_array_equal(found[:, 2 + each :], sayings(second))


@CASES
def test_a_stack_answers_what_its_top_says_of_what_it_hears(classes):
    """By hand: the answers of the bases behind the matrix, and those before the top."""
    stack, matrix, scores = stacked(classes)
    answers = [base.predict_proba(matrix) for base in stack.bases]

    found = stack.predict_proba(matrix)

    assert found.shape == (150, classes)
    np.testing.assert_array_equal(found, stack.top.predict_proba(heard(matrix, answers)))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert abs(found - stack.top.predict_proba(heard(matrix, scores))).max() > 1e-3  # answers are not out of fold


@CASES
def test_a_pickled_stack_answers_the_same(classes):
    """Not one bit is different, for rows with gaps as well."""
    stack, matrix, _ = stacked(classes)
    rows = np.vstack([matrix[:20], np.full((1, 3), np.nan)])

    loaded = cloudpickle.loads(cloudpickle.dumps(stack))

    np.testing.assert_array_equal(loaded.predict_proba(rows), stack.predict_proba(rows))
