"""Servers as users start them: processes of their own, ended with their whole group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import Store

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def free_port() -> int:
    """A port that the kernel picked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(answer: Callable[[], bool], limit_s: float, what: str) -> None:
    """Ask again until it is true."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            if answer():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    pytest.fail(f"{what} took more than {limit_s} s")


@contextmanager
def served(command: list[str], store: Store, port: int, ready: str) -> Iterator[httpx.Client]:
    """A server process that answers on `ready`, ended with its whole group."""
    environment = {**store.environment, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    log = store.folder / f"server-{port}.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(lambda: client.get(ready).status_code < 500, 120, f"{command[-3:]}: {log.read_text()[-500:]}")
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
