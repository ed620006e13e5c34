from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.schema import Column
from steps.judging import dependence, plots_drive
from steps.judging.dependence import measure

ROWS = 500


def table():
    """A frame with a column of each kind, and its columns."""
    source = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": np.where(source.random(ROWS) < 0.1, np.nan, source.uniform(0, 1, ROWS)),
            "category": source.choice(np.array(["red", "green", "blue"], dtype=object), ROWS, p=[0.5, 0.3, 0.2]),
            "flag": source.integers(0, 2, ROWS).astype(float),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(source.integers(0, 1000, ROWS), unit="D"),
            "count": source.integers(0, 5, ROWS).astype(float),
            "empty": np.full(ROWS, np.nan),
        }
    )
    kinds = (Kind.NUMBER, Kind.CATEGORY, Kind.BOOLEAN, Kind.DATETIME, Kind.NUMBER, Kind.NUMBER)
    return frame, [Column(name, kind) for name, kind in zip(frame, kinds, strict=True)]


def known(rows: pd.DataFrame) -> np.ndarray:
    """A model whose dependence is known: additive, with one part a column."""
    p = (
        0.1
        + 0.3 * rows["number"].fillna(0.5)
        + 0.2 * (rows["category"] == "red")
        + 0.1 * rows["flag"]
        + 0.1 * (rows["when"] >= "2021-06-01")
        + 0.04 * rows["count"]
    ).to_numpy(dtype=float)
    return np.column_stack([1 - p, p])


def test_the_dependence_of_a_known_function_is_right():
    """On every kind of column the mean moves as the function says, and so does the curve of each single row."""
    frame, columns = table()

    found = {one.column: one for one in measure(known, frame, frame, columns, 1)}

    number, count = found["number"], found["count"]
    assert number.mean - number.mean[0] == pytest.approx(0.3 * (number.grid - number.grid[0]))
    assert np.ptp(number.curves - 0.3 * number.grid, axis=1) == pytest.approx(0, abs=1e-9)
    assert count.grid.tolist() == [0, 1, 2, 3, 4]
    assert np.diff(count.mean) == pytest.approx(0.04)
    by_word = dict(zip(found["category"].words, found["category"].mean, strict=True))
    assert found["category"].words == ("red", "green", "blue")
    assert by_word["red"] - by_word["green"] == pytest.approx(0.2)
    assert np.diff(found["flag"].mean) == pytest.approx(0.1)
    assert found["flag"].words == ("false", "true")
    is_late = np.array([word >= "2021-06-01" for word in found["when"].words])
    assert np.ptp(found["when"].mean[is_late]) == pytest.approx(0)
    assert found["when"].mean[is_late][0] - found["when"].mean[~is_late][0] == pytest.approx(0.1)


def test_a_column_without_values_has_no_curve():
    """There is nothing to set it to."""
    frame, columns = table()

    assert "empty" not in {one.column for one in measure(known, frame, frame, columns, 1)}
    assert measure(known, frame, frame, columns[-1:], 1) == ()


def test_rows_and_curves_are_sampled_and_counted():
    """Of 500 rows 200 are asked and 30 drawn; the frame is not touched, and its types arrive."""
    frame, columns = table()
    before = frame.copy()

    def scores(rows):
        assert rows.dtypes.equals(frame.dtypes)
        return known(rows)

    found = measure(scores, frame, frame, columns, 1)

    assert {one.rows for one in found} == {dependence.ROWS}
    assert {len(one.curves) for one in found} == {dependence.CURVES}
    assert frame.equals(before)


def test_of_many_classes_the_one_that_moves_most_is_shown():
    """Each column says whose probability it shows."""
    frame, columns = table()

    def scores(rows):
        two = known(rows)
        return np.column_stack([two[:, 0] * 0.2, two[:, 0] * 0.8, two[:, 1]])

    assert {one.class_at for one in measure(scores, frame, frame, columns, None)} == {2}


def test_a_slow_model_is_asked_less():
    """With a tenth of the time, fewer rows are asked; with none, the first column at most."""
    frame, columns = table()

    def slow(rows):
        time.sleep(len(rows) * 5e-6)
        return known(rows)

    found = measure(slow, frame, frame, columns, 1, limit_s=0.02)

    assert all(dependence.FEWEST_ROWS <= one.rows < dependence.ROWS for one in found)


def test_zones_of_datetimes_survive():
    """A column in UTC is set to moments in UTC."""
    frame, columns = table()
    zoned = frame.assign(when=frame["when"].dt.tz_localize("UTC"))

    def scores(rows):
        assert str(rows["when"].dtype) == "datetime64[ns, UTC]"
        return known(rows.assign(when=rows["when"].dt.tz_localize(None)))

    assert [one.column for one in measure(scores, zoned, zoned, columns[3:4], 1)] == ["when"]


@pytest.mark.parametrize("positive_at", [1, None])
def test_the_figure_has_a_panel_a_column_and_a_table(positive_at):
    """Finding, classes and values as text; hostile names stay text."""
    frame, columns = table()
    hostile = "<script>$x$</script>"
    renamed = frame.rename(columns={"number": hostile})
    columns[0] = Column(hostile, Kind.NUMBER)
    found = measure(
        lambda rows: known(rows.rename(columns={hostile: "number"})), renamed, renamed, columns, positive_at
    )

    drawn = plots_drive.dependence(found, ["no", "yes"], positive_at)[0]

    assert "<script" not in drawn.embedded() + drawn.standalone()
    assert "moves the mean probability of" in drawn.title
    assert "not causes" in drawn.caption
    assert {row[0] for row in drawn.rows} == {one.column for one in found}
    assert [row[1] for row in drawn.rows if row[0] == "category"] == ["red", "green", "blue"]
    assert plots_drive.dependence((), ["no", "yes"], positive_at) == []
