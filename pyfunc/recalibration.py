"""Maps from probabilities to probabilities, fitted outside of the model."""

from __future__ import annotations

from dataclasses import dataclass
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
        found = np.empty(scores.shape)
        found[:, 1] = np.interp(second, *self.numbers)
        np.subtract(1, found[:, 1], out=found[:, 0])
        return found
