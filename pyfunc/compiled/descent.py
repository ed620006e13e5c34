"""One row down many trees: several at a time, each step of each tree the same few instructions.

A processor guesses where a branch goes and is wrong at every other node of a tree, which costs more than the node.
Here nothing branches: a leaf leads to itself, and a group of trees takes as many steps as its longest way. A node is 16
bytes: what it compares with, and packed into one number its column, its question and its children.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyfunc.boosters import MOST_MARGIN
from pyfunc.compiled import machine
from pyfunc.compiled.forest import Floats, Forest, Ints
from pyfunc.compiled.lightgbm_text import WORD
from pyfunc.compiled.places import CODE, GREATER, LEFT, MOST_CODES, SET, ZERO, Asked, NotAskedError, Places

GROUP = 8  # trees at a time
FIELD = 16  # bits of a packed field: column, question, left, right
MOST = 2**16  # columns, and nodes and leaves of a tree
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
        self._run = machine.compiled(_descend, _smallest)
        self._mean = machine.compiled(_mean_of, _one_margin)
        self.outputs = outputs
        levels, sizes = places.levels, np.diff(forest.leaves)
        if 2 * sizes.max(initial=0) > MOST or len(places.columns) > MOST:
            raise NotAskedError("large trees")
        is_left = levels.is_other
        order = np.argsort(np.where(is_left, forest.depths, -1), kind="stable")  # groups of about the same depth
        order = order[len(levels.trees) :]
        filling = -len(order) % GROUP  # of the last group: a node that leads to itself
        inner = np.maximum(np.diff(forest.nodes), 1)  # a tree of one leaf has a node all the same
        starts = np.cumsum([0, *np.where(is_left, inner, 0)])
        self._trees = (
            *places.arrays(),
            _nodes(forest, places.asked, is_left, starts),
            np.append(starts[order], np.full(filling, starts[-1])),
            np.append(inner[order] - 1, np.zeros(filling, dtype=np.int64)),
            np.maximum(forest.depths[order], 1),
            order,
            forest.leaves[:-1] - inner,
            forest.values,
            levels.trees,
            *(getattr(places.asked, each)[levels.nodes] for each in ("column", "kind", "bound", "bits")),
            levels.starts,
            levels.leaves,
            levels.values,
        )

    def sums(self, row: Floats) -> Floats:
        """Outputs (n_outputs,) for one row (n_features,)."""
        out = np.zeros(self.outputs)
        self._run(row, *self._trees, out)
        return out

    def probabilities(self, row: Floats, members: int) -> Floats:
        """The mean of the members' probabilities (n_classes,), where the outputs are margins of each in turn."""
        outputs = self.outputs // members
        mean = np.zeros(max(2, outputs))
        self._mean(self.sums(row).reshape(members, outputs), mean)
        return mean


def _mean_of(margins: Any, mean: Any) -> None:
    """`pyfunc.boosters.probabilities_of` margins (n_members, n_outputs), on average; compiled by Numba."""
    members, outputs = margins.shape
    for member in range(members):
        if outputs == 1:
            within = min(max(margins[member, 0], -MOST_MARGIN), MOST_MARGIN)
            second = 1 / (1 + math.exp(-within))
            mean[0] += (1 - second) / members
            mean[1] += second / members
        else:
            largest, total = margins[member].max(), 0.0
            for output in range(outputs):
                total += math.exp(margins[member, output] - largest)
            for output in range(outputs):
                mean[output] += math.exp(margins[member, output] - largest) / total / members


def _one_margin() -> tuple[Any, ...]:
    """Arguments of `_mean_of`."""
    return np.zeros((1, 1)), np.zeros(2)


def _nodes(
    forest: Forest, asked: Asked, is_left: np.ndarray[Any, Any], starts: Ints
) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The nodes (n_nodes + 1, 2) of the trees that are left; behind the numbers of a tree's nodes come its leaves'."""
    made = np.empty((int(starts[-1]) + 1, 2), dtype=np.uint64)
    made[:] = 0, ONE_LEAF
    nodes = np.flatnonzero(is_left[forest.tree])
    tree = forest.tree[nodes]
    at = starts[tree] + nodes - forest.nodes[tree]
    is_set = asked.kind[nodes] != GREATER
    packed = asked.column[nodes].astype(np.uint64) | asked.kind[nodes].astype(np.uint64) << np.uint64(FIELD)
    made[at, 0] = np.where(is_set, asked.bits[nodes], asked.bound[nodes])
    made[at, 1] = packed | ways(forest, nodes)
    return made


def ways(forest: Forest, nodes: Ints) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The last two fields of nodes (n,): where they lead, among the nodes of their tree and behind these its leaves."""
    tree = forest.tree[nodes]
    begin, inner = forest.nodes[tree], np.diff(forest.nodes)[tree]
    made = np.zeros(len(nodes), dtype=np.uint64)
    for field, children in ((2, forest.left[nodes]), (3, forest.right[nodes])):
        way = np.where(children >= 0, children - begin, inner - children - 1 - forest.leaves[tree])
        made |= way.astype(np.uint64) << np.uint64(FIELD * field)
    return made


def _descend(  # noqa: C901, PLR0912, PLR0915 (one loop for the compiler)
    row: Any, features: Any, kinds: Any, bounds: Any, bound_starts: Any, words: Any, word_starts: Any, nodes: Any,
    starts: Any, inner: Any, depths: Any, order: Any, leaves: Any, values: Any, level_trees: Any, level_columns: Any,
    level_asked: Any, level_bounds: Any, level_bits: Any, level_starts: Any, level_leaves: Any, level_values: Any,
    out: Any,
) -> None:  # fmt: skip
    """Add the leaves that a row falls into to the outputs; compiled by Numba."""
    low_bits, one, in_word = np.uint64(2**FIELD - 1), np.uint64(1), np.uint64(MOST_CODES)
    field, ways = np.uint64(FIELD), np.uint64(2 * FIELD)
    places = np.empty(len(features) + 1, np.uint64)
    places[len(features)] = 0
    for at in range(len(features)):
        cell, kind = row[features[at]], kinds[at]
        low, high = bound_starts[at], bound_starts[at + 1]
        if kind == CODE:
            places[at] = np.uint64(cell) if cell >= 0 and cell < MOST_CODES else in_word
        elif kind == SET:
            first = word_starts[at]
            is_in = False
            if cell >= 0 and cell < (word_starts[at + 1] - first) * WORD:
                is_in = (words[first + np.int64(cell) // WORD] >> (np.int64(cell) % WORD)) & 1 == 1
            places[at] = np.uint64(0) if is_in else one
        elif np.isnan(cell) and kind != ZERO:
            places[at] = np.uint64(0) if kind == LEFT else np.uint64(high - low)
        else:
            looked_for = 0.0 if np.isnan(cell) else cell
            begin = low
            while low < high:
                middle = (low + high) // 2
                if bounds[middle] < looked_for:
                    low = middle + 1
                else:
                    high = middle
            places[at] = np.uint64(low - begin)
    n_trees = len(order)
    found, node = np.empty(n_trees + len(level_trees), np.float64), np.zeros(GROUP, np.int64)
    for group in range(0, n_trees, GROUP):
        node[:] = 0
        for _ in range(depths[min(group + GROUP, n_trees) - 1]):
            moved = np.int64(0)
            for lane in range(GROUP):
                stands, last = node[lane], inner[group + lane]
                at = starts[group + lane] + min(stands, last)
                compared, packed = nodes[at, 0], nodes[at, 1]
                place = places[np.int64(packed & low_bits)]
                is_greater = np.uint64(place > compared)
                is_out = ((compared >> (place & in_word)) & one) ^ one
                asked = (packed >> field) & one
                right = is_greater ^ (asked & (is_greater ^ is_out))  # one or the other, without a branch
                below = np.int64((packed >> (ways + field * right)) & low_bits)
                below = stands if stands > last else below
                moved |= below ^ stands
                node[lane] = below
            if moved == 0:  # all of them stand on leaves
                break
        for lane in range(min(GROUP, n_trees - group)):
            tree = order[group + lane]
            found[tree] = values[leaves[tree] + node[lane]]
    for at in range(len(level_trees)):
        leaf = level_leaves[at]
        number = np.int64(0)
        for question in range(level_starts[at], level_starts[at + 1]):
            place = places[level_columns[question]]
            is_yes = np.uint64(place > level_bounds[question])
            is_yes ^= level_asked[question] & (is_yes ^ ((level_bits[question] >> (place & in_word)) & one) ^ one)
            number = 2 * number + np.int64(is_yes)
        found[level_trees[at]] = level_values[leaf + number]
    for tree in range(len(found)):
        out[tree % out.shape[0]] += found[tree]


def _smallest() -> tuple[Any, ...]:
    """Arguments of `_descend` for a tree of one leaf."""
    none, ends = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    columns = none, none, np.zeros(0), ends, none, ends
    groups = np.arange(GROUP), np.zeros(GROUP, dtype=np.int64)
    trees = np.zeros((GROUP, 2), dtype=np.uint64), *groups, ends, ends, ends, np.zeros(1)
    words = np.zeros(0, dtype=np.uint64)
    levels = none, none, np.zeros(0, dtype=np.uint8), words, words, ends, ends, np.zeros(0)
    return np.zeros(1), *columns, *trees, *levels, np.zeros(1)
