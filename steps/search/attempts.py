"""One candidate, from hyperparameters to out-of-fold probabilities and a fitted pipeline, in the time that it has."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from sklearn.pipeline import Pipeline

from pyfunc.bags import Bag, Stacked, heard, thinned
from steps.judging.metrics import log_losses
from steps.search.learners import NATIVE, Learner
from steps.search.outcome import BEHIND, TIME_LIMIT, Outcome, write
from steps.search.portfolio import TOP, Spec, fitted_to
from steps.search.schedule import describe
from steps.search.table import NATIVE_MATRIX, NATIVE_STEPS, TABLE, Table, read

FAR = 1.1  # times the best candidate's log loss on the same rows
SURE = 3.0  # standard errors of the paired difference: then it is behind
WITHOUT_WIDE = ("lightgbm", "xgboost", "et", "rf")  # they would learn single rows by heart; CatBoost counts in an order
SAY, WORTH = 0.2, 0.003  # unless a blend with so much of it has a log loss that is lower by that share
PILOT_ROWS, GROWTH = 2000, 1.2  # a first small fit tells what all rows cost: time grows with rows to that power
FEWEST_ROWS = 500  # fewer are not worth learning from; then there was no time

Fitted = tuple[np.ndarray[Any, Any], Pipeline, dict[str, Any]]


class FellBehindError(Exception):
    """The candidate is so much worse than the best one on the folds so far that the rest would be lost time."""


class NoTimeError(Exception):
    """What the candidate may take is too little for it to learn anything."""


def attempt(folder: Path, spec: Spec, variant: str, seconds: float | None, best: str | None) -> Outcome:
    """Try one candidate.

    Args:
        folder: the search's, as `table.lay_out` and `workers.prepare` have left it.
        spec: the candidate.
        variant: the preprocessing that it learns on.
        seconds: that it may take; None for no limit.
        best: file with the log loss of each row (n_rows,) by the best candidate so far; None where nothing is stopped.
    """
    table: Table = read(folder, TABLE)
    fall = _watch(table.y, np.load(folder / best)) if best else _ignore
    hyperparameters = dict(spec.hyperparameters)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = (_bagged if variant == NATIVE else _estimated)(folder, table, spec, variant, seconds, fall)
            out_of_fold, pipeline, more = made
            latency_ms = table.latency_ms(pipeline)
    except FellBehindError:
        return Outcome(error=BEHIND, hyperparameters=describe(hyperparameters))
    except NoTimeError:
        return Outcome(error=TIME_LIMIT, hyperparameters=describe(hyperparameters))
    told = describe({**hyperparameters, **more})
    if not np.isfinite(out_of_fold).all():
        return Outcome(error="probabilities that are not finite", hyperparameters=told)
    figures, folds = table.judge(out_of_fold)
    pickled = cloudpickle.dumps(pipeline)
    write(folder / spec.file, pickled)
    np.save(folder / out_of_fold_of(spec.file), out_of_fold)
    return Outcome(
        hyperparameters=told,
        out_of_fold=out_of_fold,
        figures=figures,
        folds=folds,
        latency_ms=latency_ms,
        pipeline_bytes=len(pickled),
        warnings=dict(Counter(warning.category.__name__ for warning in caught)),
    )


def files_of(folder: Path, spec: Spec, variant: str, _: float | None, best: str | None) -> list[str]:
    """Names of the files that `attempt` reads."""
    names = [TABLE, *([best] if best else [])]
    for base in spec.bases:
        names += [base, out_of_fold_of(base)]
    if variant == NATIVE:
        return [*names, NATIVE_STEPS, NATIVE_MATRIX]
    matrices = sorted(file.name for file in folder.glob(f"{variant}-*.npy"))
    return [*names, f"{variant}.pkl", f"{variant}-steps.pkl", *matrices]


def made_by(spec: Spec) -> list[str]:
    """Names of the files that `attempt` leaves where it does not fail."""
    return [spec.file, out_of_fold_of(spec.file)]


def _bagged(
    folder: Path, table: Table, spec: Spec, _: str, seconds: float | None, fall: Callable[[Any, Any], None]
) -> Fitted:
    """A bag on the table's own numbers and categories; a stack sees besides what its bases say out of fold."""
    steps: Pipeline = read(folder, NATIVE_STEPS)
    matrix = np.load(folder / NATIVE_MATRIX, mmap_mode="r")
    wide, splits = steps[-1].wide_, table.splits()
    if spec.bases:
        matrix = heard(matrix, [np.load(folder / out_of_fold_of(file)) for file in spec.bases])
    given = dict(spec.hyperparameters)
    learner = given.pop(TOP, spec.model)
    given = fitted_to(learner, given, len(splits[0][0]), int(table.y.max()) + 1)
    left_out = wide if learner in WITHOUT_WIDE and len(wide) < matrix.shape[1] else []
    bag = Bag(learner, given, steps[-1].categories_, left_out, seconds=seconds, seed=table.seed)
    bag.fit(matrix, table.y, splits, fall)
    out_of_fold = bag.forget()
    more: dict[str, Any] = {**bag.parameters, "rounds": bag.rounds_, "members": len(splits)}
    if bag.rows is not None:
        more["rows"] = bag.rows
    if not spec.bases:
        return out_of_fold, Pipeline([*steps.steps, ("model", bag)]), more
    more["bases"] = ", ".join(file.removesuffix(".pkl") for file in spec.bases)
    stacked = Stacked([read(folder, file)[-1] for file in spec.bases], bag)
    return out_of_fold, Pipeline([*steps.steps, ("model", stacked)]), more


def _estimated(
    folder: Path, table: Table, spec: Spec, variant: str, seconds: float | None, fall: Callable[[Any, Any], None]
) -> Fitted:
    """A learner of PyCaret's on PyCaret's matrix: cross-validated, then fitted on all rows."""
    end = None if seconds is None else time.monotonic() + seconds
    prepared = read(folder, f"{variant}.pkl")
    learner: Learner = prepared.learners[spec.model]
    splits, whole = table.splits(), np.arange(len(table.y))
    rows = None if end is None else _affordable(folder, table, learner, spec.hyperparameters, variant, end)

    def fit(learn: np.ndarray[Any, Any], matrix: np.ndarray[Any, Any]) -> Any:
        some = thinned(learn, table.y, rows, table.seed)
        return learner.make(spec.hyperparameters, table.seed).fit(matrix[some], table.y[some])

    out_of_fold = np.full((len(table.y), int(table.y.max()) + 1), np.nan)
    for fold, (learn, judge) in enumerate(splits):
        matrix = _matrix(folder, variant, fold, per_fold=prepared.per_fold)
        out_of_fold[judge] = fit(learn, matrix).predict_proba(matrix[judge])
        fall(judge, out_of_fold[judge])
    final = fit(whole, _matrix(folder, variant, len(splits), per_fold=prepared.per_fold))
    fitted: Pipeline = read(folder, f"{variant}-steps.pkl")
    told = {name: value for name, value in learner.arguments.items() if name not in spec.hyperparameters}
    more = {**told, **({} if rows is None else {"rows": rows})}
    return out_of_fold, Pipeline([*fitted.steps, ("model", final)]), more


def _matrix(folder: Path, variant: str, fold: int, *, per_fold: bool) -> np.ndarray[Any, Any]:
    """All rows (n_rows, n_features) as they look to a fold; the one after the last is that of all rows."""
    return np.load(folder / f"{variant}-{fold if per_fold else 'all'}.npy", mmap_mode="r")


def _affordable(
    folder: Path, table: Table, learner: Learner, given: Mapping[str, Any], variant: str, end: float
) -> int | None:
    """How many rows a fit may learn from, so that all folds and the last fit end in time; None for all."""
    size = len(table.y) if table.folds < 2 else len(table.splits()[0][0])  # noqa: PLR2004
    if size <= PILOT_ROWS:
        return None
    matrix = np.load(
        folder / f"{variant}-{'0' if (folder / f'{variant}-0.npy').exists() else 'all'}.npy", mmap_mode="r"
    )
    some = thinned(np.arange(len(table.y)), table.y, PILOT_ROWS, table.seed)
    started = time.monotonic()
    learner.make(given, table.seed).fit(matrix[some], table.y[some])
    took = time.monotonic() - started
    each = (end - time.monotonic()) / (table.folds + 1)
    rows = int(PILOT_ROWS * max(0.0, each / max(took, 1e-6)) ** (1 / GROWTH))
    if rows >= size:
        return None
    if rows < FEWEST_ROWS:
        raise NoTimeError
    return rows


def out_of_fold_of(file: str) -> str:
    """Name of the file with the out-of-fold probabilities of the candidate whose pipeline is in `file`."""
    return f"{file.removesuffix('.pkl')}-out-of-fold.npy"


def _watch(y: np.ndarray[Any, Any], best: np.ndarray[Any, Any]) -> Callable[[Any, Any], None]:
    """A look after each fold: whether the rows so far say that the candidate is behind for good."""
    seen: list[np.ndarray[Any, Any]] = []
    rows: list[np.ndarray[Any, Any]] = []

    def look(judge: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> None:
        seen.append(log_losses(y[judge], scores))
        rows.append(judge)
        ours, theirs = np.concatenate(seen), best[np.concatenate(rows)]
        short = ours - theirs
        error = short.std(ddof=1) / np.sqrt(len(short)) if len(short) > 1 else np.inf
        mixed = -np.log((1 - SAY) * np.exp(-theirs) + SAY * np.exp(-ours))
        is_behind = ours.mean() > FAR * theirs.mean() and short.mean() > SURE * error
        if is_behind and mixed.mean() > theirs.mean() * (1 - WORTH):
            raise FellBehindError

    return look


def _ignore(_: Any, __: Any) -> None:
    """Nothing to be behind of."""
