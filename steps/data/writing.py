"""What `ingest` leaves on a dataset run; `steps/data/datasets.py` reads it back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from mlflow.entities import Dataset as LoggedDataset
from mlflow.entities import DatasetInput, InputTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pyfunc.cells import Kind
from pyfunc.schema import InputSchema
from steps import tracking
from steps.data.datasets import SUMMARY_FILE, Source, Summary, raw_name
from steps.data.page import checks_html
from steps.records import Check, Dataset
from steps.tracking import StepRun

TRAINING, TESTING = "training", "testing"  # contexts of MLflow's inputs
MLFLOW_DIGEST = 36  # characters that MLflow keeps of a digest; the whole stands in a tag
MLFLOW_SCHEMA = 60_000  # characters that stores keep of an input's schema
NAME_KEPT = 100  # characters of a file's name
MLFLOW_TYPE = {Kind.NUMBER: "double", Kind.BOOLEAN: "double", Kind.DATETIME: "datetime"}
ARROW_TYPE = {
    Kind.NUMBER: pa.float64(), Kind.BOOLEAN: pa.float64(), Kind.CATEGORY: pa.string(), Kind.TEXT: pa.string(),
}  # fmt: skip


def write_raw(run: StepRun, train: Source, test: Source) -> None:
    """Log the original bytes, and their hashes as tags."""
    with tracking.scratch() as folder:
        for part, source in (("train", train), ("test", test)):
            file = folder / tracking.RAW / part / raw_name(safe_name(source.name))
            file.parent.mkdir(parents=True)
            file.write_bytes(source.content)
        run.files(folder)
    run.tags({tracking.TRAIN_SHA256: train.sha256, tracking.TEST_SHA256: test.sha256})


def write_checks(run: StepRun, checks: tuple[Check, ...]) -> None:
    """Log the checks, for programs and for people."""
    run.text(_json([asdict(check) for check in checks]), tracking.CHECKS_FILE)
    run.text(checks_html(checks), tracking.CHECKS_PAGE)


def write_summary(run: StepRun, found: Summary) -> None:
    """Log what `/upload` answers."""
    kept = {key: asdict(found)[key] for key in ("rows", "columns", "target_guesses", "formats")}
    run.text(_json({**kept, "options": found.options.texts()}), SUMMARY_FILE)


def write_dataset(run: StepRun, dataset: Dataset, sources: Mapping[str, Source]) -> None:
    """Log the schema, the rows in both files, both frames, and MLflow's inputs. `sources` by context."""
    run.text(_json(dataset.schema.to_dict()), tracking.SCHEMA_FILE)
    if dataset.shared is not None:
        run.text(json.dumps(asdict(dataset.shared)), tracking.SHARED_ROWS)
    with tracking.scratch() as folder:
        for path, frame, y in (
            (tracking.TRAIN_FRAME, dataset.train, dataset.y_train),
            (tracking.TEST_FRAME, dataset.test, dataset.y_test),
        ):
            (folder / path).parent.mkdir(exist_ok=True)
            pa.parquet.write_table(_arrow(frame, y, dataset.schema), folder / path)
        run.files(folder)
    rows = {TRAINING: len(dataset.train), TESTING: len(dataset.test)}
    inputs = [_input(run, dataset.schema, context, source, rows[context]) for context, source in sources.items()]
    MlflowClient().log_inputs(run.run_id, datasets=inputs)


def safe_name(name: str) -> str:
    """A file name that every artifact store takes; the ending stays, because the reader may need it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePath(name.replace("\\", "/")).name).strip("._-")
    return plain[-NAME_KEPT:].lstrip("._-") or "file"


def _arrow(frame: pd.DataFrame, y: np.ndarray[Any, Any], schema: InputSchema) -> pa.Table:
    """An enforced frame and its labels as text; types are stated, because an empty column has none of its own."""
    arrays = {}
    for column in schema.columns:
        values = frame[column.name]
        arrays[column.name] = pa.array(values, ARROW_TYPE.get(column.kind), from_pandas=True)  # times state their zone
    arrays[schema.target.name] = pa.array(np.array(schema.target.classes, dtype=object)[y], pa.string())
    return pa.table(arrays)


def _input(run: StepRun, schema: InputSchema, context: str, source: Source, rows: int) -> DatasetInput:
    """One of MLflow's inputs, made by hand: its own `from_pandas` hashes and infers what is known already."""
    types = [{"name": c.name, "type": MLFLOW_TYPE.get(c.kind, "string"), "required": False} for c in schema.columns]
    columns = json.dumps({"mlflow_colspec": [*types, {"name": schema.target.name, "type": "string", "required": True}]})
    part = "train" if context == TRAINING else "test"
    uri = f"runs:/{run.run_id}/{tracking.RAW}/{part}/{safe_name(source.name)}"
    logged = LoggedDataset(
        name=safe_name(source.name),
        digest=source.sha256[:MLFLOW_DIGEST],
        source_type="local",
        source=json.dumps({"uri": uri}),
        schema=columns if len(columns) <= MLFLOW_SCHEMA else None,
        profile=json.dumps({"num_rows": rows, "num_elements": rows * (len(schema.columns) + 1)}),
    )
    return DatasetInput(logged, [InputTag(MLFLOW_DATASET_CONTEXT, context)])


def _json(content: object) -> str:
    """Readable JSON."""
    return json.dumps(content, indent=1, ensure_ascii=False)
