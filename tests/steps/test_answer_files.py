"""What is written reads back: numbers to the last digit, texts to the last sign."""

from __future__ import annotations

import csv as csv_module
import gzip
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steps import answer_files

bounded = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NUMBERS = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-5, 1e-4, 5e-324, 1e15, 1e16, 1e22, -0.0])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)
LABELS = TEXTS | st.sampled_from(['"', ",", "a\nb", "\r", " x ", "\\", "\x1f"])


def written(ending: str, *batches: pa.RecordBatch) -> bytes:
    """Batches in a format."""
    out = io.BytesIO()
    writer = answer_files.writer(Path(f"out{ending}"), out)
    for batch in batches:
        writer.write(batch)
    writer.close()
    return out.getvalue()


@bounded(max_examples=100)
@given(st.lists(st.tuples(LABELS, NUMBERS, st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=6))
def test_what_is_written_reads_back(rows):
    """CSV has the bytes that pandas writes; packed CSV, Parquet and JSON lines hold the same cells."""
    frame = pd.DataFrame(rows, columns=["prediction", "probability_a,b", "whole"])
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    parts = batch.slice(0, 2), batch.slice(2)

    text = frame.to_csv(index=False, lineterminator="\n").encode()
    csv = written(".csv", *parts)
    if b"\r" not in text:  # which pandas does not quote
        assert csv == text
    back = [*csv_module.reader(io.StringIO(csv.decode(), newline=""))]
    assert back[1:] == [[label, repr(number), str(whole)] for label, number, whole in rows]
    assert gzip.decompress(written(".csv.gz", *parts)) == csv
    assert pd.read_parquet(io.BytesIO(written(".parquet", *parts))).equals(frame)
    lines = written(".jsonl", *parts).decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == frame.to_dict("records")


def test_gaps_and_types():
    """A gap is an empty cell or null; kept columns of any type are written as text that says the same."""
    batch = pa.RecordBatch.from_pydict(
        {
            "real": [None, 1.0, 1e-5],
            "nan": pa.array(np.array([np.nan, 1, 2])),
            "yes": [True, None, False],
            "when": pa.array([0, None, 1], pa.timestamp("s")),
            "coded": pa.array(["x", None, 'y"']).dictionary_encode(),
        }
    )
    assert written(".csv", batch).decode().splitlines() == [
        "real,nan,yes,when,coded",
        ",,true,1970-01-01 00:00:00,x",
        "1.0,1.0,,,",
        '1e-05,2.0,false,1970-01-01 00:00:01,"y"""',
    ]
    assert [json.loads(line) for line in written(".ndjson", batch).splitlines()] == [
        {"real": None, "nan": None, "yes": True, "when": "1970-01-01 00:00:00", "coded": "x"},
        {"real": 1.0, "nan": 1.0, "yes": None, "when": None, "coded": None},
        {"real": 1e-05, "nan": 2.0, "yes": False, "when": "1970-01-01 00:00:01", "coded": 'y"'},
    ]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_columns_that_only_parquet_can_hold(ending):
    """Lists and bytes have no form as text."""
    out = Path(f"out{ending}")
    assert answer_files.is_writable(pa.string(), out)
    for kind in (pa.binary(), pa.list_(pa.string())):
        assert answer_files.is_writable(kind, out) is (ending == ".parquet")
