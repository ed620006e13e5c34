"""Trials of a fault, and what they count."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


class Failed(Exception):  # noqa: N818 (a trial's outcome, like `pytest.fail.Exception`)
    """Something did not hold."""


def require(holds: object, what: str) -> None:
    """Raise `Failed` where something does not hold."""
    if not holds:
        raise Failed(what)


def codes_in(output: str) -> list[str]:
    """Of the problems that a step has told."""
    return re.findall(r"refused \[([a-z_]+)\]", output)


@dataclass
class Fault:
    """One kind of fault, tried again and again.

    Attributes:
        name: for the table.
        held: what has to hold, for the table.
        said: what users were told, counted.
        lost: what did not hold, counted.
    """

    name: str
    held: str
    tries: int = 0
    took_s: float = 0.0
    said: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def run(self, times: int, trial: Callable[[], str]) -> Fault:
        """Try it; a trial gives what users were told."""
        began = time.monotonic()
        for _ in range(times):
            self.tries += 1
            try:
                self.said[trial()] += 1
            except (Failed, AssertionError, OSError) as error:
                self.lost[f"{type(error).__name__}: {error}"[:200]] += 1
        self.took_s = time.monotonic() - began
        print(f"{self.name}: {self.tries} tries, {dict(self.said)}, lost {dict(self.lost)}", flush=True)
        return self
