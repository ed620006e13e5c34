"""What one cell means, whatever format it came in."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import numbers
import re

import numpy as np
import pandas as pd

from pyfunc.spelling import Spelling, plain_number

EXACT_INTEGER = 2.0**53  # beyond it float64 skips whole numbers
LARGEST_NUMBER = float(np.finfo(np.float32).max)  # scikit-learn's trees, XGBoost and CatBoost compute in float32
MISSING_TOKENS = (
    "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "<NA>", "?", "-", "--", ".",
)  # fmt: skip
NUMBER_TEXT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE_TEXT = re.compile(r"[+-]?\d+", re.ASCII)
LEADING_ZERO = re.compile(r"\s*[+-]?0\d", re.ASCII)
INFINITE_TEXT = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
DATE_TEXT = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?", re.ASCII
)
ZONE_TEXT = re.compile(r"[T ].*(Z|[+-]\d{2}:?(\d{2})?)$", re.ASCII)
BOOLEAN_TEXT = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


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


def number_of(cell: object, spelling: Spelling, missing_words: frozenset[str]) -> float | str | None:
    """A number in the column's own style, None for a word that means missing, or the code of what is wrong."""
    if not isinstance(cell, str):
        return _plain(cell)
    text = cell.strip()
    if text.casefold() in missing_words:
        return None
    plain = plain_number(text, spelling) if spelling.has_number_style else text
    return _plain(plain) if plain is not None else "not_a_number"


def _plain(cell: object) -> float | str:
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
    if isinstance(cell, decimal.Decimal) and cell.is_finite() and cell == cell.to_integral_value():
        return float(cell) if abs(cell) <= EXACT_INTEGER else "integer_too_large"
    if isinstance(cell, numbers.Real | decimal.Decimal):
        return _sized(float(cell))
    return "not_a_number"


def _sized(value: float) -> float | str:
    """The value, or the code for one that cannot be computed with."""
    if math.isinf(value):
        return "infinite_number"
    return "number_too_large" if abs(value) > LARGEST_NUMBER else value


def boolean_word(cell: object) -> str | None:
    """The word that a cell of a boolean column is: casefolded text, numbers in their shortest form."""
    text = text_of(cell)
    if text is None:
        return None
    word = text.strip().casefold()
    if NUMBER_TEXT.fullmatch(word) and not LEADING_ZERO.match(word):
        return text_of(float(word))
    return word


def moment_of(cell: object, timezone: str | None) -> pd.Timestamp | str:
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
