"""What the cells of a column mean, by kind, whatever format it came in.

The rule everywhere: a cell means what its text means. JSON `30`, JSON `"30"`, CSV `30` and a parquet 30 are the same
number; JSON `true` is the text `true` and no number. Nothing is rounded, guessed or dropped: what does not fit is
reported with its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pyfunc.scalars import (
    BOOLEAN_TEXT,
    DATE_TEXT,
    EXACT_INTEGER,
    INFINITE_TEXT,
    LARGEST_NUMBER,
    LEADING_ZERO,
    MISSING_TOKENS,
    NUMBER_TEXT,
    WHOLE_TEXT,
    ZONE_TEXT,
    boolean_word,
    moment_of,
    number_of,
    text_of,
)
from pyfunc.spelling import ISO8601, PLAIN, Spelling, moments

__all__ = [
    "DATE_TEXT", "EXACT_INTEGER", "INFINITE_TEXT", "LARGEST_NUMBER", "LEADING_ZERO", "MISSING_TOKENS", "NUMBER_TEXT",
    "UNSEEN", "WHOLE_TEXT", "Converted", "Kind", "Spelling", "boolean_word", "convert", "objects", "reader_of",
    "text_of",
]  # fmt: skip

UNSEEN = "unseen"  # no fault of the cell: what it means is for the schema's policy to say


class Kind(StrEnum):
    """What a column holds. The last two are never learned from; of text a model reads features."""

    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"
    IDENTIFIER = "identifier"
    CONSTANT = "constant"


@dataclass(frozen=True)
class Converted:
    """A column in its enforced type, and the 1-based rows of cells that do not fit, by problem code.

    `unseen` are 1-based rows whose text is none of a boolean column's words; their values are missing.
    """

    values: pd.Series
    wrong: dict[str, list[int]] = field(default_factory=dict)
    unseen: list[int] = field(default_factory=list)


def convert(
    column: pd.Series, kind: Kind, spelling: Spelling = PLAIN, missing_tokens: Iterable[str] = MISSING_TOKENS
) -> Converted:
    """Convert one column of any type to the type that its kind has in an enforced frame.

    Args:
        column: (n_rows,) of any dtype; not changed.
        kind: NUMBER and BOOLEAN become float64, CATEGORY and TEXT object of text, DATETIME datetime64[ns] or, with a
            zone, datetime64[ns, UTC].
        spelling: how this column's cells are written beside the plain forms.
        missing_tokens: texts that mean missing, besides empty text; not for CATEGORY and TEXT, where they may be words.
    """
    cells = column.reset_index(drop=True)
    tokens = frozenset(missing_tokens)
    if kind is Kind.NUMBER:
        return _numbers(cells, spelling, tokens)
    if kind is Kind.BOOLEAN:
        return _booleans(cells, spelling, tokens)
    if kind is Kind.DATETIME:
        return _datetimes(cells, spelling, tokens)
    return _texts(cells)


def reader_of(kind: Kind, spelling: Spelling) -> Callable[[object], Any]:
    """What reads one cell that is not missing, of a column of numbers, words, or times in ISO 8601.

    Returns:
        What a cell means: a float, a time without zone, or None for a word that means missing; the code of what is
        wrong with it as a text, `UNSEEN` among them.
    """
    if kind is Kind.NUMBER:
        missing_words = frozenset(spelling.missing_words)
        return lambda cell: number_of(cell, spelling, missing_words)
    if kind is Kind.DATETIME:
        return lambda cell: moment_of(cell, spelling.timezone)
    meaning = BOOLEAN_TEXT | {word.casefold(): float(at) for at, word in enumerate(spelling.words)}

    def read(cell: object) -> float | str:
        word = boolean_word(cell)
        return meaning.get(word, UNSEEN) if word is not None else "not_a_boolean"

    return read


def objects(column: pd.Series) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A column's cells as Python objects (n_rows,) and which of them are missing, empty text included."""
    values = column.astype(object).to_numpy()
    missing = np.asarray(pd.isna(values), dtype=bool)
    if set(map(type, values[~missing])) & {str}:
        blank = np.fromiter((isinstance(v, str) and (not v or v.isspace()) for v in values), bool, len(values))
        missing = missing | blank
    return values, missing


def _numbers(column: pd.Series, spelling: Spelling, tokens: frozenset[str]) -> Converted:
    """float64 with NaN for missing."""
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "O"
    if kind in "iuf":
        return Converted(pd.Series(column.to_numpy(dtype=np.float64)), _number_faults(column.to_numpy()))
    if isinstance(column.dtype, pd.StringDtype) and not spelling.has_number_style:  # no need to make objects of them
        fast = _plain_numbers(column.array)
        if fast is not None:
            return Converted(pd.Series(fast))
    values, missing = objects(column)
    present = values[~missing]
    types = set(map(type, present))
    fast = None
    if types <= {str} and not spelling.has_number_style:
        fast = _plain_numbers(present)
    elif types <= {int, float}:
        fast = _ordinary(np.array(present, dtype=np.float64))
    if fast is not None:
        result = np.full(len(values), np.nan)
        result[~missing] = fast
        return Converted(pd.Series(result))
    return _each(column, reader_of(Kind.NUMBER, spelling), tokens, np.float64)


def _plain_numbers(texts: Any) -> np.ndarray[Any, Any] | None:
    """Texts that are all ordinary numbers, read exactly and fast; None where one needs a closer look."""
    try:
        cells = pa.array(texts, pa.string())
        values = np.array(cells.cast(pa.float64()))  # NaN where null
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    n_ordinary = int((np.abs(values) < EXACT_INTEGER).sum())  # NaN and infinity are not less
    return values if n_ordinary == len(values) - cells.null_count else None


def _ordinary(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Numbers none of which needs a closer look."""
    return values if bool((np.abs(values) < EXACT_INTEGER).all()) else None


def _number_faults(values: np.ndarray[Any, Any]) -> dict[str, list[int]]:
    """Faults of values that are numbers already; integers are compared as integers."""
    if values.dtype.kind in "iu":
        faults = {"integer_too_large": (values > int(EXACT_INTEGER)) | (values < -int(EXACT_INTEGER))}
    else:
        infinite = np.isinf(values)
        faults = {"infinite_number": infinite, "number_too_large": (np.abs(values) > LARGEST_NUMBER) & ~infinite}
    return {code: _rows(mask) for code, mask in faults.items() if mask.any()}


def _booleans(column: pd.Series, spelling: Spelling, tokens: frozenset[str]) -> Converted:
    """float64 with NaN for missing and unseen words."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "b":
        return Converted(column.astype(np.float64))
    return _each(column, reader_of(Kind.BOOLEAN, spelling), tokens, np.float64)


def _texts(column: pd.Series) -> Converted:
    """Text with NaN for missing; numbers and booleans by the text they have."""
    values, missing = objects(column)
    result = np.full(len(values), np.nan, dtype=object)
    present = values[~missing]
    if set(map(type, present)) <= {str}:
        result[~missing] = present
        return Converted(pd.Series(result, dtype=object))
    texts = np.array([text_of(cell) for cell in present], dtype=object)
    result[~missing] = texts
    bad = np.zeros(len(values), bool)
    bad[~missing] = [text is None for text in texts]
    return Converted(pd.Series(result, dtype=object), {"not_text": _rows(bad)} if bad.any() else {})


def _datetimes(column: pd.Series, spelling: Spelling, tokens: frozenset[str]) -> Converted:
    """datetime64[ns] with NaT for missing; times with a zone in UTC and marked so, to pass the gate a second time."""
    timezone = spelling.timezone
    dtype: Any = "datetime64[ns]" if timezone is None else "datetime64[ns, UTC]"
    zoned = getattr(column.dtype, "tz", None) is not None
    if pd.api.types.is_datetime64_any_dtype(column.dtype) and zoned == (timezone is not None):
        try:
            return Converted(column.astype(dtype))
        except pd.errors.OutOfBoundsDatetime:
            pass  # a year such as 9999: the rows are found one by one
    known = _known_moments(column, spelling)
    read = _each(column, reader_of(Kind.DATETIME, spelling), tokens, "datetime64[ns]", known)
    if read.wrong or timezone is None:
        return read
    return Converted(read.values.dt.tz_localize("UTC"))  # noqa: PD011 (a field of ours)


def _known_moments(column: pd.Series, spelling: Spelling) -> dict[str, Any]:
    """Texts that are read all at once, which is a hundred times as fast: ISO 8601 and the column's own pattern."""
    if column.dtype.kind == "M":
        return {}
    distinct = dict.fromkeys(cell for cell in column.astype(object).to_numpy() if isinstance(cell, str))
    utc = spelling.timezone is not None
    iso = [
        text for text in distinct if DATE_TEXT.fullmatch(text.strip()) and bool(ZONE_TEXT.search(text.strip())) == utc
    ]
    known = dict(zip(iso, moments([text.strip().replace(",", ".") for text in iso], ISO8601, utc=utc), strict=True))
    if spelling.format is not None:
        others = [text for text in distinct if text not in known]
        found = moments([text.strip() for text in others], spelling.format, utc=utc)
        known |= dict(zip(others, found, strict=True))
    return {text: moment for text, moment in known.items() if not np.isnat(moment)}


def _each(
    column: pd.Series,
    read: Callable[[object], Any],
    tokens: frozenset[str],
    dtype: Any,
    known: dict[str, Any] | None = None,
) -> Converted:
    """Read cell by cell; equal texts are read once, `known` ones not at all."""
    values, missing = objects(column)
    known = {} if known is None else known
    result: list[Any] = [None] * len(values)
    wrong: dict[str, list[int]] = {}
    for at in np.flatnonzero(~missing):
        cell = values[at]
        if isinstance(cell, str):
            if cell not in known:
                known[cell] = None if cell.strip() in tokens else read(cell)
            got = known[cell]
        else:
            got = read(cell)
        if isinstance(got, str):
            wrong.setdefault(got, []).append(int(at) + 1)
        else:
            result[at] = got
    unseen = wrong.pop(UNSEEN, [])
    if wrong:
        return Converted(pd.Series([None] * len(values), dtype=object), wrong, unseen)
    return Converted(pd.Series(result, dtype=dtype), {}, unseen)


def _rows(mask: np.ndarray[Any, Any]) -> list[int]:
    """1-based rows where the mask is true."""
    return [int(at) + 1 for at in np.flatnonzero(mask)]
