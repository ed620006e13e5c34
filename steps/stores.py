"""MLflow's stores where they do not answer, or not to us: what that means, in one place for commands and server."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from pyfunc.errors import Problem

DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
READ_ONLY = ("readonly database", "read-only transaction")  # what SQLite and Postgres say
REQUEST = "API request to"  # how MLflow begins to tell of a request that got no answer, or an error for one
NO_ANSWER = "The registry does not answer."
OF_FILES = "/mlflow-artifacts/"  # stands in the address where an MLflow server is asked for files
CLOUDS = ("botocore.", "boto3.", "google.cloud", "google.api_core", "azure.", "requests.")  # where files are asked for
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
IS_FULL = ("database or disk is full", "No space left on device")  # what SQLite and Postgres say


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


def no_files() -> Problem:
    """The store of files does not give or take them."""
    what = "The artifact store does not answer, or does not let us."
    fix = "Check the artifact store of the experiment, and what its library needs to get in; then start again."
    return Problem("artifacts_unreachable", what, "artifact store", fix)


def trouble_of_step(error: BaseException) -> Problem | None:
    """The same for what has ended a step; None also for a fault of MLflow's or ours that no store has to do with."""
    what = "The tracking store does not answer."
    for each in _causes(error):
        if (isinstance(each, OSError) and each.errno in NO_ROOM) or any(words in str(each) for words in IS_FULL):
            return Problem("disk_full", "There is no room to write to.", "disk", "Make room, and start again.")
        if isinstance(each, OperationalError):
            return read_only() if takes_no_writes(each) else unreachable(what)
        if isinstance(each, MlflowException) and REQUEST in str(each):  # of several files it tells in one text
            return no_files() if OF_FILES in str(each) else trouble(each, what)
        if type(each).__module__.startswith(CLOUDS) and not _is_absence(each):
            return no_files()
    found = trouble(error, what) if isinstance(error, MlflowException) else None
    return None if found is not None and found.code == "store_unreachable" else found


def _is_absence(error: BaseException) -> bool:
    """Whether a store has answered that there is no such file."""
    said = getattr(error, "response", None)
    if isinstance(said, Mapping):  # of botocore
        said = said.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return getattr(said, "status_code", said) == HTTPStatus.NOT_FOUND


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on; MLflow's do not always say from what."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (seen.__context__ if isinstance(seen, MlflowException) else None)
