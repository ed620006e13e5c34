"""A Dask cluster as users start it: a scheduler, and workers by the project's own command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
READY_S = 120  # for processes that import Dask, on a busy machine


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address, and the process that has started its workers."""

    address: str
    started: subprocess.Popen[bytes] | None

    def workers(self) -> list[psutil.Process]:
        """Processes that work; each may have others of its own."""
        assert self.started is not None
        nannies = psutil.Process(self.started.pid).children()
        return [one for one in nannies if "spawn_main" in " ".join(one.cmdline())]


@contextmanager
def cluster(folder: Path, workers: int, environment: dict[str, str]) -> Iterator[Cluster]:
    """A cluster on this machine, ended with all its processes.

    Args:
        folder: for its logs.
        workers: how many, of one thread each; with 0 there is the scheduler alone.
        environment: of the workers' command.
    """
    file = folder / "scheduler.json"
    processes = [
        _start([sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                "--no-dashboard", "--scheduler-file", str(file)], folder / "scheduler.log", environment)
    ]  # fmt: skip
    try:
        _wait(file.exists, "the scheduler", folder / "scheduler.log")
        address = json.loads(file.read_text())["address"]
        log = folder / "worker.log"
        if workers:
            command = [sys.executable, "-m", "steps.worker", f"--scheduler={address}", f"--workers={workers}"]
            processes.append(_start(command, log, environment))
            _wait(lambda: "working for" in log.read_text(), "the workers", log)
        yield Cluster(address, processes[-1] if workers else None)
    finally:
        for process in reversed(processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process with a group of its own."""
    with log.open("wb") as out:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait(is_ready, what: str, log: Path) -> None:
    """Until it is."""
    end = time.monotonic() + READY_S
    while not is_ready():
        assert time.monotonic() < end, f"{what} took more than {READY_S} s: {log.read_text()[-2000:]}"
        time.sleep(0.1)
