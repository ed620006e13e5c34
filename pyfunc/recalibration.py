"""Maps from probabilities to probabilities, fitted outside of the model."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pyfunc.boosters import probabilities_of

LEAST_SAID = 1e-6  # probabilities are kept this far from 0 and 1 where their logarithm is taken


@dataclass(frozen=True)
class Recalibration:
    """A map from probabilities to probabilities, fitted outside of the model. Never changes the order of two rows.

    Attributes:
        method: `temperature` (any number of classes): log probabilities divided by a number. `sigmoid` (two classes):
            a line through the logits of the second class. `isotonic` (two classes): straight lines between points.
        numbers: float64; (1,) the temperature, (2,) slope and intercept, (2, n_points) x and y, both rising.
    """

    method: str
    numbers: np.ndarray[Any, np.dtype[np.float64]]

    def __call__(self, scores: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Probabilities (n_rows, n_classes), rows adding up to 1, from others of that shape."""
        if self.method == "temperature":
            return probabilities_of(np.log(np.minimum(np.maximum(scores, LEAST_SAID), 1)) / self.numbers[0])
        second = scores[:, 1]
        if self.method == "sigmoid":
            slope, intercept = self.numbers
            within = np.minimum(np.maximum(second, LEAST_SAID), 1 - LEAST_SAID)
            return probabilities_of((slope * np.log(within / (1 - within)) + intercept)[:, np.newaxis])
        second = np.interp(second, *self.numbers)
        return np.column_stack([1 - second, second])

    def of_row(self, scores: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The same for one row (n_classes,): between points in a third of the time that arrays take."""
        if self.method != "isotonic":
            return np.asarray(self(scores[np.newaxis])[0])
        given, x, y = float(scores[1]), *self._points
        at = bisect_right(x, given)
        if at in (0, len(x)):
            second = y[max(0, at - 1)]
        else:
            second = (y[at] - y[at - 1]) / (x[at] - x[at - 1]) * (given - x[at - 1]) + y[at - 1]
        return np.array([1 - second, second])

    @cached_property
    def _points(self) -> tuple[list[float], list[float]]:
        """Of straight lines."""
        x, y = self.numbers.tolist()
        return x, y
