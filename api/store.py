"""MLflow's store where it does not answer: that is no fault of a request, and nobody waits minutes to be told."""

from __future__ import annotations

import os
from http import HTTPStatus

from fastapi import Request, Response
from mlflow.exceptions import MlflowException

from api.problems import NotReadyError, problem_answer
from pyfunc.errors import Problem

# MLflow asks again for four minutes by itself, which suits jobs and not those who wait for an answer.
HASTE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
_hastened: set[str] = set()


def hasten() -> None:
    """Let MLflow give up within seconds in this process, unless the environment says otherwise."""
    for name, value in HASTE.items():
        if name not in os.environ:
            os.environ[name] = value
            _hastened.add(name)


def hastened() -> set[str]:
    """Names of the variables that `hasten` has set: they are not for jobs."""
    return set(_hastened)


def is_trouble(error: MlflowException) -> bool:
    """Whether the store failed, rather than said no."""
    return error.get_http_status_code() >= HTTPStatus.INTERNAL_SERVER_ERROR


def require_answer(error: MlflowException) -> None:
    """Return where the store has answered, be it no.

    Raises:
        NotReadyError: it does not answer.
    """
    if is_trouble(error):
        raise unreachable() from error


async def answer(request: Request, error: Exception) -> Response:
    """What MLflow raises where nobody has thought of it."""
    assert isinstance(error, MlflowException)
    if not is_trouble(error):
        raise error
    return problem_answer(unreachable(), request.state.request_id)


def unreachable(what: str = "The registry does not answer.") -> NotReadyError:
    """The store does not answer."""
    fix = "Check the tracking store that MLFLOW_TRACKING_URI names."
    return NotReadyError(Problem("store_unreachable", what, "registry", fix))
