from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from scipy.stats.contingency import association

from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps.judging import importance, related


def table(**columns):
    """Frame and schema of named columns; text is a category."""
    frame = pd.DataFrame(columns)
    kinds = [
        Kind.DATETIME if series.dtype.kind == "M" else Kind.CATEGORY if series.dtype == object else Kind.NUMBER
        for _, series in frame.items()
    ]
    return frame, InputSchema(tuple(map(Column, frame.columns, kinds)), Target("y", ("0", "1")))


def some(seed: int = 0, rows: int = 500):
    """A source, a number and a category."""
    source = np.random.default_rng(seed)
    return source, source.normal(size=rows), source.choice(np.array(list("abc"), dtype=object), rows)


def test_columns_that_know_the_same_are_a_group_whatever_their_kind():
    """A number and its cube, a category spelled otherwise, a number's ranges; the rest stays alone."""
    source, number, category = some()
    frame, schema = table(
        number=number,
        other=source.normal(size=500),
        cube=-(number**3),
        category=category,
        ranges=np.where(number > 0, "high", "low").astype(object),
        spelled=pd.Series(category).str.upper(),
    )

    assert related.groups(frame, schema) == (("number", "cube", "ranges"), ("category", "spelled"))


def test_strengths_are_those_of_the_reference():
    """Spearman's correlation and Cramer's V as scipy has them, the latter up to its correction."""
    source, number, category = some(rows=2000)
    mixed = np.where(source.random(2000) < 0.6, category, "a").astype(object)
    noisy = number + source.normal(size=2000)
    frame, schema = table(number=number, noisy=noisy, category=category, mixed=mixed)

    found = related.strengths(frame, schema)

    assert found[0, 1] == pytest.approx(spearmanr(number, noisy)[0], abs=1e-9)
    counts = pd.crosstab(pd.Series(category), pd.Series(mixed)).to_numpy()
    assert found[2, 3] == pytest.approx(association(counts, method="cramer"), abs=0.01)
    assert found[0, 2] < 0.1
    assert np.array_equal(found, found.T)
    assert (np.diagonal(found) == 1).all()


def test_many_categories_do_not_look_related_by_chance():
    """Thirty categories of 200 rows have no strength with another thirty, nor with noise: the figures are corrected."""
    source = np.random.default_rng(1)
    many = np.array([f"c{at}" for at in range(30)], dtype=object)
    frame, schema = table(one=source.choice(many, 200), two=source.choice(many, 200), number=source.normal(size=200))

    assert related.groups(frame, schema) == ()
    assert related.strengths(frame, schema)[np.triu_indices(3, 1)].max() < 0.35


def test_columns_without_values_or_variation_are_alone():
    """Nothing is known of them, and nothing is divided by 0."""
    _, number, _ = some()
    when = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(500), unit="D"))
    frame, schema = table(
        empty=np.full(500, np.nan),
        constant=np.ones(500),
        none=pd.Series([None] * 500, dtype=object),
        number=number,
        day=when,
        serial=np.arange(500.0),
        zoned=when.dt.tz_localize("UTC"),
    )

    assert related.groups(frame, schema) == (("day", "serial", "zoned"),)


def test_gaps_do_not_hide_a_relation():
    """A tenth of missing cells on either side leaves a duplicate a duplicate."""
    source, number, _ = some()
    frame, schema = table(
        one=np.where(source.random(500) < 0.1, np.nan, number), two=np.where(source.random(500) < 0.1, np.nan, number)
    )

    assert related.groups(frame, schema) == (("one", "two"),)


def test_shuffling_a_group_shows_what_its_columns_hide_from_each_other():
    """Of a column that stands there twice each alone is worth little, both together much."""
    source, number, _ = some(rows=1000)
    frame, schema = table(one=number, two=number + source.normal(scale=0.01, size=1000), other=source.normal(size=1000))
    y = (number + source.normal(scale=0.5, size=1000) > 0).astype(np.int64)

    def answer(rows):
        p = 1 / (1 + np.exp(-10 * np.maximum(rows["one"], rows["two"]).to_numpy()))  # either is enough where it is high
        return np.column_stack([1 - p, p]), (p > 0.5).astype(np.int64)

    groups = related.groups(frame, schema)
    found = importance.measure(answer, frame, y, 1, "roc_auc", groups=groups)

    assert [group.columns for group in found.groups] == [("one", "two")]
    assert found.groups[0].low > max(column.high for column in found.columns)
    assert {column.column for column in found.columns} == {"one", "two", "other"}


def test_a_group_is_dealt_out_in_whole_rows():
    """What its columns say together stays together: a model that compares them notices nothing."""
    _, number, _ = some()
    frame, _ = table(one=number, two=number)

    def answer(rows):
        differs = (rows["one"] != rows["two"]).to_numpy().astype(float)
        return np.column_stack([1 - differs, differs]) * 0.8 + 0.1, differs.astype(np.int64)

    y = np.zeros(500, dtype=np.int64)
    y[:100] = 1
    found = importance.measure(answer, frame, y, 1, "accuracy", groups=[("one", "two")])

    assert (found.groups[0].drop, found.groups[0].high) == (0, 0)
    assert found.columns[0].drop > 0.3
