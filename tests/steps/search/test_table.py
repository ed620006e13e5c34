"""Which rows a search looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps.records import SearchPlan
from steps.search.table import CELLS_A_SECOND, LEAST_KEPT, MANY_LEVELS, Table, lay_out, rows_for

PLAN = SearchPlan("roc_auc", ("lightgbm",), 10.0, 1, 0.5)
Y = np.repeat([0, 1, 2], [3 * LEAST_KEPT, LEAST_KEPT, 4])  # four times the least, and a class of four rows
COLUMNS = 100  # 10 s are worth 30,000 rows of them


def test_small_tables_are_looked_at_whole():
    """No more rows than are kept in any case: all of them, in their order, however short the budget."""
    y = Y[-LEAST_KEPT:]

    np.testing.assert_array_equal(rows_for(y, 10_000, replace(PLAN, budget_s=1.0)), np.arange(LEAST_KEPT))


def test_a_number_of_candidates_looks_at_all_rows():
    """Without a budget there is nothing that rows could be too many for."""
    np.testing.assert_array_equal(rows_for(Y, 10_000, replace(PLAN, candidates=3)), np.arange(len(Y)))


def test_of_large_tables_each_class_keeps_its_share():
    """A fourth of the rows: three to one as before, one of the four, every position once and ascending."""
    kept = rows_for(Y, COLUMNS, PLAN)

    np.testing.assert_allclose(np.bincount(Y[kept]), [0.75 * LEAST_KEPT, 0.25 * LEAST_KEPT, 1], rtol=0, atol=1)
    assert (Y[kept] == 2).any()
    assert (np.diff(kept) > 0).all()
    assert 0 <= kept[0] < kept[-1] < len(Y)


def test_the_seed_decides_which_rows():
    """The same rows with the same seed, others with another one."""
    first, again, other = (rows_for(Y, COLUMNS, replace(PLAN, seed=seed)) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 0.5 * len(first)


@pytest.mark.parametrize(("budget_s", "columns"), [(10.0, 30), (20.0, 60)])
def test_rows_go_with_the_budget_and_against_the_columns(budget_s, columns):
    """So many cells a second: twice the columns need twice the budget for the same rows."""
    kept = rows_for(Y, columns, replace(PLAN, budget_s=budget_s))

    assert len(kept) == pytest.approx(CELLS_A_SECOND * budget_s / columns, abs=2)


def test_a_budget_for_more_rows_than_there_are_is_for_all():
    """Few columns in a table of many rows: nothing is left out."""
    assert len(rows_for(Y, 2, PLAN)) == len(Y)


@pytest.mark.parametrize(("many", "few"), [(2, 1), (1, 1), (1, 2)])
def test_most_columns_of_many_levels_are_noticed(tmp_path, many, few):
    """More than half of the columns, not just some."""
    rows = np.arange(2 * (MANY_LEVELS + 1))
    columns = {f"many {at}": [f"level {row // 2}" for row in rows] for at in range(many)}
    columns |= {f"few {at}": [f"level {row % MANY_LEVELS}" for row in rows] for at in range(few)}
    frame = pd.DataFrame(columns)
    schema = InputSchema(tuple(Column(name, Kind.CATEGORY) for name in frame), Target("label", ("no", "yes")))

    assert lay_out(tmp_path, frame, Table(rows % 2, 2, 1, schema, 0.5, frame.head(1))) == (many > few)
