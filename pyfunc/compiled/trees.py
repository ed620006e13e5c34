"""The trees of each library, turned into channels of LightGBM blocks that add up to the same numbers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyfunc.boosters import MISSING, NO_CATEGORY, CatBoost, Forest, LightGBM, XGBoost
from pyfunc.compiled import lightgbm_text
from pyfunc.compiled.catboost_json import Counted, Question, Seen
from pyfunc.compiled.lightgbm_text import Tree
from pyfunc.compiled.rounding import at_most, less_than

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Levels = Mapping[int, int]  # by column of the matrix: how many codes a category has


def channels_of(member: Any, places: Ints, levels: Levels, counted: Counted) -> list[list[str]]:
    """Blocks of trees by output, in the order of the classes.

    Args:
        member: a booster or a forest of `pyfunc.boosters`.
        places: (n_features,) where its features stand in the matrix.
        levels: of the matrix's categories.
        counted: takes the counts that trees ask for besides the matrix.

    Raises:
        NotCompiledError: splits that are no function of single columns.
    """
    if isinstance(member, LightGBM):
        listed = lightgbm_text.blocks(member.booster.model_to_string())
        outputs = member.booster.num_model_per_iteration()
        return _dealt([lightgbm_text.moved(block, places) for block in listed], outputs)
    if isinstance(member, XGBoost):
        return _of_xgboost(member, places, levels)
    if isinstance(member, CatBoost):
        return _of_catboost(member, places, levels, counted)
    assert isinstance(member, Forest)
    return _of_forest(member, places)


def _dealt(blocks: Sequence[str], outputs: int) -> list[list[str]]:
    """Trees that take turns over the outputs."""
    return [list(blocks[at::outputs]) for at in range(outputs)]


def _of_xgboost(member: XGBoost, places: Ints, levels: Levels) -> list[list[str]]:
    """Left where a number is less, or a category is not among those listed; what is said before any tree is a tree."""
    learner = json.loads(member.booster.save_raw("json"))["learner"]
    _, _, base = member.said()
    blocks = [_xgboost_tree(tree, places, levels).text() for tree in learner["gradient_booster"]["model"]["trees"]]
    return [
        [_constant(said).text(), *trees]
        for said, trees in zip(base.tolist(), _dealt(blocks, len(base)), strict=True)
    ]  # fmt: skip


def _xgboost_tree(tree: Mapping[str, Any], places: Ints, levels: Levels) -> Tree:
    """From its JSON."""
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    conditions = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    feature = places[np.array(tree["split_indices"])]
    missing_left = np.array(tree["default_left"], dtype=bool)
    categories: dict[int, list[int]] = {}
    starts, sizes = tree["categories_segments"], tree["categories_sizes"]
    swap = np.zeros(len(left), dtype=bool)
    for place, node in enumerate(tree["categories_nodes"]):
        listed = tree["categories"][starts[place] : starts[place] + sizes[place]]
        if missing_left[node]:  # what is listed goes right, and so does nothing else: swapped, a gap stays out
            categories[node], swap[node] = listed, True
        else:
            categories[node] = sorted(set(range(levels[int(feature[node])])) - set(listed))
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    return _renumbered(feature, less_than(conditions), missing_left, categories, left, right, conditions)


def _of_catboost(member: CatBoost, places: Ints, levels: Levels, counted: Counted) -> list[list[str]]:
    """Trees whose levels ask the same question everywhere."""
    with tempfile.TemporaryDirectory(prefix="crisol-") as folder:
        file = Path(folder) / "model.json"
        member.booster.save_model(str(file), format="json")
        stated = json.loads(file.read_text())
    scale, bias = stated["scale_and_bias"]
    seen = Seen(places[member.numbers], places[member.categories], stated["features_info"], levels)
    columns = counted.take(stated, seen)
    channels: list[list[str]] = [[_constant(each).text()] for each in bias]
    for tree in stated["oblivious_trees"]:
        asked = [
            (columns if split["split_type"] == "OnlineCtr" else seen).question(split) for split in tree["splits"] or ()
        ]
        values = np.array(tree["leaf_values"], dtype=np.float64).reshape(-1, len(bias)) * scale
        for channel, leaves in zip(channels, values.T, strict=True):
            channel.append(_oblivious(asked, leaves, levels).text())
    return channels


def _oblivious(asked: Sequence[Question], leaves: Floats, levels: Levels) -> Tree:
    """A whole binary tree: node `2^d - 1 + path` asks the d-th question, the answer is a bit of the leaf's number."""
    depth = len(asked)
    nodes = 2**depth - 1
    feature, threshold = np.zeros(nodes, dtype=np.int64), np.zeros(nodes)
    missing_left, categories = np.ones(nodes, dtype=bool), dict[int, Sequence[int]]()
    left, right = np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
    for level, (at, border, gap_is_beyond, code) in enumerate(asked):
        first, step = 2**level - 1, 2**level
        asking, path = slice(first, first + step), np.arange(step)
        is_last = level + 1 == depth
        below = -(path + 1) if is_last else first + step + path
        beyond = -(path + step + 1) if is_last else first + 2 * step + path
        feature[asking] = at
        is_one_code = border is None and code != NO_CATEGORY  # which goes left as what is listed does
        left[asking], right[asking] = (beyond, below) if is_one_code else (below, beyond)
        if border is not None:
            threshold[asking], missing_left[asking] = border, not gap_is_beyond
            continue
        assert code is not None
        listed = [code] if is_one_code else range(levels[at])
        categories |= dict.fromkeys(range(first, first + step), listed)
    return Tree(feature, threshold, missing_left, categories, left, right, leaves)


def _of_forest(member: Forest, places: Ints) -> list[list[str]]:
    """The share of the second of two classes, or of each class, in each tree's leaf."""
    channels: list[list[str]] = [[] for _ in range(1 if member.classes == 2 else member.classes)]  # noqa: PLR2004
    for tree in member.trees:
        votes = tree.value[:, 0, :]
        shares = np.zeros((len(votes), member.classes))
        shares[:, member.places] = votes / votes.sum(axis=1, keepdims=True)
        inner = tree.feature >= 0
        feature = places[np.where(inner, tree.feature, 0)]
        missing_left = tree.threshold >= MISSING
        for channel, values in zip(channels, shares.T[-len(channels) :], strict=True):
            made = _renumbered(
                feature, at_most(tree.threshold), missing_left, {}, tree.children_left, tree.children_right, values
            )
            channel.append(made.text())
    return channels


def _renumbered(
    feature: Ints, threshold: Floats, missing_left: Any, categories: Mapping[int, Sequence[int]], left: Any, right: Any,
    values: Floats,
) -> Tree:  # fmt: skip
    """A tree whose nodes and leaves were numbered together, a leaf's children below 0."""
    is_leaf = left < 0
    number = np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    inner = np.flatnonzero(~is_leaf)
    kept = {int(number[node]): codes for node, codes in categories.items() if not is_leaf[node]}
    return Tree(
        feature[inner], threshold[inner], np.asarray(missing_left)[inner], kept, number[left[inner]],
        number[right[inner]], values[is_leaf],
    )  # fmt: skip


def _constant(value: float) -> Tree:
    """A tree that says the same of every row."""
    none = np.zeros(0, dtype=np.int64)
    return Tree(none, np.zeros(0), np.zeros(0, dtype=bool), {}, none, none, np.array([value]))
