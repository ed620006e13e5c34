"""When probabilities are recalibrated, and that the maps are what they promise."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax
from sklearn.model_selection import StratifiedKFold

from pyfunc.estimators import Recalibration
from steps.judging import calibration
from steps.judging.calibration import METHODS, choose, fit


def folds(y: np.ndarray) -> list:
    """Five folds."""
    return list(StratifiedKFold(5, shuffle=True, random_state=1).split(np.zeros(len(y)), y))


def drawn(seed: int, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and the exact probabilities (rows, 2) that they were drawn from."""
    source = np.random.default_rng(seed)
    p = expit(source.normal(-0.8, 1.5, rows))
    return (source.random(rows) < p).astype(np.int64), np.column_stack([1 - p, p])


def squashed(scores: np.ndarray, by: float = 0.4) -> np.ndarray:
    """The same order, too close to a half."""
    p = expit(by * logit(scores[:, 1]))
    return np.column_stack([1 - p, p])


def test_exact_probabilities_are_left_alone():
    """Of 100 sets of true probabilities at least 95 stay as they are."""
    chosen = Counter(choose(y, scores, folds(y)).method for y, scores in map(drawn, range(100)))

    assert chosen["none"] >= 95


@pytest.mark.parametrize("seed", range(5))
def test_squashed_probabilities_are_put_right(seed):
    """A planted error of known shape is found, and what comes out is near the truth."""
    y, exact = drawn(seed, 2000)
    wrong = squashed(exact)

    choice = choose(y, wrong, folds(y))

    assert choice.recalibration is not None
    assert choice.log_loss_after < choice.log_loss_before
    repaired = choice.recalibration(wrong)
    assert np.abs(repaired - exact).mean() < 0.25 * np.abs(wrong - exact).mean()


def test_an_error_that_is_no_line_is_found_by_isotonic():
    """Probabilities bent in the middle, which no line through the logits mends."""
    source = np.random.default_rng(0)
    said = source.random(6000)
    p = np.where(said < 0.5, 0.1, 0.9) * 0.8 + 0.2 * said
    y = (source.random(6000) < p).astype(np.int64)

    assert choose(y, np.column_stack([1 - said, said]), folds(y)).method == "isotonic"


def test_out_of_fold_probabilities_come_from_maps_that_did_not_see_them():
    """A fold's labels do not change that fold's recalibrated probabilities."""
    y, exact = drawn(1, 1000)
    wrong, splits = squashed(exact), folds(y)
    changed = y.copy()
    judged = splits[0][1]
    changed[judged] = 1 - changed[judged]

    before, after = (calibration._crossed("sigmoid", each, wrong, splits) for each in (y, changed))

    np.testing.assert_array_equal(before[judged], after[judged])
    assert not np.allclose(before, after)


@pytest.mark.parametrize(("rows", "rare", "possible"), [
    (199, 80, []),
    (400, 9, []),
    (400, 20, ["temperature"]),
    (400, 30, ["temperature", "sigmoid"]),
    (1000, 60, ["temperature", "sigmoid", "isotonic"]),
])  # fmt: skip
def test_few_rows_allow_few_methods(rows, rare, possible):
    """Below its number of rows, or of the rarest class, a method is not tried at all."""
    y = (np.arange(rows) < rare).astype(np.int64)

    assert calibration._possible(y, 2) == possible


def test_five_classes_are_cooled():
    """With more classes the temperature is the only method, and it finds the planted one."""
    source = np.random.default_rng(0)
    logits = source.normal(size=(3000, 5)) * 1.5
    exact = softmax(logits, axis=1)
    y = np.array([source.choice(5, p=row) for row in exact])

    choice = choose(y, softmax(2 * logits, axis=1), folds(y))

    assert choice.method == "temperature"
    assert list(choice.tried) == ["temperature"]
    assert choice.recalibration is not None
    assert choice.recalibration.numbers[0] == pytest.approx(2, rel=0.1)


def test_classes_that_never_occur_do_not_stop_it():
    """A class without rows leaves the probabilities alone."""
    y = np.array([0, 1] * 200)

    assert choose(y, np.full((400, 3), 1 / 3), folds(y)).method == "none"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(0, 9), st.sampled_from(METHODS))
def test_maps_give_probabilities_in_the_same_order(said, seed, method):
    """In [0, 1], rows adding up to 1, and never a lower answer for a higher probability."""
    y, exact = drawn(seed, 300)
    made = fit(method, y, squashed(exact, 3.0))

    p = np.sort(np.array(said))
    out = made(np.column_stack([1 - p, p]))

    assert (out >= 0).all()
    assert (out <= 1).all()
    np.testing.assert_allclose(out.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (np.diff(out[:, 1]) >= -1e-15).all()


def test_isotonic_keeps_rows_apart_and_is_never_certain():
    """Straight lines, not steps: as many distinct answers as probabilities, none of them 0 or 1."""
    y, exact = drawn(0, 2000)

    out = fit("isotonic", y, squashed(exact))(np.column_stack([1 - np.linspace(0, 1, 500), np.linspace(0, 1, 500)]))

    assert len(np.unique(out[:, 1])) == 500
    assert out.min() > 0
    assert out.max() < 1


@pytest.mark.parametrize("method", METHODS)
def test_separable_rows_give_finite_numbers(method):
    """Scores that tell the classes apart without a mistake, 0 and 1 among them, do not send a map to infinity."""
    y = np.repeat([0, 1], 200)
    scores = np.column_stack([1.0 - y, y.astype(float)])

    made = fit(method, y, scores)

    assert np.isfinite(made.numbers).all()
    assert np.isfinite(made(scores)).all()


def test_the_record_says_what_was_done():
    """Method, both log losses and the rows are in the JSON form."""
    y, exact = drawn(0, 2000)
    record = choose(y, squashed(exact), folds(y)).to_dict()

    assert record["method"] in METHODS
    assert record["log_loss_after"] < record["log_loss_before"]
    assert record["rows"] == 2000
    assert isinstance(choose(y, squashed(exact), folds(y)).recalibration, Recalibration)
