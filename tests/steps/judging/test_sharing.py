from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from steps.judging import answers, card, metrics, report, seen, sharing
from steps.judging.plots import all_of
from steps.records import SharedRows
from tests.steps.judging.conftest import findings
from tests.steps.judging.test_report import Page


def remembering(data, judgement, rows):
    """The judgement of a model that has learned the first rows of the test file by heart."""
    scores, y = judgement.candidate.scores.copy(), judgement.y
    scores[:rows] = np.where(np.eye(2)[y[:rows]] > 0, 0.99, 0.01)
    predicted = judgement.candidate.predicted.copy()
    predicted[:rows] = y[:rows]
    known = replace(judgement, candidate=answers.judge(y, scores, predicted, judgement.positive_at))
    first = tuple(range(1, rows + 1))
    return replace(data, shared=SharedRows(first, (*first, rows + 1))), known


@pytest.fixture(scope="module")
def remembered(two):
    """Dataset and judgement with 100 of 300 test rows learned by heart."""
    return remembering(*two, 100)


def test_figures_without_are_those_of_the_other_rows(remembered):
    """Every figure is what the other rows alone give, inside its bounds, and the difference is the plain one."""
    data, judgement = remembered
    stated = sharing.found(judgement, data.shared)
    ours = judgement.candidate
    alone = metrics.figures(judgement.y[100:], ours.scores[100:], ours.predicted[100:], judgement.positive_at)

    assert (stated["count"], stated["share"], stated["any_label"], stated["rows_without"]) == (100, 1 / 3, 101, 200)
    for name in metrics.METRICS:
        figure, difference = stated["figures_without"][name], stated["differences"][name]
        assert figure["value"] == pytest.approx(alone[name])
        assert figure["low"] < figure["value"] < figure["high"]
        assert difference["value"] == pytest.approx(metrics.gain(name, alone[name], ours.figures[name].value))
        assert difference["low"] < difference["value"] < difference["high"] < 0


def test_rows_taken_out_at_random_are_no_finding(two):
    """A third of the rows that is answered like the others moves a figure within its bounds, about 19 times of 20."""
    _, judgement = two
    outside = 0
    for seed in range(20):
        rows = np.sort(np.random.default_rng(seed).choice(300, 100, replace=False)) + 1
        shared = SharedRows(tuple(int(row) for row in rows), tuple(int(row) for row in rows))
        difference = sharing.found(judgement, shared)["differences"]["roc_auc"]
        outside += not difference["low"] <= 0 <= difference["high"]

    assert outside <= 4


def test_report_and_card_say_what_is_remembered(remembered):
    """The sentence stands in the verdict, the table under the trust, the card has it once."""
    data, judgement = remembered
    plots = all_of(judgement)
    doc = findings(data, judgement, plots)
    said = "100 of 300 test rows (33.3 %) also stand in the training file with the same label."
    words = Page(report.render(doc, plots)).words
    verdict, rest = words.split("Can the test be trusted?")

    assert seen.matters(doc)
    top = "without the 100 test rows (33.3 %) that also stand in the training file, ROC AUC is 0."
    assert top in verdict
    assert "): worse by 0." in verdict
    assert f"{said} 1 stands there with another label only. On the 200 other rows ROC AUC is 0." in rest
    assert "The 200 that are not in the training file (95 %)" in rest
    assert "without the 100 test rows" in card.render(doc)
    assert "100 of 300 test rows" not in card.render(doc)


def test_shared_rows_that_change_nothing_stand_below_only(two):
    """A few rows within the noise are told under the trust, in the table and in the card's limits."""
    data, judgement = two
    some = replace(data, shared=SharedRows((5, 50, 100), (5, 50, 100)))
    doc = findings(some, judgement, [])
    verdict, rest = Page(report.render(doc, [])).words.split("Can the test be trusted?")

    assert not seen.matters(doc)
    assert "3 of 300" not in verdict
    assert "3 of 300 test rows" in rest
    assert "no clear difference" in rest
    assert "3 of 300 test rows" in card.render(doc)


def test_files_without_shared_rows_say_so_in_a_sentence(two):
    """No table, nothing in the verdict or the card."""
    data, judgement = two
    doc = findings(replace(data, shared=SharedRows((), ())), judgement, [])
    words = Page(report.render(doc, [])).words

    assert "No test row also stands in the training file with its label." in words
    assert "that are not in the training file" not in words
    assert "stands in the training" not in card.render(doc)


def test_nothing_is_said_where_nobody_has_counted(two):
    """A dataset from before the rows were kept has no such part."""
    data, judgement = two
    doc = findings(data, judgement, [])

    assert doc["shared_rows"] is None
    assert "Test rows that also stand" not in Page(report.render(doc, [])).words


@pytest.mark.parametrize("left", [0, 29])
def test_too_few_other_rows_give_no_figures(two, left):
    """The report says at the top that the test cannot tell knowledge from memory."""
    data, judgement = two
    rows = tuple(range(1, 301 - left))
    doc = findings(replace(data, shared=SharedRows(rows, rows)), judgement, [])

    assert doc["shared_rows"]["figures_without"] is None
    assert "cannot tell knowledge from memory" in Page(report.render(doc, [])).words.split("Can the test")[0]


def test_every_kind_of_table_has_its_figures_without(case):
    """Absent classes and many classes give figures or none, never a failure."""
    _, data, judgement, plots = case
    rows = tuple(range(1, len(judgement.y) // 3))
    shared = replace(data, shared=SharedRows(rows, rows))
    doc = findings(shared, judgement, plots)

    assert Page(report.render(doc, plots)).open == []
    assert (doc["shared_rows"]["figures_without"] is None) == (len(judgement.y) < 40)
