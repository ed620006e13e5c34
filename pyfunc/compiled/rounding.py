"""Bounds of libraries that compare in float32, for comparisons in float64.

Rounding to float32 is monotone, so `float32(x) <= t` is `x <= T` for one float64 T.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


@np.errstate(over="ignore")  # beyond the largest there is infinity
def at_most(bound: Floats) -> Floats:
    """The largest float64 (n,) whose float32 is not greater than each bound."""
    below = bound.astype(np.float32)
    below = np.where(below.astype(np.float64) > bound, np.nextafter(below, np.float32(-np.inf)), below)
    above = np.nextafter(below, np.float32(np.inf))
    middle = below.astype(np.float64) / 2 + above.astype(np.float64) / 2
    goes_down = middle.astype(np.float32) <= below  # a tie is rounded to the even one
    return np.where(goes_down, middle, np.nextafter(middle, -np.inf))


@np.errstate(over="ignore")
def less_than(bound: Floats) -> Floats:
    """The largest float64 (n,) whose float32 is less than each bound, which is a float32."""
    return at_most(np.nextafter(bound.astype(np.float32), np.float32(-np.inf)).astype(np.float64))
