"""Forests behind the face of boosters: what their votes become, held against scikit-learn's own answers."""

from __future__ import annotations

import time
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from pyfunc.boosters import BOOSTERS, DOUBT, MISSING, TREES_AT_ONCE
from tests.pyfunc.test_boosters import sight

PARAMETERS = {"n_estimators": 25, "max_features": 0.7}
MAKERS = {"et": ExtraTreesClassifier, "rf": RandomForestClassifier}
EVERY = pytest.mark.parametrize("name", MAKERS)
CASES = pytest.mark.parametrize("classes", [2, 3])
MANY = 1000  # rounds: more than there are trees


@EVERY
@CASES
def test_a_forest_answers_as_scikit_learns_own_up_to_the_doubt(name, classes):
    """Grown ten at a time, the trees are those of one fit with the seed, and half a vote is shared by all classes."""
    given = sight(classes, rounds=MANY)
    learn, watch = (np.nan_to_num(part, nan=MISSING) for part in (given.learn, given.watch))
    theirs = MAKERS[name](random_state=given.seed, **PARAMETERS).fit(learn, given.y_learn).predict_proba(watch)

    found = BOOSTERS[name](given, PARAMETERS).predict_proba(given.watch)

    np.testing.assert_allclose(found, (25 * theirs + DOUBT / classes) / (25 + DOUBT), rtol=0, atol=1e-12)


@EVERY
@CASES
def test_no_probability_is_certain_not_even_of_rows_that_were_learned(name, classes):
    """Full-grown trees agree on rows of their own; gaps and unseen categories too have probabilities that add up."""
    given = sight(classes, rounds=MANY)
    rows = np.vstack([given.learn, [np.nan] * 3, [0.5, 0.5, 99.0]])

    found = BOOSTERS[name](given, PARAMETERS).predict_proba(rows)

    assert found.dtype == np.float64
    assert ((found > 0) & (found < 1)).all()
    assert found.max() > 0.95  # only the doubt is missing
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)


@EVERY
def test_a_class_that_no_row_was_learned_of_has_its_share_of_the_doubt(name):
    """The first of three classes is absent: it gets a third of half a vote in every row, and the others stay theirs."""
    given = sight(3, rounds=MANY)
    some = given.y_learn != 0
    without = replace(given, learn=given.learn[some], y_learn=given.y_learn[some])

    found = BOOSTERS[name](without, PARAMETERS).predict_proba(without.learn)

    np.testing.assert_allclose(found[:, 0], DOUBT / 3 / (25 + DOUBT), rtol=0, atol=1e-12)
    assert (found.argmax(axis=1) == without.y_learn).mean() > 0.9


@EVERY
def test_gaps_are_learned_from(name):
    """A column whose gaps are all that tells the class is as good as any."""
    y = np.arange(120) % 2
    matrix = np.column_stack([np.where(y == 1, np.nan, np.linspace(-5, 5, 120)), np.zeros(120)])
    given = sight(rounds=MANY, learn=matrix[:60], y_learn=y[:60], watch=matrix[60:], y_watch=y[60:], categories=())

    assert (BOOSTERS[name](given, PARAMETERS).predict_proba(given.watch).argmax(axis=1) == given.y_watch).all()


@EVERY
def test_a_forests_curve_is_its_log_loss_and_knows_no_best_number_of_trees(name):
    """One figure for each tree, all the log loss of the whole forest on the watched rows."""
    given = sight(3, rounds=MANY)
    grown = BOOSTERS[name](given, PARAMETERS)
    right = grown.predict_proba(given.watch)[np.arange(len(given.y_watch)), given.y_watch]

    np.testing.assert_allclose(grown.curve, np.full(25, -np.log(right).mean()))


@EVERY
def test_a_forest_cut_and_pickled_has_its_first_trees(name):
    """Cut to five trees it answers as one that was grown to five, and so does its pickle."""
    given = sight(3, rounds=MANY)
    grown, short = BOOSTERS[name](given, PARAMETERS), BOOSTERS[name](replace(given, rounds=5), PARAMETERS)
    before = grown.predict_proba(given.watch)

    grown.cut(5)

    found = grown.predict_proba(given.watch)
    np.testing.assert_array_equal(found, short.predict_proba(given.watch))
    np.testing.assert_array_equal(cloudpickle.loads(cloudpickle.dumps(grown)).predict_proba(given.watch), found)
    assert abs(found - before).max() > 1e-3


@EVERY
def test_a_forest_whose_time_is_over_has_its_first_trees_and_no_more(name):
    """Time is looked at between handfuls of trees: one handful is grown in any case."""
    grown = BOOSTERS[name](sight(rounds=MANY, end=time.monotonic() - 1), PARAMETERS)

    assert len(grown.trees) == len(grown.curve) == TREES_AT_ONCE
