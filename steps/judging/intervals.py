"""How sure a figure is: 95 % bounds by the method that holds them.

Shares of rows (accuracy, precision, recall) have Wilson's score interval. F1 is `2j / (1 + j)` of a share `j`, the
hits among rows that are positive or were called so, and inherits its interval. Balanced accuracy of two classes is
the mean of two independent shares, whose intervals combine (Zou and Donner 2008). ROC AUC of two classes has
Newcombe's. The rest, and every mean over more classes, comes from resampled rows.

Simulated with a calibrated classifier, AUC 0.85, 1,500 test files each, how often the bounds hold the true figure:

    rows, positives     F1: this, resampled     balanced accuracy: this, resampled
    10, 30 %            94.5, 87.9              92.8, 89.2
    100, 5 %            96.6, 91.9              95.9, 80.1
    300, 5 %            94.4, 93.2              95.1, 92.7
    1,000, 10 %         94.4, 93.9              95.3, 94.1
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steps.judging import metrics
from steps.judging.metrics import Floats, Ints

LEVEL = 0.95
Z = 1.959963984540054  # the normal quantile that leaves 2.5 % on each side
PERCENTILES = (2.5, 97.5)
BISECTIONS = 60  # halvings of an interval inside [0, 1]: exact to float64
RANGES = {name: (0.0, math.inf if name == "log_loss" else 1.0) for name in metrics.METRICS}
RANGES["mcc"] = (-1.0, 1.0)
RANGES["brier"] = (0.0, 2.0)  # two classes: at most 1, and percentiles of it stay there


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % bounds; all NaN where the rows do not define it."""

    value: float
    low: float
    high: float

    @property
    def is_defined(self) -> bool:
        """Whether the rows define it."""
        return math.isfinite(self.value)

    def to_dict(self) -> dict[str, float | None]:
        """JSON form; None for what is not defined."""
        return {
            name: number if math.isfinite(number) else None
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Figure:
        """Read the JSON form."""
        return cls(*(math.nan if stored[key] is None else float(stored[key]) for key in ("value", "low", "high")))


UNDEFINED = Figure(math.nan, math.nan, math.nan)


def bounds(
    y: Ints, scores: Floats, predicted: Ints, positive_at: int | None, resamples: Mapping[str, Floats]
) -> dict[str, Figure]:
    """Every figure with its bounds; the first four arguments as for `metrics.figures`.

    Args:
        y: (n_rows,).
        scores: (n_rows, n_classes).
        predicted: (n_rows,).
        positive_at: position or None.
        resamples: of the same answers, from `resampling.resampled`.

    Returns:
        By name; `low <= value <= high` and inside the figure's range wherever it is defined.
    """
    values = metrics.figures(y, scores, predicted, positive_at)
    counts = metrics.confusion(y, predicted, scores.shape[1], np.ones((1, len(y))))[0]
    exact = {"accuracy": wilson(np.trace(counts), counts.sum())}
    true, said, hits = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    if positive_at is not None:
        exact["balanced_accuracy"] = _mean_of_shares(hits, true)
        exact |= of_class(hits[positive_at], true[positive_at], said[positive_at])
        exact["roc_auc"] = newcombe(values["roc_auc"], true[positive_at], len(y) - true[positive_at])
    return {
        name: _enclosing(name, values[name], exact[name] if name in exact else percentiles(resamples[name]))
        for name in metrics.METRICS
    }


def per_class(y: Ints, scores: Floats, predicted: Ints) -> list[dict[str, Figure]]:
    """Precision, recall, f1 and roc_auc (against the rest) of every class, in the order of the classes."""
    n_classes = scores.shape[1]
    once = np.ones((1, len(y)))
    counts = metrics.confusion(y, predicted, n_classes, once)
    precision, recall, f1 = (values[0] for values in metrics.of_classes(counts))
    found = []
    for at in range(n_classes):
        hits, true, said = counts[0, at, at], counts[0, at].sum(), counts[0, :, at].sum()
        auc = float(metrics.ranking(y == at, scores[:, at], once)[0][0])
        limits = {**of_class(hits, true, said), "roc_auc": newcombe(auc, true, len(y) - true)}
        own = {"precision": precision[at], "recall": recall[at], "f1": f1[at], "roc_auc": auc}
        found.append({name: _enclosing(name, float(own[name]), limits[name]) for name in own})
    return found


def paired_difference(
    metric: str, a: float, b: float, a_resamples: Mapping[str, Floats], b_resamples: Mapping[str, Floats]
) -> tuple[float, float, float]:
    """How much better `a` is than `b` on the same rows: value, low, high; positive is better.

    Args:
        metric: which figure.
        a: its value for the first model.
        b: its value for the second model.
        a_resamples: the first model's figures on the resamples.
        b_resamples: the second model's, on the same resamples.
    """
    value = float(metrics.gain(metric, a, b))
    low, high = percentiles(metrics.gain(metric, a_resamples[metric], b_resamples[metric]))
    return (value, min(low, value), max(high, value)) if math.isfinite(value) else (math.nan,) * 3


def wilson(hits: float, trials: float) -> tuple[float, float]:
    """Score interval of a share; (0, 1) for no trials.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, Z * Z / trials
    centre = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def of_class(hits: float, true: float, said: float) -> dict[str, tuple[float, float]]:
    """Bounds of one class's precision, recall and f1 from its hits, its rows and the rows said to be it."""
    low, high = wilson(hits, true + said - hits)
    f1 = (2 * low / (1 + low), 2 * high / (1 + high))
    return {"precision": wilson(hits, said), "recall": wilson(hits, true), "f1": f1}


def newcombe(auc: float, positives: float, negatives: float) -> tuple[float, float]:
    """Score interval of an area under the ROC curve, from Hanley and McNeil's variance.

    Source: Newcombe 2006, Statistics in Medicine 25, "Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic. Part 2", method 5.
    """
    if not math.isfinite(auc):
        return math.nan, math.nan
    mean = (positives + negatives) / 2 - 1

    def is_near(true: float) -> bool:
        spread = 1 + mean * (1 - true) / (2 - true) + mean * true / (1 + true)
        return abs(auc - true) <= Z * math.sqrt(true * (1 - true) * spread / (positives * negatives))

    return _edge(is_near, auc, 0.0), _edge(is_near, auc, 1.0)


def percentiles(values: Floats) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of what is defined."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.percentile(defined, PERCENTILES)
    return float(low), float(high)


def _mean_of_shares(hits: Floats, trials: Floats) -> tuple[float, float]:
    """Bounds of the mean of independent shares; a share without trials is left out.

    For two shares only: with many, the asymmetry of Wilson's intervals adds up and the upper bound no longer holds.

    Source: Zou and Donner 2008, Statistics in Medicine 27 (MOVER), with Wilson's interval for each share.
    """
    tried = [(hit, trial) for hit, trial in zip(hits, trials, strict=True) if trial]
    mean = sum(hit / trial for hit, trial in tried) / len(tried)
    below = math.hypot(*(hit / trial - wilson(hit, trial)[0] for hit, trial in tried)) / len(tried)
    above = math.hypot(*(wilson(hit, trial)[1] - hit / trial for hit, trial in tried)) / len(tried)
    return mean - below, mean + above


def _edge(is_inside: Any, inside: float, end: float) -> float:
    """The last point from `inside` towards `end` for which `is_inside` holds."""
    if is_inside(end):
        return end
    outside = end
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return inside


def _enclosing(name: str, value: float, limits: tuple[float, float]) -> Figure:
    """A figure whose bounds hold it and stay in its range."""
    if not math.isfinite(value):
        return UNDEFINED
    least, most = RANGES[name]
    low, high = (limit if math.isfinite(limit) else value for limit in limits)
    return Figure(value, min(value, max(low, least)), max(value, min(high, most)))
