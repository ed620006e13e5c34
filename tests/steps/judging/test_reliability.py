"""The calibration error and the part of it that is chance."""

from __future__ import annotations

import numpy as np
import pytest

from steps.judging import reliability
from steps.judging.curves import calibration
from steps.judging.reliability import expected_error, noise

RANDOM = np.random.default_rng(0)


def test_the_error_is_the_mean_gap_of_the_groups_that_are_drawn():
    """Weighed by rows, it is the distance of the plot's points from the diagonal."""
    said = np.round(RANDOM.random(500), 2)
    outcome = RANDOM.random(500) < said**2
    groups = calibration(outcome, said)

    expected = sum(group.rows * abs(group.said - group.true.value) for group in groups) / 500

    assert expected_error(outcome, said) == pytest.approx(expected)


def test_exact_probabilities_stay_within_the_noise():
    """Outcomes drawn from the probabilities exceed the 95th percentile in about one of twenty files."""
    said = RANDOM.random(400)
    mean, high = noise(said)
    found = np.array([expected_error(RANDOM.random(400) < said, said) for _ in range(200)])

    assert 0.01 <= (found > high).mean() <= 0.10
    assert found.mean() == pytest.approx(mean, rel=0.08)


def test_wrong_probabilities_exceed_it():
    """Said twice as often as it comes true."""
    said = RANDOM.random(2000)

    assert expected_error(RANDOM.random(2000) < said / 2, said) > 3 * noise(said)[1]


def test_the_noise_is_the_same_each_time_and_less_with_more_rows():
    """A fixed seed, and a floor that falls with the number of rows."""
    few, many = RANDOM.random(100), RANDOM.random(10_000)

    assert noise(few) == noise(few)
    assert noise(many)[1] < noise(few)[0]


def test_one_probability_for_all_rows_is_one_group():
    """The constant answer has one group; certain answers have no noise."""
    assert expected_error(np.array([True, False]), np.array([0.5, 0.5])) == 0
    assert noise(np.ones(50)) == (0.0, 0.0)


def test_the_document_says_what_training_did(two):
    """The manifest's part and the test rows' part stand together; the sentences read them."""
    _, judgement = two
    settled = {"method": "sigmoid", "log_loss_before": 0.5, "log_loss_after": 0.4, "rows": 300}

    part = reliability.found(judgement, settled)
    said = reliability.sentences({"calibration": part, "model": {"positive": "yes"}})

    assert part["bins"] == 10
    assert part["ece_noise_mean"] < part["ece_noise_high"]
    assert said[0].startswith(
        "Training recalibrated them (sigmoid): on 300 out-of-fold rows the log loss fell from 0.5"
    )
    assert (
        "no recalibration"
        in reliability.sentences({"calibration": {**part, "method": "none"}, "model": {"positive": None}})[0]
    )


def test_a_model_from_before_says_nothing_of_training(two):
    """Without a record in the manifest only the test rows speak."""
    _, judgement = two
    part = reliability.found(judgement, {})

    assert part["rows"] is None
    assert len(reliability.sentences({"calibration": part, "model": {"positive": "yes"}})) == 1
