"""How the cells of one column are written, beyond the plain forms that every column accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


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
    missing_words: tuple[str, ...] = ()  # number: words that mean missing in this column

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Spelling:
        """Read the JSON form."""
        facts: dict[str, Any] = {spec.name: stored[spec.name] for spec in fields(cls) if spec.name in stored}
        return cls(**facts | {name: tuple(fact) for name, fact in facts.items() if isinstance(fact, list)})


PLAIN = Spelling()
