"""`/metrics`: what the server counts, in Prometheus' words (prometheus-client).

With several workers each counts for itself, in files of the folder that `PROMETHEUS_MULTIPROC_DIR` names (`serve` makes
it), and whichever is asked adds them up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Response
from mlflow.exceptions import MlflowException
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily

from api import jobs
from pyfunc.schema import Notice
from steps.serve import FIGURES

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNKNOWN = "unknown"  # the route of a path that there is none for: its text is the caller's

REQUESTS = Counter("crisol_requests", "Requests answered.", ("method", "route", "status"))
TOOK = Histogram("crisol_request_seconds", "From a request to the end of its answer.", ("route",), buckets=SECONDS)
REFUSALS = Counter("crisol_refusals", "Problems that callers were told, by code.", ("code",))
ROWS = Counter("crisol_rows", "Rows that were answered.", ("version",))
UNUSUAL = Counter("crisol_unusual_cells", "Cells unlike training in rows that were answered.", ("version", "code"))
SWAPS = Counter("crisol_champion_swaps", "Champions that were loaded.", ("version",))
NOT_LOADED = Counter("crisol_champion_failures", "Champions that could not be loaded.")
CHAMPION = Gauge("crisol_champion_version", "The version that answers; 0 for none.", multiprocess_mode="mostrecent")
ENDED = Counter("crisol_jobs_ended", "Trainings that have ended.", ("status",))
KNOWN_METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
router = APIRouter(tags=["server"])


@router.get("/metrics", summary="Figures for Prometheus")
async def metrics() -> Response:
    """Requests, rows, refusals, champions and jobs, as text."""
    return Response(await anyio.to_thread.run_sync(_text), media_type=CONTENT_TYPE_LATEST)


def request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request.

    Args:
        method: as sent.
        route: template of its path; None where there is none.
        status: of its answer.
        seconds: that it took.
    """
    known = route or UNKNOWN
    _requests(method if method in KNOWN_METHODS else "other", known, status).inc()
    _took(known).observe(seconds)


def answered(version: str, rows: int, notices: Sequence[Notice]) -> None:
    """Count rows that were answered, and the cells in them that training has not seen the like of."""
    _rows(version).inc(rows)
    for notice in notices:
        UNUSUAL.labels(version, notice.code).inc(notice.count)


@cache
def _requests(method: str, route: str, status: int) -> Counter:
    """One series, looked up once: that takes longer than to count."""
    return REQUESTS.labels(method, route, str(status))


@cache
def _took(route: str) -> Histogram:
    """One series."""
    return TOOK.labels(route)


@cache
def _rows(version: str) -> Counter:
    """One series."""
    return ROWS.labels(version)


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
