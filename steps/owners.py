"""When a process began, told so that it is found again whatever becomes of the clock.

Numbers of processes are used again, so a run or a temporary file that belongs to one says when that began. Linux counts
this from the machine's own start, which no clock that is set right (and no summer time, no suspended machine) moves;
elsewhere it is what the clock said.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

STAT = Path("/proc/self/stat")  # is there on Linux
STARTTIME = 19  # proc(5): field 22, the 20th behind the name in brackets
SAME_S = 0.005  # half a tick: the kernel counts in hundredths
SAME_BY_CLOCK_S = 2.0  # times by the clock are read back with this much slack
BY_CLOCK = 1e9  # seconds: what is above is a time of the clock, as older programs wrote it on Linux too


def began(pid: int) -> float:
    """When a process began: seconds since the machine's start, or since 1970 where that is not told.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    if not STAT.exists():
        return psutil.Process(pid).create_time()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    return int(stat.rpartition(")")[2].split()[STARTTIME]) / os.sysconf("SC_CLK_TCK")


def is_same(pid: int, when: float) -> bool:
    """Whether the process of this number began then.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    if when > BY_CLOCK:
        return abs(psutil.Process(pid).create_time() - when) < SAME_BY_CLOCK_S
    return abs(began(pid) - when) < SAME_S


def age_s(when: float) -> float:
    """Seconds since a process began."""
    if when > BY_CLOCK:
        return time.time() - when
    return time.clock_gettime(time.CLOCK_BOOTTIME) - when
