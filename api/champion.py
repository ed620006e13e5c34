"""The model that answers: loaded aside, warmed, swapped in one assignment.

A thread looks at the alias; requests read `current` once and keep what they got, so no request is lost in a swap.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from api import measures, store
from api.problems import NoChampionError, NotReadyError
from pyfunc import memory
from pyfunc.errors import ArtifactMismatchError, ModelUnavailableError, Problem, ProjectError
from pyfunc.model import Scorer
from steps import stores
from steps.tracking import CHAMPION, scratch
from steps.versions import ABSENT

KEPT_VERSIONS = 2  # besides the champion; each holds a whole model in memory
RETRY_S = 30.0  # before a version that did not load is tried again
STOP_S = 1.0  # a load in progress is not waited for
FIX_TRAIN = "Train one with `mlflow run .` or POST /train; the server picks it up within seconds."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A registered version in memory."""

    name: str
    version: str
    run_id: str
    scorer: Scorer
    served: Any  # the mlflow.pyfunc model around the scorer, for MLflow's own protocol
    example: pd.DataFrame | None

    @cached_property
    def facts(self) -> dict[str, str]:
        """Which model it is, as answers carry it."""
        return {"name": self.name, "version": self.version, "run_id": self.run_id}

    @cached_property
    def headers(self) -> dict[str, str]:
        """The same in headers."""
        return {"X-Crisol-Model-Version": self.version, "X-Crisol-Run-Id": self.run_id}


def load(name: str, version: str, run_id: str) -> Loaded:
    """Load a registered version, make it ready and let it answer once.

    Raises:
        ArtifactMismatchError: it does not load, or does not answer its own input example.
        NotReadyError: a store does not give its files.
    """
    before = list(sys.path)
    try:
        with scratch() as folder:  # all is read into memory
            served = mlflow.pyfunc.load_model(f"models:/{name}/{version}", suppress_warnings=True, dst_path=str(folder))
        scorer = served.unwrap_python_model().scorer
        example = served.input_example if isinstance(served.input_example, pd.DataFrame) else None
        scorer.warm()  # takes a second or more, in which others have to wait for Python: before it answers
        if example is not None:
            scorer.answer(example, "input example")
            served.predict(example)
    except ProjectError:
        raise
    except Exception as error:
        problem = stores.trouble_of_step(error)
        if problem is not None:
            raise NotReadyError(problem) from error
        # A model runs code of its own when it is read and may raise anything; whatever it is, this version is no use.
        what = f"Version {version} of '{name}' does not load ({type(error).__name__})."
        fix = "Train the model again, or promote another version."
        raise ArtifactMismatchError(Problem("model_not_loadable", what, "registry", fix)) from error
    finally:
        sys.path[:] = before  # MLflow puts the model's code first on every load; ours is imported already
    return Loaded(name, version, run_id, scorer, served, example)


class Champion:
    """The current champion of a registered model, kept up to date by a thread."""

    def __init__(self, name: str, poll_s: float) -> None:
        self.name = name
        self.poll_s = poll_s
        self.current: Loaded | None = None
        self.problem: Problem | None = Problem(
            "loading", "The server has just started and has not looked yet.", "registry", "Ask again in a few seconds."
        )
        self._failed: tuple[str, str] | None = None
        self._failed_at = 0.0
        self._stop = threading.Event()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(STOP_S)

    def require(self) -> Loaded:
        """The model to answer with.

        Raises:
            NoChampionError: there is none, or none is loaded yet.
        """
        current = self.current
        if current is None:
            raise NoChampionError(self.problem or _no_champion(self.name))
        return current

    def look(self) -> None:
        """Compare the alias with what is loaded, once, and follow it."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        """One look at a time: two would load the same version twice."""
        try:
            found = MlflowClient().get_model_version_by_alias(self.name, CHAMPION)
        except MlflowException as error:
            if error.error_code in ABSENT:
                self.current, self.problem = None, _no_champion(self.name)
                measures.CHAMPION.set(0)
            else:
                what = "The registry does not answer; the last champion keeps answering."
                self.problem = store.refusal(error, what).problems[0]
            return
        version, run_id = str(found.version), str(found.run_id)
        current = self.current
        if current is not None and (current.version, current.run_id) == (version, run_id):
            self.problem = None
            return
        if self._failed == (version, run_id) and time.monotonic() - self._failed_at < RETRY_S:
            return
        self._swap(version, run_id)

    def _swap(self, version: str, run_id: str) -> None:
        """Load another version and answer with it from now on."""
        began = time.perf_counter()
        try:
            loaded = load(self.name, version, run_id)
        except ProjectError as error:
            self.problem, self._failed, self._failed_at = error.problems[0], (version, run_id), time.monotonic()
            measures.NOT_LOADED.inc()
            cause = f"{type(error.__cause__).__name__}" if error.__cause__ else error.problems[0].code
            log.error("champion not loaded name=%s version=%s cause=%s", self.name, version, cause)  # noqa: TRY400
            return
        memory.trim()
        if self.current is None:
            gc.collect()  # what is there now stays: looking through all of it again and again would hold up requests
            gc.freeze()
        self.current = loaded
        self.problem, self._failed = None, None
        measures.SWAPS.labels(version).inc()
        measures.CHAMPION.set(int(version))
        log.info("champion name=%s version=%s s=%.1f", self.name, version, time.perf_counter() - began)

    def _watch(self) -> None:
        """Look until told to stop."""
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 (the thread's outermost frame: one bad look must not be the last)
                log.error("look at the champion failed: %s", type(error).__name__)  # noqa: TRY400
                what = f"The look at the registry failed ({type(error).__name__})."
                self.problem = Problem("store_unreachable", what, "registry", "See the server's log.")
            if self._stop.wait(self.poll_s):
                return


class Versions:
    """Registered versions by number; the last few stay in memory."""

    def __init__(self, champion: Champion) -> None:
        self.champion = champion
        self._kept: OrderedDict[tuple[str, str], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version: str) -> Loaded:
        """The version, loaded. May take seconds; not for the event loop.

        Raises:
            ModelUnavailableError: there is no such version.
            NotReadyError: the store does not answer.
            ArtifactMismatchError: it does not load.
        """
        name = self.champion.name
        try:
            run_id = str(MlflowClient().get_model_version(name, version).run_id)
        except MlflowException as error:
            store.require_answer(error)
            what = f"'{name}' has no version {version}."
            raise ModelUnavailableError(
                Problem("version_unknown", what, "query parameter version", "See /models for the versions.")
            ) from error
        current = self.champion.current
        if current is not None and (current.version, current.run_id) == (version, run_id):
            return current
        with self._lock:
            if (version, run_id) not in self._kept:
                self._kept[version, run_id] = load(name, version, run_id)
            self._kept.move_to_end((version, run_id))
            while len(self._kept) > KEPT_VERSIONS:
                self._kept.popitem(last=False)
            return self._kept[version, run_id]


def _no_champion(name: str) -> Problem:
    """There is nothing to answer with."""
    return Problem("no_champion", f"No version of '{name}' is the champion.", "registry", FIX_TRAIN)
