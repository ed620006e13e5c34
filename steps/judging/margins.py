"""The margin: how much worse than the champion a model may be and still take its place."""

from __future__ import annotations

import math

from pyfunc.errors import Problem

DEFAULT_MARGIN = "0"
WHERE = "parameters"


def margin_of(text: str) -> float:
    """The margin in units of the primary figure; NaN for what is no finite number from 0 on."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0 <= value < math.inf else math.nan


def margin_problems(text: str) -> list[Problem]:
    """What is wrong with a margin."""
    if not math.isnan(margin_of(text)):
        return []
    fix = "Give 0, or how much worse than the champion a model may be, in units of the metric: 0.005."
    return [Problem("margin_invalid", "'margin' is not a number from 0 on.", WHERE, fix)]
