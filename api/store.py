"""MLflow's store where it does not answer: that is no fault of a request, and nobody waits minutes to be told."""

from __future__ import annotations

import os

from fastapi import Request, Response
from mlflow.exceptions import MlflowException

from api.problems import NotReadyError, problem_answer
from steps import stores

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


def require_answer(error: MlflowException) -> None:
    """Return where the store has answered, be it no.

    Raises:
        NotReadyError: it does not answer, or lets nobody in.
    """
    problem = stores.trouble(error)
    if problem is not None:
        raise NotReadyError(problem) from error


def refusal(error: MlflowException, what: str = stores.NO_ANSWER) -> NotReadyError:
    """What is answered where the store had to say yes.

    Args:
        error: of MLflow's.
        what: is said of a store that does not answer.
    """
    return NotReadyError(stores.trouble(error, what) or stores.unreachable(what))


async def answer(request: Request, error: Exception) -> Response:
    """What MLflow raises where nobody has thought of it."""
    assert isinstance(error, MlflowException)
    problem = stores.trouble_of_step(error) or stores.trouble(error)
    if problem is None:
        raise error
    return problem_answer(NotReadyError(problem), request.state.request_id)
