"""How the dates of a training column are written, told from its different texts.

A pattern counts only where every text fits it. Between slashes and dashes the day or the month may come first: where
every text is a date either way, the column is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.spelling import Spelling, moments
from steps.data.spelling import Found

AMBIGUOUS_DATES = "ambiguous_dates"
DAYS = (
    ("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y"), ("%d-%m-%y", "%m-%d-%y"),
    ("%d.%m.%Y",), ("%d.%m.%y",), ("%Y/%m/%d",), ("%Y.%m.%d",),
    ("%d %b %Y",), ("%d %B %Y",), ("%d-%b-%Y",), ("%d-%b-%y",), ("%b %d, %Y",), ("%B %d, %Y",),
)  # fmt: skip  # patterns of the same shape stand together: the first has the day first
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
NOT_ISO = ("%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p")
SHAPE = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}",
    "%H": r"\d{1,2}", "%I": r"\d{1,2}", "%M": r"\d{2}", "%S": r"\d{2}", "%p": "[AaPp][Mm]",
}  # fmt: skip
TWO_DIGITS = {"%m": r"\d{2}", "%d": r"\d{2}"}  # beside a year of two digits: 1.2.10 is a version number
FINER = (("subsecond", 1), ("second", 10**9), ("minute", 60 * 10**9), ("hour", 3600 * 10**9))


def date_pattern(texts: Sequence[str]) -> Found:
    """The strptime pattern of a column's texts.

    Args:
        texts: (n,) different texts, none of them ISO 8601 throughout.
    """
    for patterns in CANDIDATES:
        shape = SHAPES[patterns[0]]
        if not shape.fullmatch(texts[0]) or not all(map(shape.fullmatch, texts)):
            continue
        fitting = [pattern for pattern in patterns if not np.isnat(moments(texts, pattern, utc=False)).any()]
        if len(fitting) > 1:
            return Found(doubt=AMBIGUOUS_DATES, why="|".join(fitting))
        if fitting:
            return Found(Spelling(format=fitting[0]))
    return Found()


def ambiguity(name: str, patterns: Sequence[str]) -> str:
    """What is said of a column whose order of day and month cannot be told."""
    asked = " or ".join(f"kinds={name}:datetime:{pattern}" for pattern in patterns)
    return f"Looks like dates, but whether the day or the month comes first cannot be told; say {asked}."


def granularity(values: pd.Series) -> str:
    """The finest part that datetimes (n_rows,) use; what is missing does not count."""
    present: np.ndarray[Any, Any] = values.dropna().to_numpy(dtype="datetime64[ns]").astype(np.int64)
    for (name, _), (_, larger) in zip(FINER, (*FINER[1:], ("day", 24 * 3600 * 10**9)), strict=True):
        if (present % larger).any():
            return name
    return "day"


def _shape(pattern: str) -> re.Pattern[str]:
    """A pattern's outer form, which its texts have to have before they are read."""
    widths = SHAPE | TWO_DIGITS if "%y" in pattern else SHAPE
    return re.compile(re.sub(r"%[A-Za-z]", lambda found: widths[found[0]], pattern.replace(".", r"\.")), re.ASCII)


CANDIDATES = (*(tuple(f"{day}{time}" for day in days) for days in DAYS for time in TIMES), *((p,) for p in NOT_ISO))
SHAPES = {patterns[0]: _shape(patterns[0]) for patterns in CANDIDATES}
