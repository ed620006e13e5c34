"""What happens inside a worker process: its set-up, its limits, and the jobs beside trying a candidate."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pyfunc.bags import thinned
from pyfunc.compiled import files
from pyfunc.compiled.checking import SAME, difference, odd_rows
from pyfunc.compiled.extract import extract
from pyfunc.compiled.plan import Plan
from pyfunc.compiled.unfit import NotCompiledError
from pyfunc.estimators import Blend, Calibrated, Recalibration
from steps.search.attempts import attempt
from steps.search.outcome import NO_ROOM, Outcome, write
from steps.search.table import FRAME, TABLE, Table, read

__all__ = [
    "CALIBRATED", "PLAN", "Part", "assemble", "attempt", "compile_plan", "hello", "main", "prepare", "recalibrate",
]  # fmt: skip

CALIBRATED = "calibrated.pkl"  # the chosen candidate with its map
PLAN = "plan"  # the folder with the compiled form of the chosen candidate
CHECKED_ROWS = 1000  # of the training rows, that it is compared on: pipelines of many trees take milliseconds a row
GRACE_S = 5.0  # a worker's own alarm comes this much after the trainer should have ended it
SET_UP_ROWS = 50_000  # PyCaret's choice of steps needs no more
Part = tuple[str, str, float]  # a fitted candidate in a blend: file of its pipeline, variant, weight
log = logging.getLogger(__name__)


def hello(_: Path) -> Outcome:
    """The first worker of all: when it ends, PyCaret is imported."""
    import steps.search.experiment  # noqa: F401, PLC0415 (preloaded by the fork server; here in case it was not)

    return Outcome()


def prepare(folder: Path, variant: str) -> Outcome:
    """Set up PyCaret, and leave the table as it looks behind its preprocessing, once for all candidates.

    Steps that are fitted with labels are fitted in every fold, and for that fold alone; where there are none, one
    matrix serves all.
    """
    from steps.search import experiment  # noqa: PLC0415 (only workers import PyCaret)

    table: Table = read(folder, TABLE)
    frame: pd.DataFrame = read(folder, FRAME)
    some = thinned(np.arange(len(table.y)), table.y, SET_UP_ROWS, table.seed)
    looked_at = frame.iloc[some].reset_index(drop=True)
    prepared = experiment.prepare(looked_at, table.y[some], variant, table.seed, table.schema.texts)
    write(folder / f"{variant}.pkl", cloudpickle.dumps(prepared))
    for number, (learn, judge) in enumerate(table.splits() if prepared.per_fold else ()):
        fitted = cloudpickle.loads(cloudpickle.dumps(prepared.preprocessing))
        learned = fitted.fit_transform(frame.iloc[learn], _labels(table.y[learn], learn))
        matrix = np.empty((len(frame), learned.shape[1]))
        matrix[learn], matrix[judge] = learned, fitted.transform(frame.iloc[judge])
        np.save(folder / f"{variant}-{number}.npy", matrix)
    whole = np.arange(len(table.y))
    last = table.folds if prepared.per_fold else "all"
    np.save(folder / f"{variant}-{last}.npy", prepared.preprocessing.fit_transform(frame, _labels(table.y, whole)))
    write(folder / f"{variant}-steps.pkl", cloudpickle.dumps(prepared.preprocessing))
    return Outcome(spaces={name: learner.space for name, learner in prepared.learners.items()})


def assemble(folder: Path, parts: Sequence[Part], file: str) -> Outcome:
    """Put fitted candidates together as one pipeline in `file`."""
    branches: dict[str, tuple[Pipeline, list[tuple[float, Any]]]] = {}
    for name, variant, weight in parts:
        pipeline = read(folder, name)
        _, classifiers = branches.setdefault(variant, (pipeline[:-1], []))
        classifiers.append((weight, pipeline[-1]))
    return _leave(folder, file, Blend(list(branches.values())))


def recalibrate(folder: Path, pipeline: str, recalibration: Recalibration) -> Outcome:
    """Put a map behind a fitted candidate, as `calibrated.pkl`."""
    return _leave(folder, CALIBRATED, Calibrated(read(folder, pipeline), recalibration))


def compile_plan(folder: Path, pipeline: str) -> Outcome:
    """Write the plan of a fitted candidate into the folder `PLAN`; with an error where the pipeline has to answer.

    The plan is read back from its files, and answers training rows and odd ones as the pipeline does, or is not used.
    Either way the outcome has the time of a row as it will be served, on a machine that does nothing else for this
    search.
    """
    table: Table = read(folder, TABLE)
    fitted = read(folder, pipeline)
    place = folder / PLAN
    shutil.rmtree(place, ignore_errors=True)  # that of a candidate that was too slow
    place.mkdir()
    plan, error = None, None
    try:
        plan = _plan_of(fitted, folder, table, place)
    except NotCompiledError as reason:
        error = str(reason)
    return Outcome(error=error, latency_ms=table.latency_ms(fitted, plan))


def _plan_of(fitted: Any, folder: Path, table: Table, place: Path) -> Plan:
    """The plan as it is read back.

    Raises:
        NotCompiledError: there is none, or it does not answer as the pipeline does.
    """
    files.save(extract(fitted, table.schema), place)
    plan = files.load(place)
    frame = read(folder, FRAME)
    some = thinned(np.arange(len(frame)), table.y, CHECKED_ROWS, table.seed)
    for rows in (odd_rows(table.schema), frame.iloc[some]):
        far = difference(plan, fitted, rows, table.schema)
        if not far <= SAME:
            raise NotCompiledError(f"a difference of {far:.1g} between the compiled model and its pipeline")
    return plan


def main(job: Callable[..., Outcome], folder: Path, result: Path, limit_s: float, arguments: tuple[Any, ...]) -> None:
    """Body of a worker process: run one job and leave its `Outcome` in the file `result`.

    Ends with `NO_ROOM` where there is none to write to, which is no fault of the job's.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the trainer, which ends its workers
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s + GRACE_S)  # ends also what runs in C
    Thread(target=_end_with_trainer, daemon=True).start()
    os.dup2(2, 1)  # LightGBM writes to file descriptor 1
    os.chdir(folder)  # CatBoost and PyCaret write where they stand
    try:
        write(result, pickle.dumps(_done(job, folder, arguments)))
    except OSError as error:
        if error.errno != NO_ROOM:
            raise
        sys.exit(NO_ROOM)


def _done(job: Callable[..., Outcome], folder: Path, arguments: tuple[Any, ...]) -> Outcome:
    """What comes of a job, be it that it failed."""
    try:
        with threadpool_limits(1):
            return job(folder, *arguments)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == NO_ROOM:
            raise
        log.warning(
            "%s failed with %s\n%s",
            job.__name__,
            type(error).__name__,
            "".join(traceback.format_tb(error.__traceback__)),
        )
        return Outcome(error=type(error).__name__)


def _leave(folder: Path, file: str, pipeline: Any) -> Outcome:
    """Write a pipeline that was made of others, and time it."""
    table: Table = read(folder, TABLE)
    made = cloudpickle.dumps(pipeline)
    write(folder / file, made)
    return Outcome(pipeline_bytes=len(made), latency_ms=table.latency_ms(pipeline))


def _end_with_trainer() -> None:
    """Workers are children of the fork server and would outlive the trainer's SIGKILL."""
    trainer = parent_process()
    assert trainer is not None
    wait([trainer.sentinel])
    os._exit(1)


def _labels(y: np.ndarray[Any, Any], index: np.ndarray[Any, Any]) -> pd.Series:
    """Labels as PyCaret's transformers take them: a series on the frame's index."""
    return pd.Series(y, index=index, name="label")
