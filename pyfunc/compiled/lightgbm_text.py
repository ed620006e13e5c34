"""Trees in LightGBM's text format, so that one engine evaluates the trees of four libraries.

Source: LightGBM 4, `src/io/tree.cpp` (`Tree::ToString`, the constructor from text) and `include/LightGBM/tree.h`
(`NumericalDecision`, `CategoricalDecision`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CATEGORICAL, DEFAULT_LEFT, NAN_IS_MISSING = 1, 2, 8  # bits of `decision_type`
WORD = 32  # bits
LINE = re.compile(rb"\n(\w+)=([^\n]*)")
SPLIT = re.compile(r"^split_feature=(.*)$", re.MULTILINE)
NOTHING = "num_leaves=1\nnum_cat=0\nleaf_value=0\nis_linear=0\nshrinkage=1"  # a tree that adds nothing

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Tree:
    """One binary tree. Nodes and leaves are numbered apart; a child below 0 is the leaf `-child - 1`.

    Attributes:
        feature: (n_nodes,) column of the matrix.
        threshold: float64 (n_nodes,); left where the number is not greater. Unused where there are categories.
        missing_left: bool (n_nodes,) whether NaN goes left; with categories it always goes right.
        categories: by node, codes that go left.
        left, right: (n_nodes,) children.
        leaves: float64 (n_nodes + 1,) values.
    """

    feature: Ints
    threshold: np.ndarray[Any, Any]
    missing_left: np.ndarray[Any, Any]
    categories: dict[int, Sequence[int]]
    left: Ints
    right: Ints
    leaves: np.ndarray[Any, Any]

    def text(self) -> str:
        """As a block of a model file, without its first line."""
        if not len(self.feature):
            return NOTHING.replace("leaf_value=0", f"leaf_value={float(self.leaves[0])!r}")
        kinds = NAN_IS_MISSING + DEFAULT_LEFT * self.missing_left.astype(np.int64)
        thresholds = self.threshold.astype(np.float64).tolist()
        bounds, bits = [0], []
        for number, node in enumerate(sorted(self.categories)):
            kinds[node], thresholds[node] = NAN_IS_MISSING | CATEGORICAL, number
            words = _bitset(self.categories[node])
            bits += words
            bounds.append(bounds[-1] + len(words))
        lines = [
            f"num_leaves={len(self.leaves)}",
            f"num_cat={len(self.categories)}",
            f"split_feature={_joined(self.feature.tolist())}",
            f"threshold={_joined(thresholds)}",
            f"decision_type={_joined(kinds.tolist())}",
            f"left_child={_joined(self.left.tolist())}",
            f"right_child={_joined(self.right.tolist())}",
            f"leaf_value={_joined(self.leaves.astype(np.float64).tolist())}",
        ]
        if self.categories:
            lines += [f"cat_boundaries={_joined(bounds)}", f"cat_threshold={_joined(bits)}"]
        return "\n".join([*lines, "is_linear=0", "shrinkage=1"])


def model(channels: Sequence[Sequence[str]], features: int) -> str:
    """A model file with an output for each channel, the sum of its trees.

    Args:
        channels: blocks of trees, by output.
        features: columns of the matrix.
    """
    longest = max(map(len, channels))
    blocks = [
        f"Tree={at * len(channels) + place}\n{trees[at] if at < len(trees) else NOTHING}\n\n\n"
        for at in range(longest)
        for place, trees in enumerate(channels)
    ]
    head = [
        "tree",
        "version=v4",
        f"num_class={len(channels)}",
        f"num_tree_per_iteration={len(channels)}",
        "label_index=0",
        f"max_feature_idx={features - 1}",
        "feature_names=" + " ".join(f"f{at}" for at in range(features)),
        "feature_infos=" + " ".join(["none"] * features),
        "tree_sizes=" + " ".join(str(len(block)) for block in blocks),
    ]
    return "\n".join(head) + "\n\n" + "".join(blocks) + "end of trees\n\nparameters:\nend of parameters\n"


def blocks(text: str) -> list[str]:
    """The trees of a model file, as `Tree.text` gives them."""
    content = text.encode()
    begin, end = ends_of_body(content)
    return [part.strip("\n") for part in re.split(r"Tree=\d+\n", content[begin:end].decode())[1:]]


def ends_of_body(content: bytes) -> tuple[int, int]:
    """Where the lines of all trees begin, with the end of the line before, and end."""
    return content.index(b"\nTree=0\n"), content.index(b"\nend of trees")


def moved(block: str, places: Ints) -> str:
    """A tree whose features are found at other places (n_features,) of a matrix."""
    return SPLIT.sub(lambda found: f"split_feature={_joined(places[[*map(int, found[1].split())]].tolist())}", block)


def _bitset(codes: Iterable[int]) -> list[int]:
    """Whole numbers as bits of 32-bit words."""
    held = sorted(codes)
    words = [0] * ((held[-1] if held else 0) // WORD + 1)
    for code in held:
        words[code // WORD] |= 1 << code % WORD
    return words


def _joined(values: Iterable[Any]) -> str:
    """Values as the format has them; floats with all their digits."""
    return " ".join(map(repr, values))
