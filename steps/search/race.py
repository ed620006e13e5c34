"""Which candidates are tried in which order, within the budget.

Every learner of the plan with PyCaret's defaults first, then rounds of drawn hyperparameters. The order does not
depend on how fast candidates are, so the same files, seed and lock give the same candidates where the budget does not
cut them off.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.errors import Problem, TrainingRefusedError
from pyfunc.estimators import Recalibration
from steps.records import SearchPlan
from steps.search import budget, workers
from steps.search.budget import TIME_LIMIT, Finished, Pool
from steps.search.ensemble import weights_of
from steps.search.learners import variant_of
from steps.search.workers import Outcome

FOLDS = 5
PREPARE_LIMIT_S = 60.0  # for PyCaret's set-up of small tables, which is not part of the budget, on a busy machine
ROUNDS = 8  # drawn candidates per learner; then the search is over, budget or not
BLEND = "blend"
BLEND_LIMIT_S = 60.0  # to put fitted candidates together; seconds are usual
LARGEST_SHARE = 0.5  # of the budget that is left, for one candidate while others wait
LEAST_S = 15.0  # a candidate gets at least this, or what is left: near the end there is nothing to save
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tried:
    """A candidate that has ended. `out_of_fold` is float64 (n_rows, n_classes), None where it failed."""

    model: str
    number: int
    hyperparameters: dict[str, str]
    error: str | None
    out_of_fold: np.ndarray[Any, Any] | None
    pipeline: Path
    pipeline_bytes: int
    warnings: dict[str, int]
    started_at_ms: int
    ended_at_ms: int
    seconds: float


def splits_of(y: np.ndarray[Any, Any], seed: int) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """The folds that every candidate is cross-validated in."""
    return workers.Table(pd.DataFrame(), y, _folds(y), seed).splits()


def race(
    frame: pd.DataFrame, y: np.ndarray[Any, Any], plan: SearchPlan, folder: Path, texts: tuple[int, ...] = ()
) -> Iterator[Tried]:
    """Try candidates until the budget or the list is used up; each comes out as it ends.

    Args:
        frame: enforced training frame (n_rows, n_columns).
        y: int64 (n_rows,) positions of the classes.
        plan: which learners, how long, which seed.
        folder: scratch; the candidates' pipelines stay in it.
        texts: positions of the text columns.

    Raises:
        TrainingRefusedError: the preprocessing could not be prepared.
    """
    variants = list(dict.fromkeys(variant_of(name) for name in plan.models))
    (folder / workers.TABLE).write_bytes(pickle.dumps(workers.Table(frame, y, _folds(y), plan.seed, texts)))
    with Pool(folder, budget.cores()) as pool:
        pool.start(workers.hello, limit_s=budget.START_LIMIT_S)
        list(pool.next(time.monotonic() + budget.START_LIMIT_S))
        limit_s = max(PREPARE_LIMIT_S, plan.budget_s)
        for variant in variants[: pool.size]:
            pool.start(workers.prepare, variant, limit_s=limit_s)
        first = list(pool.next(time.monotonic() + limit_s))
        yield from _run(pool, plan, time.monotonic() + plan.budget_s, variants[pool.size :], first)


def blend(tried: Sequence[Tried], y: np.ndarray[Any, Any], folder: Path) -> Tried | None:
    """One more candidate: the weighted mean of the best ones.

    Args:
        tried: candidates that have not failed.
        y: int64 (n_rows,) positions of the classes.
        folder: the race's, with their pipelines.

    Returns:
        The blend; None where one candidate alone is as good, or it could not be put together.
    """
    out_of_fold = [one.out_of_fold for one in tried if one.out_of_fold is not None]
    assert len(out_of_fold) == len(tried)
    weights = weights_of(y, out_of_fold) if tried else {}
    if len(weights) < 2:  # noqa: PLR2004
        return None
    parts = tuple((tried[at].model, tried[at].number, variant_of(tried[at].model), w) for at, w in weights.items())
    finished = _put_together("blend", folder, workers.assemble, parts)
    if finished is None:
        return None
    return Tried(
        model=BLEND,
        number=0,
        hyperparameters={f"weight_{model}_{number}": f"{weight:g}" for model, number, _, weight in parts},
        error=None,
        out_of_fold=np.sum([weight * out_of_fold[at] for at, weight in weights.items()], axis=0),
        pipeline=folder / "blend-0.pkl",
        pipeline_bytes=finished.outcome.pipeline_bytes,
        warnings={},
        started_at_ms=finished.started_at_ms,
        ended_at_ms=finished.ended_at_ms,
        seconds=finished.seconds,
    )


def recalibrated(tried: Tried, recalibration: Recalibration, folder: Path) -> Path | None:
    """The pickled pipeline of a candidate with a map behind it; None where it could not be made."""
    finished = _put_together("recalibrated model", folder, workers.recalibrate, tried.pipeline.name, recalibration)
    return None if finished is None else folder / workers.CALIBRATED


def _put_together(what: str, folder: Path, work: Callable[..., Outcome], *arguments: Any) -> Finished | None:
    """A pipeline made of fitted ones, in a worker of its own, which can read their pickles; None where it failed."""
    with Pool(folder, 1) as pool:
        pool.start(work, *arguments, limit_s=BLEND_LIMIT_S)
        (finished,) = pool.next(time.monotonic() + BLEND_LIMIT_S)
    if finished.outcome.error:
        log.warning("the %s could not be put together: %s", what, finished.outcome.error)
        return None
    return finished


def _run(
    pool: Pool, plan: SearchPlan, deadline: float, unprepared: list[str], first: list[Finished]
) -> Iterator[Tried]:
    """Keep every worker busy until the deadline, from the moment that the first preparation has ended."""
    waiting = [(name, number) for number in range(ROUNDS + 1) for name in plan.models]
    for finished in first:
        _require_prepared(finished)
    prepared: set[str] = {finished.key[1] for finished in first}
    took: dict[str, float] = {}  # seconds of each learner's quickest candidate, or of one that was cut off
    while time.monotonic() < deadline:
        while len(pool.jobs) < pool.size and (unprepared or waiting):
            left = deadline - time.monotonic()
            waiting = [one for one in waiting if took.get(one[0], 0.0) <= left]  # the others would be cut off
            ready = next((one for one in waiting if variant_of(one[0]) in prepared), None)
            if unprepared:
                pool.start(workers.prepare, unprepared.pop(0), limit_s=left)
            elif ready:
                waiting.remove(ready)
                share = LARGEST_SHARE if waiting else 1.0
                pool.start(workers.attempt, *ready, variant_of(ready[0]), limit_s=max(LEAST_S, left * share))
            else:
                break
        if not pool.jobs:
            return
        for finished in pool.next(deadline):
            if finished.key[0] == "prepare":
                _require_prepared(finished)
                prepared.add(finished.key[1])
            else:
                tried = _tried(finished, pool.folder)
                if not tried.error or (tried.error == TIME_LIMIT and tried.model not in took):
                    took[tried.model] = min(tried.seconds, took.get(tried.model, tried.seconds))
                yield tried


def _require_prepared(finished: Finished) -> None:
    """Without its preprocessing a learner cannot be tried."""
    error = finished.outcome.error
    if error == TIME_LIMIT:
        what = f"Preparing the table was not done after {finished.seconds:.0f} s."
        fix = "Raise budget_s, send fewer rows, or wait until the machine is less busy."
        raise TrainingRefusedError(Problem("budget_too_small", what, "parameters", fix))
    if error:
        what = f"The table could not be prepared ({error})."
        fix = "Leave out unusual columns with ignore=, or report it with this run's output."
        raise TrainingRefusedError(Problem("preparation_failed", what, "training file", fix))


def _tried(finished: Finished, folder: Path) -> Tried:
    """A worker's outcome as a candidate."""
    _, model, number, _ = finished.key
    outcome = finished.outcome
    return Tried(
        model=model,
        number=number,
        hyperparameters=outcome.hyperparameters,
        error=outcome.error,
        out_of_fold=outcome.out_of_fold,
        pipeline=folder / f"{model}-{number}.pkl",
        pipeline_bytes=outcome.pipeline_bytes,
        warnings=outcome.warnings,
        started_at_ms=finished.started_at_ms,
        ended_at_ms=finished.ended_at_ms,
        seconds=finished.seconds,
    )


def _folds(y: np.ndarray[Any, Any]) -> int:
    """As many folds as the smallest class has rows, up to five and at least two."""
    return int(np.clip(np.bincount(y).min(), 2, FOLDS))
