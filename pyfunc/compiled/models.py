"""Classifiers on a matrix, of plain arrays and engines."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pyfunc import memory
from pyfunc.boosters import elected, probabilities_of, saying, sayings
from pyfunc.compiled.counts import Counts
from pyfunc.compiled.descent import Descent
from pyfunc.compiled.engine import Engine
from pyfunc.compiled.forest import read
from pyfunc.compiled.kernel import Questions
from pyfunc.compiled.objects import NoMachineError
from pyfunc.compiled.places import NotAskedError, Places
from pyfunc.compiled.room import Members
from pyfunc.compiled.walk import Walk

SHARES, MARGINS = "shares", "margins"
LEAST_ROWS = 16  # fewer are answered sooner row by row
MANY_ROWS = 256  # for which trees are made ready aside
ROWS_OF_WAVES = 4096
WALKED_FROM = 128  # leaves of a tree on average: more are sooner walked down than asked
WAITED_FOR = 8192  # rows that are worth the second which it takes to make the trees ready for them

Floats = np.ndarray[Any, np.dtype[np.float64]]
log = logging.getLogger(__name__)


class Model(Protocol):
    """Probabilities from a matrix."""

    def score(self, matrix: Floats, said: Said | None = None) -> Floats:
        """Probabilities (n_rows, n_classes) for (n_rows, n_features); `said` is what bags said of the same matrix."""

    def score_row(self, row: Floats, said: Said | None = None) -> Floats:
        """The same (n_classes,) for one row (n_features,)."""

    def warm(self) -> None:
        """Make what answers faster from then on; may take seconds."""


Said = dict[int, Floats]  # by the id of a bag: one that is a part of a blend and a base of a stack answers once


class _Asked:
    """A bag's trees, put in a way that machine code asks: made when it is worth it, and from then on used."""

    def __init__(self) -> None:
        self.questions: Questions | None = None
        self.descent: Descent | None = None
        self.walk: Walk | None = None  # in the place of both, where trees are too deep for them
        self._is_refused = False
        self._lock = threading.Lock()

    def make(self, bag: Bag) -> None:
        """Make both ways, once; nothing where these trees cannot be put so, or there is no compiler."""
        with self._lock:
            if not self.is_made and not self._is_refused:
                try:
                    self._make(bag)
                    bag.__dict__.pop("_engine", None)  # has nothing to do any more
                    if bag.is_stored:
                        bag.__dict__["packed"] = b""
                    memory.trim()
                except (NotAskedError, NoMachineError) as why:
                    self._is_refused = True
                    log.info("trees are left to their library: %s", str(why) or "Numba is not installed")

    @property
    def is_made(self) -> bool:
        """Whether machine code can be asked."""
        return self.questions is not None or self.walk is not None

    @property
    def alone(self) -> Descent | Walk | None:
        """What answers one row."""
        return self.descent or self.walk

    def _make(self, bag: Bag) -> None:
        """Put the trees in the way that suits them."""
        forest = read(gzip.decompress(bag.packed))
        members = Members(bag.members, bag.outputs, bag.trees if bag.said == SHARES else 0)
        if len(forest.values) > WALKED_FROM * forest.n_trees and not forest.is_code.any():
            self.walk = Walk(forest, members, bag.features)
            return
        try:
            places = Places(forest)
            descent = Descent(forest, members, bag.features, places)
            questions = Questions(forest, members.channels, places)
        except NotAskedError:
            self.walk = Walk(forest, members, bag.features)
        else:
            self.descent, self.questions = descent, questions

    def make_aside(self, bag: Bag) -> None:
        """The same in a thread, for the rows to come."""
        if not self.is_made and not self._is_refused and not self._lock.locked():
            threading.Thread(target=self.make, args=(bag,), name="trees", daemon=True).start()


@dataclass(frozen=True)
class Bag:
    """Members that are averaged; all of their trees in one engine.

    Attributes:
        packed: the engine's model file, in gz; nothing once it is not needed any more.
        members: how many.
        classes: that are told apart.
        said: `MARGINS`, whose softmax or logistic function counts, or `SHARES` of votes in as many trees.
        trees: of each member; where shares are said.
        features: columns of the matrix, and counts behind them.
        counts: what makes these; None where the trees see the matrix alone.
        is_stored: whether the file is kept elsewhere, so that it can be let go once machine code answers.
    """

    packed: bytes = field(repr=False)
    members: int
    classes: int
    said: str
    trees: int
    features: int
    counts: Counts | None = None
    is_stored: bool = False
    _asked: _Asked = field(init=False, repr=False, compare=False, default_factory=_Asked)

    @property
    def outputs(self) -> int:
        """Of the engine, for each member: one where there are two classes."""
        return 1 if self.classes == 2 else self.classes  # noqa: PLR2004

    def _library(self, packed: bytes) -> Engine:
        """The library with these trees; loaded where it has to answer."""
        engine = self.__dict__.get("_engine")
        if engine is None:
            engine = Engine(gzip.decompress(packed), self.members * self.outputs, self.features)
            self.__dict__["_engine"] = engine
        return engine

    def score(self, matrix: Floats, said: Said | None = None) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        return _once(said, self, self._score, matrix)

    def _score(self, matrix: Floats) -> Floats:
        """Where it was not asked before."""
        if self.counts is not None:
            matrix = self.counts.of_rows(matrix)
        sums = self._sums(matrix).reshape(len(matrix), self.members, self.outputs)
        total = self._probabilities(sums[:, 0])
        for member in range(1, self.members):
            total = total + self._probabilities(sums[:, member])
        return total / self.members

    def _sums(self, matrix: Floats) -> Floats:
        """Outputs of the trees (n_rows, n_members * n_outputs)."""
        if len(matrix) >= WAITED_FOR:
            self.warm()
        elif len(matrix) >= MANY_ROWS:
            self._asked.make_aside(self)
        packed, made = self.packed, self._asked  # in this order: once trees are ready the file may be let go
        if made.walk is not None:
            return made.walk.sums(matrix)
        if made.questions is None or made.descent is None:
            return self._library(packed).batch(matrix)
        if len(matrix) >= LEAST_ROWS:
            return made.questions.sums(matrix)
        sums = np.empty((len(matrix), self.members * self.outputs))
        for at, row in enumerate(matrix):
            sums[at] = made.descent.sums(row)
        return sums

    def warm(self) -> None:
        """Make what answers faster from then on; takes a second."""
        self._asked.make(self)

    def score_row(self, row: Floats, said: Said | None = None) -> Floats:
        """The same for one row: all members at once."""
        return _once(said, self, self._score_row, row)

    def _score_row(self, row: Floats) -> Floats:
        """Where it was not asked before."""
        if self.counts is not None:
            row = self.counts.of_row(row)
        packed, made = self.packed, self._asked.alone  # in this order, as above
        if made is not None:
            return made.mean(row)
        sums = self._library(packed).row(row).reshape(self.members, self.outputs)
        return np.asarray(self._probabilities(sums).sum(axis=0) / self.members)

    def _probabilities(self, said: Floats) -> Floats:
        """(n, n_classes) of what a member says (n, n_outputs)."""
        if self.said == MARGINS:
            return probabilities_of(said)
        if self.outputs == 1:
            said = np.hstack([self.trees - said, said])
        return elected(said, self.trees)


def _once(said: Said | None, bag: Bag, answer: Callable[[Floats], Floats], asked: Floats) -> Floats:
    """What a bag says of a matrix or a row, or has said before."""
    if said is None:
        return answer(asked)
    if id(bag) not in said:
        said[id(bag)] = answer(asked)
    return said[id(bag)]


@dataclass(frozen=True)
class Stack:
    """A bag that sees besides what others say."""

    bases: tuple[Bag, ...]
    top: Bag

    def score(self, matrix: Floats, said: Said | None = None) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        return self.top.score(np.hstack([matrix, *(sayings(base.score(matrix, said)) for base in self.bases)]))

    def score_row(self, row: Floats, said: Said | None = None) -> Floats:
        """The same for one row."""
        heard = [each for base in self.bases for each in saying(base.score_row(row, said))]
        return self.top.score_row(np.array([*row.tolist(), *heard]))

    def warm(self) -> None:
        """All of them."""
        for bag in (*self.bases, self.top):
            bag.warm()


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

    def score(self, matrix: Floats, _: Said | None = None) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        return probabilities_of(self.margins(matrix))

    def margins(self, matrix: Floats) -> Floats:
        """Margins (n_rows, n_margins)."""
        margins = np.tile(self.intercept, (len(matrix), 1))
        for at, curve in self.curves.items():
            margins += curve(matrix[:, at])
        for at, table in self.tables.items():
            codes = matrix[:, at]
            margins += table[np.where(np.isnan(codes), len(table) - 1, codes).astype(np.int64)]
        return margins

    def score_row(self, row: Floats, _: Said | None = None) -> Floats:
        """The same for one row."""
        return np.asarray(self.score(row[np.newaxis])[0])

    def warm(self) -> None:
        """Tables are ready."""


@dataclass(frozen=True)
class Waves:
    """Margins of cosines of sums of all columns.

    Attributes:
        inner: whose margins are what is summed up.
        limit: that they are brought to where they are beyond it.
        directions: (n_inner, n_cosines).
        offsets: (n_cosines,).
        weights: (n_cosines, n_margins).
        intercept: (n_margins,).
    """

    inner: Linear
    limit: float
    directions: Floats
    offsets: Floats
    weights: Floats
    intercept: Floats

    def score(self, matrix: Floats, _: Said | None = None) -> Floats:
        """Probabilities (n_rows, n_classes)."""
        found = np.empty((len(matrix), max(2, len(self.intercept))))
        for start in range(0, len(matrix), ROWS_OF_WAVES):  # the cosines of many rows would fill the memory
            part = slice(start, start + ROWS_OF_WAVES)
            numbers = np.clip(self.inner.margins(matrix[part]), -self.limit, self.limit)
            waves = np.cos(numbers @ self.directions + self.offsets)
            found[part] = probabilities_of(waves @ self.weights + self.intercept)
        return found

    def score_row(self, row: Floats, _: Said | None = None) -> Floats:
        """The same for one row."""
        return np.asarray(self.score(row[np.newaxis])[0])

    def warm(self) -> None:
        """Tables are ready."""
