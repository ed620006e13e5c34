"""What happens inside a worker process: prepare a variant, or try one candidate.

A worker may be killed at any moment, also inside C code, so it leaves its result as one file that appears whole.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pyfunc.estimators import Blend, Calibrated, Recalibration

TABLE = "table.pkl"  # what all workers read: `Table`
CALIBRATED = "calibrated.pkl"  # the chosen candidate with its map
GRACE_S = 5.0  # a worker's own alarm comes this much after the trainer should have ended it
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """The training rows as the workers see them. Enforced frame (n_rows, n_columns), labels int64 (n_rows,)."""

    frame: pd.DataFrame
    y: np.ndarray[Any, Any]
    folds: int
    seed: int
    texts: tuple[int, ...] = ()  # positions of the text columns

    def splits(self) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Row positions to learn from and to judge on, the same for every candidate."""
        splitter = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        return list(splitter.split(np.zeros(len(self.y)), self.y))


@dataclass(frozen=True)
class Outcome:
    """What a worker leaves behind."""

    error: str | None = None  # the kind of error; never its message, which may quote cells
    hyperparameters: dict[str, str] = field(default_factory=dict)
    out_of_fold: np.ndarray[Any, Any] | None = None  # float64 (n_rows, n_classes)
    pipeline_bytes: int = 0
    warnings: dict[str, int] = field(default_factory=dict)


def hello(_: Path) -> Outcome:
    """The first worker of all: when it ends, PyCaret is imported."""
    import steps.search.experiment  # noqa: F401, PLC0415 (preloaded by the fork server; here in case it was not)

    return Outcome()


def prepare(folder: Path, variant: str) -> Outcome:
    """Set up PyCaret, and fit the preprocessing in every fold and on all rows, once for all candidates."""
    from steps.search import experiment  # noqa: PLC0415 (only workers import PyCaret)

    table = _read_table(folder)
    prepared = experiment.prepare(table.frame, table.y, variant, table.seed, table.texts)
    for number, (learn, judge) in enumerate(table.splits()):
        fitted = cloudpickle.loads(cloudpickle.dumps(prepared.preprocessing))
        learned = fitted.fit_transform(table.frame.iloc[learn], _labels(table.y[learn], learn))
        np.savez(folder / f"{variant}-{number}.npz", learn=learned, judge=fitted.transform(table.frame.iloc[judge]))
    whole = np.arange(len(table.y))
    matrix = prepared.preprocessing.fit_transform(table.frame, _labels(table.y, whole))
    np.savez(folder / f"{variant}-all.npz", learn=matrix)
    _write(folder / f"{variant}.pkl", cloudpickle.dumps(prepared))
    return Outcome()


def attempt(folder: Path, name: str, number: int, variant: str) -> Outcome:
    """Cross-validate one candidate, then fit it on all rows and leave the pipeline as `<name>-<number>.pkl`."""
    table = _read_table(folder)
    prepared = cloudpickle.loads((folder / f"{variant}.pkl").read_bytes())
    learner = prepared.learners[name]
    drawn = learner.draw(number, table.seed)
    hyperparameters = {key: str(value) for key, value in {**learner.arguments, **drawn}.items()}
    out_of_fold = np.full((len(table.y), int(table.y.max()) + 1), np.nan)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for fold, (learn, judge) in enumerate(table.splits()):
            with np.load(folder / f"{variant}-{fold}.npz") as matrices:
                estimator = learner.make(drawn, table.seed).fit(matrices["learn"], table.y[learn])
                out_of_fold[judge] = estimator.predict_proba(matrices["judge"])
        with np.load(folder / f"{variant}-all.npz") as matrices:
            final = learner.make(drawn, table.seed).fit(matrices["learn"], table.y)
    if not np.isfinite(out_of_fold).all():
        return Outcome(error="probabilities that are not finite", hyperparameters=hyperparameters)
    pipeline = cloudpickle.dumps(Pipeline([*prepared.preprocessing.steps, ("model", final)]))
    _write(folder / f"{name}-{number}.pkl", pipeline)
    counted = Counter(warning.category.__name__ for warning in caught)
    return Outcome(None, hyperparameters, out_of_fold, len(pipeline), dict(counted))


def assemble(folder: Path, parts: Sequence[tuple[str, int, str, float]]) -> Outcome:
    """Put fitted candidates (name, number, variant, weight) together as `blend-0.pkl`."""
    branches: dict[str, tuple[Pipeline, list[tuple[float, Any]]]] = {}
    for name, number, variant, weight in parts:
        pipeline = cloudpickle.loads((folder / f"{name}-{number}.pkl").read_bytes())
        _, classifiers = branches.setdefault(variant, (pipeline[:-1], []))
        classifiers.append((weight, pipeline[-1]))
    blend = cloudpickle.dumps(Blend(list(branches.values())))
    _write(folder / "blend-0.pkl", blend)
    return Outcome(pipeline_bytes=len(blend))


def recalibrate(folder: Path, pipeline: str, recalibration: Recalibration) -> Outcome:
    """Put a map behind a fitted candidate, as `calibrated.pkl`."""
    fitted = cloudpickle.loads((folder / pipeline).read_bytes())
    made = cloudpickle.dumps(Calibrated(fitted, recalibration))
    _write(folder / CALIBRATED, made)
    return Outcome(pipeline_bytes=len(made))


def main(job: Callable[..., Outcome], folder: Path, result: Path, limit_s: float, arguments: tuple[Any, ...]) -> None:
    """Body of a worker process: run one job and leave its `Outcome` in the file `result`."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the trainer, which ends its workers
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s + GRACE_S)  # ends also what runs in C
    Thread(target=_end_with_trainer, daemon=True).start()
    os.dup2(2, 1)  # LightGBM writes to file descriptor 1
    os.chdir(folder)  # CatBoost and PyCaret write where they stand
    try:
        with threadpool_limits(1):
            outcome = job(folder, *arguments)
    except Exception as error:  # noqa: BLE001 (a learner's failure is a result; its message may quote cells)
        log.warning(
            "%s failed with %s\n%s", arguments, type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
        )
        outcome = Outcome(error=type(error).__name__)
    _write(result, pickle.dumps(outcome))


def _end_with_trainer() -> None:
    """Workers are children of the fork server and would outlive the trainer's SIGKILL."""
    trainer = parent_process()
    assert trainer is not None
    wait([trainer.sentinel])
    os._exit(1)


def _labels(y: np.ndarray[Any, Any], index: np.ndarray[Any, Any]) -> pd.Series:
    """Labels as PyCaret's transformers take them: a series on the frame's index."""
    return pd.Series(y, index=index, name="label")


def _read_table(folder: Path) -> Table:
    """The training rows that the trainer left."""
    return pickle.loads((folder / TABLE).read_bytes())


def _write(file: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    part = file.with_suffix(f".part-{os.getpid()}")
    part.write_bytes(content)
    part.replace(file)
