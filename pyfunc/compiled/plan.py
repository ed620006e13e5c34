"""A compiled pipeline: matrices made from columns, classifiers on them, their weights, and the map behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from pyfunc.columns import Cell, Column
from pyfunc.compiled.features import Features
from pyfunc.compiled.models import Model, Said
from pyfunc.recalibration import Recalibration

SHARE_ROWS = 8192  # rows that are worth a thread

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Part:
    """A classifier of a blend: its weight, the matrix that it sees, by position, and what it is."""

    weight: float
    features: int
    model: Model


@dataclass(frozen=True)
class Plan:
    """What answers in the place of a pipeline.

    Attributes:
        features: the matrices.
        parts: added up in this order; their weights add up to 1.
        recalibration: behind the sum; None where there is none.
    """

    features: tuple[Features, ...]
    parts: tuple[Part, ...]
    recalibration: Recalibration | None = None

    def score(self, columns: Sequence[Column]) -> Floats:
        """Probabilities (n_rows, n_classes) of columns (n_rows,) in the schema's order; see `pyfunc.columns`."""
        n_rows = len(columns[0])
        n_shares = min(scoring_threads(), n_rows // SHARE_ROWS)
        if n_shares <= 1:
            return self._score(columns)
        bounds = np.linspace(0, n_rows, n_shares + 1).astype(np.int64).tolist()
        shares = [[column[start:end] for column in columns] for start, end in pairwise(bounds)]
        return np.concatenate([*_threads().map(self._score, shares)])

    def _score(self, columns: Sequence[Column]) -> Floats:
        """`score` in one thread."""
        seen = [(each.matrix(columns), Said()) for each in self.features]
        total: Any = 0.0
        for part in self.parts:
            total = total + part.weight * part.model.score(*seen[part.features])
        return np.asarray(self.recalibration(total) if self.recalibration else total)

    def score_row(self, cells: Sequence[Cell]) -> Floats:
        """The same (n_classes,) of one row's cells."""
        seen = [(each.row(cells), Said()) for each in self.features]
        total: Any = 0.0
        for part in self.parts:
            total = total + part.weight * part.model.score_row(*seen[part.features])
        return np.asarray(self.recalibration.of_row(total) if self.recalibration else total)

    def warm(self) -> None:
        """Make what answers faster from then on; takes seconds, and others may ask meanwhile."""
        for part in self.parts:
            part.model.warm()


def processors() -> int:
    """How many of them this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scoring_threads() -> int:
    """How many threads score: one a processor, or fewer where OMP_NUM_THREADS asks for fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = int(asked) if asked.isascii() and asked.isdigit() else 0
    return min(processors(), most or processors())


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads for shares of many rows, kept; most of their work holds no lock of Python's."""
    return ThreadPoolExecutor(scoring_threads(), "plan")
