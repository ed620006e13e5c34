"""What a row's columns contribute to the probability of its prediction: Shapley values, by sampling.

A column contributes what the probability changes when the row's own cell takes the place of a usual one, on average
over the orders in which the columns may be told and over usual rows. Summed over all columns that is exactly the row's
probability less that of the usual rows, whatever the model is: a booster, a blend, a stack, a map behind them.

The method is Štrumbelj and Kononenko's (2014, doi 10.1007/s10115-013-0679-x): an order is drawn for each usual row, and
taken once forwards and once backwards. The same seed for each row: a question asked twice has one answer. Usual rows
are made of single columns' quantiles and frequencies, put together at random: no row of the training file travels with
a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.schema import InputSchema

USUAL_ROWS = 32
MIXED_AT_ONCE = 20_000  # rows; a wide table's orders are looked at one after the other
MOST_MIXED = 200_000  # rows for one explanation: of tables wider than 3,000 columns fewer orders are drawn
SEED = 1

Floats = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
Mixer = Callable[[Places], Floats]


@dataclass(frozen=True)
class Explained:
    """Of rows.

    Attributes:
        base: (n_rows,) what the probability is for usual rows.
        contributions: (n_rows, n_columns) what each column adds; with the base they add up to the probability.
    """

    base: Floats
    contributions: Floats


def usual(frame: pd.DataFrame, schema: InputSchema) -> dict[str, list[Any]]:
    """Usual rows for a training table, by column, as JSON: enforced cells, null for a gap.

    Args:
        frame: enforced training rows (n_rows, n_columns).
        schema: of them.
    """
    random = np.random.default_rng(SEED)
    return {
        column.name: [*random.permutation(np.array(_usual(frame[column.name], column.kind), dtype=object))]
        for column in schema.columns
    }


def _usual(cells: pd.Series, kind: Kind) -> list[Any]:
    """A column's cells at equal steps through its sorted values or its frequencies, gaps in their share."""
    known = cells.dropna()
    n_known = 0 if kind is Kind.TEXT else round(USUAL_ROWS * len(known) / max(1, len(cells)))
    at = ((np.arange(n_known) + 0.5) / max(1, n_known) * len(known)).astype(np.int64)
    ordered = np.repeat(*_counted(known)) if kind is Kind.CATEGORY else np.sort(known.to_numpy())
    chosen = ordered[at]
    found = [str(cell) for cell in chosen] if kind in (Kind.CATEGORY, Kind.DATETIME) else [float(c) for c in chosen]
    return [*found, *[None] * (USUAL_ROWS - n_known)]


def _counted(known: pd.Series) -> tuple[Any, Any]:
    """The different texts, and how often each is there."""
    counts = known.value_counts()
    return counts.index.to_numpy(), counts.to_numpy()


def usual_frame(stored: Mapping[str, Sequence[Any]] | None, schema: InputSchema) -> pd.DataFrame:
    """Usual rows (n_usual, n_columns) as the schema enforces them; of a model that stored none, its example row."""
    frame = pd.DataFrame({name: pd.Series([*stored[name]], dtype=object) for name in schema.names}) if stored else None
    enforced, _ = schema.enforce(schema.example() if frame is None else frame, "usual rows")
    return enforced


def explain(
    rows: pd.DataFrame, chosen: Sequence[int], usual_rows: pd.DataFrame, mixer: Callable[[pd.DataFrame], Mixer]
) -> Explained:
    """Explain rows.

    Args:
        rows: enforced (n_rows, n_columns).
        chosen: (n_rows,) positions of the classes whose probabilities are explained.
        usual_rows: enforced (n_usual, n_columns).
        mixer: for a frame, what gives probabilities (n, n_classes) for positions (n, n_columns): of mixed rows, each of
            whose cells stands in the frame's row of that position.
    """
    n_columns, n_usual = rows.shape[1], len(usual_rows)
    frame = pd.concat([rows, usual_rows], ignore_index=True)
    score = mixer(frame.astype(dict(zip(rows.columns, rows.dtypes, strict=True))))
    n_orders = max(1, min(n_usual, MOST_MIXED // (2 * n_columns)))
    random = np.random.default_rng(SEED)
    orders = [random.permutation(n_columns) for _ in range(n_orders)]
    base, contributions = np.zeros(len(rows)), np.zeros(rows.shape)
    at_once = max(1, MIXED_AT_ONCE // (2 * n_columns))
    for row, wanted in enumerate(chosen):
        for start in range(0, n_orders, at_once):
            part = range(start, min(start + at_once, n_orders))
            walked = [order for at in part for order in (orders[at], orders[at][::-1])]
            mixed = np.concatenate([_walk(order, row, len(rows) + at // 2 + start) for at, order in enumerate(walked)])
            told = score(mixed)[:, wanted].reshape(len(walked), n_columns + 1)
            base[row] += told[:, 0].sum()
            for order, steps in zip(walked, np.diff(told, axis=1), strict=True):
                contributions[row, order] += steps
    return Explained(base / (2 * n_orders), contributions / (2 * n_orders))


def _walk(order: np.ndarray[Any, Any], own: int, other: int) -> Places:
    """Positions (n_columns + 1, n_columns): from another row to one's own, a column at a time."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return np.where(place[np.newaxis] < np.arange(len(order) + 1)[:, np.newaxis], own, other)


def names_of(largest: int) -> list[str]:
    """The columns that an explanation adds to an answer."""
    each = [f"explanation_{at}_{what}" for at in range(1, largest + 1) for what in ("column", "contribution")]
    return ["explanation_base", *each, "explanation_others"]


def columns_of(explained: Explained, names: Sequence[str], largest: int) -> dict[str, np.ndarray[Any, Any]]:
    """`names_of` with their cells (n_rows,): the largest contributions, and what the other columns add together."""
    values = explained.contributions
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :largest]
    rows = np.arange(len(values))[:, np.newaxis]
    listed = np.array(names, dtype=object)[order]
    found: list[np.ndarray[Any, Any]] = [explained.base]
    for at in range(largest):
        found += [listed[:, at], values[rows[:, 0], order[:, at]]]
    found.append(values.sum(axis=1) - values[rows, order].sum(axis=1))
    return dict(zip(names_of(largest), found, strict=True))
