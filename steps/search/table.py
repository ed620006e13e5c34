"""The training rows as the workers see them, and what out-of-fold probabilities are worth on them."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from pyfunc.bags import thinned
from pyfunc.codes import Codes
from pyfunc.compiled.plan import Plan
from pyfunc.estimators import Columns
from pyfunc.model import Scorer, decide
from pyfunc.package import Package
from pyfunc.schema import InputSchema
from steps.judging.metrics import figures
from steps.records import SearchPlan

TABLE, FRAME = "table.pkl", "frame.pkl"
NATIVE_STEPS, NATIVE_MATRIX = "native.pkl", "native.npy"
MOST_FOLDS, FEWER_FOLDS, FEWEST_FOLDS = 8, 5, 3
LARGE, HUGE = 20_000, 200_000  # rows from which on so many folds, each of many rows, say no more than fewer
SEVERAL_CLASSES_LARGE = 12_000  # the same in rows x classes for more than two classes, which cost a tree each
CELLS_A_SECOND = 300_000  # of budget: what is beyond would be read, predicted and judged, and hardly learned from
LEAST_KEPT = 50_000  # rows, however short the budget
MANY_LEVELS = 100  # of a category: splits between them find nothing but luck
LOOKS, LOOK_S = 30, 0.15  # a row's time is the median of so many calls, fewer where they take longer than that together

Split = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Table:
    """What all workers know: labels int64 (n_rows,), and a row of the enforced frame to be timed with."""

    y: np.ndarray[Any, Any]
    folds: int
    seed: int
    schema: InputSchema
    threshold: float  # that candidates are compared at
    row: pd.DataFrame

    def splits(self) -> list[Split]:
        """Row positions to learn from and to judge on, the same for every candidate."""
        return splits_of(self.y, self.folds, self.seed)

    def judge(self, out_of_fold: np.ndarray[Any, Any]) -> tuple[dict[str, float], pd.DataFrame]:
        """All figures of probabilities (n_rows, n_classes), and the same figures in each fold."""
        folds = pd.DataFrame([self._figures(out_of_fold, judge) for _, judge in self.splits()])
        return self._figures(out_of_fold, slice(None)), folds

    def _figures(self, scores: np.ndarray[Any, Any], rows: Any) -> dict[str, float]:
        """All figures of some rows."""
        return figures_of(self.y[rows], scores[rows], self.schema, self.threshold)

    def latency_ms(self, pipeline: Any, plan: Plan | None = None) -> float:
        """What one row takes, enforced and answered: through the pipeline, or as a record by the plan."""
        scorer = Scorer(Package(pipeline, self.schema, self.threshold, {}, plan))
        records: list[Any] = self.schema.example().to_dict("records")
        if plan is not None and scorer.answer_records(records) is not None:
            plan.warm()
            return _median_ms(lambda: scorer.answer_records(records))
        return _median_ms(lambda: scorer.answer(self.row, "training rows"))


def _median_ms(work: Callable[[], object]) -> float:
    """What it takes, once it is warm."""
    work()
    took: list[float] = []
    while len(took) < LOOKS and (len(took) < 3 or sum(took) < LOOK_S):  # noqa: PLR2004
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return float(np.median(took) * 1000)


def figures_of(
    y: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], schema: InputSchema, threshold: float
) -> dict[str, float]:
    """All figures of probabilities (n_rows, n_classes)."""
    positive = schema.target.positive
    positive_at = None if positive is None else schema.target.classes.index(positive)
    return figures(y, scores, decide(scores, schema, threshold), positive_at)


def rows_for(y: np.ndarray[Any, Any], columns: int, plan: SearchPlan) -> np.ndarray[Any, Any]:
    """Positions of the rows that a search looks at: all of them, or as many as its budget can make something of.

    Args:
        y: int64 (n_rows,) positions of the classes.
        columns: of the frame.
        plan: with the budget; a number of candidates looks at all rows.
    """
    rows = np.arange(len(y))
    if plan.candidates:
        return rows
    return thinned(rows, y, max(LEAST_KEPT, int(CELLS_A_SECOND * plan.budget_s / max(1, columns))), plan.seed)


def folds_for(y: np.ndarray[Any, Any]) -> int:
    """How many folds: more where rows are few, and never more than the rarest class has rows (two at least)."""
    rows, classes = len(y), int(y.max()) + 1
    is_small = rows < LARGE if classes == 2 else rows * classes < SEVERAL_CLASSES_LARGE  # noqa: PLR2004
    most = MOST_FOLDS if is_small else FEWER_FOLDS if rows < HUGE else FEWEST_FOLDS
    return int(np.clip(np.bincount(y).min(), 2, most))


def splits_of(y: np.ndarray[Any, Any], folds: int, seed: int) -> list[Split]:
    """Stratified folds: row positions to learn from and to judge on."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(y)), y))


def lay_out(folder: Path, frame: pd.DataFrame, table: Table) -> bool:
    """Write what the workers read: the table, the frame, and the matrix that boosters learn on.

    The matrix knows no labels, so one serves every fold; workers map it into memory and share it.

    Returns:
        Whether most columns are categories of very many levels.
    """
    steps = Pipeline([("columns", Columns(table.schema.texts, keep_texts=True)), ("codes", Codes())])
    np.save(folder / NATIVE_MATRIX, steps.fit_transform(frame))
    (folder / NATIVE_STEPS).write_bytes(cloudpickle.dumps(steps))
    (folder / FRAME).write_bytes(pickle.dumps(frame))
    (folder / TABLE).write_bytes(pickle.dumps(table))
    many = [levels for levels in steps[-1].levels_.values() if len(levels) > MANY_LEVELS]
    return 2 * len(many) > frame.shape[1]


def read(folder: Path, name: str) -> Any:
    """A pickle that another process of this search has left."""
    return cloudpickle.loads((folder / name).read_bytes())
