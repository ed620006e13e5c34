"""A model against the champion on the same rows: what the gate needs to know beyond the 95 % bounds of the difference.

A test file that has judged `k` models before judges this one as if it were the best of all `1 + k`: the bound of the
gate is taken at the level `1 - 0.05 / (1 + k)` (Bonferroni), two-sided as the 95 % are. It is the lower of two: the
resamples' quantile at that level (where fewer than five of them lie beyond it, the one that has five), and the
difference less its standard deviation over the resamples times Student's quantile for the rows that the figure rests
on, which reaches as far as one likes. With so few rows that no order of wins and losses could reach the level (the
sign test's smallest p is one half to the power of their number) there is no bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import binomtest

from steps.judging import methods, metrics
from steps.judging.metrics import Floats, Ints
from steps.records import GateBound

CHANCE = 1 - methods.LEVEL  # of a wrong decision over all models that a file judges, two-sided
FEWEST_BEYOND = 5  # resamples outside a quantile that is read from them
POWER_Z = 0.8416212335729143  # the normal quantile of a power of 80 %
OF_ROWS = ("accuracy", "log_loss", "brier", "mcc")  # figures that rest on all rows, whatever their classes


def level(judged_before: int) -> float:
    """The level of the gate's bound for a test file that has judged so many models before."""
    return 1 - CHANCE / (1 + judged_before)


def gate_bound(
    metric: str, value: float, differences: Floats, rows: Sequence[int], judged_before: int, *, two: bool
) -> GateBound:
    """The lower bound that decides.

    Args:
        metric: the primary figure.
        value: how much better the model is in it than the champion.
        differences: (n_resamples,) the same on each resample, NaN where not defined.
        rows: test rows of each class.
        judged_before: other models that the file has judged.
        two: whether one of two classes is the positive one.
    """
    asked = level(judged_before)
    tail = (1 - asked) / 2
    defined = differences[np.isfinite(differences)]
    units = _units(metric, rows, two=two)
    nothing = GateBound(math.nan, asked, judged_before)
    if not math.isfinite(value) or not len(defined) or 0.5 ** methods.trials(units, [1] * len(units)) > tail:
        return nothing
    by_spread = value - methods.quantile(units, [1] * len(units), below=1 - tail) * spread(
        metric, defined, rows, two=two
    )
    by_resamples = float(np.quantile(defined, min(1.0, max(tail, FEWEST_BEYOND / len(defined)))))
    return GateBound(min(by_spread, by_resamples), asked, judged_before)


def spread(metric: str, differences: Floats, rows: Sequence[int], *, two: bool) -> float:
    """The standard error of a difference: what resampling leaves out with few rows is put back."""
    units = _units(metric, rows, two=two)
    worth = methods.trials(units, [1] * len(units)) if units else 0.0
    defined = differences[np.isfinite(differences)]
    if worth <= 1 or not len(defined):
        return math.nan
    return float(defined.std()) * math.sqrt(worth / (worth - 1))


def rows_needed(value: float, error: float, n_rows: int) -> int | None:
    """Test rows of the same mix that would tell a difference of this size, with 80 % power at 95 %.

    Rounded up to two digits; None for no difference at all, whose number is not finite.
    """
    if not value or not math.isfinite(value) or not error > 0:
        return None
    needed = max(n_rows, n_rows * ((methods.Z + POWER_Z) * error / value) ** 2)
    if not math.isfinite(needed):
        return None
    step = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return math.ceil(needed / step) * step


def mcnemar(y: Ints, ours: Ints, theirs: Ints) -> dict[str, float]:
    """McNemar's exact test of the labels: rows that only one of the two answers rightly.

    Args:
        y: (n_rows,) truth.
        ours: (n_rows,) the candidate's answers.
        theirs: (n_rows,) the champion's.
    """
    won, lost = int(((ours == y) & (theirs != y)).sum()), int(((ours != y) & (theirs == y)).sum())
    p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return {"only_candidate_right": won, "only_champion_right": lost, "p": p}


def found(
    metric: str, y: Ints, ours: Any, theirs: Any, judged_before: int, n_classes: int, *, two: bool
) -> dict[str, Any]:
    """`mcnemar`, `gate` and `rows_needed` of `evaluation.json`.

    Args:
        metric: the primary figure.
        y: (n_rows,).
        ours: the candidate's `Answers`.
        theirs: the champion's, on the same rows and resamples.
        judged_before: other models that the file has judged.
        n_classes: of the target.
        two: whether one of two classes is the positive one.
    """
    value = float(metrics.gain(metric, ours.figures[metric].value, theirs.figures[metric].value))
    differences = metrics.gain(metric, ours.resamples[metric], theirs.resamples[metric])
    rows = np.bincount(y, minlength=n_classes).tolist()
    bound = gate_bound(metric, value, differences, rows, judged_before, two=two)
    low, high = methods.percentiles(differences)
    is_open = low <= 0 <= high
    error = spread(metric, differences, rows, two=two)
    return {
        "mcnemar": mcnemar(y, ours.predicted, theirs.predicted),
        "gate": asdict(bound),
        "rows_needed": rows_needed(value, error, len(y)) if is_open else None,
    }


def of_json(stored: Mapping[str, Any]) -> GateBound:
    """Read `gate` of `evaluation.json`."""
    low = math.nan if stored["low"] is None else float(stored["low"])
    return GateBound(low, float(stored["level"]), int(stored["judged_before"]))


def _units(metric: str, rows: Sequence[int], *, two: bool) -> list[int]:
    """The numbers of rows that a figure rests on: all, those of the rarer of two classes, or those of every class."""
    occurring = [count for count in rows if count]
    if metric in OF_ROWS:
        return [sum(rows)]
    return [min(occurring)] if two else occurring
