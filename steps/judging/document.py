"""`evaluation.json`: everything that was found out about one model on one test file. Report and card say nothing else.

    format        1
    run_id, created, name     of the evaluate run; ISO 8601 in UTC; the registered model it was meant for
    metric        the primary figure
    model         uri, run_id, learner, threshold, positive, columns, parameters, libraries
    dataset       run_id, target, classes, rows, counts (rows of each class), train_rows, train_counts, train_sha256,
                  test_sha256, judged_before (models that this test file has judged), checks
    figures       by name: value, low, high; null where the rows do not define it
    shared_rows   null where nobody has counted them; count and share of the test rows that also stand in the training
                  file with their label, any_label (whatever the label there), rows_without (the others),
                  figures_without (the figures on those; null for none shared, or too few others), differences
                  (positive: better on the others than on all rows)
    per_class     in the order of the classes: label, rows, precision, recall, f1, roc_auc
    macro         precision, recall, f1, roc_auc averaged over the classes that occur
    weighted      the same, weighted by the rows of the classes
    confusion     counts, truth in rows, answer in columns
    constant      figures, difference (of the primary figure), beaten
    champion      null without one; version, uri, comparable, reason (why not), figures, differences by figure; null
                  where it is not comparable: mcnemar (only_candidate_right, only_champion_right, p), gate (low, level,
                  judged_before: the bound of the primary difference that decides), rows_needed (test rows that would
                  tell the difference; null where these do, or for none)
    thresholds    two classes, else empty; the stored cut first, then other rules' cuts, all decided in training: rule,
                  share, cut, figure, oof (that figure out of fold), oof_crossed (cut by the other folds), reached,
                  cost_fp, cost_fn, stored; on the test rows said, hits, positives, precision, recall, f1 (with
                  bounds), balanced_accuracy, cost (of a row)
    calibration   ece, ece_noise_mean, ece_noise_high (of exact probabilities: mean and 95th percentile), bins; method
                  (none, temperature, sigmoid, isotonic), log_loss_before, log_loss_after, rows: what training did
    brier_parts   two classes: miscalibration, discrimination, uncertainty
    importance    metric, rows, repeats, left_out, columns: column, drop, low, high; groups (columns that know the same,
                  shuffled together): columns, drop, low, high
    dependence    of the columns that matter most: column, class_at (position of the class), rows, at (values as text),
                  mean, low, high (probability: mean over the rows, and between which eight tenths of them are)
    slices        asked (how many, asked_pairs of them pairs), columns, paired, survived, fewest_rows, level, worst:
                  parts (column, holds, value, low, high: see `steps.judging.cuts`), rows, positives, log_loss,
                  elsewhere, error_rate, error_rate_elsewhere, p, q (corrected)
    sensitive     of the columns declared so: column, is_read (by the model), groups: part (as in slices), rows,
                  positives, is_judged, figures (two classes: selection_rate, true_positive_rate,
                  false_positive_rate, precision, accuracy, log_loss; more: accuracy, log_loss,
                  recall_<position of the class>); spans (differences and ratios between judged groups, with
                  fairlearn's names): value, low, high, by_chance
    least_likely  test rows (from 1, header not counted) whose true class was given the least probability
    tried         the train run's leaderboard, best first, and how many there were
    frontier      null where training has not measured what a row takes; metric, latency_price, max_latency_ms (null for
                  none), latency_ms (of the chosen one, as it is served), candidates (all that were done, the
                  fastest first): name, model, run_id, value (cross-validated metric), log_loss, latency_ms,
                  size_bytes, is_ahead (no other one is better in both, log loss and time), is_slow (over the limit
                  as it is served, or slower through its pipeline than one that is), chosen
    resampling    resamples, seed, level
    plots         name and title (the finding) of each

A difference is positive where the model is better than what it is compared with. Labels and column names stand here as
they are in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from steps.judging import (
    answers,
    comparing,
    curves,
    cuts,
    frontier,
    intervals,
    metrics,
    reliability,
    resampling,
    sharing,
)
from steps.judging.answers import Answers, Judgement
from steps.judging.canvas import Plot
from steps.records import Dataset

FORMAT = 1
LEAST_LIKELY = 10
TRIED = 20  # candidates that are listed


@dataclass(frozen=True)
class Rival:
    """The champion as it was found: comparable with answers, or not with the reason."""

    version: str
    uri: str
    answers: Answers | None = None
    reason: str = ""


@dataclass(frozen=True)
class Origin:
    """Where the judged model comes from."""

    uri: str
    run_id: str
    metric: str
    learner: str
    positive: str | None
    columns: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Any]] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)  # of the package: what training has recorded
    latency_ms: float | None = None  # of one row, as training has measured the model alone


def document(
    judgement: Judgement, dataset: Dataset, origin: Origin, rival: Rival | None, judged_before: int
) -> dict[str, Any]:
    """The findings as JSON values; run, name and plots are added by `evaluate`."""
    candidate = judgement.candidate
    n_classes = len(judgement.labels)
    once = np.ones((1, len(judgement.y)))
    return {
        "format": FORMAT,
        "metric": judgement.metric,
        "model": {
            "uri": origin.uri,
            "run_id": origin.run_id,
            "learner": origin.learner,
            "threshold": judgement.threshold if judgement.positive_at is not None else None,
            "positive": origin.positive,
            "columns": origin.columns,
            "parameters": dict(origin.parameters),
            "libraries": dict(origin.libraries),
        },
        "dataset": _dataset(judgement, dataset, judged_before),
        "figures": _figures(candidate),
        "shared_rows": sharing.found(judgement, dataset.shared),
        "per_class": _per_class(judgement),
        **_averages(judgement),
        "confusion": metrics.confusion(judgement.y, candidate.predicted, n_classes, once)[0].astype(int).tolist(),
        "constant": {
            "figures": _figures(judgement.constant),
            "difference": _difference(judgement, judgement.metric, judgement.constant),
            "beaten": answers.beats_constant(judgement.metric, candidate, judgement.constant),
        },
        "champion": _champion(judgement, rival, judged_before),
        "thresholds": cuts.found(
            judgement, origin.manifest.get("threshold_rule"), origin.manifest.get("thresholds") or ()
        ),
        "calibration": reliability.found(judgement, origin.manifest.get("calibration") or {}),
        "brier_parts": _brier_parts(judgement),
        "importance": asdict(judgement.importances),
        "dependence": [each.to_dict() for each in judgement.dependences],
        "slices": asdict(judgement.slices) if judgement.slices else None,
        "sensitive": [each.to_dict() for each in judgement.treated],
        "least_likely": _least_likely(judgement),
        "tried": {"candidates": list(origin.tried[:TRIED]), "number": len(origin.tried)},
        "frontier": frontier.found(origin.tried, origin.metric, origin.parameters, origin.latency_ms),
        "resampling": {
            "resamples": resampling.number(len(judgement.y), n_classes),
            "seed": resampling.SEED,
            "level": intervals.LEVEL,
        },
    }


def plots_of(drawn: Sequence[Plot]) -> list[dict[str, str]]:
    """Names and findings of the plots."""
    return [{"name": plot.name, "title": plot.title} for plot in drawn]


def _dataset(judgement: Judgement, dataset: Dataset, judged_before: int) -> dict[str, Any]:
    """The two files, their classes and their checks."""
    n_classes = len(judgement.labels)
    return {
        "run_id": dataset.run_id,
        "target": dataset.schema.target.name,
        "classes": list(judgement.labels),
        "rows": len(judgement.y),
        "counts": np.bincount(judgement.y, minlength=n_classes).tolist(),
        "train_rows": len(dataset.y_train),
        "train_counts": np.bincount(dataset.y_train, minlength=n_classes).tolist(),
        "train_sha256": dataset.train_sha256,
        "test_sha256": dataset.test_sha256,
        "judged_before": judged_before,
        "checks": [{**asdict(check), "columns": list(check.columns)} for check in dataset.checks],
    }


def _figures(judged: Answers) -> dict[str, dict[str, float | None]]:
    """Figures with bounds."""
    return {name: judged.figures[name].to_dict() for name in metrics.METRICS}


def _per_class(judgement: Judgement) -> list[dict[str, Any]]:
    """Every class for itself."""
    found = intervals.per_class(judgement.y, judgement.candidate.scores, judgement.candidate.predicted)
    counts = np.bincount(judgement.y, minlength=len(found)).tolist()
    return [
        {"label": label, "rows": rows, **{name: figure.to_dict() for name, figure in each.items()}}
        for label, rows, each in zip(judgement.labels, counts, found, strict=True)
    ]


def _averages(judgement: Judgement) -> dict[str, dict[str, dict[str, float | None]]]:
    """All classes together, each alike or by its rows."""
    ours = judgement.candidate
    found = intervals.averages(judgement.y, ours.scores, ours.predicted, judgement.positive_at, ours.resamples)
    return {how: {name: figure.to_dict() for name, figure in figures.items()} for how, figures in found.items()}


def _difference(judgement: Judgement, metric: str, other: Answers) -> dict[str, float | None]:
    """How much better the candidate is."""
    return intervals.Figure(*judgement.difference(metric, other)).to_dict()


def _champion(judgement: Judgement, rival: Rival | None, judged_before: int) -> dict[str, Any] | None:
    """The champion on the same rows."""
    if rival is None:
        return None
    found: dict[str, Any] = {
        "version": rival.version,
        "uri": rival.uri,
        "comparable": rival.answers is not None,
        "reason": rival.reason,
        "figures": None,
        "differences": None,
        "mcnemar": None,
        "gate": None,
        "rows_needed": None,
    }
    if rival.answers is not None:
        found["figures"] = _figures(rival.answers)
        found["differences"] = {name: _difference(judgement, name, rival.answers) for name in metrics.METRICS}
        ours, n_classes, two = judgement.candidate, len(judgement.labels), judgement.positive_at is not None
        found |= comparing.found(judgement.metric, judgement.y, ours, rival.answers, judged_before, n_classes, two=two)
    return found


def _brier_parts(judgement: Judgement) -> dict[str, float] | None:
    """What the Brier score is made of, for two classes."""
    if judgement.positive_at is None:
        return None
    score = judgement.candidate.scores[:, judgement.positive_at]
    return asdict(curves.brier_parts(judgement.y == judgement.positive_at, score))


def _least_likely(judgement: Judgement) -> list[dict[str, float]]:
    """The rows that the model was most wrong about: by number only, no cell of them."""
    given = judgement.candidate.scores[np.arange(len(judgement.y)), judgement.y]
    wrong = np.flatnonzero(judgement.candidate.predicted != judgement.y)
    worst = wrong[np.argsort(given[wrong], kind="stable")][:LEAST_LIKELY]
    return [{"row": int(at) + 1, "probability": float(given[at])} for at in worst]


def finite(value: Any) -> Any:
    """JSON values with None in place of NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
