"""Deep trees: a group of rows down one tree, or one row down a group of trees, step by step.

`kernel.Questions` asks every question of a tree, which is the faster way as long as a tree has hundreds of leaves, and
`descent.Descent` compares places, of which a column has no more than 16 bits can tell apart. Forests that are grown to
the end have thousands of leaves, and extremely randomized ones a bound of its own in nearly every node: here a cell is
compared as it is. A group takes its steps together, so that the processor has work while it waits for a node.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyfunc.compiled import machine
from pyfunc.compiled.descent import FIELD, MOST, ONE_LEAF, ways
from pyfunc.compiled.forest import Floats, Forest
from pyfunc.compiled.places import LEFT, RIGHT, ZERO, NotAskedError, gaps_of

GROUP = 8  # rows, or trees, at a time
GAPS = {RIGHT: np.inf, LEFT: -np.inf, ZERO: 0.0}  # what a gap is compared as, by where it goes


class Walk:
    """Trees to go down.

    Args:
        forest: the trees.
        outputs: channels, over which the trees take turns.

    Raises:
        NotAskedError: trees that ask for sets of codes, or have more nodes than are counted.
    """

    def __init__(self, forest: Forest, outputs: int) -> None:
        self._run = machine.compiled(_walk, _smallest)
        self._run_row = machine.compiled(_walk_alone, _smallest_alone)
        self.outputs = outputs
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
        self._trees = (
            *_nodes(forest, column, starts), starts[order], inner[order], np.maximum(forest.depths[order], 1),
            order, forest.leaves[:-1] - inner, forest.values,
        )  # fmt: skip

    def sums(self, matrix: Floats) -> Floats:
        """Outputs (n_rows, n_outputs) for a matrix (n_rows, n_features)."""
        cells = np.zeros((-(-len(matrix) // GROUP) * GROUP, max(1, len(self._features))))
        held = matrix[:, self._features]
        cells[: len(matrix), : held.shape[1]] = np.where(np.isnan(held), self._gaps, held)
        out = np.zeros((self.outputs, len(cells)))
        self._run(cells, *self._trees, out)
        return out.T[: len(matrix)]

    def row(self, row: Floats) -> Floats:
        """The same (n_outputs,) for one row (n_features,)."""
        out, held = np.zeros(self.outputs), row[self._features]
        cells = np.where(np.isnan(held), self._gaps, held) if len(held) else np.zeros(1)
        self._run_row(cells, *self._trees, out)
        return out


def _nodes(forest: Forest, column: Any, starts: Any) -> tuple[Any, Any]:
    """Bounds, and the rest of each node in one number; behind the numbers of a tree's nodes come its leaves'."""
    bounds, packed = np.zeros(int(starts[-1])), np.full(int(starts[-1]), ONE_LEAF, dtype=np.uint64)
    tree = forest.tree
    at = starts[tree] + np.arange(len(tree)) - forest.nodes[tree]
    bounds[at], packed[at] = forest.threshold, column.astype(np.uint64) | ways(forest, np.arange(len(tree)))
    return bounds, packed


def _walk(
    cells: Any, bounds: Any, packed: Any, starts: Any, inner: Any, depths: Any, order: Any, leaves: Any, values: Any,
    out: Any,
) -> None:  # fmt: skip
    """Add the leaves that rows fall into to the outputs (n_outputs, n_rows); compiled by Numba."""
    low_bits, field, left = np.uint64(2**FIELD - 1), np.uint64(FIELD), np.uint64(2 * FIELD)
    node = np.zeros(GROUP, np.int64)
    for number in range(len(order)):
        first, last, tree = starts[number], inner[number] - 1, order[number]
        channel = tree % out.shape[0]
        for begin in range(0, cells.shape[0], GROUP):
            node[:] = 0
            for _ in range(depths[number]):
                moved = np.int64(0)
                for lane in range(GROUP):
                    stands = node[lane]
                    at = first + min(stands, last)
                    held = packed[at]
                    right = np.uint64(cells[begin + lane, np.int64(held & low_bits)] > bounds[at])
                    below = np.int64((held >> (left + field * right)) & low_bits)
                    below = stands if stands > last else below
                    moved |= below ^ stands
                    node[lane] = below
                if moved == 0:  # all of them stand on leaves
                    break
            for lane in range(GROUP):
                out[channel, begin + lane] += values[leaves[tree] + node[lane]]


def _walk_alone(
    cells: Any, bounds: Any, packed: Any, starts: Any, inner: Any, depths: Any, order: Any, leaves: Any, values: Any,
    out: Any,
) -> None:  # fmt: skip
    """The same for one row (n_columns,) and the outputs (n_outputs,)."""
    low_bits, field, left = np.uint64(2**FIELD - 1), np.uint64(FIELD), np.uint64(2 * FIELD)
    n_trees, node = len(order), np.zeros(GROUP, np.int64)
    for group in range(0, n_trees, GROUP):
        node[:] = 0
        for _ in range(depths[min(group + GROUP, n_trees) - 1]):
            moved = np.int64(0)
            for lane in range(GROUP):
                number = min(group + lane, n_trees - 1)
                stands, last = node[lane], inner[number] - 1
                at = starts[number] + min(stands, last)
                held = packed[at]
                right = np.uint64(cells[np.int64(held & low_bits)] > bounds[at])
                below = np.int64((held >> (left + field * right)) & low_bits)
                below = stands if stands > last else below
                moved |= below ^ stands
                node[lane] = below
            if moved == 0:  # all of them stand on leaves
                break
        for lane in range(min(GROUP, n_trees - group)):
            tree = order[group + lane]
            out[tree % out.shape[0]] += values[leaves[tree] + node[lane]]


def _one_leaf() -> tuple[Any, ...]:
    """A tree of one leaf."""
    none = np.zeros(1, dtype=np.int64)
    packed = np.full(1, ONE_LEAF, dtype=np.uint64)
    return np.zeros(1), packed, none, none + 1, none + 1, none, none - 1, np.zeros(1)


def _smallest() -> tuple[Any, ...]:
    """Arguments of `_walk`."""
    return np.zeros((GROUP, 1)), *_one_leaf(), np.zeros((1, GROUP))


def _smallest_alone() -> tuple[Any, ...]:
    """Arguments of `_walk_alone`."""
    return np.zeros(1), *_one_leaf(), np.zeros(1)
