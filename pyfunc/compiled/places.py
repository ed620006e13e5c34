"""What the numbers and codes of a row are among all that trees ask: small whole numbers, and questions about those.

A number becomes the count of bounds that are less than it, so that `x <= bound` is a comparison of whole numbers; a gap
becomes the least or the largest of them, or zero's, as its node wants it. A code stays a code, or becomes whether it is
in a set, where there are more codes than bits in a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.compiled.lightgbm_text import CATEGORICAL, DEFAULT_LEFT, NAN_IS_MISSING, WORD, Grown

LEAVES = 64  # bits of a word
MOST_CODES = LEAVES - 1  # of a column whose sets are words; the last bit is for what is none of the codes
MOST_BOUNDS = 2**16 - 2  # of a column: places are 16 bits
LEAST_LEVELS = 3  # of a tree that is worth to be asked level by level
MISSING_KINDS = 12  # bits of a decision that tell what missing means
GREATER, NOT_IN = 0, 1  # questions
RIGHT, LEFT, ZERO, CODE, SET = 0, 1, 2, 3, 4  # where a gap goes: right, left, or wherever zero does; then codes

Floats = np.ndarray[Any, np.dtype[np.float64]]


class NotAskedError(Exception):
    """Trees that cannot be put this way."""


@dataclass(frozen=True)
class Column:
    """What one feature's values are among what trees ask of them.

    Attributes:
        feature: of the matrix.
        kind: `RIGHT`, `LEFT` or `ZERO` for numbers, by where their gaps go; `CODE`; `SET`.
        bounds: float64 (n_bounds,) rising, that numbers are compared with.
        codes: bits of a `SET`, which is too large for a word.
    """

    feature: int
    kind: int
    bounds: Floats
    codes: int = 0

    def places(self, values: Floats) -> np.ndarray[Any, np.dtype[np.uint16]]:
        """16 bits for each value (n_rows,): how many bounds are less than it, its code, or 1 outside the set."""
        missing = np.isnan(values)
        if self.kind == SET:
            bits = [self.codes >> code & 1 for code in range(self.codes.bit_length())]
            inside = np.array([*bits, 0], dtype=np.uint16)
            known = (values >= 0) & (values < len(inside))
            return (1 - inside[np.where(known, values, len(inside) - 1).astype(np.int64)]).astype(np.uint16)
        if self.kind == CODE:
            known = (values >= 0) & (values < MOST_CODES)
            return np.where(known, values, MOST_CODES).astype(np.uint16)
        if self.kind == ZERO:
            values = np.where(missing, 0.0, values)
        found = np.searchsorted(self.bounds, values).astype(np.uint16)  # a gap comes last
        if self.kind == LEFT:
            found[missing] = 0
        return found


class Places:
    """All that trees ask, in columns.

    Args:
        trees: of a model file.

    Raises:
        NotAskedError: a kind of split that is not known here, or more bounds than are counted.
    """

    def __init__(self, trees: Sequence[Grown]) -> None:
        self.columns = _columns(trees)
        self._number = {(each.feature, each.kind, each.codes): at for at, each in enumerate(self.columns)}
        starts = np.cumsum([0, *(len(tree.feature) for tree in trees)]).tolist()
        self._first = {id(tree): start for tree, start in zip(trees, starts, strict=False)}
        self._questions = self._all_questions(trees)
        self.levels = _levels_of(trees, self)

    def of_matrix(self, matrix: Floats) -> np.ndarray[Any, np.dtype[np.uint16]]:
        """Places (n_columns, n_rows) of a matrix (n_rows, n_features)."""
        made = np.empty((len(self.columns), len(matrix)), dtype=np.uint16)
        for at, column in enumerate(self.columns):
            made[at] = column.places(matrix[:, column.feature])
        return made

    def arrays(self) -> tuple[np.ndarray[Any, Any], ...]:
        """The columns for machine code: features, kinds, bounds and where they begin, words of sets and the same."""
        words = [_words(column.codes) for column in self.columns]
        return (
            np.array([column.feature for column in self.columns], dtype=np.int64),
            np.array([column.kind for column in self.columns], dtype=np.int64),
            np.concatenate([np.zeros(0), *(column.bounds for column in self.columns)]),
            np.cumsum([0, *(len(column.bounds) for column in self.columns)]),
            np.array([word for listed in words for word in listed], dtype=np.int64),
            np.cumsum([0, *map(len, words)]),
        )

    def question(self, tree: Grown, node: int) -> tuple[int, int, int, int]:
        """What a node asks: column, `GREATER` or `NOT_IN`, bound, bits of the set."""
        return self._questions[self._first[id(tree)] + node]

    def forget(self) -> None:
        """The questions, which are many, once all of them are put."""
        self._questions = []

    def _all_questions(self, trees: Sequence[Grown]) -> list[tuple[int, int, int, int]]:
        """Of all nodes of all trees: numbers a column at a time, which is thirty times as fast as node by node."""
        features, thresholds, decisions = (
            np.concatenate([np.zeros(0), *(getattr(tree, name) for tree in trees)])
            for name in ("feature", "threshold", "decision")
        )
        kinds = decisions.astype(np.int64)
        is_code = kinds & CATEGORICAL > 0
        gaps = np.where(kinds & MISSING_KINDS == 0, ZERO, np.where(kinds & DEFAULT_LEFT > 0, LEFT, RIGHT))
        column, bound = np.zeros(len(kinds), dtype=np.int64), np.zeros(len(kinds), dtype=np.int64)
        for at, each in enumerate(self.columns):
            chosen = ~is_code & (features == each.feature) & (gaps == each.kind)
            column[chosen], bound[chosen] = at, np.searchsorted(each.bounds, thresholds[chosen])
        none = [0] * len(kinds)
        found = list(zip(column.tolist(), none, bound.tolist(), none, strict=True))
        for tree in trees:
            for node in np.flatnonzero(tree.decision & CATEGORICAL).tolist():
                found[self._first[id(tree)] + node] = self._of_codes(tree, node)
        return found

    def _of_codes(self, tree: Grown, node: int) -> tuple[int, int, int, int]:
        """What a node asks of codes."""
        feature, codes = int(tree.feature[node]), tree.codes(node)
        of_word = self._number.get((feature, CODE, 0))
        if of_word is None:
            return self._number[feature, SET, codes], GREATER, 0, 0
        return of_word, NOT_IN, 0, codes


@dataclass(frozen=True)
class Levels:
    """Trees that ask the same at all nodes of a level, as CatBoost's do: the answers are the bits of a leaf's number.

    Attributes:
        trees: (n_trees,) their places among all trees.
        columns, asked, bounds, bits: (n_questions,) one tree behind the other, from the root down.
        starts: (n_trees + 1,) of the questions.
        leaves: (n_trees,) where the values of each begin.
        values: float64 of all leaves.
    """

    trees: Any
    columns: Any
    asked: Any
    bounds: Any
    bits: Any
    starts: Any
    leaves: Any
    values: Floats

    def arrays(self) -> tuple[Any, ...]:
        """All of it, for machine code."""
        return (
            self.trees, self.columns, self.asked, self.bounds, self.bits, self.starts, self.leaves, self.values,
        )  # fmt: skip


def _levels_of(trees: Sequence[Grown], places: Places) -> Levels:
    """Those of the trees that are such ones."""
    found = [(at, *level) for at, tree in enumerate(trees) if (level := _level_questions(tree, places)) is not None]
    questions = list(zip(*(question for _, level, _ in found for question in level), strict=True)) or [()] * 4
    kinds = (np.int64, np.uint8, np.uint64, np.uint64)
    columns, asked, bounds, bits = (np.array(cells, dtype=kind) for cells, kind in zip(questions, kinds, strict=True))
    values = [leaves for _, _, leaves in found]
    return Levels(
        np.array([at for at, _, _ in found], dtype=np.int64),
        columns,
        asked,
        bounds,
        bits,
        np.cumsum([0, *(len(level) for _, level, _ in found)]),
        np.cumsum([0, *map(len, values)])[:-1],
        np.concatenate([np.zeros(0), *values]),
    )


def _level_questions(tree: Grown, places: Places) -> tuple[list[tuple[int, int, int, int]], Floats] | None:
    """The question of each level, and the leaves from left to right; None where a level has several."""
    asked: list[tuple[int, int, int, int]] = []
    level = [0]
    while level[0] >= 0 and len(tree.feature):
        if min(level) < 0:
            return None
        questions = {places.question(tree, node) for node in level}
        if len(questions) > 1:
            return None
        asked += questions
        level = [int(child[node]) for node in level for child in (tree.left, tree.right)]
    if len(asked) < LEAST_LEVELS or max(level) >= 0:
        return None
    return asked, tree.leaves[[-leaf - 1 for leaf in level]]


def _columns(trees: Sequence[Grown]) -> list[Column]:
    """The places that are needed, of all trees together."""
    numbers: dict[tuple[int, int], list[Floats]] = {}
    sets: dict[int, set[int]] = {}
    for tree in trees:
        is_code = tree.decision & CATEGORICAL > 0
        for node in np.flatnonzero(is_code).tolist():
            sets.setdefault(int(tree.feature[node]), set()).add(tree.codes(node))
        gaps = np.array([*map(_gap, tree.decision.tolist())], dtype=np.int64)
        pairs = set(zip(tree.feature[~is_code].tolist(), gaps[~is_code].tolist(), strict=True))
        for feature, gap in pairs:
            chosen = ~is_code & (tree.feature == feature) & (gaps == gap)
            numbers.setdefault((feature, gap), []).append(tree.threshold[chosen])
    made = [Column(*key, np.unique(np.concatenate(found))) for key, found in sorted(numbers.items())]
    if any(len(column.bounds) > MOST_BOUNDS for column in made):
        raise NotAskedError("bounds")
    for feature, asked in sorted(sets.items()):
        is_small = max(asked).bit_length() <= MOST_CODES
        none = np.zeros(0)
        made += [Column(feature, CODE, none)] if is_small else [Column(feature, SET, none, c) for c in sorted(asked)]
    return made


def _gap(decision: int) -> int:
    """Where a split on numbers sends a gap."""
    missing = decision & MISSING_KINDS
    if missing not in (0, NAN_IS_MISSING):
        raise NotAskedError("zeros that mean missing")
    if missing == 0:
        return ZERO
    return LEFT if decision & DEFAULT_LEFT else RIGHT


def _words(codes: int) -> list[int]:
    """Bits in words of `WORD`."""
    return [codes >> at & (2**WORD - 1) for at in range(0, codes.bit_length(), WORD)]
