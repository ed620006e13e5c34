"""Many rows through many trees: thirty times as fast as row by row, and the same sums.

Each tree is a list of questions (`is the number greater than a bound`, `is the code none of a set`), and each question
that is answered with yes rules out the leaves on its left. What is left of a word of bits, one for each leaf, names the
leaf that a row falls into: the lowest one that nobody has ruled out. Rows are asked together, in blocks, so that the
processor asks 8 or 16 of them at once; nothing is jumped over, and no row waits for memory.

The method is QuickScorer's (Lucchese et al., SIGIR 2015, doi 10.1145/2766462.2767733), over rows in place of trees.
Numba compiles the loop where it is first needed, and keeps what it made beside this file, or in its own cache.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.compiled.lightgbm_text import CATEGORICAL, DEFAULT_LEFT, NAN_IS_MISSING, Grown, grown

LEAST_ROWS = 256  # fewer are answered as fast row by row
WAITED_FOR = 8192  # rows that are worth the seconds which compiling may take
BLOCK = 512  # rows that are asked together
LEAVES = 64  # in a word
MOST_CODES = LEAVES - 1  # of a column whose sets are words; the last bit is for what is none of the codes
MOST_BOUNDS = 2**16 - 2  # of a column: places are 16 bits
MOST_LEAVES = 512  # of a tree on average: beyond that going down the tree takes less time
MISSING_KINDS = 12  # bits of a decision that tell what missing means
GREATER, NOT_IN = 0, 1  # questions
RIGHT, LEFT, ZERO = 0, 1, 2  # where a gap goes: right, left, or wherever zero does

Floats = np.ndarray[Any, np.dtype[np.float64]]
log = logging.getLogger(__name__)


class NotAskedError(Exception):
    """Trees that cannot be put this way, or no Numba."""


@dataclass(frozen=True)
class _Column:
    """What one feature's values are among what trees ask of them.

    Attributes:
        feature: of the matrix.
        gap: `RIGHT`, `LEFT` or `ZERO`.
        bounds: float64 (n_bounds,) rising, that numbers are compared with; None for codes.
        codes: bits of a set that is too large for a word; None where codes are looked at as they are.
    """

    feature: int
    gap: int
    bounds: Floats | None
    codes: int | None = None

    def places(self, values: Floats) -> np.ndarray[Any, np.dtype[np.uint16]]:
        """16 bits for each value (n_rows,): how many bounds are less than it, its code, or 1 outside the set."""
        missing = np.isnan(values)
        if self.codes is not None:
            bits = [self.codes >> code & 1 for code in range(self.codes.bit_length())]
            inside = np.array([*bits, 0], dtype=np.uint16)
            known = (values >= 0) & (values < len(inside))
            return (1 - inside[np.where(known, values, len(inside) - 1).astype(np.int64)]).astype(np.uint16)
        if self.bounds is None:
            known = (values >= 0) & (values < MOST_CODES)
            return np.where(known, values, MOST_CODES).astype(np.uint16)
        if self.gap == ZERO:
            values = np.where(missing, 0.0, values)
        found = np.searchsorted(self.bounds, values).astype(np.uint16)  # a gap comes last
        if self.gap == LEFT:
            found[missing] = 0
        return found


class Questions:
    """Trees as questions.

    Args:
        text: a model file of LightGBM.
        outputs: channels, over which the trees take turns.

    Raises:
        NotAskedError: a kind of split that is not known here, or trees that are too large.
    """

    def __init__(self, text: str, outputs: int) -> None:
        self._run = _compiled()
        self.outputs = outputs
        trees = grown(text)
        if sum(len(tree.leaves) for tree in trees) > MOST_LEAVES * max(1, len(trees)):
            raise NotAskedError("large trees")
        self._columns = _columns(trees)
        number = {
            (column.feature, column.gap, column.bounds is None, column.codes): at
            for at, column in enumerate(self._columns)
        }
        words = _Words()
        for tree in trees:
            self._put(tree, number, words)
        self._asked = words.arrays()

    def _put(self, tree: Grown, number: dict[tuple[int, int, bool, int | None], int], words: _Words) -> None:
        """One tree's questions."""
        order, spans = _in_order(tree)
        words.begin(tree.leaves[order])
        for node, (first, last) in enumerate(spans):
            feature, kind = int(tree.feature[node]), int(tree.decision[node])
            if kind & CATEGORICAL:
                codes = tree.codes(node)
                of_word = number.get((feature, RIGHT, True, None))
                asked, bound, bits = (NOT_IN, 0, codes) if of_word is not None else (GREATER, 0, 0)
                column = number[feature, RIGHT, True, codes] if of_word is None else of_word
            else:
                column = number[feature, _gap(kind), False, None]
                bounds = self._columns[column].bounds
                assert bounds is not None
                asked, bits, bound = GREATER, 0, int(np.searchsorted(bounds, tree.threshold[node]))
            words.rule_out(first, last, column, asked, bound, bits)

    def sums(self, matrix: Floats) -> Floats:
        """Outputs (n_rows, n_outputs) for a matrix (n_rows, n_features)."""
        places = np.empty((len(self._columns), len(matrix)), dtype=np.uint16)
        for at, column in enumerate(self._columns):
            places[at] = column.places(matrix[:, column.feature])
        out = np.zeros((self.outputs, len(matrix)))
        self._run(places, *self._asked, out)
        return out.T


class _Words:
    """Questions by tree and word of leaves, in the order in which they are asked."""

    def __init__(self) -> None:
        self.words: list[int] = []  # of each tree
        self.values: list[Floats] = []
        self._open: list[list[tuple[int, int, int, int, int]]] = []
        self._sizes: list[int] = []
        self._listed: list[tuple[int, int, int, int, int]] = []

    def begin(self, leaves: Floats) -> None:
        """The next tree, with its leaves from left to right."""
        self._close()
        self.values.append(leaves)
        self._open = [[] for _ in range(-(-len(leaves) // LEAVES))]

    def rule_out(self, first: int, last: int, column: int, asked: int, bound: int, bits: int) -> None:
        """The leaves from one to before another, where the answer is yes."""
        for word in range(first // LEAVES, (last - 1) // LEAVES + 1):
            low, high = max(first - word * LEAVES, 0), min(last - word * LEAVES, LEAVES)
            kept = ~(((1 << (high - low)) - 1) << low) & (2**LEAVES - 1)
            self._open[word].append((column, asked, bound, bits, kept))

    def _close(self) -> None:
        """Put the questions of the tree behind those before."""
        if self._open:
            self.words.append(len(self._open))
        for asked in self._open:
            self._sizes.append(len(asked))
            self._listed += asked

    def arrays(self) -> tuple[np.ndarray[Any, Any], ...]:
        """What `_sum_up` takes, from the questions' columns to the leaves' values."""
        self._close()
        self._open = []
        columns = list(zip(*self._listed, strict=True)) or [()] * 5
        kinds = (np.int64, np.uint8, np.uint16, np.uint64, np.uint64)
        starts = np.cumsum([0, *self._sizes])
        trees = np.cumsum([0, *self.words])
        leaves = np.cumsum([0, *map(len, self.values)])[:-1]
        made = (np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))
        return *made, starts, trees, leaves, np.concatenate(self.values)


def _columns(trees: Sequence[Grown]) -> list[_Column]:
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
    made = [_Column(*key, np.unique(np.concatenate(found))) for key, found in sorted(numbers.items())]
    if any(column.bounds is not None and len(column.bounds) > MOST_BOUNDS for column in made):
        raise NotAskedError("bounds")
    for feature, asked in sorted(sets.items()):
        is_small = max(asked).bit_length() <= MOST_CODES
        made += [_Column(feature, RIGHT, None, codes) for codes in ([None] if is_small else sorted(asked))]
    return made


def _gap(decision: int) -> int:
    """Where a split on numbers sends a gap."""
    missing = decision & MISSING_KINDS
    if missing not in (0, NAN_IS_MISSING):
        raise NotAskedError("zeros that mean missing")
    if missing == 0:
        return ZERO
    return LEFT if decision & DEFAULT_LEFT else RIGHT


def _in_order(tree: Grown) -> tuple[np.ndarray[Any, Any], list[tuple[int, int]]]:
    """A tree's leaves from left to right, and of each node where those on its left begin and end."""
    order: list[int] = []
    spans = [(0, 0)] * len(tree.feature)
    left, right = tree.left.tolist(), tree.right.tolist()
    waiting = [0] if left else [-1]
    while waiting:
        node = waiting.pop()
        if node < 0:
            order.append(-node - 1)
        elif spans[node] == (0, 0):
            spans[node] = (len(order), -1)
            waiting += [right[node], node, left[node]]
        else:
            spans[node] = (spans[node][0], len(order))
    return np.array(order, dtype=np.int64), spans


def _sum_up(  # noqa: C901 (one loop for the compiler)
    places: Any, column: Any, asked: Any, bound: Any, bits: Any, kept: Any, starts: Any, trees: Any, leaves: Any,
    values: Any, out: Any,
) -> None:  # fmt: skip
    """Add the leaves that rows fall into to the outputs (n_outputs, n_rows); compiled by Numba."""
    everything, none = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0)
    left, leaf = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.int64)
    for begin in range(0, places.shape[1], BLOCK):
        size = min(BLOCK, places.shape[1] - begin)
        for tree in range(len(trees) - 1):
            channel = tree % out.shape[0]
            leaf[:size] = -1
            for word in range(trees[tree], trees[tree + 1]):
                for row in range(size):
                    left[row] = everything
                for at in range(starts[word], starts[word + 1]):
                    held, mask = places[column[at], begin : begin + size], kept[at]
                    if asked[at] == GREATER:
                        most = bound[at]
                        for row in range(size):
                            left[row] &= mask if held[row] > most else everything
                    else:
                        codes = bits[at]
                        for row in range(size):
                            left[row] &= everything if (codes >> np.uint64(held[row])) & np.uint64(1) else mask
                base = leaves[tree] + (word - trees[tree]) * LEAVES
                for row in range(size):
                    if leaf[row] < 0 and left[row] != none:
                        leaf[row] = base + trailing_zeros(left[row])  # type: ignore[name-defined]  # noqa: F821
            for row in range(size):
                out[channel, begin + row] += values[leaf[row]]


_LOADING = threading.Lock()
_loaded: list[Callable[..., None]] = []


def is_loaded() -> bool:
    """Whether asking costs no compiling."""
    return bool(_loaded)


def load_aside() -> None:
    """Compile in a thread, for the batches to come."""
    if not _loaded and not _LOADING.locked():
        threading.Thread(target=_load_quietly, name="kernel", daemon=True).start()


def _load_quietly() -> None:
    """Nobody waits for the outcome."""
    try:
        _compiled()
    except NotAskedError:
        log.info("trees are asked row by row: Numba is not installed")


def _compiled() -> Callable[..., None]:
    """`_sum_up` as machine code.

    Raises:
        NotAskedError: Numba is not installed.
    """
    with _LOADING:
        if not _loaded:
            try:
                import numba  # noqa: PLC0415 (half a second and 70 MB, for large batches only)
                from numba.cpython.unsafe.numbers import trailing_zeros  # noqa: PLC0415
            except ImportError as error:
                raise NotAskedError("no Numba") from error
            globals()["trailing_zeros"] = trailing_zeros
            try:
                made = numba.njit(_sum_up, nogil=True, error_model="numpy", cache=True)
            except RuntimeError:  # no folder takes the cache
                made = numba.njit(_sum_up, nogil=True, error_model="numpy")
            words = _Words()
            words.begin(np.zeros(1))
            made(np.zeros((1, 1), dtype=np.uint16), *words.arrays(), np.zeros((1, 1)))
            _loaded.append(made)
    return _loaded[0]
