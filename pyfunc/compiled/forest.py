"""The trees of a model file in flat arrays, all at once: node by node, Python takes seconds for a large model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pyfunc.compiled.lightgbm_text import CATEGORICAL, LINE, ends_of_body

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Forest:
    """Trees, one behind the other. Nodes are numbered through all of them, and so are leaves and sets.

    Attributes:
        nodes, leaves: (n_trees + 1,) where those of each tree begin.
        feature: (n_nodes,) column of the matrix.
        threshold: float64 (n_nodes,); left where the number is not greater. Unused where there are categories.
        decision: (n_nodes,) bits, as LightGBM has them.
        left, right: (n_nodes,) children; below 0 the leaf `-child - 1`.
        values: float64 (n_leaves,).
        of_set: (n_nodes,) the set of codes that go left; unused where there are numbers.
        sets: (n_sets + 1,) where the words of each begin.
        words: 32 bits in each.
    """

    nodes: Ints
    leaves: Ints
    feature: Ints
    threshold: Floats
    decision: Ints
    left: Ints
    right: Ints
    values: Floats
    of_set: Ints
    sets: Ints
    words: Ints

    @property
    def n_trees(self) -> int:
        """How many there are."""
        return len(self.nodes) - 1

    @cached_property
    def tree(self) -> Ints:
        """(n_nodes,) whose node it is."""
        return np.repeat(np.arange(self.n_trees), np.diff(self.nodes))

    @cached_property
    def is_code(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(n_nodes,) whether it asks for a category."""
        return self.decision & CATEGORICAL > 0

    @cached_property
    def by_depth(self) -> list[Ints]:
        """The nodes of each depth, from the roots down, in rising order."""
        found = []
        at = self.nodes[:-1][np.diff(self.nodes) > 0]
        while len(at):
            found.append(at)
            children = np.concatenate([self.left[at], self.right[at]])
            at = np.sort(children[children >= 0])
        return found

    @cached_property
    def depths(self) -> Ints:
        """(n_trees,) questions on the longest way; 0 where there is none."""
        depths = np.zeros(self.n_trees, dtype=np.int64)
        for depth, nodes in enumerate(self.by_depth, 1):
            depths[self.tree[nodes]] = depth
        return depths

    @cached_property
    def from_left_to_right(self) -> tuple[Ints, Ints, Floats]:
        """Of each node (n_nodes,) where in its tree the leaves on its left begin and end; the leaves in this order."""
        count, first = np.zeros(len(self.left), dtype=np.int64), np.zeros(len(self.left), dtype=np.int64)
        for nodes in reversed(self.by_depth):
            count[nodes] = _below(self.left[nodes], count) + _below(self.right[nodes], count)
        n_left = _below(self.left, count)
        places = np.zeros(len(self.values), dtype=np.int64)
        for nodes in self.by_depth:
            for children, begin in ((self.left, first[nodes]), (self.right, first[nodes] + n_left[nodes])):
                child = children[nodes]
                is_node = child >= 0
                first[child[is_node]] = begin[is_node]
                places[-child[~is_node] - 1] = begin[~is_node]
        ordered = np.empty_like(self.values)
        ordered[np.repeat(self.leaves[:-1], np.diff(self.leaves)) + places] = self.values
        return first, first + n_left, ordered


def read(content: bytes) -> Forest:
    """The trees of a model file in their order.

    Only where its lines stand is kept of it, because a file of megabytes is soon hundreds of them.
    """
    lines: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for line in LINE.finditer(content, *ends_of_body(content)):
        lines[line[1]].append(line.span(2))

    def numbers(key: str, kind: Any) -> Any:
        values = b" ".join([content[begin:end] for begin, end in lines[key.encode()]])
        return np.fromstring(values, dtype=kind, sep=" ") if values else np.zeros(0, dtype=kind)

    n_leaves, n_sets = numbers("num_leaves", np.int64), numbers("num_cat", np.int64)
    leaves, nodes, sets = (np.cumsum([0, *each]) for each in (n_leaves, n_leaves - 1, n_sets))
    feature, decision, left, right, bounds, words = (
        numbers(key, np.int64)
        for key in ("split_feature", "decision_type", "left_child", "right_child", "cat_boundaries", "cat_threshold")
    )
    threshold, values = (numbers(key, np.float64) for key in ("threshold", "leaf_value"))
    tree = np.repeat(np.arange(len(n_leaves)), n_leaves - 1)
    of_set = np.where(decision & CATEGORICAL > 0, threshold + sets[tree], 0).astype(np.int64)
    ends = np.cumsum(n_sets[n_sets > 0] + 1)[:-1]  # each tree counts its words from 0
    sizes = np.delete(np.diff(bounds), ends - 1)
    left, right = (np.where(child >= 0, child + nodes[tree], child - leaves[tree]) for child in (left, right))
    return Forest(
        nodes, leaves, feature, threshold, decision, left, right, values, of_set, np.cumsum([0, *sizes]), words
    )


def _below(child: Ints, count: Ints) -> Ints:
    """How many leaves there are below children."""
    return np.where(child >= 0, count[np.maximum(child, 0)], 1)
