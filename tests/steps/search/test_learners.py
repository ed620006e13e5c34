from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from steps.search.learners import Learner, space_of, variant_of

LEARNER = Learner("made_up", LogisticRegression, {}, {})


def test_a_number_in_pieces_is_seen_where_it_was_asked_for():
    """A linear model on splines follows a bump that a line cannot; columns of few values stay as they are."""
    at = np.linspace(-3, 3, 300)
    features, y = np.column_stack([at, np.arange(300) % 2]), (np.abs(at) < 1).astype(int)
    line, pieces = (LEARNER.make(drawn, 1).fit(features, y) for drawn in ({}, {"features": "splines", "C": 10.0}))

    assert line.score(features, y) < 0.7
    assert pieces.score(features, y) > 0.9
    assert pieces[-1].C == 10.0


def test_learners_learn_on_the_preprocessing_that_suits_them():
    """Bags see the table's own categories, linear models standardised features, the others plain ones."""
    assert [variant_of(name) for name in ("catboost", "lr", "gbc")] == ["native", "scaled", "plain"]


def test_a_learner_without_probabilities_gets_calibrated_ones():
    """Ridge has no `predict_proba`; what is made of it has."""
    features, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    ridge = Learner("ridge", RidgeClassifier, {}, {})

    scores = ridge.make({}, seed=1).fit(features, y).predict_proba(features)

    assert scores.sum(axis=1) == pytest.approx(1)
    assert scores.shape == (60, 2)


def test_spaces_leave_out_what_breaks_probabilities_and_what_cannot_win():
    """Class weights are not drawn, and learning rates start where trees learn something."""
    rate = SimpleNamespace(lower=1e-6, upper=0.5, log=True)
    weight = SimpleNamespace(values=["balanced", {}])

    assert space_of({"learning_rate": rate, "class_weight": weight}) == {"learning_rate": ("float", 0.02, 0.5, True)}
