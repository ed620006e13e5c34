"""From which probability on a row is called positive: the best cut of all there are, by a rule, on out-of-fold rows.

The scores are sorted once; what every cut between two of them would do follows from cumulative counts. A cut lies in
the middle between two neighbouring scores, at 0 (all rows are positive) or at 1 (none is, where no score is 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steps.judging.metrics import Bools, Floats, ratio
from steps.records import CutRule

DEFAULT_CUT = 0.5
BEST = ("f1", "youden", "balanced_accuracy", "accuracy", "mcc")  # rules that look for the best of a figure
WITH_SHARE = ("recall", "precision")
COST, GIVEN, DEFAULT = "cost", "given", "default"
RULES = (*BEST, *WITH_SHARE, COST, GIVEN, DEFAULT)
COMPARED = ("f1", "balanced_accuracy", "mcc", "accuracy")  # rules that the report puts beside the stored one
SAME = 1e-12  # figures that differ by less are equal: sums in another order
Splits = Sequence[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


@dataclass(frozen=True)
class Cuts:
    """All that the cuts of one set of scores would do, each (n_cuts,), from the highest cut to the lowest."""

    cut: Floats
    hits: Floats  # positive rows called positive
    alarms: Floats  # negative rows called positive
    positives: int
    negatives: int


@dataclass(frozen=True)
class Chosen:
    """A cut, and the figure that speaks for it.

    Attributes:
        rule: that found it.
        cut: 0 to 1.
        figure: what the rule looks at: a metric's name, `youden` or `cost` (per row); empty where the cut was given.
        value: that figure at the cut, on the rows that chose it: a little too good.
        value_crossed: the same with each fold cut by the choice of the other folds: what new rows will give.
        is_reached: false where no cut has the wanted precision; the cut with the highest one is taken then.
    """

    rule: CutRule
    cut: float
    figure: str
    value: float
    value_crossed: float
    is_reached: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for the manifest."""
        return {
            "rule": self.rule.name,
            "share": self.rule.share,
            "cut": self.cut,
            "figure": self.figure,
            "value": self.value if math.isfinite(self.value) else None,
            "value_crossed": self.value_crossed if math.isfinite(self.value_crossed) else None,
            "reached": self.is_reached,
            "cost_fp": self.rule.cost_fp,
            "cost_fn": self.rule.cost_fn,
        }


def cuts_of(truth: Bools, score: Floats) -> Cuts:
    """Every cut that differs in what it calls positive.

    Args:
        truth: (n_rows,) whether a row is positive; at least one row.
        score: (n_rows,) probabilities of the positive class, 0 to 1.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    values = score[order][ends]  # distinct, falling
    hits = np.cumsum(truth[order])[ends]
    middles = values[:-1] / 2 + values[1:] / 2
    middles = np.where((middles > values[1:]) & (middles <= values[:-1]), middles, values[:-1])  # neighbouring floats
    cut = np.append(middles, 0.0)
    if values[0] < 1:
        cut, hits, ends = np.append(1.0, cut), np.append(0, hits), np.append(-1, ends)
    positives = int(truth.sum())
    return Cuts(cut, hits.astype(float), (ends + 1 - hits).astype(float), positives, len(truth) - positives)


def at_cut(truth: Bools, score: Floats, cut: float) -> Cuts:
    """The same for one given cut."""
    said = score >= cut
    hits, positives = float((said & truth).sum()), int(truth.sum())
    return Cuts(np.array([cut]), np.array([hits]), np.array([said.sum() - hits]), positives, len(truth) - positives)


def values_of(figure: str, cuts: Cuts, rule: CutRule) -> Floats:
    """A figure at every cut (n_cuts,).

    A share of nothing is 0, as in `steps.judging.metrics`. `cost` is the mean cost of a row.
    """
    hits, alarms, positives, negatives = cuts.hits, cuts.alarms, float(cuts.positives), float(cuts.negatives)
    misses, rights = positives - hits, negatives - alarms
    rows = positives + negatives
    recall = ratio(hits, np.full_like(hits, positives))
    spared = ratio(rights, np.full_like(hits, negatives))
    if figure == "recall":
        return recall
    if figure == "precision":
        return ratio(hits, hits + alarms)
    if figure == "f1":
        return ratio(2 * hits, positives + hits + alarms)
    if figure == "accuracy":
        return (hits + rights) / rows
    if figure == "youden":
        return recall + spared - 1
    if figure == "balanced_accuracy":
        return (recall + spared) / ((positives > 0) + (negatives > 0))
    if figure == "mcc":
        spread = (hits + alarms) * (misses + rights) * positives * negatives
        return ratio(hits * rights - alarms * misses, np.sqrt(spread))
    assert figure == COST, figure
    assert rule.cost_fp is not None
    assert rule.cost_fn is not None
    return (rule.cost_fp * alarms + rule.cost_fn * misses) / rows


def find(rule: CutRule, truth: Bools, score: Floats) -> tuple[float, bool]:
    """The cut that a rule wants, and whether it gives what was asked for.

    Of equal cuts the one nearest to 0.5 is taken, the higher of two that are equally near.

    Args:
        rule: which.
        truth: (n_rows,) whether a row is positive.
        score: (n_rows,) probabilities of the positive class.
    """
    return best_of(rule, cuts_of(truth, score))


def best_of(rule: CutRule, cuts: Cuts) -> tuple[float, bool]:
    """The same among cuts that are counted already."""
    if rule.name == DEFAULT:
        return DEFAULT_CUT, True
    if rule.name == GIVEN:
        assert rule.share is not None
        return rule.share, True
    if rule.name in WITH_SHARE:
        assert rule.share is not None
        values = values_of(rule.name, cuts, rule)
        enough = np.flatnonzero((values >= rule.share - SAME) & (cuts.hits + cuts.alarms > 0))
        if len(enough):
            return float(cuts.cut[enough[0] if rule.name == "recall" else enough[-1]]), True
        best = np.flatnonzero(values >= values.max() - SAME)
        return float(cuts.cut[best[-1]]), False
    values = values_of(rule.name, cuts, rule)
    values = -values if rule.name == COST else values
    best = np.flatnonzero(values >= values.max() - SAME)
    return float(cuts.cut[best[np.argmin(np.abs(cuts.cut[best] - DEFAULT_CUT))]]), True


def choose(rules: Sequence[CutRule], truth: Bools, score: Floats, splits: Splits) -> list[Chosen]:
    """The cuts of rules, each with the figure that speaks for it.

    Args:
        rules: which.
        truth: (n_rows,) whether a row is positive; both classes occur.
        score: (n_rows,) out-of-fold probabilities of the positive class, as the stored model would give them.
        splits: the folds: positions of the rows learned from and of those judged.
    """
    whole = cuts_of(truth, score)  # sorted once for all rules
    parts = [(cuts_of(truth[others], score[others]), judged) for others, judged in splits]
    found = []
    for rule in rules:
        cut, is_reached = best_of(rule, whole)
        if rule.name in (DEFAULT, GIVEN):
            found.append(Chosen(rule, cut, "", math.nan, math.nan))
            continue
        said = np.zeros(len(truth), dtype=bool)
        for cuts, judged in parts:
            said[judged] = score[judged] >= best_of(rule, cuts)[0]
        value = _value(rule.name, at_cut(truth, score, cut), rule)
        crossed = _value(rule.name, at_cut(truth, said.astype(float), DEFAULT_CUT), rule)
        found.append(Chosen(rule, cut, rule.name, value, crossed, is_reached))
    return found


def compared(rule: CutRule, truth: Bools, score: Floats, splits: Splits) -> list[Chosen]:
    """The stored rule first, then those that a reader may want to hold beside it; the rest as for `choose`."""
    names = [*COMPARED, DEFAULT]
    if rule.cost_fp is not None and rule.cost_fn is not None:
        names.insert(0, COST)
    same = "balanced_accuracy" if rule.name == "youden" else rule.name
    others = [CutRule(name, None, rule.cost_fp, rule.cost_fn) for name in names if name != same]
    return choose([rule, *others], truth, score, splits)


def _value(figure: str, cuts: Cuts, rule: CutRule) -> float:
    """A figure at the only cut."""
    return float(values_of(figure, cuts, rule)[0])
