"""Refusals over HTTP: which error is which status, and the one shape that all of them have (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api import measures
from pyfunc.errors import (
    ArtifactMismatchError,
    FileRefusedError,
    GateNotPassedError,
    ModelUnavailableError,
    Problem,
    ProjectError,
    SchemaMismatchError,
    TrainingRefusedError,
)

RETRY_AFTER_S = 2  # as long as the registry is polled
TERSE: ContextVar[bool] = ContextVar("terse", default=False)  # CRISOL_TERSE_ERRORS, as long as a request is handled
TERSE_WORDS = Problem("", "The request was refused.", "request", "Ask whoever runs the server, with the request id.")
log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class RequestRefusedError(ProjectError):
    """A query, header or field that the route does not take."""


class MediaTypeError(RequestRefusedError):
    """A body in a format that is not read."""


class NotAcceptableError(RequestRefusedError):
    """An answer in a format that is not written."""


class TooLargeError(FileRefusedError):
    """More bytes or rows than are taken at once."""


class TooSlowError(RequestRefusedError):
    """A body that stopped arriving."""


class NoChampionError(ModelUnavailableError):
    """There is no champion to answer, or none is loaded yet."""


class NotReadyError(ModelUnavailableError):
    """The server is alive, but not as it should be."""


class BusyError(ProjectError):
    """More requests at the same time than are taken."""


class KeyRefusedError(ProjectError):
    """No key or a wrong one."""


class TooManyFailuresError(ProjectError):
    """Too many wrong keys from one address."""


class ForeignHostError(ProjectError):
    """A request that was meant for another host: a name that somebody made point here."""


class ForeignOriginError(ProjectError):
    """A request that another site's page sends from the user's browser."""


class JobEndedError(ProjectError):
    """A job that has ended cannot be cancelled."""


STATUS: dict[type[ProjectError], HTTPStatus] = {
    RequestRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    FileRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TrainingRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    SchemaMismatchError: HTTPStatus.UNPROCESSABLE_ENTITY,
    GateNotPassedError: HTTPStatus.CONFLICT,
    JobEndedError: HTTPStatus.CONFLICT,
    ModelUnavailableError: HTTPStatus.NOT_FOUND,
    ArtifactMismatchError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoChampionError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotAcceptableError: HTTPStatus.NOT_ACCEPTABLE,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooSlowError: HTTPStatus.REQUEST_TIMEOUT,
    KeyRefusedError: HTTPStatus.UNAUTHORIZED,
    TooManyFailuresError: HTTPStatus.TOO_MANY_REQUESTS,
    ForeignHostError: HTTPStatus.MISDIRECTED_REQUEST,
    ForeignOriginError: HTTPStatus.FORBIDDEN,
}
ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
RETRIED = (BusyError, NoChampionError, NotReadyError)


def status_of(error: ProjectError) -> HTTPStatus:
    """The status of an error: its own class's, or the nearest base's."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.UNPROCESSABLE_ENTITY)


def json_bytes(content: Any) -> bytes:
    """JSON in ASCII: a lone surrogate in a column's name must not break the answer that names it."""
    return ENCODER.encode(content).encode("ascii")


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json_bytes(content), status, headers, "application/json")


def problem_answer(error: ProjectError, request_id: str) -> Response:
    """The answer for an error that the caller can fix."""
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, RETRIED) else {}
    if isinstance(error, TooManyFailuresError):
        headers["Retry-After"] = "60"
    if isinstance(error, KeyRefusedError):
        headers["WWW-Authenticate"] = "Bearer"
    return shaped(status_of(error), error.problems, request_id, headers)


def shaped(
    status: int, problems: Sequence[Problem], request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The one shape of a refusal; where errors are to be terse, its codes, and its words in the log only."""
    for problem in problems:
        measures.REFUSALS.labels(problem.code).inc()
    if TERSE.get():
        for problem in problems:
            log.info("refused %s: %s (in %s) request_id=%s", problem.code, problem.what, problem.where, request_id)
        problems = [*{problem.code: replace(TERSE_WORDS, code=problem.code) for problem in problems}.values()]
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": " ".join(dict.fromkeys(problem.what for problem in problems)),
        "problems": [problem.to_dict() for problem in problems],
        "request_id": request_id,
    }
    return Response(json_bytes(content), status, headers, MEDIA_TYPE)


def bug_answer(request_id: str) -> Response:
    """The answer for a bug: nothing of what happened, and the id under which the log has it."""
    what = "The program failed; the fault is not the request's."
    problem = Problem("bug", what, "program", f"Please report it with request id {request_id} and the server's log.")
    return shaped(HTTPStatus.INTERNAL_SERVER_ERROR, [problem], request_id)


def install(app: FastAPI) -> None:
    """Answer everything that goes wrong in a handler in the one shape."""
    app.add_exception_handler(ProjectError, _project_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


async def _project_error(request: Request, error: Exception) -> Response:
    """What our own code refuses."""
    assert isinstance(error, ProjectError)
    return problem_answer(error, request.state.request_id)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses: unknown routes, wrong methods, broken forms."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    what = {404: "There is no such route.", 405: "The route has no such method."}.get(
        error.status_code, "The request cannot be read."
    )
    problem = Problem(code, what, "request", "See /docs for the routes and what they take.")
    return shaped(error.status_code, [problem], request.state.request_id, error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    """What FastAPI refuses; its own text would quote the value."""
    assert isinstance(error, RequestValidationError)
    problems = []
    for fault in error.errors():
        where, *rest = (str(part) for part in fault["loc"])
        what = f"'{'.'.join(rest) or where}' is not valid ({fault['type']})."
        problems.append(Problem("field_invalid", what, where, "See /docs for what the route takes."))
    return shaped(HTTPStatus.UNPROCESSABLE_ENTITY, problems, request.state.request_id)
