"""The short way through the schema: rows in which there is nothing to decide, without a frame.

`InputSchema.enforce` is the specification. What it would refuse, read, convert or speak of is not decided here: then
the answer is None, and the rows go the long way. Here pass numbers within the range of training, categories that
training has seen, texts, true and false, and gaps where training had some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.cells import Kind
from pyfunc.columns import MISSING, Cell, Coded, Column
from pyfunc.scalars import EXACT_INTEGER
from pyfunc.schema import InputSchema

NOT_A_TIME = np.datetime64("NaT", "ns")


@dataclass(frozen=True)
class _Plain:
    """What is plain in one column."""

    name: str
    kind: Kind
    low: float
    high: float
    codes: dict[str, int]
    texts: tuple[str, ...]
    has_gaps: bool  # in training; a gap elsewhere is spoken of

    def cell(self, cell: Any) -> tuple[bool, Cell]:
        """Whether a cell is plain, and what it is in an enforced frame."""
        if cell is None:
            return self.has_gaps, NOT_A_TIME if self.kind is Kind.DATETIME else None if self.is_text else np.nan
        if self.kind is Kind.NUMBER:
            is_number = type(cell) is float or (type(cell) is int and abs(cell) < EXACT_INTEGER)
            return is_number and self.low <= cell <= self.high, float(cell) if is_number else np.nan
        if self.kind is Kind.CATEGORY:
            return type(cell) is str and cell in self.codes, cell
        if self.kind is Kind.TEXT:
            return type(cell) is str and _is_text(cell), cell
        return self.kind is Kind.BOOLEAN and type(cell) is bool, float(cell) if type(cell) is bool else np.nan

    @property
    def is_text(self) -> bool:
        """Whether its cells are texts."""
        return self.kind in (Kind.CATEGORY, Kind.TEXT)

    def column(self, cells: Sequence[Any]) -> Column | None:
        """The same for many cells."""
        types = set(map(type, cells))
        if type(None) in types and not self.has_gaps:
            return None
        types.discard(type(None))
        if self.kind is Kind.NUMBER:
            return self._numbers(cells) if types <= {int, float} else None
        if self.kind is Kind.BOOLEAN:
            return np.array(cells, dtype=np.float64) if types <= {bool} else None
        if self.kind is Kind.DATETIME:
            return None if types else np.full(len(cells), NOT_A_TIME)
        if not types <= {str}:
            return None
        if self.kind is Kind.CATEGORY:
            codes = [MISSING if cell is None else self.codes.get(cell, MISSING - 1) for cell in cells]
            return None if MISSING - 1 in codes else Coded(np.array(codes, dtype=np.int64), self.texts)
        place: dict[str, int] = {}
        codes = [MISSING if cell is None else place.setdefault(cell, len(place)) for cell in cells]
        return Coded(np.array(codes, dtype=np.int64), tuple(place)) if all(map(_is_text, place)) else None

    def _numbers(self, cells: Sequence[Any]) -> Column | None:
        """Numbers that are whole only where float64 is."""
        try:
            values = np.array(cells, dtype=np.float64)
        except OverflowError:
            return None
        inside = (values >= self.low) & (values <= self.high) & (np.abs(values) < EXACT_INTEGER)
        return values if int(inside.sum()) + cells.count(None) == len(cells) else None


class Gate:
    """The columns of a schema, looked up once."""

    def __init__(self, schema: InputSchema) -> None:
        self._columns = [
            _Plain(
                column.name,
                column.kind,
                -np.inf if column.minimum is None or column.kind is not Kind.NUMBER else float(column.minimum),
                np.inf if column.maximum is None or column.kind is not Kind.NUMBER else float(column.maximum),
                {text: code for code, text in enumerate(column.categories)},
                column.categories,
                column.missing > 0,
            )
            for column in schema.columns
        ]

    def row(self, record: Mapping[str, Any]) -> list[Cell] | None:
        """The cells of a record in the schema's order; None where it is not plain."""
        if len(record) != len(self._columns):
            return None
        made: list[Cell] = []
        for column in self._columns:
            if column.name not in record:
                return None
            is_plain, cell = column.cell(record[column.name])
            if not is_plain:
                return None
            made.append(cell)
        return made

    def columns(self, records: Sequence[Mapping[str, Any]]) -> list[Column] | None:
        """The columns of records in the schema's order; None where one of them is not plain."""
        if any(len(record) != len(self._columns) for record in records):
            return None
        made: list[Column] = []
        for column in self._columns:
            try:
                found = column.column([record[column.name] for record in records])
            except KeyError:
                return None
            if found is None:
                return None
            made.append(found)
        return made


def _is_text(text: str) -> bool:
    """Not blank, and nothing that UTF-8 cannot write."""
    if not text or text.isspace():
        return False
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)
