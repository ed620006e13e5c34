import numpy as np
import pytest
from sklearn.metrics import log_loss

from steps.search import ensemble
from steps.search.ensemble import LARGEST, POOL, STACKED, bagged

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


def test_stacks_in_a_blend_have_their_share():
    """The weaker one gets little; named as a stack it has half, and the others share the rest as before."""
    parts = [scores(1.4, 1), scores(1.4, 2), scores(1.6, 3)]
    found = bagged(Y, parts).weights
    assert 0 < found[2] < STACKED

    leaning = bagged(Y, parts, stacks={2}).weights

    assert leaning[2] == pytest.approx(STACKED)
    assert leaning[0] / leaning[1] == pytest.approx(found[0] / found[1], rel=0.05)


def test_a_stack_that_adds_nothing_gets_no_weight():
    """Its share is none where the rows leave it out; and more than its share is left to it."""
    noise = np.full((len(Y), 2), 0.5)
    parts = [scores(0.7, 1), noise]

    assert bagged(Y, parts, stacks={1}).weights == {0: 1.0}
    assert bagged(Y, parts, stacks={0}).weights == {0: 1.0}


def test_few_rows_draw_the_weights_towards_equal_ones_of_each_learner(monkeypatch):
    """A learner's best gains, its second does not, and one far behind gets nothing; not so where there are stacks."""
    monkeypatch.setattr(ensemble, "ALIKE", 10 * len(Y))
    y = np.tile(Y, 10)
    parts = [np.tile(part, (10, 1)) for part in (scores(1.4, 1), scores(1.4, 3), scores(1.25, 7), scores(9, 4))]
    learners = ["lightgbm", "lightgbm", "lr", "et"]
    found, drawn = bagged(y, parts).weights, bagged(y, parts, learners=learners).weights

    assert drawn[0] == pytest.approx(found[0] / 2 + 1 / 4)
    assert drawn[1] == pytest.approx(found[1] / 2)
    assert drawn[2] == pytest.approx(found[2] / 2 + 1 / 4)
    assert 3 not in drawn
    assert bagged(y, parts, stacks={3}, learners=learners).weights == found


def test_many_rows_are_believed():
    """A hundred times as many: that learners are worth the same says next to nothing."""
    parts, learners = [scores(1.4, 1), scores(1.4, 3)], ["lightgbm", "lr"]
    few = bagged(Y, parts).weights[1], bagged(Y, parts, learners=learners).weights[1]
    y, parts = np.tile(Y, 100), [np.tile(part, (100, 1)) for part in parts]
    many = bagged(y, parts).weights[1], bagged(y, parts, learners=learners).weights[1]

    assert abs(many[1] - many[0]) < 0.01 < abs(few[1] - few[0])
