import ctypes
import errno
import os
import time
from pathlib import Path

import pytest

from steps.search.budget import Pool
from steps.search.outcome import Outcome


def quick(_: Path) -> Outcome:
    """A job that succeeds."""
    return Outcome(pipeline_bytes=7)


def broken(_: Path) -> Outcome:
    """A job whose error message holds a cell."""
    raise ValueError("could not convert string to float: 'secret cell'")


def stuck(_: Path) -> Outcome:
    """A job that sleeps in C and holds the interpreter's lock."""
    ctypes.PyDLL(None).sleep(60)
    return Outcome()


def gone(_: Path) -> Outcome:
    """A job that is killed from outside."""
    os.kill(os.getpid(), 9)
    return Outcome()


def cramped(_: Path) -> Outcome:
    """A job that finds no room on the disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


def run(folder: Path, job, limit_s: float = 60.0):
    """The one thing that a worker leaves."""
    with Pool(folder, 1) as pool:
        pool.start(job, limit_s=limit_s)
        (finished,) = pool.next(time.monotonic() + 120)
    return finished


@pytest.mark.trains
def test_a_worker_hands_back_its_outcome(tmp_path):
    """What a job returns comes out, with its times."""
    finished = run(tmp_path, quick)

    assert finished.outcome.pipeline_bytes == 7
    assert finished.key == ("quick",)
    assert finished.ended_at_ms >= finished.started_at_ms


@pytest.mark.trains
def test_a_worker_without_room_ends_the_search(tmp_path):
    """That is the disk's fault, which no other candidate would be spared."""
    with pytest.raises(OSError, match="No space left") as caught:
        run(tmp_path, cramped)

    assert caught.value.errno == errno.ENOSPC


@pytest.mark.trains
def test_a_failure_is_told_by_kind_and_never_by_message(tmp_path):
    """The message of a learner's error may quote cells; only its kind comes out."""
    outcome = run(tmp_path, broken).outcome

    assert outcome.error == "ValueError"
    assert "secret" not in repr(outcome)


@pytest.mark.trains
def test_no_c_code_holds_the_budget_up(tmp_path):
    """A worker that sleeps inside C with the lock held is ended at its deadline."""
    run(tmp_path, quick)  # the fork server is up
    finished = run(tmp_path, stuck, limit_s=1.0)

    assert finished.outcome.error == "time limit"
    assert finished.seconds < 30


@pytest.mark.trains
def test_a_killed_worker_is_told_by_its_exit_code(tmp_path):
    """The out-of-memory killer leaves no outcome; the exit code is the reason."""
    assert run(tmp_path, gone).outcome.error == "the worker ended with exit code -9"


@pytest.mark.trains
def test_a_memory_limit_ends_a_worker(tmp_path):
    """A worker above its share of memory is ended with that reason."""
    with Pool(tmp_path, 1) as pool:
        pool._memory_limit = 1.0
        pool.start(stuck, limit_s=60)
        (finished,) = pool.next(time.monotonic() + 60)

    assert finished.outcome.error == "memory limit"
