"""Columns that know the same: groups whose importance only shows when they are shuffled together.

Strength of two columns, from 0 to 1: of two numbers Spearman's correlation without its sign, of two categories
Cramer's V, of a number's ranks and a category the correlation ratio; the last two corrected for the number of
categories (Bergsma 2013; Kelley 1935). Columns are clustered by average linkage on 1 - strength: inside a group the
strength is `STRENGTH` or more on average.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from pyfunc.cells import Kind
from pyfunc.schema import InputSchema
from steps.judging.metrics import Floats, Ints

STRENGTH = 0.7
SEED = 1
ROWS = 2000  # of the training file
COLUMNS = 300  # beyond that, groups are not looked for
LEVELS = 30  # categories of a column that are told apart, the commonest
CATEGORIES = (Kind.CATEGORY, Kind.TEXT)
MARKS = 3000  # categories of all columns together


def groups(train: pd.DataFrame, schema: InputSchema) -> tuple[tuple[str, ...], ...]:
    """Columns of the training rows that go together, two or more in each group, in the schema's order.

    Args:
        train: (n_rows, n_columns) enforced.
        schema: of it.
    """
    if not 1 < len(schema.columns) <= COLUMNS or len(train) < 2:  # noqa: PLR2004 (a relation takes two)
        return ()
    kept = np.random.default_rng(SEED).permutation(len(train))[:ROWS]
    distance = 1 - strengths(train.iloc[kept].reset_index(drop=True), schema)
    tree = hierarchy.linkage(squareform(distance, checks=False), method="average")
    cluster = hierarchy.fcluster(tree, 1 - STRENGTH, criterion="distance")
    found = [tuple(np.array(schema.names, dtype=object)[cluster == at]) for at in dict.fromkeys(cluster.tolist())]
    return tuple(group for group in found if len(group) > 1)


def strengths(train: pd.DataFrame, schema: InputSchema) -> Floats:
    """Strength of every two columns (n_columns, n_columns), 1 on the diagonal; 0 where one does not vary."""
    is_category = np.array([column.kind in CATEGORIES for column in schema.columns])
    ranks = [_ranks(train[c.name]) for c in schema.columns if c.kind not in CATEGORIES]
    most = int(np.clip(MARKS // max(1, int(is_category.sum())), 3, LEVELS))
    codes = [_codes(_grouped(c.kind, train[c.name]), most) for c in schema.columns if c.kind in CATEGORIES]
    found = np.zeros((len(schema.columns),) * 2)
    numbers, categories = np.flatnonzero(~is_category), np.flatnonzero(is_category)
    of_numbers = np.column_stack(ranks) if ranks else np.empty((len(train), 0))
    found[np.ix_(numbers, numbers)] = np.abs(of_numbers.T @ of_numbers)
    if codes:
        marks = np.column_stack([code[:, None] == np.arange(code.max() + 1) for code in codes]).astype(np.float64)
        starts = np.cumsum([0, *(code.max() + 1 for code in codes)])[:-1]
        levels = np.array([code.max() + 1 for code in codes])
        found[np.ix_(categories, categories)] = _cramer(marks, starts, levels)
        ratio = _correlation_ratio(marks, starts, levels, of_numbers)
        found[np.ix_(categories, numbers)], found[np.ix_(numbers, categories)] = ratio, ratio.T
    np.fill_diagonal(found, 1.0)
    return np.clip(found, 0.0, 1.0)


def _ranks(values: pd.Series) -> Floats:
    """Ranks (n_rows,), centred and of length 1; a gap has the middle one, no variation is all zero."""
    number = values.astype("int64").where(values.notna(), np.nan) if values.dtype.kind == "M" else values
    if not isinstance(values.dtype, np.dtype):  # a time with a zone
        number = values.dt.tz_localize(None).astype("int64").where(values.notna(), np.nan)
    cells = number.to_numpy(dtype=np.float64)
    is_there = ~np.isnan(cells)
    if not is_there.any():
        return np.zeros(len(cells))
    ranks = np.zeros(len(cells))
    ranks[is_there] = rankdata(cells[is_there]) - (is_there.sum() + 1) / 2
    length = float(np.linalg.norm(ranks))
    return ranks / length if length else ranks


def _grouped(kind: Kind, values: pd.Series) -> pd.Series:
    """Categories (n_rows,); texts that stand in one row only are one, or two such columns would look alike."""
    return values.where(values.duplicated(keep=False) | values.isna(), "") if kind is Kind.TEXT else values


def _codes(values: pd.Series, most: int) -> Ints:
    """Positions (n_rows,) of the commonest categories; the others share one, gaps have one too."""
    text = values.astype(object).where(values.notna(), None)
    counts = text.value_counts()
    listed = list(counts.index[:most])
    codes = pd.Categorical(text, categories=listed).codes.astype(np.int64)
    rest = np.where(text.isna(), len(listed) + 1, len(listed))
    return np.asarray(np.unique(np.where(codes < 0, rest, codes), return_inverse=True)[1], dtype=np.int64)


def _cramer(marks: Floats, starts: Ints, levels: Ints) -> Floats:
    """Cramer's V of every two columns of categories, corrected."""
    n_rows, own = len(marks), marks.sum(axis=0)
    both = marks.T @ marks
    shares = both**2 / np.outer(own, own)
    square = np.add.reduceat(np.add.reduceat(shares, starts, axis=0), starts, axis=1) - 1
    chance = np.outer(levels - 1, levels - 1) / (n_rows - 1)
    corrected = levels - (levels - 1) ** 2 / (n_rows - 1)
    room = np.minimum(corrected[:, None], corrected[None, :]) - 1
    return np.sqrt(np.divide(np.maximum(square - chance, 0), room, out=np.zeros_like(square), where=room > 0))


def _correlation_ratio(marks: Floats, starts: Ints, levels: Ints, ranks: Floats) -> Floats:
    """Correlation ratio (n_categories, n_numbers) of ranks of length 1 within categories, corrected."""
    n_rows = len(marks)
    between = np.add.reduceat((marks.T @ ranks) ** 2 / marks.sum(axis=0)[:, None], starts, axis=0)
    room = np.maximum(n_rows - levels, 1)[:, None]
    found = np.sqrt(np.maximum(1 - (1 - between) * (n_rows - 1) / room, 0))
    return np.asarray(np.where(np.abs(ranks).sum(axis=0) > 0, found, 0.0))
