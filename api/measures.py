"""What the server counts, in Prometheus' words (prometheus-client); `api.metrics` tells it.

With several workers each counts for itself, in files of the folder that `PROMETHEUS_MULTIPROC_DIR` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from pyfunc.schema import Notice

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
