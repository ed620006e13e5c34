"""Our own command as users start it, seen from outside: seconds, and the memory of all its processes together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_S = 0.2  # between two looks at the memory: a peak that is shorter may be missed


@dataclass(frozen=True)
class Seen:
    """A command that has ended."""

    exit_code: int
    seconds: float
    peak_bytes: int  # resident, of the whole tree; pages that processes share count once for each
    said: str  # stdout


def start(step: str, options: Mapping[str, str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    """`python -m steps.<step>` as the leader of a process group of its own; its output goes into two files."""
    command = [sys.executable, "-W", "ignore", "-m", f"steps.{step}", *(f"--{k}={v}" for k, v in options.items())]
    with (folder / "stdout.txt").open("w") as out, (folder / "stderr.txt").open("w") as err:
        return subprocess.Popen(
            command, stdout=out, stderr=err, env=dict(environment), text=True, start_new_session=True
        )


def watch(process: subprocess.Popen[str], folder: Path, began: float, limit_s: float) -> Seen:
    """Wait for a command's end, looking at its memory; killed after `limit_s`."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(resident, tree(process.pid))))
        if time.monotonic() - began > limit_s:
            end(tree(process.pid))
        time.sleep(LOOK_S)
    seconds = time.monotonic() - began
    return Seen(process.returncode, seconds, peak, (folder / "stdout.txt").read_text())


def pin(cores: str) -> None:
    """Keep this process, and what it starts, on some cores: `0,1`; all where empty."""
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(process: psutil.Process) -> int:
    """Resident bytes of a process; 0 where it has just ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def end(processes: Sequence[psutil.Process]) -> None:
    """Kill processes."""
    for process in processes:
        if process.is_running():
            process.kill()
