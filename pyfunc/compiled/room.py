"""Who speaks where trees are added up, and room for one row to be answered in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyfunc.compiled.forest import Floats
from pyfunc.compiled.machine import Loop
from pyfunc.compiled.signatures import TOGETHER


@dataclass(frozen=True)
class Members:
    """The members of a bag.

    Attributes:
        members: how many.
        outputs: of each member's trees; one where there are two classes.
        trees: of each member, where they give shares (`pyfunc.boosters.elected`); 0 where they add up to margins
            (`pyfunc.boosters.probabilities_of`).
    """

    members: int
    outputs: int
    trees: int = 0

    @property
    def channels(self) -> int:
        """Over which the trees take turns."""
        return self.members * self.outputs


class Room(threading.local):
    """Where a loop finds one row and leaves what members say of it, in each thread at addresses of its own.

    Asking an array for its address takes as long as going down dozens of trees.

    Args:
        loop: takes a row (n_features,), `more`, room for `TOGETHER` lanes, sums (n_channels,), the same sums by member,
            how many trees each has, and the mean (n_classes,).
        features: of a row.
        members: who speak.
        more: room that the loop wants besides; sizes and types.
    """

    def __init__(self, loop: Loop, features: int, members: Members, *more: tuple[int, type]) -> None:
        self._loop = loop
        self._row, self._sums = np.zeros(features), np.zeros(members.channels)
        self._mean = np.zeros(max(2, members.outputs))
        besides: list[np.ndarray[Any, Any]] = [np.zeros(size, of) for size, of in (*more, (TOGETHER, np.uint64))]
        said = self._sums.reshape(members.members, members.outputs)
        self._kept = self._row, *besides, self._sums, said, members.trees, self._mean
        self._block = loop.block(*self._kept)

    def sums(self, row: Floats) -> Floats:
        """What the trees add up to (n_channels,) for one row."""
        self._row[:] = row
        self._loop.briefly(self._block)
        return self._sums.copy()

    def mean(self, row: Floats) -> Floats:
        """The mean of members' probabilities (n_classes,) for one row."""
        self._row[:] = row
        self._loop.briefly(self._block)
        return self._mean.copy()
