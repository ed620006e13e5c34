"""`python -m steps.serve`: a real process with a real store, from its start to its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from steps.serve import ServeRefusedError, bind, workers_of
from tests.api.served import register, until
from tests.conftest import Store

PROJECT = Path(__file__).parents[2]


@contextmanager
def serving(store: Store, port: int, workers: int = 1, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """A server's process."""
    words = [sys.executable, "-W", "ignore", "-m", "steps.serve", f"--port={port}", f"--workers={workers}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, cwd=PROJECT, env={**store.environment, **extra}, text=True, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_alive(port: int) -> bool:
    """Whether /health answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_its_own_run_and_ends_when_told(store: Store, number: signal.Signals):
    """Its run is FINISHED while it serves; a signal ends it within seconds; it takes over nobody's run."""
    port = free_port()
    run = store.client.create_run("0", tags={"mlflow.project.entryPoint": "serve"})
    with serving(store, port, MLFLOW_RUN_ID=run.info.run_id) as process:
        until(lambda: is_alive(port), 60)
        own = store.client.get_run(run.info.run_id)
        header = b"train\n" + b"1\n2\n" * 5
        httpx.post(f"http://127.0.0.1:{port}/upload", files={"train": header, "test": header}, timeout=60)
        untouched = store.client.get_run(run.info.run_id)
        process.send_signal(number)
        _, said = process.communicate(timeout=10)

    assert own.info.status == untouched.info.status == "FINISHED"
    assert own.data.tags["crisol.step"] == untouched.data.tags["crisol.step"] == "serve"
    assert f"serving http://127.0.0.1:{port}" in said
    assert "POST /upload status=" in said
    assert "Traceback" not in said


def test_beyond_this_machine_without_a_key_the_step_refuses(store: Store):
    """Exit 3, the fix on the last line, and the reason on the run."""
    run = store.client.create_run("0")
    words = [sys.executable, "-W", "ignore", "-m", "steps.serve", "--host=0.0.0.0", "--port=x"]
    environment = {**store.environment, "MLFLOW_RUN_ID": run.info.run_id}
    said = subprocess.run(words, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    found = store.client.get_run(run.info.run_id)

    assert said.returncode == 3
    assert "CRISOL_API_KEY" in said.stderr
    assert "Traceback" not in said.stderr
    assert (found.info.status, found.data.tags["error.count"]) == ("FAILED", "2")
    assert found.data.tags["error.exit_code"] == "3"


@pytest.mark.parametrize("port", ["", "x", "-1", "65536", "80 80", "٣", "9" * 400])
def test_a_port_that_is_none_is_refused(port: str):
    """With the range."""
    with pytest.raises(ServeRefusedError, match="0 to 65535"):
        bind("127.0.0.1", port, has_key=False)


@pytest.mark.parametrize("workers", ["", "x", "0", "-1", "65", "1.5", "٣", "9" * 400])
def test_a_number_of_workers_that_is_none_is_refused(workers: str):
    """With the range; from 1 to 64 are taken."""
    with pytest.raises(ServeRefusedError, match="1 to 64"):
        workers_of(workers)

    assert [workers_of("1"), workers_of("64")] == [1, 64]


def test_a_port_in_use_is_refused_with_what_to_do():
    """No stack trace of asyncio."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServeRefusedError, match="another port") as caught,
    ):
        bind("127.0.0.1", str(taken.getsockname()[1]), has_key=False)

    assert caught.value.problems[0].code == "address_unusable"


def test_a_host_that_is_none_is_refused():
    """A name that nothing stands for."""
    with pytest.raises(ServeRefusedError, match="another port"):
        bind("no such host.invalid", "0", has_key=True)


def test_a_bad_setting_is_named(store: Store):
    """By its variable, not with its value."""
    words = [sys.executable, "-W", "ignore", "-m", "steps.serve", "--port=0"]
    environment = {**store.environment, "CRISOL_MAX_ROWS": "SECRET"}
    said = subprocess.run(words, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert said.returncode == 3
    assert "CRISOL_MAX_ROWS" in said.stderr
    assert "SECRET" not in said.stderr


def test_what_is_being_answered_is_answered_when_the_server_is_told_to_end(store: Store):
    """SIGTERM in the middle of a body: the rest is read, the rows are answered, and then the server ends."""
    register("crisol")
    port = free_port()
    with serving(store, port) as process:
        until(lambda: is_alive(port) and httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200, 60)

        def body() -> Iterator[bytes]:
            yield b"age,city,since\n40,Bonn,2022-05-01\n"
            assert is_alive(port)  # answered after the request above has been seen, by the same loop
            process.send_signal(signal.SIGTERM)
            time.sleep(1)
            yield b"50,Bonn,2022-05-01\n"

        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", content=body(), headers=headers, timeout=30)
        process.communicate(timeout=15)

    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 3
    assert process.returncode is not None
