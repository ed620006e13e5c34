"""The door to a Dask cluster: an address, workers with this program, and work that survives a lost worker.

Only named on command lines: whoever holds a cluster's address can have any code run there.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib import metadata
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cloudpickle

import pyfunc
from pyfunc.errors import Problem, ProjectError

if TYPE_CHECKING:
    import distributed  # takes a second to import, which nobody pays who has no cluster

ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://\S+")
REACHED_S, WORKERS_S = 10, 30  # patience with the scheduler, and with its first worker
LOOK_S = 0.25  # between two looks at whether work is still wanted
# After work was lost, before it is sent again or given up: workers take seconds to start.
RESTS_S = (0.5, 2.0, 8.0, 30.0)
WHERE = "parameter scheduler"
SOURCES = Path(pyfunc.__file__).resolve().parent.parent
WEIGHTY = (  # packages whose versions show in a candidate's figures
    "numpy", "scipy", "pandas", "scikit-learn", "lightgbm", "xgboost-cpu", "catboost", "pycaret", "cloudpickle",
)  # fmt: skip
FIX_PROGRAM = "Start all workers with `mlflow run . -e worker` in the same version of Crisol."
T = TypeVar("T")
log = logging.getLogger(__name__)


class ClusterError(ProjectError):
    """A cluster that cannot be worked with."""


class NotWantedError(Exception):
    """Nobody waits for this work any more."""


class LostError(Exception):
    """Several workers were lost with the same work in their hands."""


class Connection:
    """A client of a cluster, for any number of threads.

    Attributes:
        program: what its workers have to be running.
    """

    def __init__(self, client: distributed.Client) -> None:
        from distributed import CancelledError  # noqa: PLC0415
        from distributed.comm import CommClosedError  # noqa: PLC0415
        from distributed.scheduler import KilledWorker  # noqa: PLC0415

        self.program = program()
        self._client = client
        # what is said where a worker is lost, or what was sent to it
        self._lost = (CancelledError, KilledWorker, CommClosedError)
        self._parcels: dict[str, Any] = {}
        self._packing = threading.Lock()

    def threads(self) -> int:
        """Tasks that all workers together do at the same time; 1 where it has just lost all of them."""
        return max(1, sum(self._client.nthreads().values()))

    def call(
        self,
        work: Callable[..., T],
        files: Mapping[str, Path],
        *arguments: Any,
        look: Callable[[], None],
    ) -> T:
        """What `work(contents, *arguments)` returns on some worker; done again where that worker is lost.

        The scheduler, which need not have this program, looks into what is asked, so the work goes as bytes.

        Args:
            work: a function of this program.
            files: whose contents it gets, by these names; what has one name is sent once, to all workers.
            arguments: what it gets besides.
            look: called a few times a second; what it raises ends the waiting, and the work.

        Raises:
            LostError: several workers were lost with it, one after the other.
            ClusterError: a worker that has joined later runs another program.
            Exception: of the work, or of `look`.
        """

        def unpacked(asked: bytes, contents: Mapping[str, bytes]) -> Any:  # pickled by value: no module has it
            return cloudpickle.loads(asked)(contents)

        asked = cloudpickle.dumps(partial(_called, self.program, work, arguments))
        for rest_s in RESTS_S:
            try:
                future = self._client.submit(unpacked, asked, self._sent(files), pure=False)
            except OSError:  # nobody is there to take it, or goes while it is sent
                future = None
            try:
                while future is not None:
                    look()
                    with _waiting():
                        return future.result(timeout=LOOK_S)
            except self._lost:
                log.warning("a worker of the cluster was lost: its work is sent again")
            finally:
                if future is not None:
                    future.cancel()
            with self._packing:
                self._parcels.clear()  # some of it may be lost too
            end = time.monotonic() + rest_s
            while time.monotonic() < end:
                look()
                time.sleep(LOOK_S)
        raise LostError

    def everywhere(self, work: Callable[[], Any]) -> None:
        """Do something on all workers that can be reached; errors are of no account."""
        with suppress(Exception):
            self._client.run(work, on_error="ignore")

    def close(self) -> None:
        """Leave; whatever is still under way is given up."""
        with suppress(Exception):
            self._client.close(timeout=5)

    def _sent(self, files: Mapping[str, Path]) -> dict[str, Any]:
        """Contents as they lie on the cluster."""
        with self._packing:
            for name, path in files.items():
                if name not in self._parcels:
                    self._parcels[name] = self._client.scatter(path.read_bytes(), broadcast=True, hash=False)
            return {name: self._parcels[name] for name in files}


@contextmanager
def _waiting() -> Iterator[None]:
    """Waiting may end without a result."""
    try:
        yield
    except TimeoutError:
        pass
    except UnboundLocalError as error:
        if not has_no_result(error):
            raise


def has_no_result(error: UnboundLocalError) -> bool:
    """Whether Dask has waited in vain: `distributed.utils.sync` has nothing to return where its wait is cancelled.

    On a busy machine that happens as its time is up, in the place of a TimeoutError. The task goes on.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.name == "sync" and Path(last.filename).parts[-2:] == ("distributed", "utils.py")


def address_problems(scheduler: str) -> list[Problem]:
    """What is wrong with an address; nothing where it is empty."""
    if not scheduler or ADDRESS.fullmatch(scheduler):
        return []
    fix = "Give an address such as tcp://10.0.0.5:8786, or leave it empty for this machine alone."
    return [Problem("scheduler_invalid", "'scheduler' is no address of a Dask scheduler.", WHERE, fix)]


def connect(scheduler: str) -> Connection:
    """Reach a cluster, and see that all its workers run this program.

    Raises:
        ClusterError: it cannot be reached, has no workers, or another program.
    """
    import distributed  # noqa: PLC0415

    for noisy in ("distributed", "tornado"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        client = distributed.Client(scheduler, timeout=REACHED_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        what = f"No Dask scheduler answers at '{scheduler}'."
        fix = "Start one with `dask scheduler`, and look at the address that it prints."
        raise ClusterError(Problem("scheduler_unreachable", what, WHERE, fix)) from error
    connection = Connection(client)
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        connection.close()
        what = f"The cluster at '{scheduler}' has no workers."
        fix = f"Start some with `mlflow run . -e worker -P scheduler={scheduler}`."
        raise ClusterError(Problem("cluster_empty", what, WHERE, fix)) from error
    found: Mapping[str, Any] = client.run(_able, on_error="return")
    other = sorted(address for address, says in found.items() if says != connection.program)
    if other:
        connection.close()
        what = f"These workers run another program, or other versions of what it needs: {', '.join(other)}."
        raise ClusterError(Problem("cluster_differs", what, WHERE, FIX_PROGRAM))
    log.info("cluster %s workers=%d threads=%d", scheduler, len(found), connection.threads())
    return connection


@cache
def program() -> str:
    """The sha256 of this program's sources, of Python's version and of those that figures hang on."""
    whole = hashlib.sha256(platform.python_version().encode())
    for name in WEIGHTY:
        whole.update(f"{name}=={_version(name)}".encode())
    for package in ("pyfunc", "steps"):
        for file in sorted((SOURCES / package).rglob("*.py")):
            whole.update(file.relative_to(SOURCES).as_posix().encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()


def _called(asked: str, work: Callable[..., T], arguments: tuple[Any, ...], contents: Mapping[str, bytes]) -> T:
    """On a worker: do what is asked by the same program.

    Raises:
        ClusterError: it is another one.
    """
    if asked != program():
        what = "A worker that has joined the cluster runs another program, or other versions of what it needs."
        raise ClusterError(Problem("cluster_differs", what, WHERE, FIX_PROGRAM))
    return work(contents, *arguments)


def is_wanted() -> bool:
    """On a worker: whether somebody still waits for the task that this thread is at."""
    from distributed import get_worker  # noqa: PLC0415

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is not None and task.state not in {"cancelled", "released", "forgotten"}


def _able() -> str:
    """On a worker: its program; nothing where it may have no processes of its own, as under `dask worker`."""
    return "" if current_process().daemon else program()


def _version(package: str) -> str:
    """What is installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
