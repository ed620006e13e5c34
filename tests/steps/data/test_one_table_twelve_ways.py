"""One table in every format that is read: one schema, one frame, one model."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zstandard
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pyfunc.cells import Kind
from pyfunc.schema import InputSchema
from steps import ingest, tracking
from steps.data.datasets import Source
from steps.data.profile import encode, profile
from steps.data.readers import read

TARGET = "Kredit möglich"
SMALL, LARGE = 90, 4_000  # rows; columns of a large CSV may stay in Arrow's memory
KINDS = {
    "income, €": Kind.NUMBER, "children": Kind.NUMBER, "rooms": Kind.NUMBER, "postcode": Kind.CATEGORY,
    "smoker": Kind.BOOLEAN, "insured": Kind.BOOLEAN, "since": Kind.DATETIME, "called": Kind.DATETIME,
    "comment": Kind.CATEGORY, "Größe": Kind.CATEGORY,
}  # fmt: skip
COMMENTS = ['say "hi", she said', "one; two", "tab\there", "line\nbreak", "pipe | pipe", " spaced ", "NA", "1,5", "ü€"]
WAYS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {}


def way(name: str) -> Callable[[Callable[..., bytes]], Callable[..., bytes]]:
    """Name a way of writing the table."""

    def keep(write: Callable[..., bytes]) -> Callable[..., bytes]:
        WAYS[name] = write
        return write

    return keep


def table(n_rows: int) -> list[dict[str, Any]]:
    """Rows of Python values, None for a gap: what the table is, before it is written."""
    draw = np.random.default_rng(7)
    rows = []
    for at in range(n_rows):
        income = round(float(draw.normal(3000, 700)), 2)
        day = dt.date(2020, 1, 1) + dt.timedelta(days=int(draw.integers(0, 900)))
        row = {
            "income, €": income,
            "children": int(draw.integers(0, 5)),
            "rooms": int(draw.integers(1, 9)) * 1000,
            "postcode": f"{int(draw.integers(0, 12)) * 7:05d}",
            "smoker": ("yes", "no")[int(draw.integers(0, 2))],
            "insured": bool(draw.integers(0, 2)),
            "since": day,
            "called": dt.datetime.fromisoformat("2024-05-01T13:45:00")
            + dt.timedelta(seconds=int(draw.integers(0, 10**6))),
            "comment": COMMENTS[int(draw.integers(0, len(COMMENTS)))],
            "Größe": ("groß", "klein", "mittel")[int(draw.integers(0, 3))],
            TARGET: "ja" if income + draw.normal(0, 300) > 3000 else "nein",
        }
        if at % 7 == 3:
            gap = [name for name in row if name not in (TARGET, "children")][at % 9]
            row[gap] = None
        rows.append(row)
    return rows


def text(value: object) -> str:
    """A value as CSV carries it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, dt.date) else "" if value is None else str(value)


def as_csv(
    rows: list[dict[str, Any]], delimiter: str = ",", decimal: str = ".", quoting: int = csv.QUOTE_MINIMAL
) -> str:
    """The table as text with a delimiter and a decimal sign."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            text(value).replace(".", decimal) if isinstance(value, float) else text(value) for value in row.values()
        )
    return out.getvalue()


def typed(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table with the types that Parquet and Feather keep."""
    frame = pd.DataFrame(rows)
    return frame.astype({"rooms": "Int64", "insured": "boolean", "called": "datetime64[us]"})


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table as JSON carries it: times as text."""
    return [
        {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in row.items()}
        for row in rows
    ]


@way("comma.csv")
def _comma(rows):
    return as_csv(rows).encode()


@way("semicolon-cp1252.csv")
def _semicolon(rows):
    return as_csv(rows, ";", ",").encode("cp1252")


@way("tabs.tsv")
def _tabs(rows):
    return as_csv(rows, "\t").encode()


@way("pipes.txt")
def _pipes(rows):
    return as_csv(rows, "|", quoting=csv.QUOTE_ALL).encode()


@way("marked.csv")
def _marked(rows):
    return as_csv(rows).encode("utf-8-sig")


@way("utf16.csv")
def _utf16(rows):
    return as_csv(rows, "\t", ",").encode("utf-16")


@way("packed.csv.gz")
def _gz(rows):
    return gzip.compress(as_csv(rows).encode())


@way("packed.csv.zst")
def _zst(rows):
    return zstandard.compress(as_csv(rows, ";").encode())


@way("packed.zip")
def _zip(rows):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", as_csv(rows, ";", ","))
    return out.getvalue()


@way("typed.parquet")
def _parquet(rows):
    out = io.BytesIO()
    typed(rows).to_parquet(out)
    return out.getvalue()


@way("typed.feather")
def _feather(rows):
    out = io.BytesIO()
    typed(rows).to_feather(out)
    return out.getvalue()


@way("book.xlsx")
def _excel(rows):
    out = io.BytesIO()
    pd.DataFrame(rows).astype({"rooms": "object"}).to_excel(out, index=False)
    return out.getvalue()


@way("records.json")
def _records(rows):
    return json.dumps(plain(rows)).encode()


@way("split.json")
def _split(rows):
    return json.dumps({"columns": [*rows[0]], "data": [[*row.values()] for row in plain(rows)]}).encode()


@way("lines.jsonl")
def _lines(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in plain(rows)).encode()


def learned(content: bytes, name: str) -> tuple[InputSchema, pd.DataFrame, np.ndarray[Any, Any]]:
    """Schema, enforced frame and labels of a file."""
    frame = read(content, name).frame
    schema = profile(frame, TARGET)
    return schema, schema.enforce(frame, name)[0], encode(frame[TARGET], schema)


def model(schema: InputSchema) -> Pipeline:
    """A small real pipeline for the table's columns."""
    of = {kind: [column.name for column in schema.columns if column.kind is kind] for kind in Kind}
    encoder = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), of[Kind.NUMBER] + of[Kind.BOOLEAN]),
            ("categories", encoder, of[Kind.CATEGORY]),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000))


TABLES = {n_rows: table(n_rows) for n_rows in (SMALL, LARGE)}
CASES = [(SMALL, name) for name in WAYS] + [
    (LARGE, name) for name in WAYS if name.endswith(("csv", "tsv", "txt", "gz"))
]


@pytest.fixture(scope="module")
def references():
    """What the tables are as plain CSV, by number of rows."""
    return {n_rows: learned(WAYS["comma.csv"](rows), "comma.csv") for n_rows, rows in TABLES.items()}


@pytest.mark.parametrize("n_rows", TABLES)
def test_the_table_is_what_it_is_meant_to_be(n_rows, references):
    """Every kind of column is there, so that the comparisons below compare something."""
    schema = references[n_rows][0]
    assert {column.name: column.kind for column in schema.columns} == KINDS
    assert schema.left_out == ()
    assert sum(column.missing > 0 for column in schema.columns) == 9
    assert set(schema.columns[8].categories) == set(COMMENTS)


def test_the_large_table_is_held_in_arrow():
    """The large CSV is one of those whose many different texts do not become Python objects."""
    dtypes = {str(dtype) for dtype in read(WAYS["comma.csv"](TABLES[LARGE]), "comma.csv").frame.dtypes}
    assert dtypes == {"object", "string"}


@pytest.mark.parametrize(("n_rows", "name"), CASES)
def test_one_schema_frame_and_model(n_rows, name, references):
    """Each way of writing the table gives the same schema, the same enforced frame and the same probabilities."""
    schema, frame, y = learned(WAYS[name](TABLES[n_rows]), name)
    expected, expected_frame, expected_y = references[n_rows]
    assert schema.to_dict() == expected.to_dict()
    pd.testing.assert_frame_equal(frame, expected_frame)
    np.testing.assert_array_equal(y, expected_y)
    answers = model(schema).fit(frame, y).predict_proba(frame)
    assert answers.tobytes() == model(expected).fit(expected_frame, expected_y).predict_proba(expected_frame).tobytes()
    assert ((answers[:, 1] > 0.5) == y).mean() > 0.6


@pytest.mark.parametrize("name", WAYS)
def test_rows_for_a_model_mean_the_same_in_each_way(name, references):
    """Read for a model, a file in any format is enforced to the frame that the model has learned from."""
    schema, expected, _ = references[SMALL]
    numbers = [column.name for column in schema.columns if column.kind is Kind.NUMBER]
    content = WAYS[name](TABLES[SMALL])
    for like in (None, read(content, name).format):
        frame, _ = schema.enforce(read(content, name, decimal_comma=numbers, like=like).frame, name)
        pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("name", WAYS)
def test_one_row_means_what_the_file_means(name, references):
    """A single row in any format, read like the training file, is enforced to that row of the frame."""
    schema, expected, _ = references[SMALL]
    numbers = [column.name for column in schema.columns if column.kind is Kind.NUMBER]
    like = read(WAYS[name](TABLES[SMALL]), name).format
    for at in (0, 3, 10):
        table_read = read(WAYS[name](TABLES[SMALL][at : at + 1]), name, decimal_comma=numbers, like=like)
        frame, _ = schema.enforce(table_read.frame, name)
        pd.testing.assert_frame_equal(frame, expected.iloc[[at]].reset_index(drop=True))


def test_ingest_writes_the_same_schema_for_every_way(store):
    """The bytes of `schema.json` do not depend on the format of the files."""
    rows = TABLES[SMALL]
    stored = set()
    for at, (name, write) in enumerate(WAYS.items()):
        other = [*WAYS][at - 1]  # the test file comes in another format
        dataset = ingest.ingest(Source(write(rows[:60]), name), Source(WAYS[other](rows[60:]), other), TARGET)
        with tracking.scratch() as folder:
            stored.add(tracking.artifact(dataset.run_id, tracking.SCHEMA_FILE, str(folder)).read_bytes())
    assert len(stored) == 1
