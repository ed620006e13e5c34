"""The rules for a threshold on the test rows: document, table, sentences and the decision curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from steps.judging import cuts
from steps.judging.plots_cut import decision, net_benefit

STORED = {"rule": "f1", "share": None, "cut": 0.5, "figure": "f1", "value": 0.71, "value_crossed": 0.69,
          "reached": True, "cost_fp": 1.0, "cost_fn": 5.0}  # fmt: skip
OTHERS = [{**STORED, "rule": "cost", "figure": "cost", "cut": 0.2}, {"rule": "default", "cut": 0.5}]


def test_the_stored_cut_has_the_figures_of_the_evaluation(two):
    """At the model's own threshold the table repeats what the report says elsewhere."""
    _, judgement = two

    stored, cost = cuts.found(judgement, STORED, OTHERS[:1])

    for name in ("precision", "recall", "f1"):
        assert stored[name] == judgement.candidate.figures[name].to_dict()
    assert stored["balanced_accuracy"] == pytest.approx(judgement.candidate.figures["balanced_accuracy"].value)
    assert (stored["stored"], cost["stored"]) == (True, False)


def test_costs_are_those_of_the_mistakes(two):
    """The cost of a row is counted by hand."""
    _, judgement = two
    truth, score = judgement.y == judgement.positive_at, judgement.candidate.scores[:, judgement.positive_at]

    _, cost = cuts.found(judgement, STORED, OTHERS[:1])

    said = score >= 0.2
    assert cost["cost"] == pytest.approx(((said & ~truth).sum() + 5 * (~said & truth).sum()) / len(truth))


def test_a_half_stands_beside_another_cut_only(two):
    """0.5 is always there, and not twice."""
    _, judgement = two
    elsewhere = replace(judgement, threshold=0.3)

    assert [each["rule"] for each in cuts.found(elsewhere, None, [])] == ["given", "default"]
    assert [each["rule"] for each in cuts.found(judgement, None, [])] == ["given"]
    assert [each["rule"] for each in cuts.found(judgement, {"rule": "default"}, OTHERS)] == ["default", "cost"]


def test_more_classes_have_no_cuts(case):
    """The list is empty for more than two classes, and for two it has both cuts."""
    _, _, judgement, _ = case

    assert bool(cuts.found(judgement, None, [])) == (judgement.positive_at is not None)


def test_the_sentences_say_rule_and_counts(two):
    """How the cut was found, what it was worth there, and what it means for a thousand rows."""
    _, judgement = two
    entries = cuts.found(judgement, STORED, OTHERS)
    doc = {"thresholds": entries, "dataset": {"rows": len(judgement.y)}}

    origin, counts = cuts.sentences(doc)

    assert "best F1. F1 was 0.710 there, and 0.690 with each fold cut" in origin
    assert counts.startswith("Of 1\u202f000 rows like these it calls ")
    unreached = {**STORED, "rule": "precision", "figure": "precision", "share": 0.99, "reached": False}
    doc["thresholds"] = cuts.found(judgement, unreached, [])
    assert cuts.sentences(doc)[0].startswith("No threshold had a precision of 0.99 on the training rows; 0.500 is")
    assert cuts.rows(doc)[0]["name"] == "precision of at least 0.99"


def test_net_benefit_is_counted_by_hand():
    """Found positives less weighed false alarms; calling all positive is the same at the lowest cut."""
    truth = np.array([True, True, False, False, False])
    score = np.array([0.9, 0.4, 0.6, 0.2, 0.1])

    own, everyone = net_benefit(truth, score, np.array([0.05, 0.5]))

    assert own == pytest.approx([(2 - 3 * 0.05 / 0.95) / 5, (1 - 1) / 5])
    assert everyone == pytest.approx([own[0], 0.4 - 0.6])


def test_a_model_that_knows_nothing_is_worth_nothing(two):
    """The title names the thresholds where the model is worth something, and none for one that says 0 to all."""
    _, judgement = two
    plot = decision(judgement)

    assert plot.title.startswith("Acting on the model is worth more than acting on all or none for thresholds from 0.")
    worthless = np.full_like(judgement.candidate.scores, 0.0)
    worthless[:, 1 - judgement.positive_at] = 1.0
    flat = replace(judgement, candidate=replace(judgement.candidate, scores=worthless))
    assert decision(flat).title == "Acting on the model is worth no more than acting on all rows or on none"
