"""Columns that give the target away: each is asked alone how well it tells the classes apart, out of fold.

Numbers, times and booleans by a shallow tree, categories by the shares of the classes among their rows, texts by both
(a tree of their features, the shares among equal texts), and every column with gaps also by its gaps. The area under
the ROC curve is that of the class that a column tells best from the rest. It warns; a column that tells every class and
has one value for each is the target in disguise, and refused. (A measurement that tells the classes apart for good, as
a petal's length does, only warns.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from pyfunc.cells import Kind
from pyfunc.errors import quoted
from pyfunc.schema import Column
from pyfunc.texts import TextFeatures
from steps.data.samples import Bools, Floats, Ints, area, codes_of, rows_for
from steps.judging.intervals import newcombe
from steps.records import Check

SEED = 1
FOLDS = 3
FEWEST_ROWS = 10  # of a class, and of the rest: fewer say nothing
MOST_ROWS, LEAST_ROWS, MOST_CELLS = 5_000, 500, 1_500_000  # a sample: AUCs near 1 are known well from few rows
LEAVES, LEAF_ROWS = 32, 3
MOST_NAMED = 5
NEAR_ONE, NEAR_ONE_LOW = 0.995, 0.95  # AUC and its lower bound: a warning
DISGUISE, DISGUISE_LOW = 0.9999, 0.97  # with a value for each class: the target in other words; may be accepted


@dataclass(frozen=True)
class _Told:
    """How well one column tells the classes: AUC and its lower bound, of the class told best and the one told worst."""

    auc: float
    low: float
    worst: float
    worst_low: float
    by_gaps: bool
    relabels: bool  # it has as many values as there are classes, or its gaps say it


def target_leak(columns: Sequence[Column], values: Mapping[str, pd.Series], y: Ints) -> Check:
    """Whether a single column gives the target away.

    Args:
        columns: those that the model reads.
        values: the training file's converted columns (n_rows,) by name.
        y: positions (n_rows,) of the labels in the classes.
    """
    sizes = np.bincount(y)
    asked = [at for at, size in enumerate(sizes) if min(size, len(y) - size) >= FEWEST_ROWS]
    if not asked or not columns:
        return Check("target_leak", "ok", "Too few rows of every class to say whether a column gives the target away.")
    rows, folds = _sample(y, int(np.clip(MOST_CELLS // len(columns), LEAST_ROWS, MOST_ROWS)))
    y = y[rows]
    told = {
        column.name: _told(column.kind, values[column.name].iloc[rows].reset_index(drop=True), y, folds, asked)
        for column in columns
    }
    return _said(told)


def _said(told: Mapping[str, _Told]) -> Check:
    """The finding: the worst level that a column has, and every column that has it or warns."""
    leaks = {name: one for name, one in told.items() if one.auc >= NEAR_ONE and one.low >= NEAR_ONE_LOW}
    if not leaks:
        best = max(told, key=lambda name: told[name].auc)
        what = f"No column gives the target away; '{best}' alone comes nearest (AUC {_shown(told[best].auc)})."
        return Check("target_leak", "ok", what, (best,), "", {best: told[best].auc})
    figures = {name: one.auc for name, one in leaks.items()}
    disguised = [
        name for name, one in leaks.items() if one.relabels and one.worst >= DISGUISE and one.worst_low >= DISGUISE_LOW
    ]
    listed = "; ".join(
        f"{'the gaps of ' if one.by_gaps else ''}'{name}' {'give' if one.by_gaps else 'gives'} the target away"
        f" (AUC {_shown(one.auc)} alone)"
        for name, one in list(leaks.items())[:MOST_NAMED]
    )
    more = f", and {len(leaks) - MOST_NAMED} more columns do" if len(leaks) > MOST_NAMED else ""
    what = f"{listed[0].upper()}{listed[1:]}{more}."
    them = quoted(disguised or leaks)
    fix = f"Ignore {them}, unless what is in there is known when predictions are made"
    if disguised:
        return Check("target_leak", "refused", what, tuple(leaks), f"{fix}; then accept target_leak.", figures)
    return Check("target_leak", "warning", what, tuple(leaks), f"{fix}.", figures)


def _told(kind: Kind, column: pd.Series, y: Ints, folds: Ints, asked: Sequence[int]) -> _Told:
    """What one column alone says of every asked class."""
    codes = codes_of(kind, column)
    if kind is Kind.CATEGORY:
        tellings = [_rates(np.nan_to_num(codes, nan=-1).astype(np.int64) + 1, y, folds)]
    elif kind is Kind.TEXT:
        equal = np.nan_to_num(codes_of(Kind.CATEGORY, column), nan=-1).astype(np.int64) + 1
        tellings = [_tree_scores(_features(column), y, folds), _rates(equal, y, folds)]
    else:
        tellings = [_tree_scores(codes[:, None], y, folds)]
    aucs = {at: max(area(scores[:, at], y == at) for scores in tellings) for at in asked}
    gaps = np.isnan(codes).astype(np.float64)
    by_gaps = {at: abs(area(gaps, y == at) - 0.5) + 0.5 for at in asked} if gaps.any() else {}
    is_by_gaps = bool(by_gaps) and max(by_gaps.values()) >= max(NEAR_ONE, *aucs.values())
    aucs = {at: max(auc, by_gaps.get(at, 0.0)) for at, auc in aucs.items()}
    best = max(aucs, key=lambda at: aucs[at])
    worst = min(aucs, key=lambda at: aucs[at])
    relabels = is_by_gaps or column.nunique() == len(np.unique(y))
    return _Told(
        aucs[best], _low(aucs[best], y == best), aucs[worst], _low(aucs[worst], y == worst), is_by_gaps, relabels
    )


def _features(texts: pd.Series) -> Floats:
    """What a model will read of texts (n_rows, n_features), without gaps."""
    numbers, heads = TextFeatures().fit_transform(texts)
    return np.column_stack([np.nan_to_num(numbers, nan=-1), codes_of(Kind.CATEGORY, pd.Series(heads, dtype=object))])


def _tree_scores(codes: Floats, y: Ints, folds: Ints) -> Floats:
    """Out-of-fold probabilities (n_rows, n_classes) of a shallow tree on codes (n_rows, n_codes), gaps as they are."""
    n_classes = int(y.max()) + 1
    scores = np.zeros((len(y), n_classes))
    for fold in range(FOLDS):
        judged = folds == fold
        tree = DecisionTreeClassifier(
            max_leaf_nodes=max(LEAVES, 2 * n_classes), min_samples_leaf=LEAF_ROWS, random_state=SEED
        )
        learned = codes[~judged]
        if np.isnan(learned).all():  # which scikit-learn's splitter does not expect
            learned = np.zeros_like(learned)
        tree.fit(learned, y[~judged])
        scores[np.ix_(judged, tree.classes_)] = tree.predict_proba(codes[judged])
    return scores


def _rates(codes: Ints, y: Ints, folds: Ints) -> Floats:
    """Out-of-fold shares (n_rows, n_classes) of the classes among a category's rows, drawn to the shares of all."""
    n_classes = int(y.max()) + 1
    shape = int(codes.max()) + 1, n_classes
    scores = np.zeros((len(y), n_classes))
    for fold in range(FOLDS):
        judged = folds == fold
        counts = np.zeros(shape)
        np.add.at(counts, (codes[~judged], y[~judged]), 1)
        prior = np.bincount(y[~judged], minlength=n_classes) / (~judged).sum()
        scores[judged] = ((counts + prior) / (counts.sum(axis=1, keepdims=True) + 1))[codes[judged]]
    return scores


def _sample(y: Ints, most: int) -> tuple[Ints, Ints]:
    """Rows (n_sample,), of a rare class all that count, and the fold of each, the classes spread over all folds."""
    rng = np.random.default_rng(SEED)
    rows, folds = [], []
    for at, size in enumerate(np.bincount(y)):
        wanted = max(rows_for(size, len(y), most), min(size, LEAST_ROWS // FOLDS))
        drawn = rng.permutation(np.flatnonzero(y == at))[:wanted]
        rows.append(drawn)
        folds.append(np.arange(len(drawn)) % FOLDS)
    return np.concatenate(rows), np.concatenate(folds)


def _low(auc: float, is_class: Bools) -> float:
    """Lower 95 % bound; only worked out where it is asked for."""
    if auc < NEAR_ONE:
        return 0.0
    n_class = int(is_class.sum())
    return float(newcombe(auc, n_class, len(is_class) - n_class)[0])


def _shown(auc: float) -> str:
    """An AUC for a sentence, never rounded up to 1."""
    return f"{np.floor(auc * 10_000) / 10_000:.4f}".rstrip("0").rstrip(".")
