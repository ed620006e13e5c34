"""Who may ask: the host it was meant for, the page it comes from, and the key. ASGI, before any handler.

A server on loopback is open to every program of the machine, and so to pages in the user's browser. A page of another
site can send requests there (Origin, Sec-Fetch-Site) or make its own name point there (Host); both are refused.
Beyond loopback a key is needed, and with a key names do not matter.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import (
    ForeignHostError,
    ForeignOriginError,
    KeyRefusedError,
    TooManyFailuresError,
    problem_answer,
)
from pyfunc.errors import Problem, ProjectError
from steps.settings import Settings

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_PATHS = ("/", "/health", "/ready", "/ping")  # probes, and the page, which asks for the key
OPEN_FOLDER = "/static/"
OWN_SITES = (b"same-origin", b"none")  # `none`: typed by the user
MOST_FAILURES, MINUTE_S = 20, 60
MOST_ADDRESSES = 10_000  # that are told apart
FIX_KEY = "Send the header `Authorization: Bearer <the key in CRISOL_API_KEY>`."


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only."""
    bare = host.strip("[]").rstrip(".").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def require_key(settings: Settings) -> None:
    """Refuse to serve beyond loopback without a key.

    Raises:
        KeyRefusedError: with the setting that is missing.
    """
    if not is_loopback(settings.host) and not _key_of(settings):
        what = "Beyond this machine the server needs a key."
        fix = "Set CRISOL_API_KEY to a long random text, or listen on 127.0.0.1."
        raise KeyRefusedError(Problem("key_missing", what, "host", fix))


class Failures:
    """Wrong keys by address in the minute that runs. Used on the event loop only."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts = Counter[str]()

    def add(self, address: str) -> None:
        """One more; of more addresses than a machine has, all are one."""
        self._counts[self._known(address)] += 1

    def are_many(self, address: str) -> bool:
        """Whether an address has to wait."""
        return self._counts.get(self._known(address), 0) >= MOST_FAILURES

    def _known(self, address: str) -> str:
        """What it is counted as; the minute before is forgotten."""
        minute = int(monotonic() // MINUTE_S)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        return address if address in self._counts or len(self._counts) < MOST_ADDRESSES else ""


class Door:
    """ASGI middleware that lets a request in or answers itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.failures = Failures()
        self.is_local = is_loopback(settings.host)
        self.key = _key_of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            try:
                self.check(scope)
            except ProjectError as error:
                await problem_answer(error, scope["state"]["request_id"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def check(self, scope: Scope) -> None:
        """Refuse what may not come in.

        Raises:
            ForeignHostError: meant for another host.
            ForeignOriginError: sent by another site's page.
            KeyRefusedError: without the key.
        """
        if self.is_local:
            called, port = scope.get("server") or ("", None)
            _check_host(tuple(value for name, value in scope["headers"] if name == b"host"), called, port)
        if scope["method"] not in SAFE_METHODS:
            _check_origin(dict(scope["headers"]))
        if self.key and not _is_open(scope["path"]):
            self._check_key(Headers(scope=scope), (scope.get("client") or ("",))[0])

    def _check_key(self, headers: Headers, address: str) -> None:
        """The key, unless the address has tried too many."""
        if self.failures.are_many(address):
            what = f"More than {MOST_FAILURES} wrong keys came from this address within a minute."
            raise TooManyFailuresError(Problem("too_many_failures", what, "header Authorization", "Wait for a minute."))
        scheme, _, sent = headers.get("authorization", "").encode("utf-8", "replace").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(sent.strip(), self.key):
            return
        if not sent:
            what = "The request carries no key."
            raise KeyRefusedError(Problem("key_missing", what, "header Authorization", FIX_KEY))
        self.failures.add(address)
        raise KeyRefusedError(Problem("key_wrong", "The key is not the server's.", "header Authorization", FIX_KEY))


@lru_cache(maxsize=256)
def _check_host(hosts: tuple[bytes, ...], called: str, port: int | None) -> None:
    """The Host header, and the address that was really called, are this machine's."""
    names = [_host_of(f"//{host.decode('latin-1')}") for host in hosts]
    if len(names) != 1 or not is_loopback(names[0] or "") or (port is not None and not is_loopback(called)):
        what = "The server answers requests for this machine only (localhost, 127.0.0.1)."
        fix = "Call it by http://127.0.0.1, or start it with --host and CRISOL_API_KEY."
        raise ForeignHostError(Problem("host_foreign", what, "header Host", fix))


def _check_origin(headers: Mapping[bytes, bytes]) -> None:
    """A browser says from which page a request comes; programs say nothing."""
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    is_foreign = site is not None and site not in OWN_SITES
    if origin is not None:
        is_foreign |= origin.lower().partition(b"://")[2] != headers.get(b"host", b"").lower()
    if is_foreign:
        what = "The request comes from a page of another site."
        raise ForeignOriginError(
            Problem("origin_foreign", what, "header Origin", "Use the server's own page, or a program.")
        )


def _host_of(address: str) -> str | None:
    """The host in an address, None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:  # unbalanced brackets
        return None


def _is_open(path: str) -> bool:
    """Whether a path is answered without a key."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _key_of(settings: Settings) -> bytes:
    """The key's bytes; empty where there is none."""
    return settings.api_key.get_secret_value().encode() if settings.api_key else b""
