from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from steps.judging import intervals, methods, resampling
from steps.judging.intervals import Figure, averages, bounds, newcombe, paired_difference, per_class, wilson
from steps.judging.metrics import METRICS, everything, figures
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


def test_means_over_five_classes_hold_their_truth():
    """Of 150 test files with five rows of the rarest of five classes, about 95 % of the bounds hold every mean."""
    source, rows, files = np.random.default_rng(5), 100, 150
    truth = {n: float(v[0]) for n, v in everything(*_draw_five(source, 200_000), None, np.ones((1, 200_000))).items()}
    weights = np.concatenate(list(resampling.weights(rows, 200)))
    held = dict.fromkeys(("precision", "recall", "f1", "roc_auc", "average_precision", "log_loss", "brier"), 0)

    for _ in range(files):
        y, scores, predicted = _draw_five(source, rows)
        found = bounds(y, scores, predicted, None, everything(y, scores, predicted, None, weights))
        for name in held:
            held[name] += found[name].low <= truth[name] <= found[name].high

    assert all(0.89 <= count / files <= 1 for count in held.values()), held


def _draw_five(source, rows):
    """Answers of a calibrated classifier to five classes, one of them with 5 % of the rows."""
    shares = np.array([0.05, *[0.2375] * 4])
    y = source.choice(5, rows, p=shares)
    values = source.normal(size=(rows, 5))
    values[np.arange(rows), y] += 1.8
    scores = np.exp(1.8 * values) * shares
    scores /= scores.sum(axis=1, keepdims=True)
    return y, scores, scores.argmax(axis=1)


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("rows", [1, 3, 6, 30])
@pytest.mark.parametrize("certainty", [0.99, 1.0])
def test_a_perfect_model_of_few_rows_is_no_certainty(n_classes, rows, certainty):
    """No figure of a perfect model has bounds without width, and they narrow with the rows."""
    y = np.arange(rows) % n_classes
    scores = np.full((rows, n_classes), (1 - certainty) / (n_classes - 1))
    scores[np.arange(rows), y] = certainty
    at = 1 if n_classes == 2 else None

    resamples = resampling.resampled(y, scores, y, at)
    found = dict(bounds(y, scores, y, at, resamples))
    for how, figures_of in averages(y, scores, y, at, resamples).items():
        found |= {f"{how}_{name}": figure for name, figure in figures_of.items()}

    for name, figure in found.items():
        if figure.is_defined:
            assert figure.high - figure.low > 0.2 / rows, name
            assert math.isfinite(figure.high), name
    assert found["accuracy"].low < 0.9
    assert found["f1"].low < 0.95


@pytest.mark.parametrize("n_classes", [2, 4])
def test_constant_scores_have_wide_bounds_too(n_classes):
    """A model that says the same of all rows has a ROC AUC of a half, and bounds that say how few rows there are."""
    y = np.arange(24) % n_classes
    scores = np.full((24, n_classes), 1 / n_classes)
    at = 1 if n_classes == 2 else None

    found = bounds(y, scores, np.zeros_like(y), at, resampling.resampled(y, scores, np.zeros_like(y), at))

    assert found["roc_auc"].low < 0.4
    assert found["roc_auc"].high > 0.6
    assert found["mcc"].low < -0.2
    assert found["mcc"].high > 0.2


def test_one_row_of_a_class_widens_the_means_over_all():
    """With one row of one of five classes, the bounds of the means are wider than with twenty of each."""
    y, scores, predicted = answers(5, 100, 8)
    few = (y != 0) | (np.cumsum(y == 0) == 1)

    def width(kept):
        part = y[kept], scores[kept], predicted[kept]
        found = bounds(*part, None, resampling.resampled(*part, None))
        return [found[name].high - found[name].low for name in ("recall", "f1", "roc_auc")]

    assert all(less < more for less, more in zip(width(y >= 0), width(few), strict=True))


def test_a_loss_that_few_rows_make_reaches_far_up():
    """Studentised, the upper bound of a skewed loss lies further off than the percentile, the lower one no lower."""
    y, scores, predicted = _draw(np.random.default_rng(4), 100, 0.05, 1.5, math.log(0.05 / 0.95))
    resamples = resampling.resampled(y, scores, predicted, 1)

    found = bounds(y, scores, predicted, 1, resamples)["log_loss"]
    low, high = intervals.percentiles(resamples["log_loss"])

    assert found.high > high
    assert found.low > low


def test_averages_repeat_the_figures_that_they_are():
    """Five classes: macro is the main figure with its bounds. Weighted recall is accuracy, two classes have one AUC."""
    y, scores, predicted = answers(5, 200, 6)
    resamples = resampling.resampled(y, scores, predicted, None)
    main, found = bounds(y, scores, predicted, None, resamples), averages(y, scores, predicted, None, resamples)
    assert found["macro"] == {name: main[name] for name in ("precision", "recall", "f1", "roc_auc")}
    assert found["weighted"]["recall"] == main["accuracy"]

    y, scores, predicted = answers(2, 200, 6)
    resamples = resampling.resampled(y, scores, predicted, 1)
    main, found = bounds(y, scores, predicted, 1, resamples), averages(y, scores, predicted, 1, resamples)
    assert found["macro"]["roc_auc"] == found["weighted"]["roc_auc"] == main["roc_auc"]
    assert found["macro"]["recall"] == main["balanced_accuracy"]


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


@pytest.mark.parametrize(("rows", "low"), [(1, -0.59), (6, 0.22), (300, 0.97)])
def test_rows_that_all_differ_alike_are_no_certainty(rows, low):
    """Right on every row where the other is wrong: one row says nothing, six say little, three hundred nearly all."""
    same, none = {"accuracy": np.ones(50)}, {"accuracy": np.zeros(50)}

    assert paired_difference("accuracy", 1.0, 0.0, same, none, rows) == pytest.approx((1, low, 1), abs=0.01)
    assert paired_difference("accuracy", 1.0, 1.0, same, same, rows) == (0, 0, 0)


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
