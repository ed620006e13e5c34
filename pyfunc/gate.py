"""The short way through the schema: rows that fit, without a frame.

`InputSchema.enforce` is the specification. What it would refuse is not worded here: then the answer is None, and the
rows go the long way. All others become the columns that a compiled model answers, with the same notices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.cells import Kind
from pyfunc.columns import MISSING, Cell, Coded, Column
from pyfunc.plain import Cells, Read, Reader, is_writable
from pyfunc.scalars import BOOLEAN_TEXT, DATE_TEXT, EXACT_INTEGER, moment_of
from pyfunc.schema import Column as Described
from pyfunc.schema import InputSchema, Notice, hands_on, row_notice

NOT_A_TIME = np.datetime64("NaT", "ns")
FIRST_ROW = (1,)
REFUSED = "refused"  # what is not seen at once: the reader looks at it


@dataclass(frozen=True)
class _Known:
    """A column, and what can be said of one of its cells at once."""

    column: Described
    reader: Reader
    low: float
    high: float
    words: Mapping[Any, float]
    hands_on: bool

    def cell(self, cell: Any) -> tuple[str, Cell]:
        """What a cell is in an enforced frame, behind the code of what is noticed: `REFUSED` where it is to be read."""
        kind = self.column.kind
        if cell is None:
            gap = NOT_A_TIME if kind is Kind.DATETIME else None if kind in (Kind.CATEGORY, Kind.TEXT) else np.nan
            return "" if self.column.missing else "missing_value", gap
        if kind is Kind.NUMBER:
            is_number = type(cell) is float or (type(cell) is int and abs(cell) < EXACT_INTEGER)
            if not is_number or not abs(cell) < EXACT_INTEGER:
                return REFUSED, None
            return "" if self.low <= cell <= self.high else "out_of_range", float(cell)
        if kind is Kind.BOOLEAN:
            is_known = type(cell) in (bool, str) and cell in self.words
            return ("", self.words[cell]) if is_known else (REFUSED, None)
        if type(cell) is not str:
            return REFUSED, None
        if kind is Kind.CATEGORY:
            return ("", cell) if cell in self.reader.categories else self._unseen(cell)
        if kind is Kind.DATETIME:
            return self._moment(cell)
        return ("", cell) if _is_text(cell) else (REFUSED, None)

    def _unseen(self, cell: str) -> tuple[str, Cell]:
        """A text that is none of the categories."""
        return ("unseen_category", cell if self.hands_on else None) if _is_text(cell) else (REFUSED, None)

    def _moment(self, cell: str) -> tuple[str, Cell]:
        """A time in ISO 8601."""
        if not DATE_TEXT.fullmatch(cell):
            return REFUSED, None
        moment = moment_of(cell, self.column.spelling.timezone)
        return (REFUSED, None) if isinstance(moment, str) else ("", moment.to_datetime64())

    def look(self, read: Read, schema: InputSchema) -> tuple[Column, list[Notice]]:
        """What the model gets of a column, and what is noticed in it."""
        column, values = self.column, read.values
        notices = []
        if read.unseen.any():
            notices.append(_notice("unseen_category", column, read.unseen, schema))
            if isinstance(values, Coded) and not self.hands_on:
                values = Coded(np.where(read.unseen, MISSING, values.codes), values.texts)
        if isinstance(values, np.ndarray) and column.kind is Kind.NUMBER:
            outside = (values < self.low) | (values > self.high)
            if np.any(outside):
                notices.append(_notice("out_of_range", column, outside, schema))
        if not column.missing and read.gaps.any():
            notices.append(_notice("missing_value", column, read.gaps, schema))
        return values, notices


class Gate:
    """The columns of a schema, looked up once."""

    def __init__(self, schema: InputSchema) -> None:
        self._schema = schema
        self._known = [_known(column, schema) for column in schema.columns]

    def row(self, record: Mapping[str, Any]) -> tuple[list[Cell], list[Notice]] | None:
        """The cells of a record in the schema's order, and what is noticed; None where `enforce` has to look."""
        made: list[Cell] = []
        noticed: list[Notice] = []
        if len(record) > len(self._known):
            noticed += self._schema.extra_columns([*record])
        for known in self._known:
            name = known.column.name
            if name not in record:
                return None
            code, cell = known.cell(record[name])
            if code == REFUSED:
                looked = self._look(known, [record[name]])
                if looked is None:
                    return None
                cell = _first(looked[0])
                noticed += looked[1]
            elif code == "unseen_category" and self._schema.unseen_category == "reject":
                return None
            elif code:
                noticed.append(row_notice(code, known.column, self._schema.unseen_category, 1, FIRST_ROW))
            made.append(cell)
        return made, noticed

    def rows(self, records: Sequence[Mapping[str, Any]]) -> tuple[list[Column], list[Notice]] | None:
        """The same for many, which all have the same columns, as `columns` gives it."""
        names = [*records[0]]
        if set(map(len, records)) != {len(names)}:
            return None
        try:
            cells = {name: [record[name] for record in records] for name in names}
        except KeyError:
            return None
        return self.columns(names, cells)

    def columns(self, names: Sequence[str], cells: Mapping[str, Cells]) -> tuple[list[Column], list[Notice]] | None:
        """The columns of a table in the schema's order, and what is noticed; None where `enforce` has to look.

        Args:
            names: of the table's columns, all different.
            cells: (n_rows,) by name, at least those that the schema has.
        """
        made: list[Column] = []
        noticed = self._schema.extra_columns(names)
        for known in self._known:
            given = cells.get(known.column.name)
            looked = None if given is None else self._look(known, given)
            if looked is None:
                return None
            made.append(looked[0])
            noticed += looked[1]
        return made, noticed

    def _look(self, known: _Known, given: Cells) -> tuple[Column, list[Notice]] | None:
        """A column, and what is noticed in it; None where `enforce` has to look."""
        read = known.reader.read(given)
        if read is None or (self._schema.unseen_category == "reject" and read.unseen.any()):
            return None
        return known.look(read, self._schema)


def _known(column: Described, schema: InputSchema) -> _Known:
    """A column, looked up."""
    reader = Reader(column.kind, column.spelling, schema.missing_tokens, frozenset(column.categories))
    is_bounded = column.kind is Kind.NUMBER and column.minimum is not None and column.maximum is not None
    low, high = (float(column.minimum or 0), float(column.maximum or 0)) if is_bounded else (-np.inf, np.inf)
    words: dict[Any, float] = {}
    if column.kind is Kind.BOOLEAN:
        said = [*BOOLEAN_TEXT, *column.spelling.words]
        read = reader.read(said)
        assert read is not None
        assert isinstance(read.values, np.ndarray)
        meant = read.values.tolist()
        words = {word: value for word, value in zip(said, meant, strict=True) if not np.isnan(value)}
        words |= {True: words["true"], False: words["false"]}
    return _Known(column, reader, low, high, words, hands_on(column, schema.unseen_category))


def _first(column: Column) -> Cell:
    """The cell of a column of one row."""
    if isinstance(column, Coded):
        return None if column.codes[0] == MISSING else column.texts[column.codes[0]]
    cell: Cell = column[0] if column.dtype.kind == "M" else float(column[0])
    return cell


def _notice(code: str, column: Described, mask: Any, schema: InputSchema) -> Notice:
    """Of the rows (n_rows,) of a mask."""
    rows = (np.flatnonzero(mask) + 1).tolist()
    return row_notice(code, column, schema.unseen_category, len(rows), tuple(rows))


def _is_text(text: str) -> bool:
    """Not blank, and nothing that UTF-8 cannot write."""
    return bool(text) and not text.isspace() and is_writable(text)
