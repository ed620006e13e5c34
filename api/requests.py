"""Around every request: its id, its line in the log, its largest size, and a clean answer when the program fails."""

from __future__ import annotations

import logging
import re
import time
import traceback
import uuid
from collections.abc import MutableMapping
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
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
QUIET = ("/health", "/ready", "/ping", "/metrics")  # probes would drown everything else
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
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        sent: MutableMapping[str, int] = {}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            await self._guarded(scope, _Limited(scope, receive, self.max_mib), send_with_id, sent)
        finally:
            _told(scope, sent.get("status", CLIENT_GONE), time.perf_counter() - began, request_id)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, sent: MutableMapping[str, int]) -> None:
        """Answer also where a handler does not."""
        request_id = scope["state"]["request_id"]
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            return
        except ProjectError as error:
            answer = problem_answer(error, request_id)
        except Exception as error:  # noqa: BLE001 (the outermost frame: a bug is logged without the values in its text)
            problem = trouble_of_step(error)
            kind = "bug" if problem is None else problem.code
            log.error("%s %s request_id=%s at %s", kind, type(error).__name__, request_id, _places(error))  # noqa: TRY400
            answer = bug_answer(request_id) if problem is None else problem_answer(NotReadyError(problem), request_id)
        else:
            return
        if "status" not in sent:
            await answer(scope, receive, send)


class _Limited:
    """The request's body, refused where it is larger than is taken."""

    def __init__(self, scope: Scope, receive: Receive, max_mib: float) -> None:
        self.receive = receive
        self.left = int(max_mib * BYTES_PER_MIB)
        self.max_mib = max_mib
        said = dict(scope["headers"]).get(b"content-length", b"")
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


def _request_id(scope: Scope) -> str:
    """The caller's id where it is safe to repeat, otherwise a new one."""
    given = dict(scope["headers"]).get(b"x-request-id", b"")
    return given.decode("ascii") if SAFE_ID.fullmatch(given) else uuid.uuid4().hex


def _told(scope: Scope, status: int, seconds: float, request_id: str) -> None:
    """Count a request, and write its line: no query, no body, nothing that could break the line."""
    route = getattr(scope.get("route"), "path", None)
    measures.request(scope["method"], route, status, seconds)
    path = quote(scope["path"], errors="replace")[:LOGGED_PATH]
    level = logging.DEBUG if path in QUIET else logging.INFO
    log.log(level, "%s %s status=%d ms=%.1f request_id=%s", scope["method"], path, status, seconds * 1000, request_id)


def _places(error: Exception) -> str:
    """Where a bug happened, innermost last, without the error's text: it may quote data."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}:{frame.name}" for frame in frames)
