"""MLflow's store where it does not answer, or not to us: what that means, in one place for commands and server."""

from __future__ import annotations

from http import HTTPStatus

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from pyfunc.errors import Problem

DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
READ_ONLY = ("readonly database", "read-only transaction")  # what SQLite and Postgres say
REQUEST = "API request to"  # how MLflow begins to tell of a request that got no answer, or an error for one
NO_ANSWER = "The registry does not answer."


def trouble(error: MlflowException, what: str = NO_ANSWER) -> Problem | None:
    """The problem where the store failed or let nobody in; None where it has answered, be it no.

    Args:
        error: of MLflow's.
        what: is said of a store that does not answer.
    """
    status = error.get_http_status_code()
    if status in DENIED:
        fix = (
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to those of somebody "
            "who may write there."
        )
        return Problem("store_denied", f"The tracking store lets nobody in ({status}).", "tracking store", fix)
    if takes_no_writes(error):
        return read_only()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return unreachable(what)
    return None


def takes_no_writes(error: BaseException) -> bool:
    """Whether a store has said that nothing can be written to it."""
    return any(words in str(error) for words in READ_ONLY)


def read_only() -> Problem:
    """The store takes no writes."""
    fix = "Give the program the right to write there, or name another store with MLFLOW_TRACKING_URI."
    return Problem("store_read_only", "The tracking store takes no writes.", "tracking store", fix)


def unreachable(what: str) -> Problem:
    """The store does not answer."""
    return Problem("store_unreachable", what, "registry", "Check the tracking store that MLFLOW_TRACKING_URI names.")


def trouble_of_step(error: BaseException) -> Problem | None:
    """The same for what has ended a step; None also for a fault of MLflow's or ours that no request was made for."""
    what = "The tracking store does not answer."
    if isinstance(error, OperationalError):
        return read_only() if takes_no_writes(error) else unreachable(what)
    if not isinstance(error, MlflowException):
        return None
    found = trouble(error, what)
    is_a_fault = found is not None and found.code == "store_unreachable" and not str(error).startswith(REQUEST)
    return None if is_a_fault else found
