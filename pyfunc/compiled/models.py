"""Classifiers on a matrix, of plain arrays and engines."""

from __future__ import annotations

import gzip
import logging
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pyfunc.boosters import elected, probabilities_of, sayings
from pyfunc.compiled import kernel
from pyfunc.compiled.engine import Engine

SHARES, MARGINS = "shares", "margins"

Floats = np.ndarray[Any, np.dtype[np.float64]]
log = logging.getLogger(__name__)


class Model(Protocol):
    """Probabilities from a matrix."""

    def score(self, matrix: Floats) -> Floats:
        """Probabilities (n_rows, n_classes) for (n_rows, n_features)."""

    def score_row(self, row: Floats) -> Floats:
        """The same (n_classes,) for one row (n_features,)."""


class _Asked:
    """A bag's trees as questions, made when many rows come for the first time."""

    def __init__(self) -> None:
        self.refused = False
        self._questions: kernel.Questions | None = None
        self._lock = threading.Lock()

    def sums(self, bag: Bag, matrix: Floats) -> Floats | None:
        """Outputs (n_rows, n_outputs); None where these trees cannot be asked."""
        with self._lock:
            if self._questions is None and not self.refused:
                try:
                    text = gzip.decompress(bag.packed).decode()
                    self._questions = kernel.Questions(text, bag.members * bag.outputs)
                except kernel.NotAskedError as why:
                    self.refused = True
                    log.info("trees are gone down row by row: %s", why)
        return None if self._questions is None else self._questions.sums(matrix)


@dataclass(frozen=True)
class Bag:
    """Members that are averaged; all of their trees in one engine.

    Attributes:
        packed: the engine's model file, in gz.
        members: how many.
        classes: that are told apart.
        said: `MARGINS`, whose softmax or logistic function counts, or `SHARES` of votes in as many trees.
        trees: of each member; where shares are said.
        features: columns of the matrix.
    """

    packed: bytes = field(repr=False)
    members: int
    classes: int
    said: str
    trees: int
    features: int
    _engine: Engine = field(init=False, repr=False, compare=False)
    _asked: _Asked = field(init=False, repr=False, compare=False)

    @property
    def outputs(self) -> int:
        """Of the engine, for each member: one where there are two classes."""
        return 1 if self.classes == 2 else self.classes  # noqa: PLR2004

    def __post_init__(self) -> None:
        """Load the trees."""
        engine = Engine(gzip.decompress(self.packed), self.members * self.outputs, self.features)
        object.__setattr__(self, "_engine", engine)
        object.__setattr__(self, "_asked", _Asked())

    def score(self, matrix: Floats) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        said = self._sums(matrix).reshape(len(matrix), self.members, self.outputs)
        total = self._probabilities(said[:, 0])
        for member in range(1, self.members):
            total = total + self._probabilities(said[:, member])
        return total / self.members

    def _sums(self, matrix: Floats) -> Floats:
        """Outputs of the trees (n_rows, n_members * n_outputs): asked together where that is worth it."""
        if len(matrix) >= kernel.LEAST_ROWS and not self._asked.refused:
            if kernel.is_loaded() or len(matrix) >= kernel.WAITED_FOR:
                found = self._asked.sums(self, matrix)
                if found is not None:
                    return found
            else:
                kernel.load_aside()
        return self._engine.batch(matrix)

    def score_row(self, row: Floats) -> Floats:
        """The same for one row: all members at once."""
        said = self._engine.row(row).reshape(self.members, self.outputs)
        return np.asarray(self._probabilities(said).sum(axis=0) / self.members)

    def _probabilities(self, said: Floats) -> Floats:
        """(n, n_classes) of what a member says (n, n_outputs)."""
        if self.said == MARGINS:
            return probabilities_of(said)
        if self.outputs == 1:
            said = np.hstack([self.trees - said, said])
        return elected(said, self.trees)


@dataclass(frozen=True)
class Stack:
    """A bag that sees besides what others say."""

    bases: tuple[Bag, ...]
    top: Bag

    def score(self, matrix: Floats) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        return self.top.score(np.hstack([matrix, *(sayings(base.score(matrix)) for base in self.bases)]))

    def score_row(self, row: Floats) -> Floats:
        """The same for one row."""
        said = [sayings(base.score_row(row)[np.newaxis])[0] for base in self.bases]
        return self.top.score_row(np.concatenate([row, *said]))


@dataclass(frozen=True)
class Curve:
    """What a number adds to the margins: pieces of cubic polynomials, or a line.

    Attributes:
        center, scale: `(x - center) / scale` is looked at.
        breaks: (n_pieces + 1,) rising; beyond the ends the value of the end counts. Empty for a line.
        pieces: (n_pieces, 4, n_margins) from the cube down to the constant, counted from a piece's left end; for a line
            (1, 1, n_margins), its slope.
        missing: (n_margins,) for a gap.
    """

    center: float
    scale: float
    breaks: Floats
    pieces: Floats
    missing: Floats

    def __call__(self, numbers: Floats) -> Floats:
        """Margins (n_rows, n_margins) of numbers (n_rows,)."""
        at = (numbers - self.center) / self.scale
        if not len(self.breaks):
            found = at[:, np.newaxis] * self.pieces[0, 0]
        else:
            within = np.clip(at, self.breaks[0], self.breaks[-1])
            piece = np.clip(np.searchsorted(self.breaks, within, side="right") - 1, 0, len(self.pieces) - 1)
            offset = (within - self.breaks[piece])[:, np.newaxis]
            parts = self.pieces[piece]
            found = ((parts[:, 0] * offset + parts[:, 1]) * offset + parts[:, 2]) * offset + parts[:, 3]
        return np.where(np.isnan(numbers)[:, np.newaxis], self.missing, found)


@dataclass(frozen=True)
class Linear:
    """Margins that columns add up to: a curve for each number, a table for each category.

    Attributes:
        intercept: (n_margins,) where every category has its first level.
        curves: by column of the matrix.
        tables: by column of the matrix, margins (n_levels + 2, n_margins) by code; then of a text that is none of the
            levels, then of a gap.
    """

    intercept: Floats
    curves: dict[int, Curve]
    tables: dict[int, Floats]

    def score(self, matrix: Floats) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        margins = np.tile(self.intercept, (len(matrix), 1))
        for at, curve in self.curves.items():
            margins += curve(matrix[:, at])
        for at, table in self.tables.items():
            codes = matrix[:, at]
            margins += table[np.where(np.isnan(codes), len(table) - 1, codes).astype(np.int64)]
        return probabilities_of(margins)

    def score_row(self, row: Floats) -> Floats:
        """The same for one row."""
        return np.asarray(self.score(row[np.newaxis])[0])
