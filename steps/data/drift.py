"""Whether the two files look alike: all columns together, and one by one.

A difference is a finding only when it is both large (an effect size) and no accident (a p-value): with many rows every
difference is "significant", with few rows every difference is large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact, ks_2samp, norm
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from pyfunc.cells import Kind
from pyfunc.errors import quoted
from pyfunc.schema import Column
from steps.data.samples import Bools, Floats, area, codes_of, sample
from steps.records import Check

SEED = 1
FOLDS = 3
FEWEST_ROWS = 30  # of each file: fewer say nothing
MOST_ROWS, LEAST_ROWS, MOST_CELLS = 5_000, 200, 1_500_000  # of each file, for the classifier
MOST_TESTED = 20_000  # rows of each file for a single column: enough to see any effect that counts
LARGE_AUC, LARGE_EFFECT = 0.6, 0.1
RARELY = 0.01  # p-value from which on a difference may be an accident
EXPECTED = 5  # rows in a cell of a table below which the chi-squared distribution does not hold
MOST_NAMED = 5
FIX = "Ask where the files come from: the figures hold for rows like those of the test file."


class Shift(NamedTuple):
    """One difference between the files: its size from 0 to 1, and how often chance alone makes one as large."""

    effect: float
    p: float


def drift_checks(
    columns: Sequence[Column], train: Mapping[str, pd.Series], test: Mapping[str, pd.Series]
) -> list[Check]:
    """`drift` and `column_drift`.

    Args:
        columns: those that the model reads.
        train: the training file's converted columns (n_train,) by name.
        test: those of the test file (n_test,), in the same types.
    """
    n_train, n_test = (len(next(iter(values.values()), ())) for values in (train, test))
    if min(n_train, n_test) < FEWEST_ROWS:
        what = f"Fewer than {FEWEST_ROWS} rows in a file: too few to say whether the files look alike."
        return [Check(code, "ok", what) for code in ("drift", "column_drift")]
    by_column = _column_drift(columns, train, test)
    return [_drift(columns, train, test, by_column.columns if by_column.level == "warning" else ()), by_column]


def categories_shift(train: pd.Series, test: pd.Series) -> Shift | None:
    """Total variation between the shares of values, and the chi-squared test's p; None where it says nothing.

    Values too rare for the test are counted together.
    """
    table = pd.DataFrame({"train": train.value_counts(), "test": test.value_counts()}).fillna(0).to_numpy().T
    if table.shape[1] == 0 or not table.sum(axis=1).all():
        return None
    expected = table.sum(axis=0) * (table.sum(axis=1).min() / table.sum())
    rare = expected < EXPECTED
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
        if table[:, -1].sum() * table.sum(axis=1).min() / table.sum() < EXPECTED:
            table = table[:, :-1]
    if table.shape[1] < 2 or not table.sum(axis=1).all():  # noqa: PLR2004 (a difference needs two values)
        return None
    shares = table / table.sum(axis=1, keepdims=True)
    return Shift(float(abs(shares[0] - shares[1]).sum() / 2), float(chi2_contingency(table, correction=False)[1]))


def _drift(
    columns: Sequence[Column],
    train: Mapping[str, pd.Series],
    test: Mapping[str, pd.Series],
    differing: tuple[str, ...],
) -> Check:
    """Whether a classifier can tell which file a row comes from."""
    most = int(np.clip(MOST_CELLS // len(columns), LEAST_ROWS, MOST_ROWS))
    names = [column.name for column in columns]
    rows = [sample(len(values[names[0]]), most, SEED) for values in (train, test)]
    matrix = np.column_stack(
        [
            codes_of(column.kind, pd.concat([train[column.name].iloc[rows[0]], test[column.name].iloc[rows[1]]]))
            for column in columns
        ]
    )
    is_test = np.repeat([False, True], [len(rows[0]), len(rows[1])])
    auc = area(_scores(matrix, is_test), is_test)
    p = float(norm.sf((auc - 0.5) / math.sqrt((len(is_test) + 1) / (12 * len(rows[0]) * len(rows[1])))))
    figures = {"auc": auc, "p": p}
    if auc > LARGE_AUC and p < RARELY:
        by = f", by {quoted(differing)} among others" if differing else ", by columns together, not by a single one"
        what = f"A classifier tells the files apart (AUC {auc:.2f}, where chance gives 0.5{_p_shown(p)}){by}."
        return Check("drift", "warning", what, differing, FIX, figures)
    return Check("drift", "ok", f"A classifier cannot tell the files apart (AUC {auc:.2f}).", (), "", figures)


def _scores(matrix: Floats, is_test: Bools) -> Floats:
    """Out-of-fold probabilities (n_rows,) of standing in the test file; one thread."""
    folds = np.empty(len(is_test), dtype=np.int64)
    rng = np.random.default_rng(SEED)
    for file in (False, True):
        at = rng.permutation(np.flatnonzero(is_test == file))
        folds[at] = np.arange(len(at)) % FOLDS
    scores = np.empty(len(is_test))
    with threadpool_limits(1):
        for fold in range(FOLDS):
            judged = folds == fold
            model = HistGradientBoostingClassifier(
                max_iter=30, max_leaf_nodes=15, max_bins=64, early_stopping=False, random_state=SEED
            )
            model.fit(matrix[~judged], is_test[~judged])
            scores[judged] = model.predict_proba(matrix[judged])[:, 1]
    return scores


def _column_drift(columns: Sequence[Column], train: Mapping[str, pd.Series], test: Mapping[str, pd.Series]) -> Check:
    """Which columns' values, or gaps, are distributed differently."""
    found: dict[tuple[str, bool], Shift] = {}
    rows = [sample(len(next(iter(values.values()))), MOST_TESTED, SEED) for values in (train, test)]
    for column in columns:
        learned, judged = train[column.name].iloc[rows[0]], test[column.name].iloc[rows[1]]
        for is_gaps, shift in ((False, _values_shift(column.kind, learned, judged)), (True, _gaps(learned, judged))):
            if shift is not None:
                found[column.name, is_gaps] = shift
    if not found:
        return Check("column_drift", "ok", "No column has values enough to compare the files.")
    p_values = false_discovery_control([shift.p for shift in found.values()])
    large = {
        key: shift.effect
        for (key, shift), p in zip(found.items(), p_values, strict=True)
        if p < RARELY and shift.effect >= LARGE_EFFECT
    }
    if not large:
        (name, _), largest = max(found.items(), key=lambda item: item[1].effect)
        what = "No column is distributed differently in the two files, by more than chance and by much."
        return Check("column_drift", "ok", what, (), "", {name: largest.effect})
    ordered = sorted(large, key=lambda key: -large[key])
    listed = "; ".join(
        f"{'the gaps of ' if is_gaps else ''}'{name}' ({large[name, is_gaps]:.2f})"
        for name, is_gaps in ordered[:MOST_NAMED]
    )
    more = f"; and {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    what = f"Distributed differently in the two files, from 0 (alike) to 1 (nothing in common): {listed}{more}."
    figures: dict[str, float] = {}
    for name, is_gaps in ordered:
        figures.setdefault(name, large[name, is_gaps])
    return Check("column_drift", "warning", what, tuple(figures), FIX, figures)


def _values_shift(kind: Kind, train: pd.Series, test: pd.Series) -> Shift | None:
    """KS distance of numbers and times, total variation of everything else; gaps apart."""
    learned, judged = train.dropna(), test.dropna()
    if min(len(learned), len(judged)) < FEWEST_ROWS:
        return None
    if kind in (Kind.CATEGORY, Kind.BOOLEAN):
        return categories_shift(learned, judged)
    codes = codes_of(kind, pd.concat([learned, judged]))
    found = ks_2samp(codes[: len(learned)], codes[len(learned) :], method="asymp")
    return Shift(float(found.statistic), float(found.pvalue))


def _gaps(train: pd.Series, test: pd.Series) -> Shift | None:
    """How much more often a column is empty in one of the files."""
    gaps = np.array([train.isna().sum(), test.isna().sum()])
    rows = np.array([len(train), len(test)])
    if not gaps.any() or (gaps == rows).all():
        return None
    effect = float(abs(np.diff(gaps / rows)[0]))
    table = np.column_stack([gaps, rows - gaps])
    expected = table.sum(axis=0).min() * rows.min() / rows.sum()
    p = chi2_contingency(table, correction=False)[1] if expected >= EXPECTED else fisher_exact(table)[1]
    return Shift(effect, float(p))


def _p_shown(p: float) -> str:
    """A p-value for a sentence."""
    return ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"  # noqa: PLR2004 (three decimals are shown)
