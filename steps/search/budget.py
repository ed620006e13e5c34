"""Worker processes that can be ended at any moment, so that a budget is kept whatever a candidate does.

They come from a fork server that has imported PyCaret once: a worker starts in milliseconds, and no C code can hold
it up, because it is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Protocol, Self

import psutil

from pyfunc.compiled.plan import processors
from steps.search import workers
from steps.search.outcome import NO_ROOM, TIME_LIMIT, Outcome

PRELOADED = ["steps.search.experiment", "steps.search.workers", "lightgbm", "xgboost", "catboost"]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
LOOK_S = 0.25  # between two looks at the workers' memory
MEMORY_SHARE = 0.85  # of what was available when the pool was made, for all workers together
START_LIMIT_S = 300.0  # importing PyCaret on a slow disk
_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass
class Job:
    """One worker at work."""

    key: tuple[Any, ...]
    process: ForkServerProcess
    result: Path
    started: float  # time.monotonic()
    started_at_ms: int  # for MLflow
    deadline: float  # time.monotonic()


@dataclass(frozen=True)
class Finished:
    """A worker that has ended, by itself or not."""

    key: tuple[Any, ...]
    outcome: Outcome
    started_at_ms: int
    ended_at_ms: int
    seconds: float


def warm_up() -> None:
    """Start the fork server, which imports PyCaret in the background. Safe to call again."""
    os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)  # else importing it writes logs.log here
    _CONTEXT.set_forkserver_preload(PRELOADED)
    kept = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)  # inherited by the server: candidates run side by side, one thread each
    try:
        forkserver.ensure_running()
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Underway(Protocol):
    """A job that has not ended."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Name of the job and its arguments."""


class Hands(Protocol):
    """Who does the jobs of a search: processes of this machine, or a cluster."""

    @property
    def jobs(self) -> Sequence[Underway]:
        """Those under way."""

    @property
    def size(self) -> int:
        """Jobs that are done at the same time."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def start(self, job: Callable[..., Outcome], *arguments: Any, limit_s: float) -> None:
        """See `Pool.start`."""

    def next(self, deadline: float, beat: Callable[[], None] | None = None) -> Iterable[Finished]:
        """See `Pool.next`."""


class Pool:
    """Up to `size` workers at a time over one scratch folder."""

    def __init__(self, folder: Path, size: int) -> None:
        warm_up()  # a fork server that was started otherwise would import PyCaret in every worker
        self.folder = folder
        self.size = size
        self.jobs: list[Job] = []
        self._started = 0
        self._memory_limit = psutil.virtual_memory().available * MEMORY_SHARE / size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.jobs:
            _end(job.process)
        self.jobs.clear()

    def start(self, job: Callable[..., Outcome], *arguments: Any, limit_s: float) -> None:
        """Start a worker; its key is (name of the job, *arguments)."""
        key = (job.__name__, *arguments)
        self._started += 1
        result = self.folder / f"{job.__name__}-{self._started}.outcome"
        process = _CONTEXT.Process(
            target=workers.main, args=(job, self.folder, result, limit_s, arguments), daemon=True
        )
        with _without_main():
            process.start()
        now = time.monotonic()
        self.jobs.append(Job(key, process, result, now, int(time.time() * 1000), now + limit_s))

    def next(self, deadline: float, beat: Callable[[], None] | None = None) -> Iterator[Finished]:
        """Wait until a worker has ended or `deadline` (time.monotonic()) has come; those that have ended.

        Args:
            deadline: workers that are still at it then are ended.
            beat: called before each look at the workers.
        """
        while self.jobs:
            if beat is not None:
                beat()
            now = time.monotonic()
            soonest = min([deadline, *(job.deadline for job in self.jobs)])
            connection.wait([job.process.sentinel for job in self.jobs], timeout=max(0.0, min(LOOK_S, soonest - now)))
            ended = [finished for job in list(self.jobs) if (finished := self._finish(job, deadline))]
            if ended or time.monotonic() >= deadline:
                yield from ended
                return

    def _finish(self, job: Job, deadline: float) -> Finished | None:
        """What became of a worker; None while it works within its limits.

        Raises:
            OSError: it had no room to write to.
        """
        error = None
        if job.process.is_alive():
            if time.monotonic() >= min(deadline, job.deadline):
                error = TIME_LIMIT
            elif _memory(job.process) > self._memory_limit:
                error = "memory limit"
            else:
                return None
            _end(job.process)
        job.process.join()
        self.jobs.remove(job)
        if job.process.exitcode == NO_ROOM:
            raise OSError(NO_ROOM, os.strerror(NO_ROOM), str(self.folder))
        if job.result.exists():
            outcome = pickle.loads(job.result.read_bytes())
        else:
            outcome = Outcome(error=error or f"the worker ended with exit code {job.process.exitcode}")
        seconds = time.monotonic() - job.started
        return Finished(job.key, outcome, job.started_at_ms, int(time.time() * 1000), seconds)


def alone(
    folder: Path, job: Callable[..., Outcome], *arguments: Any, limit_s: float, beat: Callable[[], None] | None = None
) -> Finished:
    """One job in a worker of its own; what `beat` raises ends it."""
    with Pool(folder, 1) as pool:
        pool.start(job, *arguments, limit_s=limit_s)
        (finished,) = pool.next(time.monotonic() + limit_s, beat)
    return finished


def cores() -> int:
    """Processors that this process may use."""
    return processors()


def _end(process: ForkServerProcess) -> None:
    """Kill a worker and wait for it."""
    process.kill()
    process.join()


def _memory(process: ForkServerProcess) -> float:
    """Resident bytes of a worker."""
    try:
        return float(psutil.Process(process.pid).memory_info().rss)
    except psutil.Error:
        return 0.0


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from importing the command (and MLflow with it) again in every worker."""
    main = sys.modules["__main__"]
    spec, file = main.__spec__, main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file
