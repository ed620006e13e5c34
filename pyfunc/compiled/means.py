"""What the members of a bag say of one row, on average: a few numbers, for which arrays take ten times as long."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyfunc.boosters import DOUBT, MOST_MARGIN
from pyfunc.compiled import machine
from pyfunc.compiled.forest import Floats


class Mean:
    """The mean of members' probabilities.

    Args:
        members: how many.
        outputs: of each member; one where there are two classes.
        trees: of each member, where they give shares (`pyfunc.boosters.elected`); 0 where they add up to margins
            (`pyfunc.boosters.probabilities_of`).

    Raises:
        machine.NoMachineError: Numba is not installed.
    """

    def __init__(self, members: int, outputs: int, trees: int) -> None:
        self._run = machine.compiled(_add, _smallest)
        self._shape, self._trees, self._classes = (members, outputs), trees, max(2, outputs)

    def __call__(self, sums: Floats) -> Floats:
        """Probabilities (n_classes,) for the outputs (n_members * n_outputs,) of the members' trees."""
        mean = np.zeros(self._classes)
        self._run(sums.reshape(self._shape), self._trees, mean)
        return mean


def _add(said: Any, trees: Any, mean: Any) -> None:
    """Add the members' (n_members, n_outputs) shares of the mean; compiled by Numba."""
    members, outputs = said.shape
    classes = len(mean)
    for member in range(members):
        if trees > 0:
            for output in range(outputs):
                mean[classes - outputs + output] += (said[member, output] + DOUBT / classes) / (trees + DOUBT) / members
            if outputs < classes:
                mean[0] += (trees - said[member, 0] + DOUBT / classes) / (trees + DOUBT) / members
        elif outputs == 1:
            within = min(max(said[member, 0], -MOST_MARGIN), MOST_MARGIN)
            second = 1 / (1 + math.exp(-within))
            mean[0] += (1 - second) / members
            mean[1] += second / members
        else:
            largest, total = said[member].max(), 0.0
            for output in range(outputs):
                total += math.exp(said[member, output] - largest)
            for output in range(outputs):
                mean[output] += math.exp(said[member, output] - largest) / total / members


def _smallest() -> tuple[Any, ...]:
    """Arguments of `_add`."""
    return np.zeros((1, 1)), 0, np.zeros(2)
