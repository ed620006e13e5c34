from __future__ import annotations

from dataclasses import replace

import pytest

from steps.judging.gate import decide
from steps.judging.metrics import METRICS
from steps.records import Evaluation

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
    """One sentence says by how much, between which bounds, and against whom."""
    assert decide(BASE, "auto").reason == (
        "Promoted: better than the champion, version 3: ROC AUC better by 0.020 (0.005 to 0.035) on the same rows."
    )
    assert decide(EQUAL, "auto").reason == (
        "Not promoted: the model is not shown to be better than the champion, version 3: "
        "ROC AUC +0.0010 (\u22120.0040 to +0.0060), no clear difference on the same rows."
    )
    assert "0.872 (0.861 to 0.883)" in decide(FIRST, "auto").reason
    assert "rows_in_both" in decide(REFUSED, "auto").reason
    assert decide(NOISE, "always").reason.startswith("Promoted as asked (promote=always), although with ROC AUC")


def test_a_difference_of_exactly_nothing_is_not_better():
    """The champion itself, judged again, does not replace itself."""
    assert not decide(replace(BASE, difference=(0.0, 0.0, 0.0)), "auto").promoted


def test_a_difference_that_is_not_defined_is_not_better():
    """Rows of one class define no difference in ROC AUC: nothing is promoted on it."""
    nothing = (float("nan"),) * 3

    assert decide(replace(BASE, difference=nothing), "auto").code == "not_better"
