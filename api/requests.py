"""Around every request: its id, its line in the log, its largest size, and a clean answer when the program fails."""

from __future__ import annotations

import logging
import os
import re
import time
import traceback
from collections.abc import MutableMapping
from functools import lru_cache
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import measures
from api.problems import TERSE, NotReadyError, TooLargeError, bug_answer, problem_answer
from pyfunc.errors import Problem, ProjectError
from steps.settings import BYTES_PER_MIB
from steps.stores import trouble_of_step

SAFE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
CLIENT_GONE = 499  # nginx's number for a client that has hung up
LOGGED_PATH = 200  # characters
LINE = "%s %s status=%d ms=%.1f request_id=%s"
QUIET = ("/health", "/ready", "/ping", "/metrics")  # probes would drown everything else
OWN_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))
NOT_KEPT = (b"cache-control", b"no-store")
log = logging.getLogger(__name__)


class Envelope:
    """ASGI middleware, the outermost of ours."""

    def __init__(self, app: ASGIApp, max_mib: float, *, is_terse: bool) -> None:
        self.app = app
        self.max_mib = max_mib
        self.is_terse = is_terse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        TERSE.set(self.is_terse)
        given = dict(scope["headers"])
        request_id = _request_id(given.get(b"x-request-id", b""))
        own = [(b"x-request-id", request_id.encode("ascii")), *OWN_HEADERS]
        scope.setdefault("state", {})["request_id"] = request_id
        sent: MutableMapping[str, int] = {}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                headers = [*message.get("headers", ()), *own]
                if b"cache-control" not in dict(headers):
                    headers.append(NOT_KEPT)
                message["headers"] = headers
            await send(message)

        try:
            limited = _Limited(given.get(b"content-length", b""), receive, self.max_mib)
            await self._guarded(scope, limited, send_with_id, sent)
        finally:
            _told(scope, sent.get("status", CLIENT_GONE), time.perf_counter() - began, request_id)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, sent: MutableMapping[str, int]) -> None:
        """Answer also where a handler does not."""
        request_id = scope["state"]["request_id"]
        failed: Exception
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            return
        except ProjectError as error:
            failed = error
        except Exception as error:  # noqa: BLE001 (the outermost frame: a bug is logged without the values in its text)
            problem = trouble_of_step(error)
            kind = "bug" if problem is None else problem.code
            log.error("%s %s request_id=%s at %s", kind, type(error).__name__, request_id, _places(error))  # noqa: TRY400
            failed = error
        else:
            return
        if "status" in sent:
            return
        await _answer_to(failed, request_id)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Answer in the one shape also what the framework would answer in its own before it comes to the envelope."""
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody reads it; it is counted."""
    return Response(status_code=CLIENT_GONE)


async def _bug(request: Request, error: Exception) -> Response:
    """What no handler expects; it is raised again behind the answer, and logged by the envelope."""
    return _answer_to(error, request.state.request_id)


def _answer_to(error: Exception, request_id: str) -> Response:
    """The answer for what is refused, for a store that fails, or for a bug."""
    if isinstance(error, ProjectError):
        return problem_answer(error, request_id)
    problem = trouble_of_step(error)
    return bug_answer(request_id) if problem is None else problem_answer(NotReadyError(problem), request_id)


class _Limited:
    """The request's body, refused where it is larger than is taken."""

    def __init__(self, said: bytes, receive: Receive, max_mib: float) -> None:
        self.receive = receive
        self.left = int(max_mib * BYTES_PER_MIB)
        self.max_mib = max_mib
        self.is_too_long = said.isdigit() and int(said) > self.left

    async def __call__(self) -> Message:
        """The next part."""
        if self.is_too_long:
            raise self._refusal()
        message = await self.receive()
        if message["type"] == "http.request":
            self.left -= len(message.get("body", b""))
            if self.left < 0:
                raise self._refusal()
        return message

    def _refusal(self) -> TooLargeError:
        what = f"The body is larger than {self.max_mib:g} MiB."
        return TooLargeError(Problem("body_too_large", what, "request body", "Send it in parts."))


def _request_id(given: bytes) -> str:
    """The caller's id where it is safe to repeat, otherwise a new one."""
    return given.decode("ascii") if SAFE_ID.fullmatch(given) else os.urandom(16).hex()


def _told(scope: Scope, status: int, seconds: float, request_id: str) -> None:
    """Count a request, and write its line: no query, no body, nothing that could break the line."""
    route = getattr(scope.get("route"), "path", None)
    measures.request(scope["method"], route, status, seconds)
    path = _shown(scope["path"])
    level = logging.DEBUG if path in QUIET else logging.INFO
    if log.isEnabledFor(level):  # a record without its place in the program, which takes long to find
        told = scope["method"], path, status, seconds * 1000, request_id
        log.handle(log.makeRecord(log.name, level, __file__, 0, LINE, told, None))


@lru_cache(maxsize=64)
def _shown(path: str) -> str:
    """A path as it may stand in a log."""
    return quote(path, errors="replace")[:LOGGED_PATH]


def _places(error: Exception) -> str:
    """Where a bug happened, innermost last, without the error's text: it may quote data."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}:{frame.name}" for frame in frames)
