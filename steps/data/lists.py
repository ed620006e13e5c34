"""Lists in one parameter, such as `age, "city, state"`: how they are read, and written again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def entries(text: str) -> tuple[str, ...]:
    """Entries separated by commas, each once; those with commas of their own stand in double quotes."""
    parts = next(csv.reader([text.replace("\n", " ")], skipinitialspace=True), [])
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def joined(parts: Iterable[str]) -> str:
    """The text that `entries` reads back."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(parts)
    return line.getvalue()
