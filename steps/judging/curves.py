"""The numbers behind the plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from steps.judging import resampling
from steps.judging.intervals import Figure, wilson
from steps.judging.metrics import Floats

POINTS = 400  # of a drawn curve; more cannot be seen
GROUPS = 10  # of equal size, for calibration
BAND_RESAMPLES = 300
BAND_WORK = 30_000_000  # rows x resamples
GRID = np.linspace(0, 1, 101)
LEAST_RECALL = 1e-9  # precision starts at the first positive that is found
STEPS = "steps-pre"  # how precision over recall is drawn: what average precision sums; straight lines would be too good
Truth = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Curve:
    """Points of a line, at most about `POINTS`."""

    x: Floats
    y: Floats


@dataclass(frozen=True)
class Band:
    """95 % bounds of a curve, point by point over `GRID`."""

    low: Floats
    high: Floats


@dataclass(frozen=True)
class Group:
    """Rows with neighbouring probabilities: how many, what was said on average, and what came true."""

    rows: int
    said: float
    true: Figure


@dataclass(frozen=True)
class BrierParts:
    """Brier score = miscalibration - discrimination + uncertainty.

    Source: Dimitriadis, Gneiting and Jordan 2021, PNAS 118 (CORP): the calibrated probabilities are those of isotonic
    regression.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float


def sweep(truth: Truth, score: Floats) -> tuple[Floats, Floats]:
    """Hits and rows seen (n_thresholds + 1,) while the threshold falls past every score; both start at 0."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(truth[order])[ends]
    return np.append(0.0, hits), np.append(0.0, ends + 1.0)


def roc(truth: Truth, score: Floats) -> Curve:
    """Share of positives found over share of false alarms; both classes must occur."""
    hits, seen = sweep(truth, score)
    return _thinned((seen - hits) / (seen[-1] - hits[-1]), hits / hits[-1])


def precision_recall(truth: Truth, score: Floats) -> Curve:
    """Precision over recall, from the first threshold that finds anything on; positives must occur."""
    hits, seen = sweep(truth, score)
    return _thinned(hits[1:] / hits[-1], hits[1:] / seen[1:])


def gains(truth: Truth, score: Floats) -> Curve:
    """Share of positives found over share of rows looked at, best scores first; positives must occur."""
    hits, seen = sweep(truth, score)
    return _thinned(seen / seen[-1], hits / hits[-1])


def coverage(correct: Truth, confidence: Floats) -> Curve:
    """Share answered rightly over share of rows answered, surest first."""
    hits, seen = sweep(correct, confidence)
    return _thinned(seen[1:] / seen[-1], hits[1:] / seen[1:])


def bands(truth: Truth, score: Floats) -> tuple[Band, Band, Band]:
    """Bounds of the ROC, precision-recall and gains curves from resampled rows, over `GRID`."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    kept: list[tuple[Floats, Floats, Floats]] = []
    for block in resampling.weights(len(score), int(np.clip(BAND_WORK // len(score), 50, BAND_RESAMPLES))):
        ordered = block[:, order]
        seen = np.cumsum(ordered, axis=1)[:, ends]
        hits = np.cumsum(ordered * truth[order], axis=1)[:, ends]
        kept += [_on_grid(*both) for both in zip(hits, seen, strict=True) if 0 < both[0][-1] < both[1][-1]]
    if not kept:
        return (Band(np.full(len(GRID), np.nan), np.full(len(GRID), np.nan)),) * 3
    return tuple(Band(*np.percentile(np.array(each), (2.5, 97.5), axis=0)) for each in zip(*kept, strict=True))  # type: ignore[return-value]  # three in, three out


def calibration(truth: Truth, probability: Floats) -> list[Group]:
    """Groups of equal size (equal probabilities stay together), from the lowest probabilities to the highest."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    member = np.searchsorted(edges, probability, side="left")
    groups = []
    for at in range(len(edges) + 1):
        inside = member == at
        n, hits = int(inside.sum()), int(truth[inside].sum())
        if n:
            groups.append(Group(n, float(probability[inside].mean()), Figure(hits / n, *wilson(hits, n))))
    return groups


def brier_parts(truth: Truth, probability: Floats) -> BrierParts:
    """What the Brier score of one class's probabilities (n_rows,) is made of."""
    outcome = truth.astype(np.float64)
    calibrated = IsotonicRegression(y_min=0, y_max=1).fit_transform(probability, outcome)
    score, best = float(np.mean((probability - outcome) ** 2)), float(np.mean((calibrated - outcome) ** 2))
    uncertainty = float(outcome.mean() * (1 - outcome.mean()))
    return BrierParts(score - best, uncertainty - best, uncertainty)


def at_thresholds(truth: Truth, score: Floats, thresholds: Floats) -> list[dict[str, float]]:
    """Counts at each threshold: `threshold`, `said` (rows called positive), `hits`, `positives`."""
    order = np.sort(score)
    hit_order = np.sort(score[truth])
    return [
        {
            "threshold": float(cut),
            "said": float(len(order) - np.searchsorted(order, cut, side="left")),
            "hits": float(len(hit_order) - np.searchsorted(hit_order, cut, side="left")),
            "positives": float(len(hit_order)),
        }
        for cut in thresholds
    ]


def precision_at(truth: Truth, score: Floats, recall: float) -> float:
    """Precision at the highest threshold that finds the share `recall` of the positives."""
    hits, seen = sweep(truth, score)
    first = int(np.searchsorted(hits, recall * hits[-1], side="left"))
    return float(hits[first] / max(seen[first], 1))


def gain_at(truth: Truth, score: Floats, share: float) -> float:
    """Share of the positives among the best-scored share of the rows; equal scores count in part."""
    hits, seen = sweep(truth, score)
    return float(np.interp(share, seen / seen[-1], hits / hits[-1]))


def spread_at(band: Band, x: float) -> tuple[float, float]:
    """The band's bounds at `x`."""
    return float(np.interp(x, GRID, band.low)), float(np.interp(x, GRID, band.high))


def _on_grid(hits: Floats, seen: Floats) -> tuple[Floats, Floats, Floats]:
    """The three curves of one resample over `GRID`."""
    recall = np.append(0.0, hits / hits[-1])
    alarms = np.append(0.0, (seen - hits) / (seen[-1] - hits[-1]))
    looked = np.append(0.0, seen / seen[-1])
    first = np.minimum(np.searchsorted(recall[1:], np.maximum(GRID, LEAST_RECALL), side="left"), len(hits) - 1)
    precision = hits[first] / np.maximum(seen[first], 1)
    return np.interp(GRID, alarms, recall), precision, np.interp(GRID, looked, recall)


def _thinned(x: Floats, y: Floats) -> Curve:
    """About `POINTS` points, evenly spaced along the line, both ends among them."""
    if len(x) <= POINTS:
        return Curve(x, y)
    along = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)))
    return Curve(x[kept], y[kept])
