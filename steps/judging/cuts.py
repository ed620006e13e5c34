"""What the rules for a threshold, decided in training, give on the test rows: table and sentences of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steps.judging import methods, words
from steps.judging.answers import Judgement
from steps.judging.intervals import Figure
from steps.judging.thresholds import COST, DEFAULT, DEFAULT_CUT, GIVEN, at_cut, values_of
from steps.records import CutRule

NAMES = {
    "f1": "best F1",
    "youden": "best Youden\u2019s J",
    "balanced_accuracy": "best balanced accuracy",
    "accuracy": "best accuracy",
    "mcc": "best Matthews correlation",
    "recall": "recall of at least",
    "precision": "precision of at least",
    COST: "lowest cost",
    GIVEN: "as asked for",
    DEFAULT: "default",
}
FIGURES = {**words.NAMES, "youden": "Youden\u2019s J", COST: "Cost of a row"}
PER_ROWS = 1000  # the sentence in counts


def found(judgement: Judgement, stored: Mapping[str, Any] | None, others: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The part `thresholds` of `evaluation.json`: each cut with its figures on the test rows, the stored one first.

    Args:
        judgement: of the test rows.
        stored: the manifest's `threshold_rule`; None for models that were trained before it was recorded.
        others: the manifest's `thresholds`.

    Returns:
        One entry a rule; none for more than two classes.
    """
    if judgement.positive_at is None:
        return []
    first = {**(stored or {"rule": GIVEN}), "cut": judgement.threshold}
    rest = list(others) or [{"rule": DEFAULT, "cut": DEFAULT_CUT}]
    entries = [first, *(each for each in rest if (each["rule"], first["cut"]) != (DEFAULT, DEFAULT_CUT))]
    return [{**_of_training(each), "stored": each is first, **_on_test(judgement, each)} for each in entries]


def rows(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table's rows as text."""
    return [
        {
            "name": rule_name(each),
            "stored": each["stored"],
            "cut": words.cut(each["cut"]),
            "chosen_by": "" if each["oof"] is None else words.number(each["oof"]),
            "crossed": "" if each["oof_crossed"] is None else words.number(each["oof_crossed"]),
            "said": words.count(each["said"]),
            "cells": [_parted(Figure.from_dict(each[name])) for name in ("precision", "recall", "f1")],
            "balanced_accuracy": words.number(each["balanced_accuracy"]),
            "cost": "" if each["cost"] is None else words.number(each["cost"], 4),
        }
        for each in doc["thresholds"]
    ]


def sentences(doc: Mapping[str, Any]) -> list[str]:
    """Where the stored cut comes from, and what it means for rows like these; nothing for more than two classes."""
    if not doc["thresholds"]:
        return []
    stored = doc["thresholds"][0]
    total, positives = doc["dataset"]["rows"], stored["positives"]
    share = PER_ROWS / total
    said, hits, misses = stored["said"] * share, stored["hits"] * share, (positives - stored["hits"]) * share
    counts = (
        f"Of {words.count(PER_ROWS)} rows like these it calls {_whole(said)} positive, {_whole(hits)} of them rightly, "
        f"and misses {_whole(misses)} of the {_whole(positives * share)} positive ones."
    )
    return [_origin(stored), counts]


def rule_name(entry: Mapping[str, Any]) -> str:
    """`best F1`, `recall of at least 0.9`."""
    name = NAMES[entry["rule"]]
    return f"{name} {entry['share']:g}" if entry["rule"] in ("recall", "precision") else name


def _origin(stored: Mapping[str, Any]) -> str:
    """How the stored cut was found."""
    cut = words.cut(stored["cut"])
    if stored["rule"] in (GIVEN, DEFAULT):
        return f"The threshold {cut} was {'given' if stored['rule'] == GIVEN else 'left as it is by default'}."
    name = FIGURES[stored["figure"]]
    if not stored["reached"]:
        return (
            f"No threshold had a precision of {stored['share']:g} on the training rows; {cut} is the one with the "
            f"highest, {words.number(stored['oof'])}."
        )
    return (
        f"The threshold {cut} was chosen on the training file\u2019s out-of-fold probabilities: {rule_name(stored)}. "
        f"{name} was {words.number(stored['oof'])} there, and {words.number(stored['oof_crossed'])} with each fold cut "
        "by the choice of the others."
    )


def _of_training(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What training has recorded of a cut."""
    return {
        "rule": entry["rule"],
        "share": entry.get("share"),
        "cut": float(entry["cut"]),
        "figure": entry.get("figure", ""),
        "oof": entry.get("value"),
        "oof_crossed": entry.get("value_crossed"),
        "reached": entry.get("reached", True),
        "cost_fp": entry.get("cost_fp"),
        "cost_fn": entry.get("cost_fn"),
    }


def _on_test(judgement: Judgement, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and figures of a cut on the test rows."""
    assert judgement.positive_at is not None
    truth = judgement.y == judgement.positive_at
    score = judgement.candidate.scores[:, judgement.positive_at]
    counts = at_cut(truth, np.asarray(score), float(entry["cut"]))
    rule = CutRule(entry["rule"], None, entry.get("cost_fp"), entry.get("cost_fn"))
    hits, said = float(counts.hits[0]), float(counts.hits[0] + counts.alarms[0])
    limits = methods.of_class(hits, counts.positives, said)
    figures = {
        name: Figure(float(values_of(name, counts, rule)[0]), *limits[name]).to_dict()
        for name in ("precision", "recall", "f1")
    }
    is_priced = rule.cost_fp is not None and rule.cost_fn is not None
    return {
        "said": int(said),
        "hits": int(hits),
        "positives": counts.positives,
        **figures,
        "balanced_accuracy": float(values_of("balanced_accuracy", counts, rule)[0]),
        "cost": float(values_of(COST, counts, rule)[0]) if is_priced else None,
    }


def _parted(figure: Figure) -> tuple[str, str]:
    """Value and bounds, which stand below it."""
    return words.number(figure.value, words.decimals_of(figure)), words.bounds(figure).strip("()")


def _whole(value: float) -> str:
    """A count that was scaled; fewer than one is not none."""
    return "fewer than 1" if 0 < value < 0.5 else words.count(round(value))  # noqa: PLR2004 (rounds to 0)
