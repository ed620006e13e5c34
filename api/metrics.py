"""`/metrics`: what `api.measures` counts, and the trainings that wait or run.

With several workers each counts for itself, in files of the folder that `PROMETHEUS_MULTIPROC_DIR` names (`serve` makes
it), and whichever is asked adds them up.
"""

from __future__ import annotations

import os
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Response
from mlflow.exceptions import MlflowException
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

from api import jobs
from steps.serve import FIGURES

router = APIRouter(tags=["server"])


@router.get("/metrics", summary="Figures for Prometheus")
async def metrics() -> Response:
    """Requests, rows, refusals, champions and jobs, as text."""
    return Response(await anyio.to_thread.run_sync(_text), media_type=CONTENT_TYPE_LATEST)


class _Jobs:
    """Trainings that wait or run, as the store has them when it is asked."""

    def collect(self) -> list[GaugeMetricFamily]:
        """Two gauges: jobs by status where the store answers, and whether it does."""
        up = GaugeMetricFamily("crisol_store_up", "Whether the tracking store answers.")
        try:
            found = [run.info.status for run in jobs.open_jobs()]
        except (MlflowException, OSError):
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        waiting = GaugeMetricFamily("crisol_jobs", "Trainings that wait or run.", labels=["status"])
        for status in (jobs.SCHEDULED, jobs.RUNNING):
            waiting.add_metric([status], found.count(status))
        return [up, waiting]

    def describe(self) -> list[Any]:
        """Nothing: a registry that is being filled must not ask the store."""
        return []


def _text() -> bytes:
    """All of it: in a thread, for it reads the store."""
    stored = CollectorRegistry(auto_describe=False)
    stored.register(_Jobs())
    if not os.environ.get(FIGURES):
        return generate_latest(REGISTRY) + generate_latest(stored)
    counted = CollectorRegistry(auto_describe=False)
    multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return generate_latest(counted) + generate_latest(stored)
