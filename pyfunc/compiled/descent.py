"""One row down many trees at a time (`pyfunc.compiled.lanes`), by the places of its cells.

A node is two numbers: what it compares with, and packed into the other its column, its question and its children.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyfunc.compiled import machine
from pyfunc.compiled.forest import Floats, Forest, Ints
from pyfunc.compiled.places import GREATER, Asked, NotAskedError, Places

FIELD = 16  # bits of a packed field: column, question, left, right
MOST = 2**16  # columns, and nodes and leaves of a tree
Words = np.ndarray[Any, np.dtype[np.uint64]]
ONE_LEAF = (1 << 2 * FIELD) + (1 << 3 * FIELD)  # a node that leads to a leaf both ways


class Descent:
    """Trees to go down.

    Args:
        forest: the trees.
        outputs: channels, over which the trees take turns.
        places: of these trees.

    Raises:
        NotAskedError: trees that are too large.
    """

    def __init__(self, forest: Forest, outputs: int, places: Places) -> None:
        lanes = machine.lanes()
        self._run = machine.compiled(lanes.descend, _smallest)
        self.outputs = outputs
        levels, sizes = places.levels, np.diff(forest.leaves)
        if 2 * sizes.max(initial=0) > MOST or len(places.columns) > MOST:
            raise NotAskedError("large trees")
        is_left = levels.is_other
        order = np.argsort(np.where(is_left, forest.depths, -1), kind="stable")  # groups of about the same depth
        order = order[len(levels.trees) :]
        inner = np.maximum(np.diff(forest.nodes), 1)  # a tree of one leaf has a node all the same
        starts = np.cumsum([0, *np.where(is_left, inner, 0)])
        self._trees = (
            *places.arrays,
            *_nodes(forest, places.asked, is_left, starts),
            filled(starts[order], lanes.TOGETHER),
            filled(inner[order] - 1, lanes.TOGETHER),
            words_of(np.maximum(forest.depths[order], 1)),
            words_of(order),
            words_of(forest.leaves[:-1] - inner),
            forest.values,
            *_levels(places, lanes.TOGETHER),
        )

    def sums(self, row: Floats) -> Floats:
        """Outputs (n_outputs,) for one row (n_features,)."""
        out = np.zeros(self.outputs)
        self._run(row, *self._trees, out)
        return out


def _nodes(forest: Forest, asked: Asked, is_left: np.ndarray[Any, Any], starts: Ints) -> tuple[Words, Words]:
    """What the nodes of the trees that are left compare with, and the rest in one number (n_nodes,) each."""
    compared, rest = np.zeros(int(starts[-1]), dtype=np.uint64), np.full(int(starts[-1]), ONE_LEAF, np.uint64)
    nodes = np.flatnonzero(is_left[forest.tree])
    tree = forest.tree[nodes]
    at = starts[tree] + nodes - forest.nodes[tree]
    is_set = asked.kind[nodes] != GREATER
    packed = asked.column[nodes].astype(np.uint64) | asked.kind[nodes].astype(np.uint64) << np.uint64(FIELD)
    compared[at], rest[at] = np.where(is_set, asked.bits[nodes], asked.bound[nodes]), packed | ways(forest, nodes)
    return compared, rest


def _levels(places: Places, together: int) -> tuple[Any, ...]:
    """Trees of levels as `lanes` takes them.

    Their numbers; all but the set of each question, and the set; where the questions of each tree begin, how many they
    are, and where its leaves begin; the leaves.
    """
    levels, asked = places.levels, places.asked
    nodes = levels.nodes
    questions = [words_of(each[nodes]) for each in (asked.column, asked.kind, asked.bound)]
    packed = questions[0] | questions[1] << np.uint64(FIELD) | questions[2] << np.uint64(2 * FIELD)
    return (
        words_of(levels.trees), packed, words_of(asked.bits[nodes]), filled(levels.starts[:-1], together),
        filled(np.diff(levels.starts), together), words_of(levels.leaves[:-1]), levels.values,
    )  # fmt: skip


def words_of(numbers: np.ndarray[Any, Any]) -> Words:
    """As `pyfunc.compiled.lanes` counts; what is below 0 comes right again where it is added to."""
    return numbers.astype(np.uint64)


def filled(numbers: Ints, together: int) -> Words:
    """The same with zeros behind them, up to a multiple: lanes of the last group that nobody asks."""
    return words_of(np.append(numbers, np.zeros(-len(numbers) % together, dtype=np.int64)))


def ways(forest: Forest, nodes: Ints) -> Words:
    """The last two fields of nodes (n,): where they lead, among the nodes of their tree and behind these its leaves."""
    tree = forest.tree[nodes]
    begin, inner = forest.nodes[tree], np.diff(forest.nodes)[tree]
    made = np.zeros(len(nodes), dtype=np.uint64)
    for field, children in ((2, forest.left[nodes]), (3, forest.right[nodes])):
        way = np.where(children >= 0, children - begin, inner - children - 1 - forest.leaves[tree])
        made |= way.astype(np.uint64) << np.uint64(FIELD * field)
    return made


def _smallest() -> tuple[Any, ...]:
    """Arguments of `lanes.descend` for no tree."""
    none, ends = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    columns = none, none, np.zeros(0), ends, none, ends
    words = np.zeros(0, dtype=np.uint64)
    return np.zeros(1), *columns, *(words,) * 7, np.zeros(0), *(words,) * 6, np.zeros(0), np.zeros(1)
