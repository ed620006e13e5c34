"""Deep trees: several rows down one tree, or one row down several trees, step by step (`pyfunc.compiled.loops.lanes`).

`kernel.Questions` asks every question of a tree, which is the faster way as long as a tree has dozens of leaves, and
`descent.Descent` compares places, of which a column has no more than 16 bits can tell apart. Forests that are grown to
the end have thousands of leaves, and extremely randomized ones a bound of its own in nearly every node: here a cell is
compared as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyfunc.compiled.descent import MOST, ONE_LEAF, filled, ways, words_of
from pyfunc.compiled.forest import Floats, Forest
from pyfunc.compiled.machine import Loop
from pyfunc.compiled.places import LEFT, RIGHT, ZERO, NotAskedError, gaps_of
from pyfunc.compiled.room import Members, Room
from pyfunc.compiled.signatures import TOGETHER

GAPS = {RIGHT: np.inf, LEFT: -np.inf, ZERO: 0.0}  # what a gap is compared as, by where it goes


class Walk:
    """Trees to go down.

    Args:
        forest: the trees.
        members: who speak in these trees.
        features: of a row.

    Raises:
        NotAskedError: trees that ask for sets of codes, or have more nodes than are counted.
    """

    def __init__(self, forest: Forest, members: Members, features: int) -> None:
        self._outputs = members.channels
        if forest.is_code.any():
            raise NotAskedError("sets of codes")
        keys, column = np.unique(forest.feature * len(GAPS) + gaps_of(forest.decision), return_inverse=True)
        self._features = keys // len(GAPS)
        self._gaps = np.array([GAPS[gap] for gap in (keys % len(GAPS)).tolist()])
        if 2 * np.diff(forest.leaves).max(initial=0) > MOST or len(keys) > MOST:
            raise NotAskedError("large trees")
        inner = np.maximum(np.diff(forest.nodes), 1)  # a tree of one leaf has a node all the same
        starts = np.cumsum([0, *inner])
        order = np.argsort(forest.depths, kind="stable")  # groups of about the same depth
        bounds, packed = _nodes(forest, column, starts)
        trees = (
            packed, filled(starts[order]), filled(inner[order] - 1),
            words_of(np.maximum(forest.depths[order], 1)), words_of(order), words_of(forest.leaves[:-1] - inner),
            bounds, forest.values,
        )  # fmt: skip
        self._walk = Loop("walk", *trees)
        alone = Loop("walk_alone", *trees, words_of(self._features), self._gaps)
        self._room = Room(alone, features, members, (len(self._features) + 1, np.float64))  # one where nothing is asked

    def sums(self, matrix: Floats) -> Floats:
        """What trees add up to (n_rows, n_channels) for a matrix (n_rows, n_features)."""
        cells = np.zeros((-(-len(matrix) // TOGETHER) * TOGETHER, max(1, len(self._features))))
        held = matrix[:, self._features]
        cells[: len(matrix), : held.shape[1]] = np.where(np.isnan(held), self._gaps, held)
        rows = words_of(np.arange(0, cells.size, cells.shape[1]))
        out = np.zeros((self._outputs, len(cells)))
        self._walk(cells.reshape(-1), rows, np.empty(TOGETHER, dtype=np.uint64), out)
        return out.T[: len(matrix)]

    def mean(self, row: Floats) -> Floats:
        """The mean of members' probabilities (n_classes,) for one row (n_features,)."""
        return self._room.mean(row)


def _nodes(forest: Forest, column: Any, starts: Any) -> tuple[Any, Any]:
    """Bounds, and the rest of each node in one number; behind the numbers of a tree's nodes come its leaves'."""
    bounds, packed = np.zeros(int(starts[-1])), np.full(int(starts[-1]), ONE_LEAF, dtype=np.uint64)
    tree = forest.tree
    at = starts[tree] + np.arange(len(tree)) - forest.nodes[tree]
    bounds[at], packed[at] = forest.threshold, column.astype(np.uint64) | ways(forest, np.arange(len(tree)))
    return bounds, packed
