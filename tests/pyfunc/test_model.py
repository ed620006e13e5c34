from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.exceptions import MlflowException
from sklearn.base import BaseEstimator, ClassifierMixin

from pyfunc import package
from pyfunc.cells import Kind, Spelling
from pyfunc.errors import ArtifactMismatchError, SchemaMismatchError
from pyfunc.model import PACKAGE_ARTIFACT, frame_of, problems_in, signature
from pyfunc.schema import Column, InputSchema, Target

PROJECT = Path(package.__file__).parents[1]
SCHEMA = InputSchema(
    (
        Column("age", Kind.NUMBER, missing=0.1),
        Column("city", Kind.CATEGORY, missing=0.1, categories=("Bonn", "Köln")),
        Column("employed", Kind.BOOLEAN, missing=0.1, spelling=Spelling(words=("no", "yes"))),
        Column("since", Kind.DATETIME, missing=0.1, spelling=Spelling(format="%d.%m.%Y")),
        Column("seen", Kind.DATETIME, missing=0.1, spelling=Spelling(timezone="UTC")),
    ),
    Target("paid", ("no", "yes"), positive="yes"),
)
SINCE, SEEN = dt.datetime(2024, 5, 31), dt.datetime(2024, 5, 31, 12, tzinfo=dt.UTC)  # noqa: DTZ001 (has none)


class Weighs(ClassifierMixin, BaseEstimator):
    """A model whose probability depends on every cell, so that a misread one shows."""

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Probabilities (n_rows, 2) of an enforced frame (n_rows, 5)."""
        parts = [
            rows["age"].fillna(7) / 100,
            rows["city"].map({"Bonn": 0.1, "Köln": 0.2}).astype(float).fillna(0.05),
            rows["employed"].fillna(0.5) / 10,
            rows["since"].dt.day.fillna(3) / 1000,
            rows["seen"].dt.hour.fillna(5) / 10000,
        ]
        share = sum(parts).to_numpy()
        return np.column_stack([1 - share, share])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model as `mlflow.pyfunc.load_model` gives it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "package").mkdir()
    package.save(folder / "package", Weighs(), SCHEMA, 0.5)
    mlflow.pyfunc.save_model(
        str(folder / "saved"),
        python_model=str(PROJECT / "pyfunc" / "entry.py"),
        artifacts={PACKAGE_ARTIFACT: str(folder / "package")},
        signature=signature(SCHEMA),
        input_example=FRAME.head(1),
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder / "saved"))


ROWS = {
    "age": [40, 41], "city": ["Bonn", "Köln"], "employed": [True, False], "since": [SINCE] * 2, "seen": [SEEN] * 2,
}  # fmt: skip
FRAME = pd.DataFrame(ROWS)
EXPECTED = [0.4 + 0.1 + 0.1 + 0.031 + 0.0012, 0.41 + 0.2 + 0.031 + 0.0012]


def probabilities(answers: pd.DataFrame) -> list[float]:
    """The positive class's, rounded to what a misread cell would change."""
    return answers["probability_yes"].round(9).tolist()


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME[::-1].sort_index()[[*reversed(FRAME.columns)]],
        FRAME.astype({"age": "Int64", "city": "string", "employed": "boolean"}),
        FRAME.astype({"age": "float32", "city": "category", "employed": object}),
        FRAME.astype({"age": "uint8", "since": "datetime64[s]"}),
        FRAME.convert_dtypes(dtype_backend="pyarrow"),
        pa.Table.from_pandas(FRAME).to_pandas(types_mapper=pd.ArrowDtype),
        FRAME.assign(since=pd.Series([SINCE.date()] * 2, dtype=pd.ArrowDtype(pa.date32()))),
        FRAME.assign(age=pd.Series([*map(decimal.Decimal, ["40", "41"])], dtype=pd.ArrowDtype(pa.decimal128(5, 1)))),
        FRAME.assign(age=[decimal.Decimal("40.0"), decimal.Decimal(41)]),
        FRAME.assign(seen=FRAME["seen"].dt.tz_convert("Europe/Madrid")),
        FRAME.assign(since=[SINCE.date()] * 2, employed=[1, 0]),
        FRAME.assign(age=["40", "41.0"], employed=["YES", "no"], since="31.05.2024", seen="2024-05-31T14:00+02:00"),
        FRAME.assign(age=pd.arrays.SparseArray([40.0, 41.0]), other="x"),
        FRAME.to_dict("records"),
        ROWS,
        {name: tuple(cells) for name, cells in ROWS.items()},
        {name: FRAME[name] for name in FRAME},
        {name: np.array(cells, dtype=object) for name, cells in ROWS.items()},
        {**ROWS, "since": np.array(["2024-05-31"] * 2, dtype="datetime64[s]"), "seen": SEEN},
    ],
)
def test_any_reasonable_rows_get_the_same_answer(model, frame):
    """Frames of every dtype, records and columns by name mean the same through MLflow."""
    assert probabilities(model.predict(frame)) == pytest.approx(EXPECTED)


def test_gaps_of_every_type_are_missing(model):
    """A row of gaps is answered in nullable, pyarrow and object columns alike, under the frame's own index."""
    gappy = FRAME.reindex([0, 7])
    typed = gappy.astype({"age": "Int64", "city": "string"}).assign(employed=gappy["employed"].astype("boolean"))
    missing = 0.07 + 0.05 + 0.05 + 0.003 + 0.0005
    for frame in (gappy, typed, gappy.convert_dtypes(dtype_backend="pyarrow"), gappy.astype(object)):
        answers = model.predict(frame)
        assert probabilities(answers) == pytest.approx([EXPECTED[0], missing])
        assert answers.index.tolist() == [0, 7]


def test_one_row_of_scalars():
    """A dict of scalars is one row where we see it; MLflow's wrapper refuses it before."""
    assert frame_of({"a": 1, "b": "x"}, "test").to_dict("records") == [{"a": 1, "b": "x"}]
    assert frame_of({"a": [1, 2], "b": "x"}, "test").to_dict("records") == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


@pytest.mark.parametrize("rows", [{"a": [1], "b": [1, 2]}, 5, "text"])
def test_what_is_no_table_is_refused_without_its_cells(rows):
    """Columns of different lengths and things without rows are one problem in our own words."""
    with pytest.raises(SchemaMismatchError) as caught:
        frame_of(rows, "input rows")
    assert [(p.code, p.what) for p in caught.value.problems] == [("not_a_table", "The rows are no table.")]


@pytest.mark.parametrize("rows", [{name: cells[0] for name, cells in ROWS.items()}, None, {**ROWS, "age": [40]}])
def test_what_mlflow_itself_refuses(model, rows):
    """Scalars by name, nothing, and columns of different lengths do not reach us; the day they do, we answer."""
    with pytest.raises(MlflowException, match="Failed to enforce schema"):
        model.predict(rows)


def test_problems_leave_as_one_message(model):
    """What does not fit is an MlflowException whose message is our problems, without cells."""
    with pytest.raises(MlflowException) as caught:
        model.predict(FRAME.assign(age="SECRET").drop(columns="city"))
    assert sorted(problem.code for problem in problems_in(caught.value.message)) == ["missing_column", "not_a_number"]
    assert "SECRET" not in str(caught.value)


def test_a_schema_of_a_later_program_is_no_crash(tmp_path):
    """A package whose schema has a format that this program does not know is refused as one."""
    package.save(tmp_path, Weighs(), SCHEMA, 0.5)
    schema = json.dumps({**SCHEMA.to_dict(), "format": 99})
    (tmp_path / package.SCHEMA).write_text(schema, encoding="utf-8")
    manifest = json.loads((tmp_path / package.MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][package.SCHEMA] = hashlib.sha256(schema.encode()).hexdigest()
    del manifest[package.ITSELF]
    (tmp_path / package.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactMismatchError, match="schema format 99"):
        package.load(tmp_path)
