from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from steps.search.learners import Learner, space_of

SPACE = {
    "rate": ("float", 0.01, 1.0, True),
    "depth": ("int", 1, 10, False),
    "kind": ("choice", ("a", "b")),
}
LEARNER = Learner("made_up", LogisticRegression, {}, SPACE)


def test_the_first_candidate_has_the_defaults():
    """Number 0 draws nothing."""
    assert LEARNER.draw(0, seed=1) == {}


def test_draws_are_reproducible_and_differ_by_number_and_seed():
    """The same seed and number give the same hyperparameters, others give others."""
    assert LEARNER.draw(3, seed=1) == LEARNER.draw(3, seed=1)
    assert LEARNER.draw(3, seed=1) != LEARNER.draw(4, seed=1)
    assert LEARNER.draw(3, seed=1) != LEARNER.draw(3, seed=2)


def test_draws_stay_in_their_space():
    """Two hundred draws keep to bounds and types."""
    drawn = [LEARNER.draw(number, seed=1) for number in range(1, 201)]

    assert all(0.01 <= one["rate"] <= 1 and 1 <= one["depth"] < 10 and one["kind"] in "ab" for one in drawn)
    assert all(isinstance(one["depth"], int) for one in drawn)
    assert {one["kind"] for one in drawn} == {"a", "b"}


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
