"""An artifact store that answers errors, in front of a training and of a server that fetches its champion."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np

from api.champion import RETRY_S
from tests.api.served import register, until
from tests.conftest import ARTIFACT_ROOT, Store
from tests.faults import serving
from tests.faults.borders import Training

FILES = "/api/2.0/mlflow-artifacts/"
ENDS_HERE = {"transfer-encoding", "connection", "content-length", "content-encoding", "date", "server", "host"}
RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # MLflow tries seven times, for four minutes


class Door:
    """In front of an MLflow server: all passes, but files only while it is open.

    Args:
        uri: of the MLflow server.
    """

    def __init__(self, uri: str) -> None:
        self.taken = 0  # files that were written since it was opened
        self.most: int | None = None  # how many may be written, and read none once it is 0; None for any number
        door, client = self, httpx.Client(base_url=uri, timeout=60)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith(FILES) and door.is_closed(self.command):
                    self.give(503, b"Slow Down", {})
                    return
                headers = {key: value for key, value in self.headers.items() if key.lower() not in ENDS_HERE}
                said = client.request(self.command, self.path, content=body, headers=headers)
                self.give(said.status_code, said.content, said.headers)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 (the standard library's names)

            def give(self, status: int, body: bytes, headers: httpx.Headers | dict[str, str]) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    if key.lower() not in ENDS_HERE:
                        self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def is_closed(self, method: str) -> bool:
        """Whether a file may not pass; those that are written are counted."""
        is_write = method == "PUT"
        if self.most is not None and self.taken >= self.most and (is_write or not self.most):
            return True
        self.taken += is_write
        return False

    def open(self, most: int | None = None) -> None:
        """Let so many files be written from now on."""
        self.taken, self.most = 0, most


@dataclass(frozen=True)
class Remote(Store):
    """A store that is known by the address of its server."""

    address: str = ""

    @property
    def uri(self) -> str:
        """Of the door."""
        return self.address

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that lets the server say where files are."""
        kept = {key: value for key, value in super().environment.items() if key != ARTIFACT_ROOT}
        return {**kept, **RETRIES}


@contextmanager
def behind_a_door(store: Store) -> Iterator[tuple[Remote, Door]]:
    """An MLflow server on a store, and a door before it."""
    server = serving.Tracking(store)
    door = Door(server.uri)
    try:
        with Remote(store.folder, door.uri).active() as remote:
            yield remote, door
    finally:
        door.server.shutdown()
        server.kill()


class Refusing:
    """Trainings whose files are refused from some file on.

    Args:
        store: an empty one.
        door: before it.
        draw: which file it is.
    """

    def __init__(self, store: Remote, door: Door, draw: np.random.Generator) -> None:
        self.training, self.door, self.draw = Training(store), door, draw
        door.open()
        self.training.again()  # as all that follow, beside a champion
        self.files = door.taken

    def trial(self) -> str:
        """One of them, and what users are told."""
        self.door.open(int(self.draw.integers(self.files)))
        try:
            return self.training.refused()
        finally:
            self.door.open()


def no_downloads(served: serving.Answers, door: Door) -> str:
    """A new champion's files are refused for a while: the old one answers, and the new one follows by itself."""
    version = register(serving.NAME, None)
    door.open(0)
    serving.promote(served.store, version)
    until(served.problem, 60)
    served.same()
    code = served.problem()
    door.open()
    served.follows(version, 3 * RETRY_S)
    return code
