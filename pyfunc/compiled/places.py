"""What the numbers and codes of a row are among all that trees ask: small whole numbers, and questions about those.

A number becomes the count of bounds that are less than it, so that `x <= bound` is a comparison of whole numbers; a gap
becomes the least or the largest of them, or zero's, as its node wants it. A code stays a code, or becomes whether it is
in a set, where there are more codes than bits in a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.compiled import machine
from pyfunc.compiled.forest import Floats, Forest, Ints
from pyfunc.compiled.lightgbm_text import DEFAULT_LEFT, NAN_IS_MISSING, WORD

CODES = 64  # bits of a set that is asked for at once
MOST_CODES = CODES - 1  # of a column of such sets; the last bit is for what is none of the codes
MOST_BOUNDS = 2**16 - 2  # of a column: places are 16 bits
LEAST_LEVELS, MOST_LEVELS = 3, 16  # of a tree that is worth to be asked level by level, and can be
MISSING_KINDS = 12  # bits of a decision that tell what missing means
GREATER, NOT_IN = 0, 1  # questions
RIGHT, LEFT, ZERO, CODE, SET = 0, 1, 2, 3, 4  # where a gap goes: right, left, or wherever zero does; then codes
GAPS = 3  # kinds of numbers


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


@dataclass(frozen=True)
class Asked:
    """What nodes ask, each in the column of its own number (n_nodes,).

    Attributes:
        column: whose place is looked at.
        kind: `GREATER` or `NOT_IN`.
        bound: that the place is greater than; 0 where there is a set.
        bits: of the set that the place is not in; 0 where there is a bound.
    """

    column: Ints
    kind: np.ndarray[Any, np.dtype[np.uint8]]
    bound: np.ndarray[Any, np.dtype[np.uint64]]
    bits: np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True)
class Levels:
    """Trees that ask the same at all nodes of a level, as CatBoost's do: the answers are the bits of a leaf's number.

    Attributes:
        trees: (n_trees,) their places among all trees.
        is_other: (n,) of all trees, those that are none.
        nodes: (n_questions,) one of each level, from the root down, one tree behind the other.
        starts: (n_trees + 1,) of the questions.
        leaves: (n_trees + 1,) where the values of each begin.
        values: float64 of all leaves, from left to right.
    """

    trees: Ints
    is_other: np.ndarray[Any, np.dtype[np.bool_]]
    nodes: Ints
    starts: Ints
    leaves: Ints
    values: Floats


class Finder:
    """Finds the places of rows.

    Args:
        columns: that the rows are looked at in.

    Raises:
        NoMachineError: there is no loop that finds them.

    Attributes:
        arrays: the columns for machine code: features, kinds, bounds and where they begin, words of sets and the same.
    """

    def __init__(self, columns: list[Column]) -> None:
        words = [_words(column.codes) for column in columns]
        self.arrays: tuple[np.ndarray[Any, Any], ...] = (
            np.array([column.feature for column in columns], dtype=np.int64),
            np.array([column.kind for column in columns], dtype=np.int64),
            np.concatenate([np.zeros(0), *(column.bounds for column in columns)]),
            np.cumsum([0, *(len(column.bounds) for column in columns)]),
            np.array([word for listed in words for word in listed], dtype=np.int64),
            np.cumsum([0, *map(len, words)]),
        )
        self._find = machine.Loop("find", *self.arrays)

    def of_matrix(self, matrix: Floats) -> np.ndarray[Any, np.dtype[np.uint16]]:
        """Places (n_columns, n_rows) of a matrix (n_rows, n_features)."""
        made = np.empty((len(self.arrays[0]), len(matrix)), dtype=np.uint16)
        self._find(np.ascontiguousarray(matrix), made)
        return made


class Places:
    """All that trees ask, in columns: several times as large as what is made of it, and then not needed any more.

    Args:
        forest: the trees.

    Raises:
        NotAskedError: a kind of split that is not known here, or more bounds than are counted.
        NoMachineError: there is no loop that finds them.

    Attributes:
        columns: that the rows are looked at in.
        finder: of rows' places in these columns.
        asked: by node.
        levels: the trees that ask level by level.
    """

    def __init__(self, forest: Forest) -> None:
        self.columns: list[Column] = []
        column, bound = np.zeros(len(forest.feature), dtype=np.int64), np.zeros(len(forest.feature), dtype=np.uint64)
        bits = np.zeros(len(forest.feature), dtype=np.uint64)
        self._numbers(forest, column, bound)
        self._codes(forest, column, bits)
        self.finder = Finder(self.columns)
        kinds = np.array([column.kind for column in self.columns], dtype=np.int64)
        kind = np.where(kinds[column] == CODE, NOT_IN, GREATER).astype(np.uint8)
        self.asked = Asked(column, kind, bound, bits)
        self.levels = _levels_of(forest, self.asked)

    def _numbers(self, forest: Forest, column: Ints, bound: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
        """Columns of numbers, and what nodes ask of them: sorted once, not feature by feature."""
        nodes = np.flatnonzero(~forest.is_code)
        gaps = gaps_of(forest.decision[nodes])
        keys, thresholds = forest.feature[nodes] * GAPS + gaps, forest.threshold[nodes]
        order = np.lexsort((thresholds, keys))
        keys, thresholds = keys[order], thresholds[order]
        is_first = np.diff(keys, prepend=-1) > 0  # of a column
        is_new = is_first | np.append(True, thresholds[1:] != thresholds[:-1])[: len(keys)]
        starts, ranks = np.flatnonzero(is_first), np.cumsum(is_new) - 1
        n_bounds = np.diff(ranks[starts], append=np.count_nonzero(is_new))
        if np.any(n_bounds > MOST_BOUNDS):
            raise NotAskedError("bounds")
        of = np.cumsum(is_first) - 1
        column[nodes[order]], bound[nodes[order]] = of, ranks - ranks[starts][of]
        bounds = np.split(thresholds[is_new], np.cumsum(n_bounds)[:-1]) if len(starts) else []
        made = zip(keys[starts].tolist(), bounds, strict=True)
        self.columns += [Column(key // GAPS, key % GAPS, values) for key, values in made]

    def _codes(self, forest: Forest, column: Ints, bits: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
        """Columns of codes, and what nodes ask of them."""
        sizes = np.diff(forest.sets)
        words = np.append(forest.words, 0).astype(np.uint64)
        second = np.where(sizes > 1, words[np.minimum(forest.sets[:-1] + 1, len(forest.words))], np.uint64(0))
        of_word = words[forest.sets[:-1]] | second << np.uint64(WORD)
        is_small = (sizes <= CODES // WORD) & (of_word >> np.uint64(MOST_CODES) == 0)
        none = np.zeros(0)
        nodes = np.flatnonzero(forest.is_code)
        features = forest.feature[nodes]
        for feature in np.unique(features).tolist():
            chosen = nodes[features == feature]
            asked = forest.of_set[chosen]
            if is_small[asked].all():
                column[chosen], bits[chosen] = len(self.columns), of_word[asked]
                self.columns.append(Column(feature, CODE, none))
                continue
            spans = zip(forest.sets[asked].tolist(), forest.sets[asked + 1].tolist(), strict=True)
            codes = [_whole(forest.words[start:end]) for start, end in spans]
            known = {each: len(self.columns) + at for at, each in enumerate(sorted(set(codes)))}
            column[chosen] = [known[each] for each in codes]
            self.columns += [Column(feature, SET, none, each) for each in known]


def gaps_of(decision: Ints) -> Ints:
    """Where gaps go, by the decisions (n_nodes,) of nodes that ask for numbers.

    Raises:
        NotAskedError: zeros count as gaps.
    """
    missing = decision & MISSING_KINDS
    if np.any((missing != 0) & (missing != NAN_IS_MISSING)):
        raise NotAskedError("zeros that mean missing")
    return np.where(missing == 0, ZERO, np.where(decision & DEFAULT_LEFT > 0, LEFT, RIGHT))


def _levels_of(forest: Forest, asked: Asked) -> Levels:
    """Those of the trees that are such ones."""
    depths, n_leaves = forest.depths, np.diff(forest.leaves)
    is_one = (depths >= LEAST_LEVELS) & (depths <= MOST_LEVELS) & (n_leaves == 2 ** np.minimum(depths, MOST_LEVELS))
    firsts: list[Ints] = []
    for nodes in forest.by_depth:
        tree = forest.tree[nodes]
        is_first = np.diff(tree, prepend=-1) > 0
        first = nodes[is_first][np.cumsum(is_first) - 1]
        firsts.append(nodes[is_first])
        is_other = np.zeros(len(nodes), dtype=bool)
        for values in (asked.column, asked.bound, asked.bits):
            is_other |= values[nodes] != values[first]
        is_one[tree[is_other]] = False
    listed = np.concatenate([np.zeros(0, dtype=np.int64), *firsts])
    listed = listed[np.argsort(forest.tree[listed], kind="stable")]
    listed = listed[is_one[forest.tree[listed]]]
    *_, ordered = forest.from_left_to_right
    return Levels(
        np.flatnonzero(is_one),
        ~is_one,
        listed,
        np.cumsum([0, *depths[is_one]]),
        np.cumsum([0, *n_leaves[is_one]]),
        ordered[np.repeat(is_one, n_leaves)],
    )


def _whole(words: Ints) -> int:
    """Words of bits as one number."""
    return sum(word << WORD * at for at, word in enumerate(words.tolist()))


def _words(codes: int) -> list[int]:
    """Bits in words of `WORD`."""
    return [codes >> at & (2**WORD - 1) for at in range(0, codes.bit_length(), WORD)]
