"""One row down many trees at a time (`pyfunc.compiled.loops.lanes`), by the places of its cells.

A node is one word: the place that it asks for, what it compares with, and where it leads. A row takes as long as the
memory that it has to read, and this is half of what a bound and two children take otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyfunc.compiled.forest import Floats, Forest, Ints
from pyfunc.compiled.machine import Loop
from pyfunc.compiled.places import CODE, NOT_IN, Levels, NotAskedError, Places
from pyfunc.compiled.room import Members, Room
from pyfunc.compiled.signatures import TOGETHER

FIELD = 16  # bits of a packed field: place, bound, left, right
MOST = 2**16  # places, and nodes and leaves of a tree
Words = np.ndarray[Any, np.dtype[np.uint64]]
ONE_LEAF = (1 << 2 * FIELD) + (1 << 3 * FIELD)  # a node that leads to a leaf both ways
NEVER = (MOST - 1) << FIELD  # a question that is answered with no: the first place is 0


class Descent:
    """Trees to go down.

    Args:
        forest: the trees.
        members: who speak in these trees.
        features: of a row.
        places: of these trees.

    Raises:
        NotAskedError: trees that are too large.
    """

    def __init__(self, forest: Forest, members: Members, features: int, places: Places) -> None:
        if 2 * np.diff(forest.leaves).max(initial=0) > MOST:
            raise NotAskedError("large trees")
        asks = _Asks(places)
        order = np.argsort(np.where(places.levels.is_other, forest.depths, -1), kind="stable")
        order = order[len(places.levels.trees) :]  # groups of about the same depth
        inner = np.maximum(np.diff(forest.nodes)[order], 1)  # a tree of one leaf has a node all the same
        starts, sizes = np.cumsum([0, *inner]), np.diff(forest.leaves)[order]
        leaves = np.repeat(forest.leaves[:-1][order] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        loop = Loop(
            "descend",
            *asks.columns, words_of(order), _nodes(forest, asks.packed, order, starts),
            filled(starts[:-1]), filled(inner - 1),
            words_of(np.maximum(forest.depths[order], 1)), words_of(np.cumsum(sizes) - sizes - inner),
            forest.values[leaves], *_levels(places.levels, asks.packed),
        )  # fmt: skip
        self._room = Room(loop, features, members, (asks.n_places, np.uint64), (forest.n_trees, np.float64))

    def sums(self, row: Floats) -> Floats:
        """What trees add up to (n_channels,) for one row (n_features,)."""
        return self._room.sums(row)

    def mean(self, row: Floats) -> Floats:
        """The mean of members' probabilities (n_classes,)."""
        return self._room.mean(row)


class _Asks:
    """What nodes ask, in one half of a word each: which place is greater than what.

    The first place is 0; those of numbers and large sets follow, then for each set of codes whether the row's code is
    in none of it: so all questions are of one kind, and a set that many nodes ask for is looked at once.

    Attributes:
        packed: (n_nodes,) place and bound.
        n_places: of all of them.
        columns: as `lanes.descend` takes them: features, kinds, the first place of each, where its bounds and its words
            begin, the words, where its sets begin, the bounds, and the sets.

    Raises:
        NotAskedError: more places than are counted.
    """

    def __init__(self, places: Places) -> None:
        asked = places.asked
        has_sets = np.array([column.kind == CODE for column in places.columns], dtype=bool)
        first = np.where(has_sets, 0, np.cumsum(~has_sets))
        nodes = np.flatnonzero(asked.kind == NOT_IN)
        nodes = nodes[np.lexsort((asked.bits[nodes], asked.column[nodes]))]
        column, bits = asked.column[nodes], asked.bits[nodes]
        is_new = np.append(True, (np.diff(column) > 0) | (bits[1:] != bits[:-1]))[: len(nodes)]
        n_plain, starts = 1 + int(np.count_nonzero(~has_sets)), np.searchsorted(column[is_new], range(len(first) + 1))
        self.n_places = n_plain + int(np.count_nonzero(is_new))
        if self.n_places > MOST:
            raise NotAskedError("sets")
        place = first[asked.column]
        place[nodes] = n_plain + np.cumsum(is_new) - 1
        self.packed: Words = words_of(place) | asked.bound << np.uint64(FIELD)
        features, kinds, bounds, bound_starts, words, word_starts = places.finder.arrays
        order = np.where(has_sets, n_plain + starts[:-1], first)
        self.columns = features, kinds, order, bound_starts, word_starts, words, starts, bounds, bits[is_new]


def _nodes(forest: Forest, asks: Words, order: Ints, starts: Ints) -> Words:
    """The nodes of trees in an order, where those of each begin in this order."""
    found = np.full(int(starts[-1]), ONE_LEAF, np.uint64)
    first = np.full(forest.n_trees, -1, dtype=np.int64)
    first[order] = starts[:-1]
    nodes = np.flatnonzero(first[forest.tree] >= 0)
    tree = forest.tree[nodes]
    found[first[tree] + nodes - forest.nodes[tree]] = asks[nodes] | ways(forest, nodes)
    return found


def _levels(levels: Levels, asks: Words) -> tuple[Any, ...]:
    """Trees of levels as `lanes` takes them, in groups of about the same depth.

    Which they are; for each group level by level what its trees ask, those of fewer levels at first nothing; how many
    levels each group has; where the leaves of each tree begin; the leaves.
    """
    sizes = np.diff(levels.starts)
    order = np.argsort(sizes, kind="stable")
    depths, asked = [], [np.zeros(0, dtype=np.uint64)]
    for begin in range(0, len(order), TOGETHER):
        group = order[begin : begin + TOGETHER]
        depth = int(sizes[group].max())
        lanes = np.full((depth, TOGETHER), NEVER, dtype=np.uint64)
        for lane, tree in enumerate(group.tolist()):
            lanes[depth - sizes[tree] :, lane] = asks[levels.nodes[levels.starts[tree] : levels.starts[tree + 1]]]
        depths.append(depth)
        asked.append(lanes.ravel())
    return (
        words_of(levels.trees[order]), np.concatenate(asked), np.array(depths, dtype=np.uint64),
        words_of(levels.leaves[:-1][order]), levels.values,
    )  # fmt: skip


def words_of(numbers: np.ndarray[Any, Any]) -> Words:
    """As `pyfunc.compiled.loops.lanes` counts; what is below 0 comes right again where it is added to."""
    return numbers.astype(np.uint64)


def filled(numbers: Ints) -> Words:
    """The same with zeros behind them, up to a multiple: lanes of the last group that nobody asks."""
    return words_of(np.append(numbers, np.zeros(-len(numbers) % TOGETHER, dtype=np.int64)))


def ways(forest: Forest, nodes: Ints) -> Words:
    """The last two fields of nodes (n,): where they lead, among the nodes of their tree and behind these its leaves."""
    tree = forest.tree[nodes]
    begin, inner = forest.nodes[tree], np.diff(forest.nodes)[tree]
    made = np.zeros(len(nodes), dtype=np.uint64)
    for field, children in ((2, forest.left[nodes]), (3, forest.right[nodes])):
        way = np.where(children >= 0, children - begin, inner - children - 1 - forest.leaves[tree])
        made |= way.astype(np.uint64) << np.uint64(FIELD * field)
    return made
