from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from steps.judging import versus
from steps.judging.comparing import level
from steps.records import GateBound

DOC = {
    "metric": "roc_auc",
    "dataset": {"rows": 268},
    "champion": {
        "version": "3",
        "comparable": True,
        "differences": {"roc_auc": {"value": 0.012, "low": -0.003, "high": 0.027}},
        "mcnemar": {"only_candidate_right": 31, "only_champion_right": 1, "p": 0.0151},
        "gate": {"low": -0.008, "level": level(5), "judged_before": 5},
        "rows_needed": 4200,
    },
}


def with_champion(**changed):
    """The document with another comparison."""
    return {**DOC, "champion": {**DOC["champion"], **changed}}


def test_the_report_says_labels_bound_and_rows():
    """Three sentences: the labels, the bound that promotion looks at, and how many rows would tell."""
    labels, bound, rows = versus.sentences(DOC)

    assert labels == (
        "31 rows are answered rightly by it alone, 1 by the champion alone (McNemar\u2019s exact test: p = 0.015)."
    )
    assert bound == (
        "Promotion looks at the lower bound of the difference, \u22120.008 at 99.17\u202f% because the test file has "
        "judged 5 models before."
    )
    assert rows == (
        "About 4\u202f200 test rows would be needed to tell a difference of this size (80\u202f% power); there are 268."
    )


def test_nothing_is_said_of_the_bound_that_is_shown_anyway():
    """The first judgement looks at the 95 % that stand in the sentence before."""
    first = with_champion(gate=asdict(GateBound(-0.003, 0.95, 0)), rows_needed=None)

    assert len(versus.sentences(first)) == 1


@pytest.mark.parametrize("champion", [None, {"comparable": False, "version": "3"}])
def test_nothing_is_said_without_a_comparison(champion):
    """No champion, or one that cannot be compared, has no sentences here."""
    assert versus.sentences({**DOC, "champion": champion}) == []


def test_a_small_p_is_not_written_as_none():
    """A p below a thousandth is said to be below it, and one row is one."""
    said = versus.labels({"only_candidate_right": 1, "only_champion_right": 40, "p": 1e-9})

    assert (
        said
        == "1 row is answered rightly by it alone, 40 by the champion alone (McNemar\u2019s exact test: p < 0.001)."
    )
    assert "where they are" in versus.labels({"only_candidate_right": 0, "only_champion_right": 0, "p": 1.0})


def test_more_than_a_million_rows_are_not_counted():
    """A number that nobody could collect is not given."""
    assert versus.needed(2_300_000, 268).startswith("More than a million test rows would be needed")


def test_rows_without_a_bound_are_said_to_be_too_few():
    """NaN is said in words."""
    said = versus.rule(GateBound(math.nan, 0.95, 0), 0.0, (0.3, 0.3, 0.3), is_met=False)

    assert (
        said == "Rule: the lower bound of the difference, which so few rows do not give at 95\u202f%, is not above 0."
    )
