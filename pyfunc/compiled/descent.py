"""One row down many trees: several at a time, each step of each tree the same few instructions.

A processor guesses where a branch goes and is wrong at every other node of a tree, which costs more than the node.
Here nothing branches: a leaf leads to itself, and a group of trees takes as many steps as its longest way. A node is 16
bytes: what it compares with, and packed into one number its column, its question and its children.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyfunc.boosters import MOST_MARGIN
from pyfunc.compiled import machine
from pyfunc.compiled.lightgbm_text import WORD, Grown
from pyfunc.compiled.places import CODE, GREATER, LEFT, MOST_CODES, SET, ZERO, Floats, NotAskedError, Places

GROUP = 8  # trees at a time
FIELD = 16  # bits of a packed field: column, question, left, right
MOST = 2**16  # columns, and nodes and leaves of a tree


class Descent:
    """Trees to go down.

    Args:
        trees: of a model file.
        outputs: channels, over which the trees take turns.
        places: of these trees.

    Raises:
        NotAskedError: trees that are too large.
    """

    def __init__(self, trees: Sequence[Grown], outputs: int, places: Places) -> None:
        self._run = machine.compiled(_descend, _smallest)
        self._mean = machine.compiled(_mean_of, _one_margin)
        self.outputs = outputs
        if any(2 * len(tree.leaves) > MOST for tree in trees) or len(places.columns) > MOST:
            raise NotAskedError("large trees")
        levels = places.levels
        is_left = np.ones(len(trees), dtype=bool)
        is_left[levels.trees] = False
        depths = np.array([max(1, _depth(tree)) if alone else -1 for tree, alone in zip(trees, is_left, strict=True)])
        order = np.argsort(depths, kind="stable")[len(levels.trees) :]  # groups of about the same depth
        filling = -len(order) % GROUP  # of the last group: a node that leads to itself
        nodes = [_nodes(trees[at], places) for at in order] + [np.zeros((1, 2), dtype=np.uint64)] * filling
        starts = np.cumsum([0, *map(len, nodes)])[:-1]
        leaves = np.cumsum([0, *(len(tree.leaves) for tree in trees)])[:-1]
        inner = np.array([max(1, len(tree.feature)) for tree in trees], dtype=np.int64)
        last = np.append(inner[order] - 1, np.zeros(filling, dtype=np.int64))
        values = np.concatenate([tree.leaves for tree in trees])
        self._trees = (
            *places.arrays(), np.concatenate(nodes), starts, last, depths[order], order, leaves - inner, values,
            *levels.arrays(),
        )  # fmt: skip

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


def _depth(tree: Grown) -> int:
    """Steps to the deepest leaf."""
    deepest, waiting = 0, [(0, 1)] if len(tree.feature) else []
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(int(child[node]), depth + 1) for child in (tree.left, tree.right) if child[node] >= 0]
    return deepest


def _nodes(tree: Grown, places: Places) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The nodes (n_nodes, 2) of a tree, one where there is none; behind their numbers come those of the leaves."""
    n_nodes = max(1, len(tree.feature))
    made = np.zeros((n_nodes, 2), dtype=np.uint64)
    made[0, 1] = _packed(0, GREATER, n_nodes, n_nodes)
    for node in range(len(tree.feature)):
        column, asked, bound, bits = places.question(tree, node)
        ways = (int(child[node]) if child[node] >= 0 else n_nodes - int(child[node]) - 1
                for child in (tree.left, tree.right))  # fmt: skip
        made[node] = bound if asked == GREATER else bits, _packed(column, asked, *ways)
    return made


def _packed(*fields: int) -> int:
    """Fields in one number."""
    return sum(field << FIELD * at for at, field in enumerate(fields))


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
    return np.zeros(1), *columns, *trees, *Places([]).levels.arrays(), np.zeros(1)
