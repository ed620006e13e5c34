"""A compiled pipeline: matrices made from columns, classifiers on them, their weights, and the map behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.columns import Cell, Column
from pyfunc.compiled.features import Features
from pyfunc.compiled.models import Model
from pyfunc.recalibration import Recalibration

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
        matrices = [each.matrix(columns) for each in self.features]
        total: Any = 0.0
        for part in self.parts:
            total = total + part.weight * part.model.score(matrices[part.features])
        return np.asarray(self.recalibration(total) if self.recalibration else total)

    def score_row(self, cells: Sequence[Cell]) -> Floats:
        """The same (n_classes,) of one row's cells."""
        rows = [each.row(cells) for each in self.features]
        total: Any = 0.0
        for part in self.parts:
            total = total + part.weight * part.model.score_row(rows[part.features])
        return np.asarray(self.recalibration(total[np.newaxis])[0] if self.recalibration else total)
