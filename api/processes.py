"""The processes of a job: found by what they carry, ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from itertools import pairwise

import psutil

from steps import owners, tracking

PATIENCE_S = 10.0  # between SIGTERM and SIGKILL: a step marks its runs FAILED in that time
LOOK_S = 0.1


def of_run(run_id: str, owner: Mapping[str, str]) -> list[psutil.Process]:
    """Living processes that work on a run.

    Args:
        run_id: in the environment (MLFLOW_RUN_ID) or after `--run-id` on the command line.
        owner: host, pid and start time of the leader of the process group, where they are known.
    """
    group = _group(owner)
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and (
                (group is not None and os.getpgid(process.pid) == group) or _carries(process, run_id)
            ):
                found.append(process)
    return found


def stop(run_id: str, owner: Mapping[str, str], patience_s: float = PATIENCE_S) -> None:
    """End all processes of a run, and wait until they are gone."""
    deadline = time.monotonic() + patience_s
    _send(of_run(run_id, owner), signal.SIGTERM)
    while alive := of_run(run_id, owner):
        if time.monotonic() > deadline:
            _send(alive, signal.SIGKILL)
        time.sleep(LOOK_S)


def _group(owner: Mapping[str, str]) -> int | None:
    """The process group, unless its number belongs to another process by now.

    A number is not given to a new process as long as a group has it: without a leader the group is still ours. A
    leader that has ended and was not waited for leads on.
    """
    pid = int(owner.get(tracking.PID, 0))
    if not pid:
        return None
    try:
        return pid if owners.is_same(pid, float(owner.get(tracking.STARTED, 0))) else None
    except psutil.NoSuchProcess:
        return pid


def _carries(process: psutil.Process, run_id: str) -> bool:
    """Whether a process was started for a run. A mere mention (an editor, `curl`) is not enough."""
    words = process.cmdline()
    return ("--run-id", run_id) in pairwise(words) or process.environ().get("MLFLOW_RUN_ID") == run_id


def _send(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Signal each that is still there."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
