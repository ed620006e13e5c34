import numpy as np
import pytest
from sklearn.metrics import log_loss

from steps.search.ensemble import LARGEST, POOL, bagged

RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, 2, 400)


def scores(noise: float, seed: int) -> np.ndarray:
    """Probabilities (400, 2) of a classifier that sees the truth through noise of its own."""
    seen = 2.0 * Y - 1 + np.random.default_rng(seed).normal(0, noise, len(Y))
    positive = 1 / (1 + np.exp(-2 * seen / noise**2))
    return np.column_stack([1 - positive, positive])


def test_classifiers_that_err_differently_are_blended_and_gain():
    """Two equally good ones with noise of their own share the weight, and their mean is better than either."""
    parts = [scores(1.5, 1), scores(1.5, 2)]

    weights = bagged(Y, parts).weights

    assert sum(weights.values()) == pytest.approx(1)
    assert set(weights) == {0, 1}
    blended = sum(weight * parts[at] for at, weight in weights.items())
    assert log_loss(Y, blended) < min(log_loss(Y, part) for part in parts) - 0.02


def test_a_classifier_that_adds_nothing_gets_no_weight():
    """Noise beside a good classifier is left out."""
    noise = np.full((len(Y), 2), 0.5)

    assert bagged(Y, [noise, scores(0.7, 1)]).weights == {1: 1.0}


def test_only_the_best_may_take_part():
    """The one behind the pool has no weight, whatever it would add; and no more have one than a blend may hold."""
    parts = [scores(1.5 + at / 50, at) for at in range(POOL + 5)]
    worst = sorted(range(len(parts)), key=lambda at: log_loss(Y, parts[at]))[POOL:]

    weights = bagged(Y, parts).weights

    assert not set(worst) & set(weights)
    assert len(weights) <= LARGEST
