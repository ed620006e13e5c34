from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps.judging import slices, where
from steps.judging.parts import Part
from steps.judging.slices import find, shuffled_p

LETTERS = np.array(list("abcde"), dtype=object)


def table(seed: int, rows: int = 600, columns: int = 6, classes: int = 2):
    """Frame, schema and answers that are right as often as they say, whatever the row."""
    source = np.random.default_rng(seed)
    made, kinds = {}, []
    for at in range(columns):
        name, kind = f"x{at}", (Kind.NUMBER, Kind.CATEGORY, Kind.BOOLEAN)[at % 3]
        kinds.append(Column(name, kind))
        made[name] = {
            Kind.NUMBER: source.normal(size=rows),
            Kind.CATEGORY: source.choice(LETTERS, rows),
            Kind.BOOLEAN: source.integers(0, 2, rows).astype(float),
        }[kind]
    scores = source.dirichlet(np.linspace(2, 0.5, classes), rows)
    y = (scores.cumsum(axis=1) < source.random(rows)[:, None]).sum(axis=1).clip(0, classes - 1)
    schema = InputSchema(tuple(kinds), Target("y", tuple(map(str, range(classes)))))
    return pd.DataFrame(made), schema, (y, scores, scores.argmax(axis=1))


def planted(seed: int, rows: int = 2000, classes: int = 2):
    """The same, with answers that are wrong for most rows of one pair of parts."""
    frame, schema, (y, scores, predicted) = table(seed, rows, classes=classes)
    is_bad = ((frame["x1"] == "a") & (frame["x0"] < -0.7)).to_numpy()
    y = np.where(is_bad & (np.random.default_rng(seed).random(rows) < 0.7), scores.argmin(axis=1), y)
    return frame, schema, (y, scores, predicted), is_bad


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_slice_is_the_worst_and_named(seed, classes):
    """Rows of a category below a number are answered wrongly: that pair comes first, with its rows and figures."""
    frame, schema, answered, is_bad = planted(seed, classes=classes)

    found = find(frame, frame, schema, answered, 1 if classes == 2 else None)

    worst = found.worst[0]
    assert {part.column for part in worst.parts} == {"x0", "x1"}
    assert where.name(worst).startswith("\u201cx0\u201d is below \u22120.")
    assert where.name(worst).endswith("\u201cx1\u201d is \u201ca\u201d")
    assert abs(worst.rows - is_bad.sum()) <= 0.15 * is_bad.sum()
    assert worst.error_rate.low > worst.error_rate_elsewhere
    assert worst.log_loss.low > worst.elsewhere
    assert (worst.positives is None) == (classes > 2)


def test_noise_names_nothing():
    """Of 100 tables without any slice, at most five are said to have one."""
    named = sum(
        find(frame, frame, schema, answered, 1).survived > 0 for frame, schema, answered in map(table, range(100))
    )

    assert named <= 5


def test_uncorrected_the_noise_would_name_something(monkeypatch):
    """The correction is what keeps noise quiet: without it most tables of noise would name a slice."""
    monkeypatch.setattr(slices.stats, "false_discovery_control", lambda p: p)

    named = sum(find(f, f, s, a, 1).survived > 0 for f, s, a in map(table, range(20)))

    assert named > 15


@pytest.mark.parametrize("rows", [30, 60, 400])
def test_p_values_are_those_of_shuffled_rows(rows):
    """For skewed losses, into the tail, as 20,000 shuffles have it."""
    source = np.random.default_rng(0)
    losses = source.exponential(size=1000) ** 1.5
    sums = np.array([source.permutation(losses)[:rows].sum() for _ in range(20_000)])
    totals = np.quantile(sums, [0.5, 0.9, 0.99, 0.999])

    found = shuffled_p(totals, np.float64(rows), tuple((losses**k).sum() for k in (1, 2, 3)), np.float64(1000))

    assert found == pytest.approx([0.5, 0.1, 0.01, 0.001], rel=0.35, abs=0.0003)
    assert found[:2] == pytest.approx([0.5, 0.1], rel=0.06)


def test_nothing_to_draw_otherwise_is_no_finding():
    """All rows, or rows that all lose the same, have the p-value 1."""
    same = shuffled_p(np.array([100.0]), np.array([50.0]), (200.0, 400.0, 800.0), np.float64(100))
    whole = shuffled_p(np.array([200.0]), np.array([100.0]), (200.0, 500.0, 1500.0), np.float64(100))

    assert (same, whole) == (1.0, 1.0)


def test_equal_losses_are_no_finding_of_rounding():
    """A model that says the same of every row, of parts with one class each, names the part and none of its pairs."""
    frame, schema, (y, _, _) = table(2, rows=2000)
    y = (frame["x1"] == "a").to_numpy().astype(np.int64)
    scores = np.tile([0.9, 0.1], (len(y), 1))

    found = find(frame, frame, schema, (y, scores, scores.argmax(axis=1)), 1)
    none = find(frame, frame, schema, (np.zeros_like(y), scores, scores.argmax(axis=1)), 1)

    assert [where.name(one) for one in found.worst] == ["\u201cx1\u201d is \u201ca\u201d"]
    assert none.worst == ()


def test_a_pair_is_named_only_where_it_is_worse_than_both_parts():
    """A category that is answered wrongly by itself does not bring its pairs along."""
    frame, schema, (y, scores, predicted) = table(5, rows=3000)
    is_bad = (frame["x1"] == "a").to_numpy()
    y = np.where(is_bad & (np.random.default_rng(0).random(3000) < 0.5), 1 - y, y)

    found = find(frame, frame, schema, (y, scores, predicted), 1)

    assert [where.name(one) for one in found.worst] == ["\u201cx1\u201d is \u201ca\u201d"]


def test_small_slices_are_not_asked():
    """No slice has fewer than 30 rows, and too small a table has none at all."""
    frame, schema, answered, _ = planted(0)
    few = find(frame[:50], frame, schema, tuple(part[:50] for part in answered), 1)

    assert all(one.rows >= 30 for one in find(frame, frame, schema, answered, 1).worst)
    assert (few.asked, few.worst) == (0, ())
    assert "No part of the test rows could be asked" in where.summary({"slices": as_json(few)})


def test_rows_of_one_class_missing_columns_booleans_and_dates_are_asked_too():
    """A slice of one class only, a column without a value, a boolean and a year can be what is worst."""
    source = np.random.default_rng(3)
    rows = 2000
    frame = pd.DataFrame(
        {
            "empty": np.full(rows, np.nan),
            "gaps": np.where(source.random(rows) < 0.1, np.nan, source.normal(size=rows)),
            "flag": source.integers(0, 2, rows).astype(float),
            "when": pd.Timestamp("2018-01-01") + pd.to_timedelta(source.integers(0, 2000, rows), unit="D"),
        }
    )
    kinds = (Kind.NUMBER, Kind.NUMBER, Kind.BOOLEAN, Kind.DATETIME)
    schema = InputSchema(tuple(map(Column, frame.columns, kinds)), Target("y", ("0", "1")))
    p = source.beta(1, 4, rows)
    y = (source.random(rows) < p).astype(np.int64)
    for column, is_bad in (
        ("gaps", frame["gaps"].isna()),
        ("flag", frame["flag"] == 1),
        ("when", frame["when"].dt.year >= 2022),
    ):
        wrong = np.where(is_bad, 1, y)

        found = find(frame, frame, schema, (wrong, np.column_stack([1 - p, p]), (p > 0.5).astype(int)), 1)

        assert [part.column for part in found.worst[0].parts] == [column]
        assert found.worst[0].positives == found.worst[0].rows
        assert not {"empty"} & {part.column for one in found.worst for part in one.parts}


def test_slices_with_the_same_rows_are_listed_once():
    """A column that stands twice in the table does not fill the list."""
    frame, schema, answered, _ = planted(1)
    twice = frame.assign(again=frame["x1"])
    both = InputSchema((*schema.columns, Column("again", Kind.CATEGORY)), schema.target)

    once, found = find(frame, frame, schema, answered, 1), find(twice, twice, both, answered, 1)

    assert [one.rows for one in found.worst] == [one.rows for one in once.worst]
    assert found.survived > once.survived


def test_a_wide_table_is_bounded_and_says_so():
    """Of many columns only the most important are paired; the report says how many."""
    frame, schema, answered = table(0, rows=2000, columns=120)

    found = find(frame, frame, schema, answered, 1, ranked=["x77"])

    assert (found.columns, found.paired) == (120, slices.PAIRED)
    assert f"the {slices.PAIRED} columns that the model uses most" in where.summary({"slices": as_json(found)})


def test_the_json_form_reads_back():
    """What the report says is made from evaluation.json alone."""
    frame, schema, answered, _ = planted(0)

    found = find(frame, frame, schema, answered, 1)

    assert slices.from_json(as_json(found)) == found


def test_nothing_found_is_said_honestly():
    """The summary says how many were asked, and that this is no proof."""
    frame, schema, answered = table(1)
    said = where.summary({"slices": as_json(find(frame, frame, schema, answered, 1))})

    assert "None is answered worse than the other rows beyond chance" in said
    assert "That does not say that there is none" in said
    assert where.plot(find(frame, frame, schema, answered, 1)) == []


def test_hostile_names_are_text_in_the_figure():
    """Markup, dollars and lone surrogates of columns and categories reach neither SVG nor table as such."""
    frame, schema, answered, _ = planted(0)
    names = {"x0": "<b>$x$</b>", "x1": "a\ud800&b"}
    renamed = frame.rename(columns=names)
    renamed["a\ud800&b"] = renamed["a\ud800&b"].replace("a", "<script>alert(1)</script>")
    schema = InputSchema(tuple(Column(names.get(c.name, c.name), c.kind) for c in schema.columns), schema.target)

    drawn = where.plot(find(renamed, renamed, schema, answered, 1))[0]

    for svg in (drawn.embedded(), drawn.standalone()):
        assert "<script" not in svg
        assert "<b>" not in svg
        svg.encode()
    assert "&lt;b&gt;$x$&lt;/b&gt;" in drawn.embedded()


def test_a_sentence_has_rows_bounds_and_the_others():
    """As a reader needs it to look at these rows."""
    parts = (Part("job", "category", "student"), Part("age", "range", None, None, "29"))
    one = slices.Slice(
        parts, 62, 15, slices.Figure(0.5, 0.4, 0.6), 0.2, slices.Figure(0.242, 0.152, 0.362), 0.101, 1e-6, 1e-4
    )

    assert where.sentence(one).replace("\u201c", "'").replace("\u201d", "'").replace("\u202f", " ") == (
        "Rows where 'job' is 'student' and 'age' is below 29: 62 rows, 24.2 % (15.2 to 36.2) wrong against 10.1 % "
        "elsewhere; log loss 0.500 (0.400 to 0.600) against 0.200"
    )


def as_json(found):
    """As `evaluation.json` has it."""
    return json.loads(json.dumps(asdict(found)))
