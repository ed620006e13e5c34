"""Contributions add up to the probability, name the columns that matter, and are the same each time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from pyfunc import explaining
from pyfunc.compiled.extract import extract
from pyfunc.explaining import explain, names_of, usual, usual_frame
from pyfunc.model import Scorer
from pyfunc.package import Package
from pyfunc.recalibration import Recalibration
from tests.pyfunc.compiled.test_compiled import FRAME, SCHEMA, bagged, labels, piped
from tests.pyfunc.compiled.test_compiled import linear as linear_pipeline

USUAL = {"usual": usual(FRAME, SCHEMA)}
NUMBERS = FRAME[["one", "two", "three"]].fillna(0.0)


def scored_by(function):
    """A mixer for two classes, of a function from (n, n_columns) to the second one's probabilities."""

    def mixer(frame: pd.DataFrame):
        cells = frame.to_numpy(dtype=float)
        columns = np.arange(cells.shape[1])
        return lambda places: np.column_stack([1 - function(cells[places, columns]), function(cells[places, columns])])

    return mixer


def test_of_a_sum_each_column_contributes_its_own_part():
    """Exactly: the cell less the mean of the usual ones, times its weight."""
    weights = np.array([0.1, 0.0002, 30.0])
    rows, usual_rows = NUMBERS.head(5), NUMBERS.tail(32)

    found = explain(rows, [1] * 5, usual_rows, scored_by(lambda cells: cells @ weights))

    np.testing.assert_allclose(found.contributions, (rows - usual_rows.mean()) * weights, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.base, usual_rows.to_numpy().mean(axis=0) @ weights, rtol=0, atol=1e-9)


def test_of_a_product_both_columns_share_what_they_do_together():
    """The mean over both orders, as Shapley values have it; a column that does nothing gets nothing."""
    rows, usual_rows = pd.DataFrame([[1.0, 1.0, 5.0]]), pd.DataFrame([[0.0, 0.5, 9.0]])

    found = explain(rows, [1], usual_rows, scored_by(lambda cells: cells[:, 0] * cells[:, 1]))

    np.testing.assert_allclose(found.contributions, [[0.75, 0.25, 0.0]], rtol=0, atol=1e-12)


def test_a_wide_table_is_explained_by_fewer_orders_a_part_at_a_time(monkeypatch):
    """The sum stays exact."""
    monkeypatch.setattr(explaining, "MIXED_AT_ONCE", 12)
    monkeypatch.setattr(explaining, "MOST_MIXED", 30)
    weights = np.array([0.1, 0.0002, 30.0])

    found = explain(NUMBERS.head(2), [1, 0], NUMBERS.tail(32), scored_by(lambda cells: np.tanh(cells @ weights)))

    ends = np.tanh(NUMBERS.head(2) @ weights).to_numpy()
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), [ends[0], 1 - ends[1]], rtol=0, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("is_compiled", [True, False])
def test_contributions_add_up_whatever_the_model_is(classes, is_compiled):
    """Bags, a map behind them, the linear model behind PyCaret's preprocessing; compiled or not."""
    y = labels(classes)
    schema = SCHEMA
    if classes > 2:
        target = replace(SCHEMA.target, classes=("0", "1", "2"), positive=None)
        schema = replace(SCHEMA, target=target)
    from pyfunc.estimators import Calibrated  # noqa: PLC0415

    pipelines = [piped(bagged("lightgbm", y)), linear_pipeline(y)]
    if classes == 2:
        pipelines.append(Calibrated(pipelines[0], Recalibration("sigmoid", np.array([1.3, -0.2]))))
    for pipeline in pipelines:
        plan = extract(pipeline, schema) if is_compiled else None
        scorer = Scorer(Package(pipeline, schema, 0.5, USUAL, plan))

        answers, _ = scorer.answer_explained(FRAME.head(4), "rows", None, 3)

        assert list(answers)[2 + classes :] == names_of(3)
        told = answers["explanation_base"] + answers["explanation_others"]
        for at in (1, 2, 3):
            told += answers[f"explanation_{at}_contribution"]
        np.testing.assert_allclose(told, answers["probability"], rtol=0, atol=1e-9)
        sizes = [answers[f"explanation_{at}_contribution"].abs() for at in (1, 2, 3)]
        assert all((larger >= smaller).all() for larger, smaller in pairwise(sizes))
        again, _ = scorer.answer_explained(FRAME.iloc[1:2], "rows", None, 3)
        pd.testing.assert_frame_equal(again.reset_index(drop=True), answers.iloc[1:2].reset_index(drop=True))


def test_what_was_learned_is_what_is_named():
    """The label was made of four columns, of which `one` does most."""
    scorer = Scorer(Package(None, SCHEMA, 0.5, USUAL, extract(piped(bagged("lightgbm", labels(2))), SCHEMA)))

    answers, _ = scorer.answer_explained(FRAME[FRAME["one"].abs() > 1].head(20), "rows", None, 1)

    assert (answers["explanation_1_column"] == "one").mean() > 0.8


def test_more_columns_than_there_are_are_all_of_them():
    """The others add nothing."""
    scorer = Scorer(Package(None, SCHEMA, 0.5, USUAL, extract(piped(bagged("lightgbm", labels(2))), SCHEMA)))

    answers, _ = scorer.answer_explained(FRAME.head(2), "rows", None, 50)

    assert f"explanation_{len(SCHEMA.columns)}_column" in answers
    assert f"explanation_{len(SCHEMA.columns) + 1}_column" not in answers
    np.testing.assert_allclose(answers["explanation_others"], 0, atol=1e-12)


def test_usual_rows_are_spread_as_the_columns_are():
    """Quantiles, frequencies and gaps in their shares; no text, and no row of the training file."""
    made = usual_frame(USUAL["usual"], SCHEMA)

    assert len(made) == explaining.USUAL_ROWS
    assert made["one"].median() == pytest.approx(FRAME["one"].median(), abs=0.1)
    assert made["one"].isna().mean() == pytest.approx(FRAME["one"].isna().mean(), abs=0.02)
    assert made["few"].nunique() == 4
    assert made["when"].dtype == FRAME["when"].dtype
    assert made["says"].isna().all()
    known = FRAME[["one", "two", "three"]].apply(tuple, axis=1)
    assert not set(made[["one", "two", "three"]].dropna().apply(tuple, axis=1)) & set(known)


def test_a_model_that_stored_no_usual_rows_is_compared_with_the_schemas_example():
    """As those of earlier versions are."""
    scorer = Scorer(Package(None, SCHEMA, 0.5, {}, extract(piped(bagged("lightgbm", labels(2))), SCHEMA)))
    schema = replace(SCHEMA, columns=tuple(
        replace(each, maximum="2021-01-01T00:00:00") if each.name == "when" else each for each in SCHEMA.columns
    ))  # fmt: skip
    scorer = Scorer(replace(scorer.package, schema=schema))

    answers, _ = scorer.answer_explained(FRAME.head(1), "rows", None, 8)

    assert np.isfinite(answers["explanation_base"]).all()
