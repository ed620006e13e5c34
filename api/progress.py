"""A job as callers see it: a pure picture of its run and the runs nested in it."""

from __future__ import annotations

import math
import shlex
import time
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from api import endings, jobs
from steps import progress as searches
from steps import tracking

STEPS = ("ingest", "train", "evaluate", "promote")
BEGINS = {"ingest": 0.02, "train": 0.08, "evaluate": 0.85, "promote": 0.95}  # share of the way, by typical durations
TRAIN_SHARE = BEGINS["evaluate"] - BEGINS["train"]
PREPARING_SHARE = 0.05  # of a training's share, until its search begins
PREPARING_S = 20.0  # that this takes with a small table
RUNNING_TAIL = 0.98  # of a training's share, until it has really ended


@dataclass(frozen=True)
class Picture:
    """A job's run, its nested steps in the order of their start, and the candidates of its search."""

    run: Run
    steps: list[Run]
    candidates: list[Run]

    def step(self, name: str) -> Run | None:
        """The last run of a step."""
        return next((s for s in reversed(self.steps) if s.data.tags.get(tracking.STEP) == name), None)


def picture(client: MlflowClient, run: Run) -> Picture:
    """Look at a job's runs."""
    steps = [child for child in tracking.children(client, run) if child.data.tags.get(tracking.STEP) in STEPS]
    search = next((s for s in reversed(steps) if s.data.tags.get(tracking.STEP) == "train"), None)
    return Picture(run, steps, tracking.children(client, search) if search is not None else [])


def described(client: MlflowClient, run: Run) -> dict[str, Any]:
    """Everything about one job."""
    seen = picture(client, run)
    status, now_s = status_of(run), time.time()
    evaluated = seen.step("evaluate")
    has_report = evaluated is not None and evaluated.info.status == jobs.FINISHED
    return {
        **summary(run),
        "step": step_of(seen),
        "progress": round(progress_of(seen, now_s), 3),
        "search": search_of(seen, now_s),
        "candidates": [_candidate(child) for child in seen.candidates],
        "problems": problems_of(client, run) if status in (jobs.FAILED, jobs.KILLED) else [],
        "report_url": f"/jobs/{run.info.run_id}/report" if has_report else None,
    }


def summary(run: Run) -> dict[str, Any]:
    """What one run alone says about a job."""
    tags, info = run.data.tags, run.info
    return {
        "job_id": info.run_id,
        "status": status_of(run),
        "status_url": f"/jobs/{info.run_id}",
        "experiment_id": info.experiment_id,
        "parameters": {key: parameter(run, key) for key in sorted(run.data.params)},
        "created_at_ms": info.start_time,
        "ended_at_ms": info.end_time if jobs.has_ended(run) else None,
        "version": tags.get(tracking.VERSION),
        "decision": tags.get(tracking.DECISION),
        "promoted": tags.get(tracking.PROMOTED) == "true" if tracking.PROMOTED in tags else None,
    }


def status_of(run: Run) -> str:
    """The status; a job that is being cancelled is RUNNING until that is settled."""
    status = str(run.info.status)
    tags = run.data.tags
    unsettled = tags.get(jobs.JOB) == jobs.OPEN and jobs.CANCELLED in tags
    return jobs.RUNNING if unsettled and status == jobs.FAILED else status


def step_of(seen: Picture) -> str | None:
    """The step at work, or the last one; None before the first."""
    if not seen.steps:
        return "ingest" if seen.run.info.status == jobs.RUNNING else None
    return str(seen.steps[-1].data.tags[tracking.STEP])


def progress_of(seen: Picture, now_s: float) -> float:
    """How far a job has come, 0 to 1; never less than a moment ago."""
    if seen.run.info.status == jobs.FINISHED:
        return 1.0
    if not seen.steps:
        return 0.0
    last = seen.steps[-1]
    name = str(last.data.tags[tracking.STEP])
    is_over = jobs.has_ended(last)
    if name != "train":
        following = STEPS.index(name) + 1
        return BEGINS[STEPS[following]] if is_over and following < len(STEPS) else BEGINS[name]
    if is_over and last.info.status == jobs.FINISHED:
        return BEGINS["evaluate"]
    until_s = (last.info.end_time or now_s * 1000) / 1000
    return BEGINS["train"] + TRAIN_SHARE * _share_of_training(last, until_s)


def search_of(seen: Picture, now_s: float) -> dict[str, Any] | None:
    """How the search gets on; None before it has begun."""
    train = seen.step("train")
    event = searches.read(train.data.tags.get(tracking.PROGRESS)) if train is not None else None
    if train is None or event is None:
        return None
    is_over = jobs.has_ended(train) or jobs.has_ended(seen.run)
    left = None if is_over else event.left(now_s * 1000)
    return {
        "candidate": event.candidate,
        "done": event.done,
        "of": event.of,
        "metric": event.metric,
        "best": event.best,
        "best_candidate": event.best_candidate,
        "seconds_left": None if left is None else round(left, 1),
    }


def problems_of(client: MlflowClient, run: Run) -> list[dict[str, str]]:
    """Why a job did not finish; there is always a reason."""
    found = endings.reasons(client, run)
    if found:
        return found
    reason = endings.CANCELLED if run.info.status == jobs.KILLED else endings.WORDLESS
    return [reason.to_dict()]


def parameter(run: Run, key: str) -> str:
    """A parameter as it was given, without the shell's quotes."""
    try:
        return next(iter(shlex.split(run.data.params[key])), "")
    except ValueError:  # logged by something else than MLflow's projects
        return str(run.data.params[key])


def finite(metrics: dict[str, float]) -> dict[str, float | None]:
    """Figures for JSON, which has no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in metrics.items()}


def _share_of_training(train: Run, until_s: float) -> float:
    """How far a train run has come, 0 to RUNNING_TAIL: as its search says, and before that by the usual time."""
    event = searches.read(train.data.tags.get(tracking.PROGRESS))
    if event is None:
        took_s = until_s - train.info.start_time / 1000
        return PREPARING_SHARE * min(max(took_s / PREPARING_S, 0.0), 1.0)
    searched = event.share(until_s * 1000) or 0.0
    return min(PREPARING_SHARE + (1 - PREPARING_SHARE) * searched, RUNNING_TAIL)


def _candidate(run: Run) -> dict[str, Any]:
    """One candidate of the search."""
    ended, found = run.info.end_time, finite(run.data.metrics)
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "model": run.data.tags.get(tracking.MODEL),
        "status": run.info.status,
        "metrics": {key: value for key, value in found.items() if key.startswith("cv_")},
        "ended_at_ms": ended,
        "seconds": round((ended - run.info.start_time) / 1000, 3) if ended else None,
        "latency_ms": found.get("latency_ms"),
        "size_bytes": found.get("size_bytes"),
        "stopped": run.data.tags.get(tracking.STOPPED),
    }
