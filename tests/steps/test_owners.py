"""A process is found again by when it began, whatever becomes of the clock."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from steps import owners, tracking


@pytest.fixture
def another():
    """A process that lives."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_clock_that_jumps_changes_nothing(another, monkeypatch):
    """An hour later by the clock, all that belongs to living processes is still theirs."""
    tags = {**tracking.process_tags(), tracking.PID: str(another.pid)}
    tags[tracking.STARTED] = f"{owners.began(another.pid):.2f}"
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 3600)
    monkeypatch.setattr(time, "time", lambda: time.monotonic() + 3600)

    assert tracking.is_process_alive(tags)
    assert tracking.is_process_alive(tracking.process_tags())
    assert owners.age_s(owners.began(another.pid)) < 60


def test_another_process_with_the_same_number_is_told_apart(another):
    """By a hundredth, which the kernel counts in."""
    when = owners.began(another.pid)

    assert owners.is_same(another.pid, when)
    assert not owners.is_same(another.pid, when - 0.01)
    assert not owners.is_same(another.pid, 0.0)
    assert owners.began(another.pid) > owners.began(os.getpid())


def test_what_an_older_program_has_written_is_still_understood(another):
    """Times of the clock, with the slack that they need."""
    when = psutil.Process(another.pid).create_time()

    assert owners.is_same(another.pid, when + 1)
    assert not owners.is_same(another.pid, when + 3)
    assert 0 <= owners.age_s(when) < 60


def test_a_process_that_is_gone():
    """Has no beginning any more."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    with pytest.raises(psutil.NoSuchProcess):
        owners.began(gone.pid)
