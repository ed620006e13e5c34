from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from steps.judging import intervals, methods, resampling
from steps.judging.intervals import Figure, bounds, newcombe, paired_difference, per_class, wilson
from steps.judging.metrics import METRICS, figures
from tests.steps.judging.test_metrics import answers


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (3, 10), (10, 10), (181, 1000)])
def test_wilson_is_scipys(hits, trials):
    """The score interval equals scipy's."""
    expected = binomtest(hits, trials).proportion_ci(method="wilson")

    assert (expected.low, expected.high) == pytest.approx(wilson(hits, trials), abs=1e-12)


def test_a_share_of_nothing_is_anywhere():
    """Without trials the bounds are 0 and 1."""
    assert wilson(0, 0) == (0.0, 1.0)


def test_newcombe_solves_its_equation():
    """At both bounds the distance to the figure is 1.96 standard errors by Hanley and McNeil at the bound itself."""
    auc, positives, negatives = 0.85, 12, 200
    mean = (positives + negatives) / 2 - 1

    for true in newcombe(auc, positives, negatives):
        spread = true * (1 - true) * (1 + mean * (1 - true) / (2 - true) + mean * true / (1 + true))
        assert abs(auc - true) == pytest.approx(methods.Z * math.sqrt(spread / (positives * negatives)), abs=1e-9)


def test_newcombe_leaves_room_below_a_perfect_ranking():
    """A perfect ranking of few rows is no certainty: the upper bound is 1, the lower one far below."""
    low, high = newcombe(1.0, 3, 20)

    assert high == 1
    assert 0.5 < low < 0.95


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(6, 40), n_classes=st.sampled_from([2, 3, 6]))
def test_bounds_enclose_and_stay_in_range(monkeypatch_resamples, seed, rows, n_classes):
    """Whatever the answers, `low <= value <= high`, inside the figure's range, and the value is the figure."""
    y, scores, predicted = answers(n_classes, rows, seed)
    at = 1 if n_classes == 2 else None

    found = bounds(y, scores, predicted, at, resampling.resampled(y, scores, predicted, at))

    assert figures(y, scores, predicted, at) == {name: found[name].value for name in METRICS}
    for name, figure in found.items():
        least, most = intervals.RANGES[name]
        assert least <= figure.low <= figure.value <= figure.high <= most


@pytest.fixture(scope="module")
def monkeypatch_resamples():
    """Fewer resamples: these tests are about the edges, not the width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "RESAMPLES", 100)
        patch.setattr(resampling, "FEWEST_RESAMPLES", 50)
        yield


def test_bounds_hold_the_true_figure():
    """Of 150 small test files, about 95 % of the bounds hold the truth, also with few positives."""
    source = np.random.default_rng(3)
    prevalence, files, rows = 0.15, 150, 120
    log_odds, shift = math.log(prevalence / (1 - prevalence)), 1.5
    big = _draw(source, 400_000, prevalence, shift, log_odds)
    truth = figures(*big, 1)
    held = dict.fromkeys(("f1", "balanced_accuracy", "roc_auc", "log_loss", "recall"), 0)

    for _ in range(files):
        y, scores, predicted = _draw(source, rows, prevalence, shift, log_odds)
        found = bounds(y, scores, predicted, 1, resampling.resampled(y, scores, predicted, 1))
        for name in held:
            held[name] += found[name].low <= truth[name] <= found[name].high

    assert all(0.88 <= count / files <= 1 for count in held.values()), held


def _draw(source, rows, prevalence, shift, log_odds):
    """Answers of a calibrated classifier with normal scores."""
    y = (source.random(rows) < prevalence).astype(np.int64)
    score = source.normal(size=rows) + shift * y
    positive = 1 / (1 + np.exp(-(shift * score - shift**2 / 2 + log_odds)))
    return y, np.column_stack([1 - positive, positive]), (positive >= 0.3).astype(np.int64)


def test_paired_difference_is_narrower_than_two_bounds():
    """Two nearly equal models on the same rows: the difference is far better known than either figure."""
    y, scores, predicted = answers(2, 400, 1, decimals=12)
    other = np.clip(scores + np.random.default_rng(0).normal(scale=0.01, size=(400, 1)) * [1, -1], 0, 1)
    other /= other.sum(axis=1, keepdims=True)
    a = resampling.resampled(y, scores, predicted, 1)
    b = resampling.resampled(y, other, other.argmax(axis=1), 1)
    first, second = figures(y, scores, predicted, 1), figures(y, other, other.argmax(axis=1), 1)

    value, low, high = paired_difference("log_loss", first["log_loss"], second["log_loss"], a, b)
    own_low, own_high = intervals.percentiles(a["log_loss"])

    assert value == pytest.approx(second["log_loss"] - first["log_loss"])
    assert low <= value <= high
    assert high - low < (own_high - own_low) / 3


def test_per_class_figures_of_the_positive_class_are_the_main_ones():
    """For two classes, the positive class's own row repeats precision, recall, F1 and ROC AUC with their bounds."""
    y, scores, predicted = answers(2, 80, 4)
    main = bounds(y, scores, predicted, 1, resampling.resampled(y, scores, predicted, 1))

    own = per_class(y, scores, predicted)[1]

    assert own == {name: main[name] for name in ("precision", "recall", "f1", "roc_auc")}


def test_figures_survive_json():
    """What is not defined is null in JSON and NaN again afterwards."""
    assert Figure(0.5, 0.4, 0.6) == Figure.from_dict(Figure(0.5, 0.4, 0.6).to_dict())
    assert intervals.UNDEFINED.to_dict() == {"value": None, "low": None, "high": None}
    assert not Figure.from_dict(intervals.UNDEFINED.to_dict()).is_defined
