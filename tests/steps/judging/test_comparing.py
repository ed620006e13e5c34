from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar as reference

from steps.judging import answers, comparing, resampling
from steps.judging.comparing import gate_bound, level, mcnemar, of_json, rows_needed
from steps.judging.metrics import METRICS
from steps.records import GateBound
from tests.steps.judging import test_metrics

DIFFERENCES = np.random.default_rng(0).normal(0.02, 0.008, 2000)
ROWS = [800, 200]


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    """The width of bounds is measured elsewhere."""
    monkeypatch.setattr(resampling, "RESAMPLES", 200)
    monkeypatch.setattr(resampling, "FEWEST_RESAMPLES", 100)


def test_the_level_shares_the_chance_of_an_error_among_all_models_judged():
    """The first model is asked for 95 %, the sixth for what is left when six share the 5 %."""
    assert [level(0), level(1), level(5)] == pytest.approx([0.95, 0.975, 1 - 0.05 / 6])


def test_the_bound_falls_with_every_model_judged_before():
    """More judgements ask for a lower bound, also beyond the reach of the resamples, and without a jump there."""
    lows = [gate_bound("accuracy", 0.02, DIFFERENCES, ROWS, k, two=True).low for k in (0, 1, 5, 9, 10, 50, 1000)]

    assert lows == sorted(lows, reverse=True)
    expected = [0.02 - 0.008 * norm.ppf(1 - 0.025 / (1 + k)) for k in (0, 1, 5, 9, 10, 50, 1000)]
    assert lows == pytest.approx(expected, abs=0.004)


def test_few_rows_of_the_rarer_class_ask_for_more():
    """The same resamples count for less where the positives are few: their spread is known badly."""
    lows = [gate_bound("roc_auc", 0.02, DIFFERENCES, [800, few], 0, two=True).low for few in (6, 12, 200)]

    assert lows == sorted(lows)
    assert lows[0] < lows[2] - 0.002


@pytest.mark.parametrize(("metric", "rows"), [("accuracy", [3, 2]), ("roc_auc", [5000, 5]), ("log_loss", [1, 0])])
def test_so_few_rows_give_no_bound(metric, rows):
    """Five rows that all speak for one model do so by chance in 3 of 100 files: no level of 97.5 % can be reached."""
    assert math.isnan(gate_bound(metric, 0.3, np.full(2000, 0.3), rows, 0, two=True).low)


def test_six_rows_can_decide_once_but_not_after_other_models():
    """Six wins of six reach one level of 97.5 %, and no higher one."""
    assert gate_bound("accuracy", 1.0, np.ones(2000), [3, 3], 0, two=True).low == 1
    assert math.isnan(gate_bound("accuracy", 1.0, np.ones(2000), [3, 3], 1, two=True).low)


def test_what_is_not_defined_gives_no_bound():
    """A ROC AUC of rows of one class has no difference, and no resample that has."""
    assert math.isnan(gate_bound("roc_auc", math.nan, np.full(10, np.nan), [10, 0], 0, two=True).low)


@pytest.mark.parametrize("seed", range(4))
def test_mcnemar_is_that_of_statsmodels(seed):
    """The exact test equals statsmodels', and counts the rows that one alone answers rightly."""
    source = np.random.default_rng(seed)
    y, ours, theirs = source.integers(0, 2, (3, 60))
    right, other = ours == y, theirs == y
    table = [[(right & other).sum(), (right & ~other).sum()], [(~right & other).sum(), (~right & ~other).sum()]]

    found = mcnemar(y, ours, theirs)

    assert (found["only_candidate_right"], found["only_champion_right"]) == (table[0][1], table[1][0])
    assert found["p"] == pytest.approx(reference(table, exact=True).pvalue, abs=1e-12)


def test_equal_answers_are_no_evidence():
    """Without a row that only one answers rightly, p is 1."""
    y = np.array([0, 1, 1])

    assert mcnemar(y, y, y) == {"only_candidate_right": 0, "only_champion_right": 0, "p": 1.0}


def test_the_rows_needed_have_the_power_they_promise():
    """With so many rows, a true difference of this size is told in 80 of 100 files."""
    n_rows, value, error = 268, 0.01, 0.02

    needed = rows_needed(value, error, n_rows)

    smaller = error * math.sqrt(n_rows / needed)
    assert norm.sf(1.96 - value / smaller) == pytest.approx(0.8, abs=0.02)
    assert needed == 8500
    assert rows_needed(-value, error, n_rows) == needed


@pytest.mark.parametrize(("value", "error"), [(0.0, 0.1), (math.nan, 0.1), (0.1, math.nan), (0.1, 0.0)])
def test_no_number_of_rows_tells_nothing(value, error):
    """No difference, or none that is known, has no number of rows."""
    assert rows_needed(value, error, 100) is None


@pytest.mark.parametrize(("n_classes", "at"), [(2, 1), (5, None)])
@pytest.mark.parametrize("metric", METRICS)
def test_a_model_against_itself(n_classes, at, metric):
    """The champion judged again differs by nothing in every figure: the bound is 0, and no more rows would tell."""
    y, scores, predicted = test_metrics.answers(n_classes, 120, 3)
    same = answers.judge(y, scores, predicted, at)

    found = comparing.found(metric, y, same, same, 2, n_classes, two=at is not None)

    assert found["gate"] == {"low": 0.0, "level": level(2), "judged_before": 2}
    assert found["rows_needed"] is None
    assert found["mcnemar"]["p"] == 1


def test_a_bound_survives_json():
    """None in JSON is no bound."""
    assert math.isnan(of_json({"low": None, "level": 0.95, "judged_before": 0}).low)
    assert of_json({"low": 0.1, "level": 0.975, "judged_before": 1}) == GateBound(0.1, 0.975, 1)
