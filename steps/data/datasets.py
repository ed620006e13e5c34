"""Dataset runs: what identifies them, what they hold, and how they are read back.

A dataset run holds the original bytes (`raw/train/<file>`, `raw/test/<file>`), `checks.json`, `checks.html` and
`summary.json`; with a target also `data/train.parquet`, `data/test.parquet` (the columns that the model reads, and the
label as text), `schema.json` and `shared_rows.json`:

    same_label    test rows (from 1, the header not counted) that also stand in the training file with their label
    any_label     those that stand there whatever their label; the check `rows_in_both_files` says how rows are compared

Dataset runs from before the rows were kept lack that last file; nothing is then known about them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pyfunc.errors import ModelUnavailableError, Problem, TrainingRefusedError
from pyfunc.schema import SCHEMA_FORMAT, InputSchema
from steps import tracking
from steps.data.formats import FileFormat
from steps.data.options import Options, options_of
from steps.data.profile import encode
from steps.data.readers import READER_FORMAT, read
from steps.records import Check, Dataset, SharedRows

SUMMARY_FILE = "summary.json"
PACKED, AS_IT_IS = ".gz", ".bin"  # see `raw_name`


class Source(NamedTuple):
    """The bytes of a file and its name."""

    content: bytes
    name: str

    @property
    def sha256(self) -> str:
        """Hash of the bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Summary:
    """What `/upload` answers about two files. `columns` are those of the training file, beside the target."""

    run_id: str
    target: str | None
    rows: Mapping[str, int]  # train, test
    columns: tuple[Mapping[str, Any], ...]  # name, kind, missing, reason, read (by the model)
    target_guesses: tuple[str, ...]
    checks: tuple[Check, ...]
    formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # train, test: how each was read
    options: Options = field(default_factory=Options)


def dataset_key(train_sha256: str, test_sha256: str, target: str, options: Options) -> str:
    """The identity of a dataset: the same files and options, read in the same way, are the same dataset."""
    identity = [train_sha256, test_sha256, target, options.texts(), READER_FORMAT, SCHEMA_FORMAT]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def find(key: str) -> str | None:
    """The finished run of a dataset, in any experiment; None where there is none."""
    client = MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    query = f"tags.`{tracking.DATASET_KEY}` = '{key}' and attributes.status = 'FINISHED'"
    runs = client.search_runs(experiments, query, max_results=1) if experiments else []
    return runs[0].info.run_id if runs else None


def get_run(run_id: str) -> Run:
    """The run that holds a dataset; a run that has used one leads to it.

    Raises:
        ModelUnavailableError: no such run, or one that has no dataset.
    """
    fix = "Give the id that `ingest` or /upload has answered."
    try:
        run = MlflowClient().get_run(run_id)
        holder = run.data.tags.get(tracking.DATASET_RUN)
        if holder and holder != run_id:
            run = MlflowClient().get_run(holder)
    except MlflowException as error:
        raise ModelUnavailableError(Problem("dataset_unknown", "There is no such run.", "dataset", fix)) from error
    if tracking.DATASET_KEY not in run.data.tags:
        raise ModelUnavailableError(Problem("dataset_unknown", "The run has no dataset.", "dataset", fix))
    return run


def has_target(run: Run) -> bool:
    """Whether a dataset run was made for a target. A column may be called like the tag that says that it was not."""
    if run.data.tags.get(tracking.DATASET_TARGET) != tracking.NO_TARGET:
        return True
    return any(file.path == tracking.SCHEMA_FILE for file in MlflowClient().list_artifacts(run.info.run_id))


def load(run_id: str) -> Dataset:
    """Read a dataset back.

    Raises:
        ModelUnavailableError: no such run, one without a dataset, or artifacts that are gone.
        TrainingRefusedError: the dataset was made without a target.
    """
    run = _targeted(run_id)
    found = run.info.run_id
    schema = load_schema(found)
    train, test = (tracking.frame(found, each) for each in (tracking.TRAIN_FRAME, tracking.TEST_FRAME))
    hashes = run.data.tags[tracking.TRAIN_SHA256], run.data.tags[tracking.TEST_SHA256]
    return dataset_of(found, schema, train, test, _load_checks(found), *hashes, _load_shared(found), _read_as(found))


def dataset_of(
    run_id: str,
    schema: InputSchema,
    train: pd.DataFrame,
    test: pd.DataFrame,
    checks: tuple[Check, ...],
    train_sha256: str,
    test_sha256: str,
    shared: SharedRows | None = None,
    read_as: Mapping[str, Any] = MappingProxyType({}),
) -> Dataset:
    """The record of two frames (n_rows, any) with the schema's columns and the target."""
    target = schema.target.name
    return Dataset(
        run_id=run_id,
        schema=schema,
        train=schema.enforce(train, "training file")[0],
        y_train=encode(train[target], schema),
        test=schema.enforce(test, "test file")[0],
        y_test=encode(test[target], schema),
        checks=checks,
        train_sha256=train_sha256,
        test_sha256=test_sha256,
        shared=shared,
        read_as=read_as,
    )


def load_schema(run_id: str) -> InputSchema:
    """The schema of a dataset run.

    Raises:
        ModelUnavailableError: no such run, or one without a dataset.
        TrainingRefusedError: the dataset was made without a target.
    """
    return InputSchema.from_dict(_load_json(_targeted(run_id).info.run_id, tracking.SCHEMA_FILE))


def summary(run_id: str) -> Summary:
    """What is known about a dataset run's files, without reading them.

    Raises:
        ModelUnavailableError: no such run, or one without a dataset.
    """
    run = get_run(run_id)
    found = run.info.run_id
    stored = _load_json(found, SUMMARY_FILE)
    target = run.data.tags[tracking.DATASET_TARGET] if has_target(run) else None
    columns, guesses = tuple(stored["columns"]), tuple(stored["target_guesses"])
    options = options_of(stored.get("options", {}))
    return Summary(
        found, target, stored["rows"], columns, guesses, _load_checks(found), stored.get("formats", {}), options
    )


def raw(run_id: str) -> tuple[Source, Source]:
    """The original training and test file of a dataset run.

    Raises:
        ModelUnavailableError: no such run, or one without a dataset.
    """
    found = get_run(run_id).info.run_id
    sources = []
    with tracking.scratch() as folder:
        for part in ("train", "test"):
            files = sorted(tracking.artifact(found, f"{tracking.RAW}/{part}", str(folder)).iterdir())
            name = files[0].name
            is_longer = name.lower().endswith(PACKED + AS_IT_IS)
            sources.append(Source(files[0].read_bytes(), name.removesuffix(AS_IT_IS) if is_longer else name))
    return sources[0], sources[1]


def raw_name(name: str) -> str:
    """The name that an original file is kept under.

    One that ends in `.gz` would not come back through an MLflow server from S3: MLflow tells S3 that it is packed for
    the way only, and then counts bytes that were unpacked on it.
    """
    return name + AS_IT_IS if name.lower().endswith(PACKED) else name


def as_sent(dataset: Dataset, source: Source) -> pd.DataFrame:
    """One of a dataset's original files, read as the training file was; its rows are in the dataset's order."""
    return read(source.content, source.name, like=FileFormat.of_model(dataset.read_as)).frame


def _targeted(run_id: str) -> Run:
    """The run that holds a dataset with a target."""
    run = get_run(run_id)
    if not has_target(run):
        what = "The dataset was made without a target."
        fix = "Name the column to predict: `target=` beside `dataset=` of `main`, or in /train."
        raise TrainingRefusedError(Problem("dataset_without_target", what, f"run {run_id}", fix))
    return run


def _load_json(run_id: str, path: str) -> Any:
    """A JSON artifact."""
    with tracking.scratch() as folder:
        return json.loads(tracking.artifact(run_id, path, str(folder)).read_text(encoding="utf-8"))


def _load_checks(run_id: str) -> tuple[Check, ...]:
    """The checks of a dataset run."""
    stored = _load_json(run_id, tracking.CHECKS_FILE)
    return tuple(Check(**{**check, "columns": tuple(check["columns"])}) for check in stored)


def _read_as(run_id: str) -> Mapping[str, Any]:
    """The format that the training file was read in; empty in a run from before it was kept."""
    found: Mapping[str, Any] = _load_json(run_id, SUMMARY_FILE).get("formats", {}).get("train", {})
    return found


def _load_shared(run_id: str) -> SharedRows | None:
    """The test rows that stand in the training file too; None in a run from before they were kept."""
    if not any(file.path == tracking.SHARED_ROWS for file in MlflowClient().list_artifacts(run_id)):
        return None
    stored = _load_json(run_id, tracking.SHARED_ROWS)
    return SharedRows(tuple(stored["same_label"]), tuple(stored["any_label"]))
