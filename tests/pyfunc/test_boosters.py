"""What all boosters have in common, on a table with gaps, categories and categories that are not known."""

from __future__ import annotations

import time
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest

from pyfunc.boosters import BOOSTERS, Sight, _is_past

PARAMETERS = {
    "lightgbm": {"learning_rate": 0.3, "num_leaves": 4, "min_data_in_leaf": 3, "feature_fraction": 0.7},
    "xgboost": {"learning_rate": 0.3, "max_depth": 2, "subsample": 0.8},
    "catboost": {"learning_rate": 0.3, "depth": 2, "bootstrap_type": "Bernoulli", "subsample": 0.8},
}
EVERY = pytest.mark.parametrize("name", PARAMETERS)
CASES = pytest.mark.parametrize("classes", [2, 3])


def sight(classes: int = 2, rows: int = 240, rounds: int = 12, **changes) -> Sight:
    """Two numbers and a category that tell the class; a sixth of each cell is missing."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % classes
    category = np.where(random.random(rows) < 0.7, y, random.integers(0, 4, rows))
    matrix = np.column_stack([y + random.normal(size=rows), random.normal(size=rows), category]).astype(float)
    matrix[random.random(matrix.shape) < 1 / 6] = np.nan
    half = rows // 2
    made = Sight(matrix[:half], y[:half], matrix[half:], y[half:], classes, (2,), rounds, patience=50, end=None, seed=3)
    return replace(made, **changes)


@EVERY
@CASES
def test_probabilities_add_up_and_gaps_and_unseen_categories_have_some(name, classes):
    """A row of gaps, one with an unseen category and known ones: every row has probabilities that add up to 1."""
    given = sight(classes)
    rows = np.vstack([given.watch[:5], [np.nan] * 3, [0.5, 0.5, 99.0]])

    found = BOOSTERS[name](given, PARAMETERS[name]).predict_proba(rows)

    assert found.shape == (7, classes)
    assert found.dtype == np.float64
    assert ((found > 0) & (found < 1)).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)


@EVERY
@CASES
def test_the_curve_is_the_log_loss_on_the_watched_rows(name, classes):
    """One figure a round, the last what the booster's own probabilities give, and one is better than a guess."""
    given = sight(classes)

    grown = BOOSTERS[name](given, PARAMETERS[name])

    right = grown.predict_proba(given.watch)[np.arange(len(given.y_watch)), given.y_watch]
    assert len(grown.curve) == given.rounds
    assert grown.curve[-1] == pytest.approx(-np.log(right).mean(), abs=1e-5)
    assert grown.curve.min() < np.log(classes)


@EVERY
@CASES
def test_a_cut_leaves_the_first_rounds(name, classes):
    """Cut to five rounds, a booster answers as one that was grown for five, and as the curve says."""
    given = sight(classes)
    whole = BOOSTERS[name](given, PARAMETERS[name])
    before = whole.predict_proba(given.watch)

    whole.cut(5)

    found = whole.predict_proba(given.watch)
    short = BOOSTERS[name](replace(given, rounds=5), PARAMETERS[name]).predict_proba(given.watch)
    np.testing.assert_allclose(found, short, rtol=0, atol=1e-7)
    assert abs(found - before).max() > 1e-3


@EVERY
def test_a_cut_to_all_rounds_changes_nothing(name):
    """The number of rounds that there are may be asked for."""
    given = sight()
    grown = BOOSTERS[name](given, PARAMETERS[name])
    before = grown.predict_proba(given.watch)

    grown.cut(given.rounds)

    np.testing.assert_allclose(grown.predict_proba(given.watch), before, rtol=0, atol=1e-7)


@EVERY
@CASES
def test_a_pickled_booster_answers_the_same(name, classes):
    """Grown, cut, pickled and loaded: not one bit is different."""
    given = sight(classes)
    grown = BOOSTERS[name](given, PARAMETERS[name])
    grown.cut(7)

    loaded = cloudpickle.loads(cloudpickle.dumps(grown))

    np.testing.assert_array_equal(loaded.predict_proba(given.watch), grown.predict_proba(given.watch))


@EVERY
def test_the_seed_decides_everything_that_is_drawn(name):
    """The same seed gives the same bits, another one something else."""
    first, again, other = (
        BOOSTERS[name](sight(seed=seed), PARAMETERS[name]).predict_proba(sight().watch) for seed in (3, 3, 4)
    )

    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 1e-6


@EVERY
def test_without_gain_it_stops(name):
    """Labels that nothing tells: after a few rounds without a better log loss no more are grown."""
    noise = np.random.default_rng(1).integers(0, 2, 120)

    grown = BOOSTERS[name](sight(rounds=400, patience=6, y_watch=noise), PARAMETERS[name])

    assert len(grown.curve) < 400
    assert _is_past(list(grown.curve), 6)
    assert not _is_past(list(grown.curve[:-1]), 6)


@EVERY
def test_after_its_end_one_round_is_grown(name):
    """A booster whose time is over before it began stops at the first look."""
    grown = BOOSTERS[name](sight(rounds=400, end=time.monotonic() - 1), PARAMETERS[name])

    assert len(grown.curve) == 1


@EVERY
def test_categories_need_no_numbers_beside_them_and_numbers_no_categories(name):
    """Tables of one kind of column are learned from as well."""
    given = sight()
    for at, categories in (([2], (0,)), ([0, 1], ())):
        part = replace(given, learn=given.learn[:, at], watch=given.watch[:, at], categories=categories)

        assert BOOSTERS[name](part, PARAMETERS[name]).predict_proba(part.watch).shape == (120, 2)


def test_long_curves_are_judged_as_short_ones():
    """`patience` rounds without a better one: an equal one is none, at any length."""
    for flat in (5, 50):
        falling = list(np.linspace(1, 0.5, flat))

        assert not _is_past([*falling, *[0.5] * 4], 5)
        assert _is_past([*falling, *[0.5] * 5], 5)
        assert not _is_past([*falling, *[0.5] * 4, 0.49], 5)
