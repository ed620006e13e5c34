"""One row down many trees: several at a time, each step of each tree the same few instructions.

A processor guesses where a branch goes and is wrong at every other node of a tree, which costs more than the node. Here
nothing branches: a leaf leads to itself, and a group of trees takes as many steps as its deepest. A node is 16 bytes:
what it compares with, and packed into one number its column, its question and its children.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
        self.outputs = outputs
        if any(2 * len(tree.leaves) > MOST for tree in trees) or len(places.columns) > MOST:
            raise NotAskedError("large trees")
        depths = np.array([_depth(tree) for tree in trees], dtype=np.int64)
        order = np.argsort(depths, kind="stable")  # groups of about the same depth
        filling = -len(trees) % GROUP  # of the last group: a node that leads to itself
        nodes = [_nodes(trees[at], places) for at in order] + [np.zeros((1, 2), dtype=np.uint64)] * filling
        starts = np.cumsum([0, *map(len, nodes)])[:-1]
        leaves = np.cumsum([0, *(len(tree.leaves) for tree in trees)])[:-1]
        inner = np.array([len(tree.feature) for tree in trees], dtype=np.int64)
        values = np.concatenate([tree.leaves for tree in trees])
        self._trees = (
            *places.arrays(), np.concatenate(nodes), starts, depths[order], order, leaves - inner, values
        )  # fmt: skip

    def sums(self, row: Floats) -> Floats:
        """Outputs (n_outputs,) for one row (n_features,)."""
        out = np.zeros(self.outputs)
        self._run(row, *self._trees, out)
        return out


def _depth(tree: Grown) -> int:
    """Steps to the deepest leaf."""
    deepest, waiting = 0, [(0, 1)] if len(tree.feature) else []
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(int(child[node]), depth + 1) for child in (tree.left, tree.right) if child[node] >= 0]
    return deepest


def _nodes(tree: Grown, places: Places) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Nodes and then leaves (n_nodes + n_leaves, 2) of a tree."""
    n_nodes = len(tree.feature)
    made = np.zeros((n_nodes + len(tree.leaves), 2), dtype=np.uint64)
    for node in range(n_nodes):
        column, asked, bound, bits = places.question(tree, node)
        ways = (int(child[node]) if child[node] >= 0 else n_nodes - int(child[node]) - 1
                for child in (tree.left, tree.right))  # fmt: skip
        made[node] = bound if asked == GREATER else bits, _packed(column, asked, *ways)
    for leaf in range(n_nodes, len(made)):
        made[leaf, 1] = _packed(0, GREATER, leaf, leaf)
    return made


def _packed(*fields: int) -> int:
    """Fields in one number."""
    return sum(field << FIELD * at for at, field in enumerate(fields))


def _descend(  # noqa: C901, PLR0912 (one loop for the compiler)
    row: Any, features: Any, kinds: Any, bounds: Any, bound_starts: Any, words: Any, word_starts: Any, nodes: Any,
    starts: Any, depths: Any, order: Any, leaves: Any, values: Any, out: Any,
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
    found, node = np.empty(n_trees, np.float64), np.zeros(GROUP, np.int64)
    for group in range(0, n_trees, GROUP):
        node[:] = 0
        for _ in range(depths[min(group + GROUP, n_trees) - 1]):
            for lane in range(GROUP):
                at = starts[group + lane] + node[lane]
                compared, packed = nodes[at, 0], nodes[at, 1]
                place = places[np.int64(packed & low_bits)]
                is_greater = np.uint64(place > compared)
                is_out = ((compared >> (place & in_word)) & one) ^ one
                asked = (packed >> field) & one
                right = is_greater ^ (asked & (is_greater ^ is_out))  # one or the other, without a branch
                node[lane] = np.int64((packed >> (ways + field * right)) & low_bits)
        for lane in range(min(GROUP, n_trees - group)):
            tree = order[group + lane]
            found[tree] = values[leaves[tree] + node[lane]]
    for tree in range(n_trees):
        out[tree % out.shape[0]] += found[tree]


def _smallest() -> tuple[Any, ...]:
    """Arguments of `_descend` for a tree of one leaf."""
    none, ends = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    columns = none, none, np.zeros(0), ends, none, ends
    trees = np.zeros((GROUP, 2), dtype=np.uint64), np.arange(GROUP), ends, ends, ends, np.zeros(1)
    return np.zeros(1), *columns, *trees, np.zeros(1)
