from __future__ import annotations

import numpy as np
import pytest

from steps.judging import importance
from tests.steps.judging import models


@pytest.fixture(scope="module")
def judged():
    """A dataset and the answers of a model of it."""
    data = models.dataset(rows=400)
    fitted = models.pipeline(data)

    def answer(frame):
        scores = fitted.predict_proba(frame)
        return scores, scores.argmax(axis=1)

    return data, answer


def test_what_tells_the_class_matters_and_noise_does_not(judged):
    """The two informative columns come first, well above the noise, in figure and range."""
    data, answer = judged

    found = importance.measure(answer, data.test, data.y_test, 1, "roc_auc")

    assert {"age", "income"} == {column.column for column in found.columns[:2]}
    assert found.columns[1].low > found.columns[2].high
    assert abs(found.columns[2].drop) < 0.02
    assert (found.rows, found.repeats, found.left_out) == (400, importance.REPEATS, 0)


def test_a_drop_is_positive_for_figures_that_should_be_low_too(judged):
    """Shuffling a column that matters makes log loss rise, which counts as worse."""
    data, answer = judged

    found = importance.measure(answer, data.test, data.y_test, 1, "log_loss")

    assert found.columns[0].low > 0


def test_the_frame_is_not_touched(judged):
    """The rows that are shuffled are copies."""
    data, answer = judged
    before = data.test.copy()

    importance.measure(answer, data.test, data.y_test, 1, "roc_auc")

    assert before.equals(data.test)


def test_time_is_bounded_and_what_was_left_out_is_counted(judged):
    """Without time, nothing is measured, and the result says of how many columns."""
    data, answer = judged

    found = importance.measure(answer, data.test, data.y_test, 1, "roc_auc", limit_s=0)

    assert (found.columns, found.left_out) == ((), 3)


def test_many_rows_are_sampled_with_their_rare_class():
    """Of a large file about 2,000 rows are used, and a rare class keeps its rows."""
    y = np.zeros(20_000, dtype=np.int64)
    y[:25] = 1

    kept = importance._sample(y, importance.ROWS, np.random.default_rng(0))

    assert importance.ROWS <= len(kept) <= importance.ROWS + importance.FEWEST_OF_CLASS
    assert y[kept].sum() == importance.FEWEST_OF_CLASS


def test_rows_of_one_class_have_no_importance(judged):
    """Where the figure is not defined, no importance is made up."""
    data, answer = judged
    same = data.y_test == 0

    found = importance.measure(answer, data.test[same], data.y_test[same], 1, "roc_auc")

    assert found.columns == ()
