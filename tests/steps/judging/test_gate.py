from __future__ import annotations

from dataclasses import replace

import pytest

from steps.judging.comparing import level
from steps.judging.gate import decide
from steps.judging.metrics import METRICS
from steps.records import Evaluation, GateBound

BASE = Evaluation(
    run_id="e",
    dataset_run_id="d",
    model_uri="models:/m-1",
    metric="roc_auc",
    figures=dict.fromkeys(METRICS, (0.872, 0.861, 0.883)),
    beats_constant=True,
    champion_version="3",
    champion_comparable=True,
    difference=(0.02, 0.005, 0.035),
    refused_checks=(),
)
FIRST = replace(BASE, champion_version=None, champion_comparable=False, difference=None)
OTHER = replace(BASE, champion_comparable=False, difference=None)
EQUAL = replace(BASE, difference=(0.001, -0.004, 0.006))
NOISE = replace(BASE, beats_constant=False)
REFUSED = replace(BASE, refused_checks=("rows_in_both",))


@pytest.mark.parametrize(
    ("evaluation", "mode", "promoted", "code"),
    [
        (BASE, "auto", True, "better"),
        (FIRST, "auto", True, "first_champion"),
        (EQUAL, "auto", False, "not_better"),
        (OTHER, "auto", False, "champion_incompatible"),
        (NOISE, "auto", False, "not_better_than_constant"),
        (replace(FIRST, beats_constant=False), "auto", False, "not_better_than_constant"),
        (REFUSED, "auto", False, "check_refused"),
        (BASE, "never", False, "never"),
        (REFUSED, "never", False, "never"),
        (BASE, "always", True, "better"),
        (FIRST, "always", True, "first_champion"),
        (EQUAL, "always", True, "always"),
        (OTHER, "always", True, "always"),
        (NOISE, "always", True, "always"),
        (REFUSED, "always", False, "check_refused"),
    ],
)
def test_the_gate(evaluation, mode, promoted, code):
    """The whole table: what is promoted, and under which code."""
    decision = decide(evaluation, mode)

    assert (promoted, code) == (decision.promoted, decision.code)


def test_reasons_hold_the_figures():
    """One sentence says by how much, between which bounds, against whom, and a second by which rule."""
    assert decide(BASE, "auto").reason == (
        "Promoted: better than the champion, version 3: ROC AUC better by 0.020 (0.005 to 0.035) on the same rows. "
        "Rule: the lower bound of the difference, +0.005 at 95\u202f%, is above 0."
    )
    assert decide(EQUAL, "auto").reason == (
        "Not promoted: the model is not shown to be better than the champion, version 3: "
        "ROC AUC +0.0010 (\u22120.0040 to +0.0060), no clear difference on the same rows. "
        "Rule: the lower bound of the difference, \u22120.0040 at 95\u202f%, is not above 0."
    )
    assert "0.872 (0.861 to 0.883)" in decide(FIRST, "auto").reason
    assert "rows_in_both" in decide(REFUSED, "auto").reason
    assert decide(NOISE, "always").reason.startswith("Promoted as asked (promote=always), although with ROC AUC")


def test_a_margin_lets_in_what_is_not_worse_by_more():
    """With a bound of -0.004 a margin of 0.005 promotes, under its own code and with the rule; 0.004 does not."""
    decision = decide(EQUAL, "auto", 0.005)

    assert (decision.promoted, decision.code) == (True, "not_worse")
    assert decision.reason == (
        "Promoted: not worse than the champion, version 3, by more than the margin: "
        "ROC AUC +0.0010 (\u22120.0040 to +0.0060), no clear difference on the same rows. "
        "Rule: the lower bound of the difference, \u22120.0040 at 95\u202f%, is above minus the margin, \u22120.0050."
    )
    assert decide(EQUAL, "auto", 0.004).code == "not_better"
    assert decide(BASE, "auto", 0.005).code == "better"
    assert decide(OTHER, "auto", 9.0).code == "champion_incompatible"
    assert decide(NOISE, "auto", 9.0).code == "not_better_than_constant"


def test_a_file_that_has_judged_many_asks_for_more():
    """The gate looks at its own bound, not at the 95 % that are shown, and says why and at which level."""
    worn = replace(BASE, gate=GateBound(-0.002, level(5), 5), rows=268, rows_needed=4200)

    decision = decide(worn, "auto")

    assert (decision.promoted, decision.code) == (False, "not_better")
    assert decision.reason.endswith(
        "Rule: the lower bound of the difference, \u22120.002 at 99.17\u202f% because the test file has judged 5 "
        "models before, is not above 0. About 4\u202f200 test rows would be needed to tell a difference of this size "
        "(80\u202f% power); there are 268."
    )
    assert decide(replace(BASE, gate=GateBound(0.001, level(5), 5)), "auto").code == "better"
    assert decide(worn, "auto", 0.005).code == "not_worse"


def test_rows_that_give_no_bound_promote_nothing():
    """Where no bound exists the margin does not help either, and the reason says that there are too few rows."""
    few = replace(BASE, gate=GateBound(float("nan"), 0.95, 0), rows=4)

    assert decide(few, "auto", 0.5).code == "not_better"
    assert "which so few rows do not give at 95" in decide(few, "auto").reason


def test_a_difference_of_exactly_nothing_is_not_better():
    """The champion itself, judged again, does not replace itself."""
    assert not decide(replace(BASE, difference=(0.0, 0.0, 0.0)), "auto").promoted


def test_a_difference_that_is_not_defined_is_not_better():
    """Rows of one class define no difference in ROC AUC: nothing is promoted on it."""
    nothing = (float("nan"),) * 3

    assert decide(replace(BASE, difference=nothing), "auto").code == "not_better"
