"""Bags of boosters, mostly with a stand-in that counts: what a bag promises does not depend on the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from pyfunc import bags, boosters
from pyfunc.bags import BOOSTERS, FEWEST_ROWS, FEWEST_TREES, Bag, common_rounds, thinned
from pyfunc.boosters import elected

PARAMETERS = {"learning_rate": 0.3, "num_leaves": 4, "min_data_in_leaf": 3}
RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, 2, 200)
MATRIX = np.column_stack([Y + RANDOM.normal(size=200), RANDOM.integers(0, 4, 200), np.arange(200)]).astype(float)


def splits_of(y: np.ndarray, folds: int = 4) -> list:
    """Stratified folds."""
    return list(StratifiedKFold(folds, shuffle=True, random_state=1).split(np.zeros(len(y)), y))


class Heart:
    """Knows every row that it learned from by heart, by its last column; others get one half. Its best round is set."""

    seen: list[Any] = []  # noqa: RUF012 (the sights of all that were grown)
    best = (3,)
    seconds_a_row_and_round = 0.0

    def __init__(self, sight: Any, parameters: Mapping[str, Any]) -> None:
        Heart.seen.append((sight, parameters))
        best = Heart.best[(len(Heart.seen) - 1) % len(Heart.best)]
        self.curve = np.abs(np.arange(1, min(sight.rounds, 10) + 1) - best) / 10
        self.known = dict(zip(sight.learn[:, -1], sight.y_learn, strict=True))
        self.rounds = len(self.curve)
        clock.now += self.rounds * len(sight.learn) * Heart.seconds_a_row_and_round

    def cut(self, rounds: int) -> None:
        """Remember it."""
        self.rounds = rounds

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        """What is known."""
        second = np.array([self.known.get(row, 0.5) for row in matrix[:, -1]], dtype=float)
        return np.column_stack([1 - second, second])


class Clock:
    """A clock that the stand-in moves."""

    now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


clock = Clock()


@pytest.fixture
def heart(monkeypatch):
    """The stand-in in LightGBM's place, by a clock of its own."""
    monkeypatch.setitem(BOOSTERS, "lightgbm", Heart)
    monkeypatch.setattr(bags, "time", clock)
    monkeypatch.setattr(boosters, "time", Clock())  # the stand-in grows all its rounds: no sight of it is ever over
    monkeypatch.setattr(Heart, "seen", [])
    monkeypatch.setattr(Heart, "best", (3,))
    monkeypatch.setattr(Heart, "seconds_a_row_and_round", 0.0)
    return Heart


def test_out_of_fold_probabilities_come_from_members_that_have_not_seen_the_row(heart):
    """Members that know their rows by heart know nothing of the rows left out, and everything of the others."""
    bag = Bag("lightgbm", PARAMETERS).fit(MATRIX, Y, splits_of(Y))

    assert (bag.forget() == 0.5).all()
    np.testing.assert_allclose(bag.predict_proba(MATRIX)[np.arange(200), Y], 3 / 4 + 1 / 8)  # three of four know it


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost"])
def test_out_of_fold_probabilities_are_those_of_the_members(name):
    """By hand: each fold's member on the rows that it was watched on, and the answer is the mean of all members."""
    splits = splits_of(Y)
    bag = Bag(name, {"learning_rate": 0.3}, categories=(1,)).fit(MATRIX, Y, splits)
    expected = np.empty((200, 2))
    for member, (_, watch) in zip(bag.members_, splits, strict=True):
        expected[watch] = member.predict_proba(MATRIX[watch])

    np.testing.assert_array_equal(bag.forget(), expected)
    mean = np.mean([member.predict_proba(MATRIX) for member in bag.members_], axis=0)
    np.testing.assert_allclose(bag.predict_proba(MATRIX), mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["et", "rf"])
def test_forests_answer_with_a_part_of_their_trees(name):
    """Out of fold each member says all it knows; new rows are answered by trees of all members, one forest together."""
    whole: list[Any] = []
    grow = BOOSTERS[name]

    def kept(*given: Any) -> Any:
        whole.append(grow(*given))
        return whole[-1]

    splits = splits_of(Y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BOOSTERS, name, kept)
        bag = Bag(name, {"n_estimators": 10}).fit(MATRIX, Y, splits)

    out_of_fold = bag.forget()
    for member, (_, watch) in zip(whole, splits, strict=True):
        np.testing.assert_array_equal(out_of_fold[watch], member.predict_proba(MATRIX[watch]))
    each = 3  # a quarter of ten, or a few more
    votes = sum(tree.predict(MATRIX.astype(np.float32)).reshape(200, -1) for one in whole for tree in one.trees[:each])
    np.testing.assert_allclose(bag.predict_proba(MATRIX), elected(votes, 4 * each), rtol=0, atol=1e-12)


def test_forests_that_have_not_all_seen_every_class_stay_apart():
    """The only two rows of a class are in two folds: their votes go to places of their own in each member."""
    y = np.array([0, 1] * 99 + [2, 2])
    splits = [(np.setdiff1d(np.arange(200), part), part) for part in ([*range(100), 198, 199], [*range(100, 198)])]

    bag = Bag("et", {"n_estimators": 4}).fit(MATRIX, y, splits)

    assert [len(member.trees) for member in bag.members_] == [4, 4]


def test_short_time_takes_trees_from_a_forest_before_rows(monkeypatch):
    """With half of the time that it needs a forest has half of the trees, and all the rows."""
    monkeypatch.setattr(bags, "time", clock)
    monkeypatch.setattr(boosters, "time", Clock())
    seen: list[tuple[int, int]] = []

    def grow(sight: Any, parameters: Mapping[str, Any]) -> Heart:
        trees = min(int(parameters["n_estimators"]), sight.rounds)
        seen.append((trees, len(sight.learn)))
        grown = Heart(sight, parameters)
        grown.curve = np.zeros(trees)
        clock.now += trees * len(sight.learn) * 1e-3
        return grown

    monkeypatch.setitem(BOOSTERS, "et", grow)
    needs = 100 * 0.15 * 4
    for seconds, most_trees in ((needs * 2, 100), (needs / 2 / 0.8 + 5, 60)):
        Bag("et", {"n_estimators": 100}, seconds=seconds).fit(MATRIX, Y, splits_of(Y))
        trees, learned = seen[-1]
        assert max(FEWEST_TREES, most_trees - 20) <= trees <= most_trees
        assert learned == 150


def test_labels_that_are_noise_cannot_be_predicted_out_of_fold():
    """A column that names each row and labels drawn at random: no better than a constant for the rows left out."""
    noise = np.random.default_rng(5).integers(0, 2, 200)
    out_of_fold = Bag("lightgbm", PARAMETERS).fit(MATRIX[:, 1:], noise, splits_of(noise)).forget()

    loss = -np.log(out_of_fold[np.arange(200), noise]).mean()
    assert loss > np.log(2) - 0.02


def test_all_members_have_the_rounds_that_are_best_on_the_mean_curve(heart):
    """Members that are best at 2, 2, 2 and 8 rounds are all cut to the best for all rows."""
    heart.best = (2, 2, 2, 8)

    bag = Bag("lightgbm", PARAMETERS).fit(MATRIX, Y, splits_of(Y))

    assert bag.rounds_ == 2
    assert [member.rounds for member in bag.members_] == [2] * 4


def test_common_rounds_weigh_the_folds_and_end_with_the_shortest_curve():
    """A fold of three times the rows counts three times; rounds that not all have are not chosen."""
    falling, rising = np.array([0.9, 0.5, 0.1]), np.array([0.2, 0.4, 0.6])

    assert common_rounds([falling, rising], [1, 1]) == 3
    assert common_rounds([falling, rising], [1, 3]) == 1
    assert common_rounds([falling, rising[:2]], [1, 0]) == 2


def test_what_the_look_raises_ends_the_fit(heart):
    """After the first member's rows the caller has seen enough: no second member is grown."""

    def look(rows, found):
        np.testing.assert_array_equal(rows, splits_of(Y)[0][1])
        assert found.shape == (len(rows), 2)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Bag("lightgbm", PARAMETERS).fit(MATRIX, Y, splits_of(Y), look)

    assert len(heart.seen) == 1


def test_forgotten_probabilities_are_gone(heart):
    """What was left out is handed over once and is not pickled with the model."""
    bag = Bag("lightgbm", PARAMETERS).fit(MATRIX, Y, splits_of(Y))
    out_of_fold = bag.forget()

    assert not [name for name, value in vars(bag).items() if value is out_of_fold]
    with pytest.raises(AttributeError):
        bag.forget()


def test_columns_left_out_are_not_looked_at_and_categories_move_up(heart):
    """Without the first column the second one's place is the first, for learning and for answering."""
    bag = Bag("lightgbm", PARAMETERS, categories=(0, 1), left_out=(0,)).fit(MATRIX, Y, splits_of(Y))
    sight, _ = heart.seen[0]
    other = MATRIX.copy()
    other[:, 0] = np.nan

    assert sight.learn.shape[1] == 2
    assert list(sight.categories) == [0]
    np.testing.assert_array_equal(bag.predict_proba(other), bag.predict_proba(MATRIX))


def test_time_enough_changes_nothing(heart):
    """With seconds to spare the rate stays and all rows are learned from."""
    bag = Bag("lightgbm", PARAMETERS, seconds=100).fit(MATRIX, Y, splits_of(Y))

    assert bag.parameters == PARAMETERS
    assert bag.rows is None


def test_short_time_raises_the_rate(heart):
    """Rounds that cost twice what there is are halved by twice the rate; the rows stay."""
    heart.seconds_a_row_and_round = 1e-3  # about 0.15 s a round
    slow = {"learning_rate": 0.03}
    needs = 14.5 / 0.03 * 0.15 * 4

    bag = Bag("lightgbm", slow, seconds=needs / 0.8 / 2).fit(MATRIX, Y, splits_of(Y))

    assert 0.05 < bag.parameters["learning_rate"] < 0.075
    assert bag.rows is None
    assert slow == {"learning_rate": 0.03}  # the caller's own stay as they were


def test_shorter_time_thins_the_rows_too(heart):
    """Where the highest rate is not enough, members learn from fewer rows, and from no fewer than the fewest."""
    heart.seconds_a_row_and_round = 1e-3
    y = np.arange(4000) % 2
    matrix = np.column_stack([y, np.arange(4000)]).astype(float)
    rows = []
    for seconds in (1000.0, 600.0, 160.0):
        heart.seen.clear()
        bag = Bag("lightgbm", {"learning_rate": 0.1}, seconds=seconds).fit(matrix, y, splits_of(y))

        assert bag.parameters["learning_rate"] == 0.15
        assert len(heart.seen[-1][0].learn) == bag.rows
        rows.append(bag.rows)
    assert rows[0] > rows[1] > rows[2] == FEWEST_ROWS


def test_thinned_rows_keep_every_class_and_its_share():
    """A hundredth of the rows: a class of three keeps one, the others their shares; ascending, and by the seed."""
    y = np.repeat([0, 1, 2], [3000, 1000, 3])
    rows = np.random.default_rng(0).permutation(len(y))

    kept = thinned(rows, y, 40, seed=1)

    assert np.bincount(y[kept]).tolist() == [30, 10, 1]
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(kept, thinned(rows, y, 40, seed=1))
    assert (kept != thinned(rows, y, 40, seed=2)).any()
    assert thinned(rows, y, None, 1) is thinned(rows, y, len(rows), 1) is rows
