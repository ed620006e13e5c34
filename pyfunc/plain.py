"""One column of any source as a plain array, without a frame: what of it training has not seen, and nothing decided.

`pyfunc.cells.convert` is the specification. Here numbers, texts, words and codes are read as arrays, and few others one
by one, with what `convert` reads them with; whatever else a cell may be, `convert` itself reads. Where it finds a fault
the answer is None: refusals are for the schema to word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pyfunc import cells as reading
from pyfunc.cells import UNSEEN, Kind, reader_of, text_of
from pyfunc.columns import MISSING, Coded, Column
from pyfunc.scalars import EXACT_INTEGER
from pyfunc.spelling import Spelling

FEW = 64  # cells that are read one by one before pandas has begun
PLAIN_TIME = r"^(1[7-9]|2[01])\d{2}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$"  # of years that 64 bits reach
PLAIN_TYPES = {str, int, float, bool, type(None)}  # as JSON has them

Cells: TypeAlias = Sequence[Any] | pa.Array  # of a column: Python's objects with None for a gap, or Arrow's
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Read:
    """A column: its values, which of them are gaps, and which are of no use because training has not seen them.

    Attributes:
        values: (n_rows,) see `pyfunc.columns`.
        gaps: (n_rows,) cells without a value.
        unseen: (n_rows,) texts that are none of the categories, words that are neither of the two.
    """

    values: Column
    gaps: Mask
    unseen: Mask


@dataclass(frozen=True)
class Reader:
    """How the cells of one column are read.

    Args:
        kind: of the column.
        spelling: of the column.
        tokens: texts that mean missing in columns of numbers, words and times.
        categories: that training has seen.
    """

    kind: Kind
    spelling: Spelling
    tokens: tuple[str, ...]
    categories: Collection[str]

    def read(self, cells: Cells) -> Read | None:
        """A column (n_rows,); None where a cell does not fit, or is for others to look at."""
        if isinstance(cells, pa.Array):
            cells = _unwrapped(cells)
        if self.kind is Kind.NUMBER:
            found = self._numbers(cells)
            if found is not None:
                return _without_unseen(found, np.isnan(found))
        elif self.kind is Kind.DATETIME:
            moments = self._moments(cells)
            if moments is not None:
                return _without_unseen(moments, np.isnat(moments))
        else:
            coded = _coded(cells)
            if coded is None:
                return self._by_frame(cells)
            return self._words(*coded) if self.kind is Kind.BOOLEAN else self._texts(*coded)
        return self._one_by_one(cells) if self._are_few(cells) else self._by_frame(cells)

    def _numbers(self, cells: Cells) -> np.ndarray[Any, Any] | None:
        """float64 (n_rows,) where all of them are ordinary."""
        if isinstance(cells, pa.Array):
            if pa.types.is_string(cells.type) and self.spelling.has_number_style:
                return None
            return _numbers_of(cells)
        if not set(map(type, cells)) <= {int, float, type(None)}:
            return None
        try:
            values = np.array(cells, dtype=np.float64)
        except OverflowError:
            return None
        inside = int((np.abs(values) < EXACT_INTEGER).sum())
        return values if inside + int(np.isnan(values).sum()) == len(values) else None

    def _moments(self, cells: Cells) -> np.ndarray[Any, Any] | None:
        """datetime64[ns] (n_rows,) where all of them are texts in ISO 8601 without a zone."""
        if self.spelling.format is not None or self.spelling.timezone is not None:
            return None
        if not isinstance(cells, pa.Array):
            if not set(map(type, cells)) <= {str, type(None)}:
                return None
            try:
                cells = pa.array(cells, pa.string())
            except UnicodeEncodeError:
                return None
        if not pa.types.is_string(cells.type) or pc.any(pc.invert(pc.match_substring_regex(cells, PLAIN_TIME))).as_py():
            return None
        try:
            return cells.cast(pa.timestamp("ns")).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:  # no day of the calendar
            return None

    def _words(self, codes: Any, texts: Sequence[str]) -> Read | None:
        """Words of a boolean column: each different one is read once."""
        meant = self._meant(texts)
        if meant is None:
            return None
        values, unseen = meant
        strange = np.append(unseen, False)[codes]  # the last one is that of a gap
        found = np.array([*values, None], dtype=np.float64)[codes]
        return Read(found, np.isnan(found) & ~strange, strange)

    def _are_few(self, cells: Cells) -> bool:
        """Whether these are read sooner one by one; times in a pattern of their own only pandas can read."""
        if isinstance(cells, pa.Array) or len(cells) > FEW or self.spelling.format is not None:
            return False
        return set(map(type, cells)) <= PLAIN_TYPES

    def _one_by_one(self, cells: Sequence[Any]) -> Read | None:
        """Few numbers or times."""
        meant = self._meant(cells)
        if meant is None:
            return None
        values, unseen = meant
        if self.kind is Kind.DATETIME:
            moments = np.array([moment and moment.to_datetime64() for moment in values], dtype="datetime64[ns]")
            return _without_unseen(moments, np.isnat(moments))
        numbers = np.array(values, dtype=np.float64)
        return Read(numbers, np.isnan(numbers) & ~unseen, unseen)

    def _meant(self, cells: Sequence[Any]) -> tuple[list[Any], Mask] | None:
        """What cells mean, None for gaps and what is unseen, and which are unseen; None where one does not fit."""
        said = [None if self._is_missing(cell) else self._read_cell(cell) for cell in cells]
        unseen = np.array([isinstance(each, str) and each == UNSEEN for each in said], dtype=bool)
        found = [None if is_unseen else each for each, is_unseen in zip(said, unseen, strict=True)]
        return None if any(isinstance(each, str) for each in found) else (found, unseen)

    def _is_missing(self, cell: Any) -> bool:
        """Whether it is a gap, or a text that means one."""
        if isinstance(cell, str):
            text = cell.strip()
            return not text or text in self.tokens
        return _is_gap(cell)

    @cached_property
    def _read_cell(self) -> Callable[[object], Any]:
        """What `convert` reads a cell with."""
        return reader_of(self.kind, self.spelling)

    def _texts(self, codes: Any, texts: Sequence[str]) -> Read | None:
        """Texts of a category or a text column."""
        blank = np.array([*(not text or text.isspace() for text in texts), True])
        if not all(map(is_writable, texts)):
            return None
        kept = np.where(blank[codes], MISSING, codes)
        known = np.array([*(self.kind is Kind.TEXT or text in self.categories for text in texts), True])
        gaps = kept == MISSING
        return Read(Coded(kept, texts), gaps, ~known[codes] & ~gaps)

    def _by_frame(self, cells: Cells) -> Read | None:
        """Any cells, by the specification itself."""
        if not isinstance(cells, pa.Array):
            series = pd.Series([*cells], dtype=object)
        elif pa.types.is_string(cells.type):
            series = pd.Series(pd.array(cells, dtype="string[pyarrow]"))
        elif pa.types.is_timestamp(cells.type):
            series = cells.to_pandas()
        else:
            return None
        read = reading.convert(series, self.kind, self.spelling, self.tokens)
        if read.wrong:
            return None
        series = read.values  # noqa: PD011 (a field of ours)
        if self.kind is Kind.DATETIME:
            times = series.dt.tz_localize(None) if self.spelling.timezone is not None else series
            moments = times.to_numpy(dtype="datetime64[ns]")
            return _without_unseen(moments, np.isnat(moments))
        if self.kind in (Kind.NUMBER, Kind.BOOLEAN):
            values = series.to_numpy(dtype=np.float64)
            strange = np.zeros(len(values), dtype=bool)
            strange[np.array(read.unseen, dtype=np.int64) - 1] = True
            return Read(values, np.isnan(values) & ~strange, strange)
        codes, texts = pd.factorize(series)
        return self._texts(codes, [str(text) for text in texts])


def is_writable(text: str) -> bool:
    """Whether UTF-8 can write a text: JSON may hold halves of characters."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _is_gap(cell: Any) -> bool:
    """Whether a plain cell is none."""
    return cell is None or cell != cell  # noqa: PLR0124 (NaN)


def _unwrapped(cells: pa.Array) -> pa.Array:
    """Texts in the one form that is looked at, whatever Arrow holds them in."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_large_string(cells.type) or pa.types.is_string_view(cells.type) or pa.types.is_null(cells.type):
        return cells.cast(pa.string())
    return cells


def _without_unseen(values: np.ndarray[Any, Any], gaps: Mask) -> Read:
    """A column in which every value is known for what it is."""
    return Read(values, gaps, np.zeros(len(values), dtype=bool))


def _numbers_of(cells: pa.Array) -> np.ndarray[Any, Any] | None:
    """float64 (n_rows,), NaN for a gap, of numbers that float64 holds exactly; None for any other."""
    held = cells.type
    if not (pa.types.is_string(held) or pa.types.is_integer(held) or pa.types.is_floating(held)):
        return None
    try:
        values = np.array(cells.cast(pa.float64()))
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    ordinary = int((np.abs(values) < EXACT_INTEGER).sum())  # NaN and infinity are not less
    if ordinary == len(values) - cells.null_count:
        return values
    gaps = 0 if pa.types.is_string(held) else int(np.isnan(values).sum())  # `nan` as a text is for others to look at
    return values if ordinary + gaps == len(values) else None


def _coded(cells: Cells) -> tuple[Any, Sequence[str]] | None:
    """Texts as codes (n_rows,) and the different ones; plain cells as the texts that they mean; None for others."""
    if isinstance(cells, pa.Array):
        if pa.types.is_boolean(cells.type) or pa.types.is_integer(cells.type):
            cells = cells.cast(pa.string())
        if not pa.types.is_string(cells.type):
            return None
        made = pc.dictionary_encode(cells)
        codes = made.indices.fill_null(MISSING).to_numpy(zero_copy_only=False).astype(np.int64)
        return codes, made.dictionary.to_pylist()
    types = set(map(type, cells))
    if not types <= PLAIN_TYPES:
        return None
    if len(types - {type(None)}) > 1:  # 1, 1.0 and True are equal, and not the same text
        said = lru_cache(maxsize=None, typed=True)(lambda cell: None if _is_gap(cell) else text_of(cell))
        cells = [*map(said, cells)]
    texts: list[str] = []
    place: dict[Any, int] = {}
    for cell in dict.fromkeys(cells):  # each different cell is read once
        text = None if _is_gap(cell) else text_of(cell)
        place[cell] = MISSING if text is None else len(texts)
        texts += [] if text is None else [text]
    return np.fromiter(map(place.__getitem__, cells), dtype=np.int64, count=len(cells)), texts
