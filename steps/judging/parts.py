"""A column cut into a few parts that have names: categories, ranges of numbers, stretches of time, or missing.

Where to cut is read from the training rows, so that a test file cannot choose its own parts. Edges are rounded first
and compared afterwards: what a part is called is exactly what it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from steps.judging.metrics import Floats, Ints
from steps.judging.words import THIN_SPACE, short

CATEGORIES = 12  # the commonest of the training file; the rest is one part
QUARTILES = (0.25, 0.5, 0.75)
FINENESS = 0.01  # edges are rounded to about so much of what lies between the outer quartiles
DAYS_OF_YEARS, DAYS_OF_MONTHS = 730, 60  # a training file that covers so much is cut by years, or by months
LONG = 5  # digits, from which on they are written in groups


@dataclass(frozen=True)
class Part:
    """Some of the rows, told by one column. Numbers and times are texts, as they are compared.

    Attributes:
        column: its name.
        holds: `category`, `other` (none of the listed categories), `range` (from `low`, below `high`), `period` (from
            `low` to `high`, both included), `boolean` or `missing`.
        value: the category; `true` or `false`.
        low: None where the part has no lower end.
        high: None where it has no upper end.
    """

    column: str
    holds: str
    value: str | None = None
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True)
class Cut:
    """The parts of a column, and which of them each row is in, (n_rows,)."""

    parts: tuple[Part, ...]
    where: Ints


def cut(name: str, kind: Kind, values: pd.Series, train: pd.Series) -> Cut:
    """Cut a column.

    Args:
        name: of the column.
        kind: what it holds; identifiers and constants count as categories.
        values: (n_rows,) as an enforced frame has it.
        train: (n_train_rows,) the same column of the training rows, which says where to cut.
    """
    made = {Kind.NUMBER: _numbers, Kind.BOOLEAN: _booleans, Kind.DATETIME: _times, Kind.TEXT: _texts}.get(
        kind, _categories
    )
    parts, at = made(name, values[values.notna()], train[train.notna()])
    whole = np.full(len(values), len(parts), dtype=np.int64)
    whole[values.notna().to_numpy()] = at
    return Cut((*parts, Part(name, "missing")), whole)


def said(part: Part) -> str:
    """A part in words: `“age” is below 29`."""
    column = f"\u201c{short(part.column)}\u201d"
    if part.holds == "category":
        return f"{column} is \u201c{short(part.value or '')}\u201d"
    if part.holds == "other":
        return f"{column} is a rarer category"
    if part.holds in ("boolean", "missing"):
        return f"{column} is {part.value or 'missing'}"
    low, high = _grouped(part.low), _grouped(part.high)
    if not low and not high:
        return f"{column} is not missing"
    if part.holds == "period":
        span = f"in {low} to {high}" if low and high else f"in {low} or later" if low else f"in {high} or earlier"
        return f"{column} is {f'in {low}' if low == high else span}"
    return f"{column} is " + (
        f"{low} to below {high}" if low and high else f"{low} or more" if low else f"below {high}"
    )


def edges(train: Floats) -> list[str]:
    """Where to cut numbers (n,) into quarters: rounded to what matters, each once, ascending, as text.

    Where a quarter or more of them are the smallest number, that one is told from the others. None for no numbers, or
    equal ones.
    """
    if not len(train) or train.min() == train.max():
        return []
    quartiles = [float(edge) for edge in np.quantile(train, QUARTILES)]
    spread = quartiles[-1] - quartiles[0] or float(train.max() - train.min())
    if not math.isfinite(spread):
        return []
    exponent = math.floor(math.log10(spread * FINENESS))
    if bool((train == np.floor(train)).all()):
        exponent = max(exponent, 0)
        rounded = [str(math.ceil(edge / 10**exponent) * 10**exponent) for edge in quartiles]
    elif exponent >= 0:
        rounded = [str(round(edge / 10**exponent) * 10**exponent) for edge in quartiles]
    else:
        written = [f"{edge:.{-exponent}f}".rstrip("0").rstrip(".") for edge in quartiles]
        rounded = ["0" if edge == "-0" else edge for edge in written]
    least = float(train.min())
    above = [edge for edge in dict.fromkeys(rounded) if float(edge) > least]
    if len(above) < len(set(rounded)):
        first = between(least, float(train[train > least].min()))
        above = [first, *(edge for edge in above if float(edge) > float(first))]
    return above


def between(low: float, high: float) -> str:
    """The number with the fewest decimals that is above `low` and not above `high`."""
    for decimals in range(17):
        found = f"{(math.floor(low * 10**decimals) + 1) / 10**decimals:.{decimals}f}"
        if low < float(found) <= high:
            return found
    return repr(high)


def _categories(name: str, values: pd.Series, train: pd.Series) -> tuple[list[Part], Ints]:
    """The commonest categories, on a tie in order of the alphabet, and the rest."""
    counts = train.astype(str).value_counts()
    listed = sorted(counts.index, key=lambda category: (-counts[category], category))[:CATEGORIES]
    parts = [Part(name, "category", category) for category in listed]
    at = pd.Categorical(values.astype(str), categories=listed).codes.astype(np.int64)
    return [*parts, Part(name, "other")], np.where(at < 0, len(parts), at)


def _booleans(name: str, values: pd.Series, _: pd.Series) -> tuple[list[Part], Ints]:
    """False and true."""
    return [Part(name, "boolean", word) for word in ("false", "true")], (values.to_numpy() == 1).astype(np.int64)


def _numbers(name: str, values: pd.Series, train: pd.Series) -> tuple[list[Part], Ints]:
    """Quarters of the training rows, fewer where many of them are equal."""
    found = edges(train.to_numpy(dtype=np.float64))
    ends = [None, *found, None]
    parts = [Part(name, "range", None, low, high) for low, high in pairwise(ends)]
    limits = np.array([float(edge) for edge in found])
    return parts, np.searchsorted(limits, values.to_numpy(dtype=np.float64), side="right").astype(np.int64)


def _texts(name: str, values: pd.Series, _: pd.Series) -> tuple[list[Part], Ints]:
    """One part: a text tells a single row, and is nothing to print."""
    return [Part(name, "range")], np.zeros(len(values), dtype=np.int64)


def _times(name: str, values: pd.Series, train: pd.Series) -> tuple[list[Part], Ints]:
    """Quarters of the training rows, in whole years, months or days, whichever the training rows cover."""
    days = (train.max() - train.min()).days if len(train) else 0
    unit = "Y" if days >= DAYS_OF_YEARS else "M" if days >= DAYS_OF_MONTHS else "D"
    found = [int(edge) for edge in edges(_periods(train, unit).astype(np.float64))]
    starts: list[int | None] = [None, *found]
    ends: list[int | None] = [*(edge - 1 for edge in found), None]
    parts = [
        Part(name, "period", None, _period(low, unit), _period(high, unit))
        for low, high in zip(starts, ends, strict=True)
    ]
    return parts, np.searchsorted(np.array(found, dtype=np.int64), _periods(values, unit), side="right").astype(
        np.int64
    )


def _periods(values: pd.Series, unit: str) -> Ints:
    """Whole years, months or days since 1970 (n_rows,)."""
    utc = values.dt.tz_localize(None) if values.dt.tz is not None else values
    return utc.to_numpy(dtype="datetime64[ns]").astype(f"datetime64[{unit}]").astype(np.int64)


def _period(at: int | None, unit: str) -> str | None:
    """A year, month or day as ISO 8601 text."""
    return None if at is None else str(np.datetime64(at, unit))


def _grouped(text: str | None) -> str:
    """A number or time as it is shown: a true minus sign, thin spaces in long numbers."""
    if text is None:
        return ""
    sign, digits = ("\u2212", text[1:]) if text.startswith("-") else ("", text)
    before, point, after = digits.partition(".")
    if not before.isdigit() or len(before) < LONG:
        return sign + digits
    return f"{sign}{int(before):,}".replace(",", THIN_SPACE) + point + after
