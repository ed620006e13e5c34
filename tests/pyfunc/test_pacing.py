"""Bags keep their time whatever a round costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pyfunc import bags
from pyfunc.bags import Bag, costs
from pyfunc.boosters import Sight

ROUND_S = 0.02


class Slow:
    """A booster that takes its time for every round and knows nothing."""

    watched: list[int] = []  # noqa: RUF012 (what all of them were shown)

    def __init__(self, sight: Sight, _: Mapping[str, Any]) -> None:
        self.watched.append(len(sight.y_watch))
        grown = 0
        while grown < sight.rounds:
            time.sleep(ROUND_S)
            grown += 1
            if sight.is_over():
                break
        self.curve = np.linspace(1, 0.5, grown)

    def cut(self, rounds: int) -> None:
        """Nothing to forget."""

    def predict_proba(self, matrix: Any) -> Any:
        """Both classes alike."""
        return np.full((len(matrix), 2), 0.5)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> type[Slow]:
    """LightGBM replaced."""
    monkeypatch.setattr(bags, "BOOSTERS", {"lightgbm": Slow})
    monkeypatch.setattr(Slow, "watched", [])
    return Slow


def table(rows: int) -> tuple[Any, Any, list[bags.Split]]:
    """Rows of noise and two folds."""
    y = np.arange(rows) % 2
    odd = np.arange(rows) // 2 % 2 == 1
    return (
        np.zeros((rows, 2)),
        y,
        [(np.flatnonzero(odd), np.flatnonzero(~odd)), (np.flatnonzero(~odd), np.flatnonzero(odd))],
    )


def test_pilots_leave_most_of_the_time_to_the_members(slow: type[Slow]) -> None:
    """Rounds so slow that the pilots alone would use the time up leave the members more than one round each."""
    bag = Bag("lightgbm", {"learning_rate": 0.05}, seconds=0.6)
    bag.fit(*table(400))
    assert bag.rounds_ > 3


def test_a_bag_ends_in_time(slow: type[Slow]) -> None:
    """A bag whose rounds are slow ends when its seconds are over, with fewer rounds than it wanted."""
    started = time.monotonic()
    Bag("lightgbm", {"learning_rate": 0.05}, seconds=0.6).fit(*table(4000))
    assert time.monotonic() - started < 0.6 + 5 * ROUND_S


def test_no_more_rows_are_watched_than_say_something(slow: type[Slow]) -> None:
    """Of a large table a member is watched on some rows only, while all rows are answered in the end."""
    bag = Bag("lightgbm", {"learning_rate": 0.05}, seconds=0.2)
    bag.fit(*table(3 * bags.WATCHED_ROWS))
    assert max(slow.watched) <= bags.WATCHED_ROWS
    assert len(bag.forget()) == 3 * bags.WATCHED_ROWS


def test_the_cost_of_a_round_is_told_from_that_of_beginning() -> None:
    """Two pilots of 5 and 25 rounds that take 2 and 4 s mean 1.5 s before the first round and a tenth for each."""
    assert costs([(5, 2.0), (25, 4.0)]) == pytest.approx((1.5, 0.1))


@pytest.mark.parametrize("seen", [[(2, 4.0)], [(3, 1.0), (2, 4.0)]])
def test_one_pilot_counts_as_rounds_alone(seen: list[tuple[int, float]]) -> None:
    """A pilot that was cut short makes rounds too dear rather than too cheap."""
    assert costs(seen) == (0.0, 2.0)
