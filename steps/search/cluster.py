"""Candidates on a Dask cluster, in the place of this machine's own workers.

The cluster's workers share no disk with us and need not: the files that a candidate reads travel once to each worker,
and what it leaves comes back. There it runs as it does here, in a process of its own that can be ended. Which candidate
is next does not depend on who is quick, so a number of candidates gives what it gives on one machine.

A worker that is lost takes no candidate along: Dask gives its task to another one, and what travelled is sent again.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from pyfunc.errors import ProjectError
from steps import tracking
from steps.cluster import LostError, NotWantedError, connect, is_wanted
from steps.search.attempts import attempt, files_of, made_by
from steps.search.budget import LOOK_S, Finished, alone, warm_up
from steps.search.outcome import TIME_LIMIT, Outcome, write

WORKER_LOST = "the worker was lost"  # the error of a candidate that several workers did not live through
MOST_AT_ONCE = 1000  # candidates under way
Away = tuple[Outcome, Mapping[str, bytes]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A job under way."""

    key: tuple[Any, ...]
    future: Future[Finished]


class Cluster:
    """A cluster's workers with the face of `Pool`. Only candidates are tried there; the rest is done here.

    Args:
        folder: the search's scratch folder.
        scheduler: address of the cluster.

    Raises:
        ClusterError: it cannot be reached, has no workers, or not the same program.
    """

    def __init__(self, folder: Path, scheduler: str) -> None:
        self.folder = folder
        self.jobs: list[Job] = []
        self._connection = connect(scheduler)
        self._is_over = threading.Event()
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "cluster")
        self._connection.everywhere(warm_up)  # workers import the learners while the table is laid out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._threads.shutdown()
        self.jobs.clear()
        self._connection.everywhere(partial(_forget, self.folder.name))
        self._connection.close()

    @property
    def size(self) -> int:
        """Candidates that the cluster works on at the same time, now."""
        return min(MOST_AT_ONCE, self._connection.threads())

    def start(self, job: Callable[..., Outcome], *arguments: Any, limit_s: float) -> None:
        """See `Pool.start`."""
        work = self._away if job is attempt else partial(self._here, job)
        key = (job.__name__, *arguments)
        self.jobs.append(Job(key, self._threads.submit(work, key, arguments, limit_s)))

    def next(self, deadline: float, beat: Callable[[], None] | None = None) -> list[Finished]:
        """See `Pool.next`."""
        while self.jobs:
            if beat is not None:
                beat()
            left = deadline - time.monotonic()
            waiting = [job.future for job in self.jobs]
            if left > 0:
                ended = wait(waiting, min(LOOK_S, left), FIRST_COMPLETED).done
            else:
                self._is_over.set()
                ended = wait(waiting).done
            if ended:
                done = [job for job in self.jobs if job.future in ended]
                self.jobs = [job for job in self.jobs if job.future not in ended]
                return [job.future.result() for job in done]
        return []

    def _here(
        self, job: Callable[..., Outcome], key: tuple[Any, ...], arguments: tuple[Any, ...], limit_s: float
    ) -> Finished:
        """A job on this machine."""
        started, began = int(time.time() * 1000), time.monotonic()
        try:
            return alone(self.folder, job, *arguments, limit_s=limit_s, beat=self._stop_when_over)
        except NotWantedError:
            return _ended(key, Outcome(error=TIME_LIMIT), started, began)

    def _away(self, key: tuple[Any, ...], arguments: tuple[Any, ...], limit_s: float) -> Finished:
        """A candidate on the cluster; its files come to lie in our folder."""
        started, began = int(time.time() * 1000), time.monotonic()
        end = began + limit_s

        def look() -> None:
            self._stop_when_over()
            if time.monotonic() >= end:
                raise NotWantedError

        files = {name: self.folder / name for name in files_of(self.folder, *arguments)}
        try:
            outcome, made = self._connection.call(tried, files, self.folder.name, arguments, limit_s, look=look)
            for name, content in made.items():
                write(self.folder / name, content)
        except NotWantedError:
            outcome = Outcome(error=TIME_LIMIT)
        except LostError:
            outcome = Outcome(error=WORKER_LOST)
        except ProjectError:
            raise
        except Exception as error:  # noqa: BLE001 (what a worker cannot do is a failure of this candidate alone)
            outcome = Outcome(error=type(error).__name__)
        return _ended(key, outcome, started, began)

    def _stop_when_over(self) -> None:
        """End a job of this machine together with the race."""
        if self._is_over.is_set():
            raise NotWantedError


def _ended(key: tuple[Any, ...], outcome: Outcome, started_at_ms: int, began: float) -> Finished:
    """What became of a job, now."""
    return Finished(key, outcome, started_at_ms, int(time.time() * 1000), time.monotonic() - began)


# What follows runs on the cluster's workers.

_folders: dict[str, tempfile.TemporaryDirectory[str]] = {}  # of the searches that this worker takes part in
_laying = threading.Lock()


def tried(files: Mapping[str, bytes], search: str, arguments: tuple[Any, ...], limit_s: float) -> Away:
    """Try a candidate on this worker; what came of it, and the files that it left.

    Args:
        files: by their names in the search's folder.
        search: name of that folder.
        arguments: of `attempt`, without the folder.
        limit_s: after which it is ended.
    """
    folder = _laid_out(search, files)

    def look() -> None:
        if not is_wanted():
            raise NotWantedError

    outcome = alone(folder, attempt, *arguments, limit_s=limit_s, beat=look).outcome
    made = [] if outcome.error else made_by(arguments[0])
    return outcome, {name: (folder / name).read_bytes() for name in made}


def _laid_out(search: str, files: Mapping[str, bytes]) -> Path:
    """The folder of a search on this worker, with these files; what has one name never changes."""
    with _laying:
        if search not in _folders:
            tracking.sweep()
            _folders[search] = tracking.scratch_folder()
        folder = Path(_folders[search].name)
        for name, content in files.items():
            if not (folder / name).exists():
                write(folder / name, content)
    return folder


def _forget(search: str) -> None:
    """Remove the folder of a search that is over."""
    with _laying:
        folder = _folders.pop(search, None)
    if folder is not None:
        folder.cleanup()
