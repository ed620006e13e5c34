"""What one cell means, by kind, whatever format it came in.

The rule everywhere: a cell means what its text means. JSON `30`, JSON `"30"`, CSV `30` and a parquet 30 are the same
number; JSON `true` is the text `true` and no number. Nothing is rounded, guessed or dropped: what does not fit is
reported with its row.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import numbers
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pyfunc.spelling import PLAIN, Spelling

__all__ = ["MISSING_TOKENS", "Converted", "Kind", "Spelling", "convert", "objects", "text_of"]

EXACT_INTEGER = 2.0**53  # beyond it float64 skips whole numbers
LARGEST_NUMBER = float(np.finfo(np.float32).max)  # scikit-learn's trees, XGBoost and CatBoost compute in float32
MISSING_TOKENS = ("NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "<NA>")
NUMBER_TEXT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE_TEXT = re.compile(r"[+-]?\d+", re.ASCII)
INFINITE_TEXT = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
DATE_TEXT = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?", re.ASCII
)
ZONE_TEXT = re.compile(r"[T ].*(Z|[+-]\d{2}:?(\d{2})?)$", re.ASCII)
BOOLEAN_TEXT = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


class Kind(StrEnum):
    """What a column holds. The last three are never learned from."""

    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"
    IDENTIFIER = "identifier"
    CONSTANT = "constant"


@dataclass(frozen=True)
class Converted:
    """A column in its enforced type, and the 1-based rows of cells that do not fit, by problem code."""

    values: pd.Series
    wrong: dict[str, list[int]] = field(default_factory=dict)


def convert(
    column: pd.Series, kind: Kind, spelling: Spelling = PLAIN, missing_tokens: Iterable[str] = MISSING_TOKENS
) -> Converted:
    """Convert one column of any type to the type that its kind has in an enforced frame.

    Args:
        column: (n_rows,) of any dtype; not changed.
        kind: NUMBER and BOOLEAN become float64, CATEGORY object of text, DATETIME datetime64[ns] or, with a zone,
            datetime64[ns, UTC].
        spelling: how this column's cells are written beside the plain forms.
        missing_tokens: texts that mean missing, besides empty text; not for CATEGORY, where they may be categories.
    """
    cells = column.reset_index(drop=True)
    if kind is Kind.NUMBER:
        return _numbers(cells, frozenset(missing_tokens))
    if kind is Kind.BOOLEAN:
        return _each(cells, _boolean, frozenset(missing_tokens), np.float64)
    if kind is Kind.DATETIME:
        return _datetimes(cells, spelling.timezone, frozenset(missing_tokens))
    return _texts(cells)


def text_of(cell: object) -> str | None:
    """The text that a cell means, or None for a cell that is no scalar (a list, an object, bytes)."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, numbers.Integral):
        return str(int(cell))
    if isinstance(cell, decimal.Decimal):
        return str(int(cell)) if cell.is_finite() and cell == cell.to_integral_value() else str(cell)
    if isinstance(cell, numbers.Real):
        value = float(cell)
        return str(int(value)) if value.is_integer() and abs(value) <= EXACT_INTEGER else repr(value)
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    return None


def objects(column: pd.Series) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A column's cells as Python objects (n_rows,) and which of them are missing, empty text included."""
    values = column.astype(object).to_numpy()
    missing = np.asarray(pd.isna(values), dtype=bool)
    if set(map(type, values[~missing])) & {str}:
        blank = np.fromiter((isinstance(v, str) and not v.strip() for v in values), bool, len(values))
        missing = missing | blank
    return values, missing


def _numbers(column: pd.Series, tokens: frozenset[str]) -> Converted:
    """float64 with NaN for missing."""
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "O"
    if kind in "iuf":
        return Converted(pd.Series(column.to_numpy(dtype=np.float64)), _number_faults(column.to_numpy()))
    values, missing = objects(column)
    present = values[~missing]
    if set(map(type, present)) <= {str}:
        fast = _plain_numbers(present)
        if fast is not None:
            result = np.full(len(values), np.nan)
            result[~missing] = fast
            return Converted(pd.Series(result))
    return _each(column, _number, tokens, np.float64)


def _plain_numbers(texts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Texts that are all ordinary numbers, read exactly and fast; None where one needs a closer look."""
    try:
        values = np.asarray(pa.array(texts, pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False))
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    ordinary = np.isfinite(values).all() and (np.abs(values) < EXACT_INTEGER).all()
    return values if ordinary else None


def _number_faults(values: np.ndarray[Any, Any]) -> dict[str, list[int]]:
    """Faults of values that are numbers already; integers are compared as integers."""
    if values.dtype.kind in "iu":
        faults = {"integer_too_large": (values > int(EXACT_INTEGER)) | (values < -int(EXACT_INTEGER))}
    else:
        infinite = np.isinf(values)
        faults = {"infinite_number": infinite, "number_too_large": (np.abs(values) > LARGEST_NUMBER) & ~infinite}
    return {code: _rows(mask) for code, mask in faults.items() if mask.any()}


def _number(cell: object) -> float | str:
    """A number, or the code of what is wrong."""
    if isinstance(cell, bool | np.bool_):
        return "not_a_number"
    if isinstance(cell, str):
        text = cell.strip()
        if INFINITE_TEXT.fullmatch(text):
            return "infinite_number"
        if not NUMBER_TEXT.fullmatch(text):
            return "not_a_number"
        if WHOLE_TEXT.fullmatch(text) and (len(text) > 400 or abs(int(text)) > EXACT_INTEGER):  # noqa: PLR2004 (int() of a long text is slow)
            return "integer_too_large"
        return _sized(float(text))
    if isinstance(cell, numbers.Integral):
        return float(cell) if abs(int(cell)) <= EXACT_INTEGER else "integer_too_large"
    if isinstance(cell, numbers.Real | decimal.Decimal):
        return _sized(float(cell))
    return "not_a_number"


def _sized(value: float) -> float | str:
    """The value, or the code for one that cannot be computed with."""
    if math.isinf(value):
        return "infinite_number"
    return "number_too_large" if abs(value) > LARGEST_NUMBER else value


def _boolean(cell: object) -> float | str:
    """1.0 or 0.0, or the code of what is wrong."""
    text = text_of(cell)
    return BOOLEAN_TEXT.get(text.strip().lower(), "not_a_boolean") if text is not None else "not_a_boolean"


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


def _datetimes(column: pd.Series, timezone: str | None, tokens: frozenset[str]) -> Converted:
    """datetime64[ns] with NaT for missing; times with a zone in UTC and marked so, to pass the gate a second time."""
    dtype: Any = "datetime64[ns]" if timezone is None else "datetime64[ns, UTC]"
    zoned = getattr(column.dtype, "tz", None) is not None
    if pd.api.types.is_datetime64_any_dtype(column.dtype) and zoned == (timezone is not None):
        try:
            return Converted(column.astype(dtype))
        except pd.errors.OutOfBoundsDatetime:
            pass  # a year such as 9999: the rows are found one by one
    read = _each(column, lambda cell: _datetime(cell, timezone), tokens, "datetime64[ns]")
    if read.wrong or timezone is None:
        return read
    return Converted(read.values.dt.tz_localize("UTC"))  # noqa: PD011 (a field of ours)


def _datetime(cell: object, timezone: str | None) -> pd.Timestamp | str:
    """A time without zone (in UTC where zones are expected), or the code of what is wrong."""
    if isinstance(cell, str):
        text = cell.strip()
        if not DATE_TEXT.fullmatch(text):
            return "not_a_datetime"
        cell = text.replace(",", ".")
    elif not isinstance(cell, dt.datetime | dt.date | np.datetime64):
        return "not_a_datetime"
    try:
        moment = pd.Timestamp(cell).as_unit("ns")  # type: ignore[attr-defined]  # pandas-stubs 2.1 lacks it
    except (ValueError, OverflowError):  # an impossible date, or one that 64 bits of nanoseconds do not reach
        return "not_a_datetime"
    if (moment.tzinfo is None) != (timezone is None):
        return "no_time_zone" if moment.tzinfo is None else "unwanted_time_zone"
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo is not None else moment


def _each(column: pd.Series, read: Callable[[object], Any], tokens: frozenset[str], dtype: Any) -> Converted:
    """Read cell by cell; equal texts are read once."""
    values, missing = objects(column)
    known: dict[str, Any] = {}
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
    if wrong:
        return Converted(pd.Series([None] * len(values), dtype=object), wrong)
    return Converted(pd.Series(result, dtype=dtype))


def _rows(mask: np.ndarray[Any, Any]) -> list[int]:
    """1-based rows where the mask is true."""
    return [int(at) + 1 for at in np.flatnonzero(mask)]
