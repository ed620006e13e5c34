"""How the cells of one column are written, beyond the plain forms that every column accepts."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

CURRENCIES = (
    "$", "€", "£", "¥", "₹", "EUR", "USD", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "INR", "SEK", "NOK", "DKK",
    "PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "TRY", "KRW",
)  # fmt: skip
PERCENT = "%"
SPACE = "[ \u00a0\u202f]"  # the usual one, and the two that do not break the line
BETWEEN_GROUPS = {",": ",", ".": r"\.", " ": SPACE, "'": "['\u2019]"}  # of three digits, as patterns
ISO8601 = "ISO8601"
NOT_BY_PATTERN = frozenset({"now", "today", "nat", "nan", "null", "none", "n/a", "na"})  # pandas reads them as times


@dataclass(frozen=True)
class Spelling:
    """How a column's cells are written, beyond the plain forms.

    Training decides; the test file and every later row are read the same way.
    """

    timezone: str | None = None  # datetime: "UTC" where times carry a zone (they are converted to UTC)
    format: str | None = None  # datetime: strptime pattern of text that is accepted beside ISO 8601
    granularity: str | None = None  # datetime: day, hour, minute, second, subsecond; of the training values
    words: tuple[str, ...] = ()  # boolean: the word for 0, the word for 1
    unit: str | None = None  # number: "%" or a currency sign or code that cells may carry
    thousands: str | None = None  # number: what stands between groups of three digits
    decimal: str | None = None  # number: "," where the column's own texts use it; None is the point
    missing_words: tuple[str, ...] = ()  # number: words that mean missing in this column, casefolded

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Spelling:
        """Read the JSON form."""
        facts: dict[str, Any] = {spec.name: stored[spec.name] for spec in fields(cls) if spec.name in stored}
        return cls(**facts | {name: tuple(fact) for name, fact in facts.items() if isinstance(fact, list)})

    @property
    def has_number_style(self) -> bool:
        """Whether numbers are written in another way than plainly."""
        return self.unit is not None or self.thousands is not None or self.decimal is not None

    @property
    def reads_commas(self) -> bool:
        """Whether a comma in a number has a meaning of its own in this column."""
        return "," in (self.decimal, self.thousands)


PLAIN = Spelling()


def plain_number(text: str, spelling: Spelling) -> str | None:
    """The plain form of a number in a column's own style: `1234.5` for `1.234,5 €`, `12.5e-2` for `12.5 %`.

    Plain numbers stay as they are, unless the column's style would read them differently: with a decimal comma a
    point is no decimal point, so that `1.234` is one thousand and `1.5` is no number.

    Args:
        text: a cell without blanks around it.
        spelling: the column's.

    Returns:
        None where the text is not written in the column's style; plain text is for the caller to check.
    """
    found = styled(text, spelling.unit, spelling.thousands, spelling.decimal)
    if found is None:
        return None if spelling.decimal is not None and "." in text else text
    body = found["body"]
    if spelling.thousands is not None:
        body = re.sub(BETWEEN_GROUPS[spelling.thousands], "", body)
    if spelling.decimal is not None:
        body = body.replace(spelling.decimal, ".")
    is_share = spelling.unit == PERCENT and found["after"] is not None
    return f"{found['sign'] or found['inner'] or ''}{body}{'e-2' if is_share else ''}"


def styled(text: str, unit: str | None, thousands: str | None, decimal: str | None) -> re.Match[str] | None:
    """A number written in a style: groups `body`, `sign`, `inner` (a sign behind the unit), `before` and `after`."""
    found = _number_pattern(unit, thousands, decimal).fullmatch(text)
    if found is None or (found["before"] and found["after"]) or (found["sign"] and found["inner"]):
        return None
    return found


def moments(texts: Sequence[str], pattern: str, *, utc: bool) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    """Texts (n,) written in a strptime pattern, or ISO8601, as datetime64[ns] (n,), in UTC if asked; else NaT.

    Raises:
        ValueError: the pattern is none.
    """
    if pattern != ISO8601 and "%" not in pattern:  # pandas takes words such as `mixed` for a way to guess
        raise ValueError("a pattern without a directive")
    read = [None if text.lower() in NOT_BY_PATTERN else text for text in texts]
    found = pd.to_datetime(pd.Series(read, dtype=object), format=pattern, errors="coerce", utc=utc)
    if utc:
        found = found.dt.tz_localize(None)
    return found.to_numpy(dtype="datetime64[ns]")


@functools.lru_cache(maxsize=256)
def _number_pattern(unit: str | None, thousands: str | None, decimal: str | None) -> re.Pattern[str]:
    """What `styled` looks for."""
    groups = "(?!)" if thousands is None else rf"[1-9]\d{{0,2}}(?:{BETWEEN_GROUPS[thousands]}\d{{3}})+"
    point = decimal or r"\."
    mark = "(?!)" if unit is None else re.escape(unit)
    before = "(?!)" if unit == PERCENT else mark
    return re.compile(
        rf"(?P<sign>[+-])?(?:(?P<before>{before}){SPACE}?(?P<inner>[+-])?)?"
        rf"(?P<body>(?:{groups}|\d+)(?:{point}\d*)?|{point}\d+)(?:{SPACE}?(?P<after>{mark}))?",
        re.ASCII | re.IGNORECASE,
    )
