"""Columns to the matrix that learners see: what `pyfunc.estimators.Columns` and `pyfunc.codes.Codes` do, on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pyfunc.columns import MISSING, Cell, Coded, Column, days_before
from pyfunc.texts import TextFeatures

NUMBER, CATEGORY, HEAD, TEXT_NUMBER = "number", "category", "head", "text_number"
YEAR, MONTH, WEEKDAY, HOUR, AGE = "year", "month", "weekday", "hour", "age"
MOMENTS = (YEAR, MONTH, WEEKDAY, HOUR, AGE)
EPOCH_YEAR, EPOCH_WEEKDAY = 1970, 3  # 1970-01-01 was a Thursday
HOUR_NS = 3_600_000_000_000

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Feature:
    """One column of the matrix.

    Attributes:
        at: position of the table's column that it is made from.
        what: which of the names above.
        levels: of a category or head: its texts, the place of each is its code; NaN for any other.
        unseen: the code of texts that are none of the levels; None where they count as missing.
        place: of a text's number among its numbers.
        latest: of an age: datetime64[ns] that it is counted back from.
    """

    at: int
    what: str
    levels: tuple[str, ...] = ()
    unseen: int | None = None
    place: int = 0
    latest: np.datetime64 | None = None


@dataclass(frozen=True)
class Features:
    """All columns of a matrix.

    Args:
        listed: in the matrix's order.
        texts: what is made of text columns, by position.
    """

    listed: tuple[Feature, ...]
    texts: Mapping[int, TextFeatures] = field(default_factory=dict)

    @cached_property
    def _codes(self) -> list[dict[Any, float]]:
        """Of each feature's levels."""
        return [{text: float(code) for code, text in enumerate(each.levels)} for each in self.listed]

    @cached_property
    def _rest(self) -> list[float]:
        """The code of all other texts, by feature."""
        return [np.nan if each.unseen is None else float(each.unseen) for each in self.listed]

    def matrix(self, columns: Sequence[Column]) -> Floats:
        """The matrix (n_rows, n_features) of columns (`pyfunc.columns`) in the schema's order."""
        made = np.empty((len(columns[0]), len(self.listed)))
        said: dict[int, tuple[Floats, Any]] = {}
        for place, each in enumerate(self.listed):
            made[:, place] = self._column(place, each, columns[each.at], said)
        return made

    def row(self, cells: Sequence[Cell]) -> Floats:
        """The same (n_features,) of one row's cells."""
        made: list[Any] = []
        said: dict[int, tuple[Floats, Any]] = {}
        for place, each in enumerate(self.listed):
            cell = cells[each.at]
            if each.what == NUMBER:
                made.append(cell)
            elif each.what == CATEGORY:
                made.append(np.nan if cell is None else self._codes[place].get(cell, self._rest[place]))
            else:
                made.append(self._column(place, each, _of_one(cell), said)[0])
        return np.array(made)

    def _column(self, place: int, each: Feature, column: Column, said: dict[int, tuple[Floats, Any]]) -> Any:
        """One feature (n_rows,)."""
        if each.what == NUMBER:
            return column
        if each.what in MOMENTS:
            return _moment(column, each)
        assert isinstance(column, Coded)
        if each.what == CATEGORY:
            return self._coded(place, column.codes, column.texts)
        if each.at not in said:
            said[each.at] = self.texts[each.at].transform_coded(column.codes, column.texts)
        numbers, heads = said[each.at]
        if each.what == TEXT_NUMBER:
            return numbers[:, each.place]
        codes = self._codes[place]
        return np.array([codes.get(head, self._rest[place]) for head in heads], dtype=np.float64)

    def _coded(self, place: int, codes: Any, texts: Sequence[str]) -> Floats:
        """Codes of texts: each different one is looked up once."""
        known, rest = self._codes[place].get, self._rest[place]
        looked_up = np.array([*(known(text, rest) for text in texts), np.nan])  # the last one for what is missing
        return looked_up[codes]


def _of_one(cell: Cell) -> Column:
    """A cell as a column of one row."""
    if cell is None:
        return Coded(np.array([MISSING]), ())
    return Coded(np.zeros(1, dtype=np.int64), (cell,)) if isinstance(cell, str) else np.array([cell])


def _moment(column: Column, each: Feature) -> Floats:
    """A part of times (n_rows,); NaN where there is none."""
    assert isinstance(column, np.ndarray)
    times = column.astype("datetime64[ns]")
    if each.what == AGE:
        assert each.latest is not None
        return days_before(each.latest, times)
    if each.what == YEAR:
        part = times.astype("datetime64[Y]").astype(np.int64) + EPOCH_YEAR
    elif each.what == MONTH:
        part = times.astype("datetime64[M]").astype(np.int64) % 12 + 1
    elif each.what == WEEKDAY:
        part = (times.astype("datetime64[D]").astype(np.int64) + EPOCH_WEEKDAY) % 7
    else:
        part = times.astype(np.int64) // HOUR_NS % 24
    return np.where(np.isnat(times), np.nan, part.astype(np.float64))
