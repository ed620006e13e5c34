"""Bags: the same learner grown once a fold, each watched on the rows it does not learn from; the answer is their mean.

A bag keeps the probabilities that it gives to rows its members have not learned from. All members are cut to one number
of rounds, the best on the mean of their curves: chosen once for all rows and not once for every fold, the probabilities
left out stay close to those of new rows, also on small tables.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from pyfunc.boosters import BOOSTERS, Forest, Grown, Matrix, Sight, sayings

ROUNDS = 3000
# Rounds that boosters need until they are at their best, times the learning rate; measured on a dozen tables.
USUAL = {"lightgbm": 12.0, "xgboost": 12.0, "catboost": 35.0}
PATIENT, LEAST_PATIENCE = {"lightgbm": 2.5, "xgboost": 2.5, "catboost": 4.0}, 20  # the same for rounds without gain
HIGHEST_RATE = {"lightgbm": 0.15, "xgboost": 0.15, "catboost": 0.3}  # more loses what the time saved would bring
PILOT_ROWS, PILOT_ROUNDS = 20_000, (5, 25)  # small boosters tell what a round costs
WATCHED_ROWS = 20_000  # at most are looked at after each round: more would not say more, and cost more than the round
ANSWERS_SHARE = 0.5  # of the time left after them, at most, for the answers in the end
PILOT_SHARE = 0.2  # of the time, for them: rounds of many classes are slow
GROWING = 0.8  # of the time: the rest goes to predictions and to writing the model down
FEWEST_ROWS, FEWEST_A_CLASS = 500, 50  # a member of fewer would learn less than the constant answer knows
FEWEST_TREES = 40  # of a forest's member; fewer would say more by chance than time is saved
Split = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
Look = Callable[[np.ndarray[Any, Any], Matrix], None]


class Bag(BaseEstimator, ClassifierMixin):
    """One booster a fold; see the module.

    Args:
        booster: a name of `pyfunc.boosters.BOOSTERS`.
        parameters: the booster's own hyperparameters, `learning_rate` or a forest's `n_estimators` among them.
        categories: positions of the columns that hold categories.
        left_out: positions of columns that are not looked at.
        seconds: for all members together; the learning rate goes up, or the number of trees down, and then the
            rows, as far as it needs. None for no limit.
        seed: of whatever is drawn.

    Attributes:
        parameters: with the learning rate, or the number of trees, that was learned with.
        rows: that a member has learned from; None for all.
        rounds_: that every member has.
    """

    def __init__(
        self,
        booster: str,
        parameters: Mapping[str, Any],
        categories: Sequence[int] = (),
        left_out: Sequence[int] = (),
        seconds: float | None = None,
        seed: int = 1,
    ) -> None:
        self.booster = booster
        self.parameters = parameters
        self.categories = categories
        self.left_out = left_out
        self.seconds = seconds
        self.seed = seed

    def fit(self, matrix: Matrix, y: np.ndarray[Any, Any], splits: Sequence[Split], look: Look | None = None) -> Self:
        """Grow a member a split.

        Args:
            matrix: float64 (n_rows, n_features), see `pyfunc.boosters`.
            y: int64 (n_rows,) positions of the classes.
            splits: pairs of row positions to learn from and to be watched on; the latter together are all rows, once.
            look: called after each member with rows that it was watched on and their probabilities; what it raises ends
                the fit.
        """
        end = None if self.seconds is None else time.monotonic() + self.seconds * GROWING
        matrix = self._seen(matrix)
        self.rows: int | None = None
        if end is not None:
            end -= self._pace(matrix, y, splits, end)
        rounds = ROUNDS
        members: list[Grown] = []
        for number, (learn, watch) in enumerate(splits):
            some = thinned(learn, y, self.rows, self.seed + number)
            now = time.monotonic()
            until = None if end is None else now + max(0.0, end - now) / (len(splits) - number)
            watched = thinned(watch, y, WATCHED_ROWS, self.seed + number)
            sight = self._sight(matrix, y, some, watched, rounds, until, number)
            members.append(BOOSTERS[self.booster](sight, self.parameters))
            if sight.is_over():  # the others have no more time, and all have the same rounds in the end
                rounds = min(rounds, len(members[-1].curve))
            if look is not None:
                look(watched, members[-1].predict_proba(matrix[watched]))
        self.rounds_ = common_rounds([member.curve for member in members], [len(watch) for _, watch in splits])
        self._out_of_fold = np.empty((len(y), int(y.max()) + 1))
        for member, (_, watch) in zip(members, splits, strict=True):
            member.cut(self.rounds_)
            self._out_of_fold[watch] = member.predict_proba(matrix[watch])
        self.members_ = _served(members, self.rounds_)
        return self

    def forget(self) -> Matrix:
        """The probabilities (n_rows, n_classes) of rows by members that have not learned from them; kept no longer."""
        out_of_fold = self._out_of_fold
        del self._out_of_fold
        return out_of_fold

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes): the mean over the members."""
        matrix = self._seen(matrix)
        total = self.members_[0].predict_proba(matrix)
        for member in self.members_[1:]:
            total = total + member.predict_proba(matrix)
        return total / len(self.members_)

    def _seen(self, matrix: Matrix) -> Matrix:
        """The columns that are looked at."""
        return np.delete(matrix, self.left_out, axis=1) if len(self.left_out) else matrix

    def _sight(
        self,
        matrix: Matrix,
        y: np.ndarray[Any, Any],
        learn: np.ndarray[Any, Any],
        watch: np.ndarray[Any, Any],
        rounds: int,
        until: float | None,
        number: int,
    ) -> Sight:
        """What one member sees."""
        patience = max(LEAST_PATIENCE, round(PATIENT[self.booster] / self._rate)) if self._rate else ROUNDS
        left_out = set(self.left_out)
        categories = [at - sum(other < at for other in left_out) for at in self.categories if at not in left_out]
        return Sight(
            matrix[learn], y[learn], matrix[watch], y[watch], int(y.max()) + 1, categories,
            rounds, patience, until, self.seed + number,
        )  # fmt: skip

    @property
    def _rate(self) -> float | None:
        """The learning rate; None for forests."""
        rate = self.parameters.get("learning_rate")
        return None if rate is None else float(rate)

    def _pace(self, matrix: Matrix, y: np.ndarray[Any, Any], splits: Sequence[Split], end: float) -> float:
        """Raise the learning rate or take trees away, and thin the rows, until growth can be expected to end in time.

        Returns:
            Seconds to keep for the answers when all have grown.
        """
        learn, watch = splits[0]
        some, few = (thinned(part, y, PILOT_ROWS, self.seed) for part in (learn, watch))
        now = time.monotonic()
        until = now + PILOT_SHARE * max(0.0, end - now)
        seen: list[tuple[int, float]] = []
        for rounds in PILOT_ROUNDS:
            started = time.monotonic()
            sight = self._sight(matrix, y, some, few, rounds, until, 0)
            grown = BOOSTERS[self.booster](sight, self.parameters)
            seen.append((len(grown.curve), time.monotonic() - started))
            if sight.is_over():
                break
        start, one_round = (seconds / len(some) for seconds in costs(seen))  # a row
        started = time.monotonic()
        grown.predict_proba(matrix[few])
        answers = (time.monotonic() - started) / len(grown.curve) / len(few) * len(watch)  # a round
        each = max(1e-3, (end - time.monotonic()) / len(splits))
        rate = self._rate
        needed = (USUAL[self.booster] + PATIENT[self.booster]) / rate if rate else int(self.parameters["n_estimators"])
        over = needed * (len(learn) * one_round + answers) / max(1e-3, each - len(learn) * start)
        if over <= 1:
            return needed * answers * len(splits)
        if rate:
            faster = max(1.0, min(over, HIGHEST_RATE[self.booster] / rate))
            self.parameters = {**self.parameters, "learning_rate": round(rate * faster, 4)}
        else:
            faster = max(1.0, min(over, needed / FEWEST_TREES))
            self.parameters = {**self.parameters, "n_estimators": math.ceil(needed / faster)}
        rounds_left = needed / faster
        rows = int((each - rounds_left * answers) / (rounds_left * one_round + start))
        fewest = max(FEWEST_ROWS, FEWEST_A_CLASS * (int(y.max()) + 1))
        if max(rows, fewest) < len(learn):
            self.rows = max(rows, fewest)
        return min(rounds_left * answers, ANSWERS_SHARE * each) * len(splits)


def _served(members: list[Any], rounds: int) -> list[Any]:
    """What answers of the members: of forests one, with as many trees of all as one has.

    So many gave the answers out of fold; more would say much the same.
    """
    if not all(isinstance(member, Forest) for member in members):
        return members
    if not all(np.array_equal(member.places, members[0].places) for member in members):
        return members  # a class is too rare for every fold
    return [Forest.of(members, rounds)]


def costs(seen: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Seconds before the first round and seconds a round, from pairs of rounds and their seconds, the last one longest.

    Where they do not tell the two apart, all of the last one's time counts as rounds: rather too few than too late.
    """
    (fewer, short), (more, long) = seen[0], seen[-1]
    if more <= fewer:
        return 0.0, long / more
    one_round = max(0.0, long - short) / (more - fewer)
    return max(0.0, short - fewer * one_round), one_round


class Stacked(BaseEstimator, ClassifierMixin):
    """A bag that sees what others say besides the table's own numbers and categories.

    Args:
        bases: fitted bags on the matrix of `pyfunc.codes`.
        top: fitted bag on that matrix and, behind it, the `sayings` of the bases.
    """

    def __init__(self, bases: list[Bag], top: Bag) -> None:
        self.bases = bases
        self.top = top

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes)."""
        return self.top.predict_proba(heard(matrix, [base.predict_proba(matrix) for base in self.bases]))


def heard(matrix: Matrix, scores: Sequence[Matrix]) -> Matrix:
    """The matrix with what was said of its rows, in probabilities (n_rows, n_classes) each, as further columns."""
    return np.hstack([matrix, *map(sayings, scores)])


def common_rounds(curves: Sequence[np.ndarray[Any, Any]], weights: Sequence[int]) -> int:
    """The number of rounds with the lowest weighted mean of the curves, of those that all of them have."""
    shortest = min(len(curve) for curve in curves)
    mean = np.average([curve[:shortest] for curve in curves], axis=0, weights=weights)
    return shortest - int(mean[::-1].argmin())  # the last of equals: forests have no best number of trees


def thinned(rows: np.ndarray[Any, Any], y: np.ndarray[Any, Any], most: int | None, seed: int) -> np.ndarray[Any, Any]:
    """At most so many of the row positions, each class with its share but no class left out; ascending."""
    if most is None or len(rows) <= most:
        return rows
    random = np.random.default_rng(seed)
    kept = [
        random.choice(members, max(1, round(most * len(members) / len(rows))), replace=False)
        for members in (rows[y[rows] == label] for label in np.unique(y[rows]))
    ]
    return np.sort(np.concatenate(kept))
