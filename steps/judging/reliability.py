"""How far probabilities are off, in one number, and how much of it any file of this size would show by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steps.judging import words
from steps.judging.answers import Judgement
from steps.judging.calibration import NONE
from steps.judging.curves import GROUPS
from steps.judging.metrics import Bools, Floats

SEED = 20260101
MOST_DRAWS, LEAST_DRAWS = 2000, 50
WORK = 30_000_000  # rows x draws
BLOCK = 2_000_000  # numbers drawn at a time
HIGH = 95  # percentile of the noise


def expected_error(outcome: Bools, said: Floats) -> float:
    """Mean distance of what is said from what comes true, over groups of equal size (ECE).

    Args:
        outcome: (n_rows,) whether it came true; at least one row.
        said: (n_rows,) the probability given to it. Equal ones stay in one group, of which there are at most `GROUPS`.
    """
    order, starts = _groups(said)
    return float(_distances(outcome[order][None, :], said[order], starts)[0])


def noise(said: Floats) -> tuple[float, float]:
    """The ECE of probabilities that are exactly right, on as many rows: mean and 95th percentile of drawn outcomes.

    Args:
        said: (n_rows,) as for `expected_error`; the outcomes are drawn from them, with a fixed seed.
    """
    order, starts = _groups(said)
    said = np.clip(said[order], 0, 1)
    draws = int(np.clip(WORK // len(said), LEAST_DRAWS, MOST_DRAWS))
    source = np.random.default_rng(SEED)
    at_once = max(1, BLOCK // len(said))
    found = [
        _distances(source.random((min(at_once, draws - done), len(said))) < said, said, starts)
        for done in range(0, draws, at_once)
    ]
    each = np.concatenate(found)
    return float(each.mean()), float(np.percentile(each, HIGH))


def found(judgement: Judgement, settled: Mapping[str, Any]) -> dict[str, Any]:
    """The part `calibration` of `evaluation.json`.

    For two classes of the positive class's probability, for more of the likeliest class's.

    Args:
        judgement: of the test rows.
        settled: the manifest's `calibration`; empty for models that were trained before it was recorded.
    """
    scores, at = judgement.candidate.scores, judgement.positive_at
    predicted = judgement.candidate.predicted
    if at is None:
        said, outcome = scores[np.arange(len(scores)), predicted], predicted == judgement.y
    else:
        said, outcome = scores[:, at], judgement.y == at
    mean, high = noise(said)
    return {
        "ece": expected_error(outcome, said),
        "ece_noise_mean": mean,
        "ece_noise_high": high,
        "bins": len(_groups(said)[1]),
        "method": settled.get("method", NONE),
        "log_loss_before": settled.get("log_loss_before"),
        "log_loss_after": settled.get("log_loss_after"),
        "rows": settled.get("rows"),
    }


def sentences(doc: Mapping[str, Any]) -> list[str]:
    """What training did to the probabilities, and how far they are off on the test rows beside chance."""
    part = doc["calibration"]
    said = [f"{text}." for text in [_history(part)] if text]
    ece, mean, high = (words.number(part[key], 4) for key in ("ece", "ece_noise_mean", "ece_noise_high"))
    verdict = "more than chance explains" if part["ece"] > part["ece_noise_high"] else "no more than chance explains"
    what = "" if doc["model"]["positive"] is not None else " for the likeliest class"
    groups = words.counted(part["bins"], "group")
    said.append(
        f"Over {groups} of equal size the probabilities{what} are off by {ece} on average (ECE), {verdict}: exact ones "
        f"would show {mean} on these rows, and up to {high} in 95 of 100 files."
    )
    return said


def _history(part: Mapping[str, Any]) -> str:
    """Whether training has recalibrated; nothing where that was not recorded."""
    before, after = part["log_loss_before"], part["log_loss_after"]
    if before is None or after is None:
        return ""
    rows = words.counted(part["rows"], "out-of-fold row")
    if part["method"] == NONE:
        return f"Training left them as the learner gave them: on {rows} no recalibration was clearly better"
    return (
        f"Training recalibrated them ({part['method']}): on {rows} the log loss fell from {words.number(before, 4)} to "
        f"{words.number(after, 4)}, each fold judged with the map of the others"
    )


def _groups(said: Floats) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """An order of the rows by group, and where each group starts in it."""
    edges = np.unique(np.quantile(said, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    member = np.searchsorted(edges, said, side="left")
    order = np.argsort(member, kind="stable")
    return order, np.flatnonzero(np.diff(member[order], prepend=-1))


def _distances(outcomes: Bools, said: Floats, starts: np.ndarray[Any, Any]) -> Floats:
    """ECE of several sets of outcomes (n_sets, n_rows) on the same grouped probabilities (n_rows,)."""
    came = np.add.reduceat(outcomes, starts, axis=1, dtype=np.float64)
    return np.asarray(np.abs(came - np.add.reduceat(said, starts)).sum(axis=1) / len(said))
