"""The five doors, asked in the same way: bytes in, an outcome out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest import mock

import httpx
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from pyfunc.errors import Problem, ProjectError
from pyfunc.model import ModelInputError, Scorer, problems_in
from steps import score
from steps.tracking import StepRun
from tests.conformance.formats import CSV, CSV_TYPED, DF_RECORDS, DF_SPLIT, FORMATS, PARQUET, RECORDS

PREDICT, INVOCATIONS, SERVE, PYTHON, SCORE = "/predict", "/invocations", "models serve", "Python", "score"
TAKES = {  # the formats of each door; one dictionary in Python is columns to MLflow, and no record
    PREDICT: FORMATS,
    INVOCATIONS: (DF_RECORDS, DF_SPLIT, PARQUET),
    SERVE: (DF_RECORDS, DF_SPLIT, PARQUET),
    PYTHON: (RECORDS, DF_RECORDS, DF_SPLIT, CSV, CSV_TYPED, PARQUET),
    SCORE: FORMATS,
}
TYPES = {CSV: "text/csv", PARQUET: "application/vnd.apache.parquet"}
ENDINGS = {CSV: "csv", PARQUET: "parquet"}
POSITIVE = "probability_yes"
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Outcome:
    """What a door says to the odd row and the plain one below it.

    Either `scores` (the positive probability of each row) or `refused` (problem codes with the sentences that name
    columns and rows); `warned` is None at doors that carry no warnings, and `said` all text that came back.
    """

    scores: tuple[float, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    warned: tuple[str, ...] | None = None
    said: str = ""

    @property
    def codes(self) -> str:
        """The problem codes, each once."""
        return ", ".join(f"`{code}`" for code in sorted({code for code, _ in self.refused}))

    def agrees(self, other: Outcome) -> bool:
        """Whether both say the same to the odd row: one score, or the same problems in the same words."""
        if self.refused != other.refused or bool(self.scores) != bool(other.scores):
            return False
        if None not in (self.warned, other.warned) and self.warned != other.warned:
            return False
        return not self.scores or abs(self.scores[0] - other.scores[0]) <= TOLERANCE


def answered(
    rows: Sequence[Mapping[str, Any]], warnings: Sequence[Mapping[str, Any]] | None = None, said: str = ""
) -> Outcome:
    """The outcome for answers."""
    warned = None if warnings is None else tuple(sorted(notice["code"] for notice in warnings))
    return Outcome(tuple(float(row[POSITIVE]) for row in rows), (), warned, said)


def refused(problems: Sequence[Problem], said: str) -> Outcome:
    """The outcome for problems; `where` and `fix` may be the door's own."""
    return Outcome((), tuple(sorted((problem.code, problem.what) for problem in problems)), None, said)


def by_mlflow(code: str, said: str) -> Outcome:
    """The outcome where MLflow refuses before the model sees the rows."""
    return Outcome((), ((f"MLflow: {code}", ""),), None, said)


def predict(client: httpx.Client, body: bytes, format_: str) -> Outcome:
    """`POST /predict`."""
    answer = client.post("/predict", content=body, headers={"Content-Type": TYPES.get(format_, "application/json")})
    assert answer.status_code < 500, (answer.status_code, format_, body[:300])
    content = answer.json()
    if answer.status_code == 200:
        return answered(content["predictions"], content["warnings"], answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    problems = [Problem(**fields) for fields in content["problems"]]
    return refused(problems, re.sub(r'"fix":"(\\.|[^"\\])*"', "", answer.text))


def invocations(client: httpx.Client, body: bytes, format_: str) -> Outcome:
    """`POST /invocations`, ours or that of `mlflow models serve`."""
    kind = TYPES.get(format_, "application/json")
    answer = client.post("/invocations", content=body, headers={"Content-Type": kind})
    assert answer.status_code < 500, (answer.status_code, format_, body[:300])
    content = answer.json()
    if answer.status_code == 200:
        return answered(content["predictions"], None, answer.text)
    return _mlflow_error(content["error_code"], content["message"])


def in_python(model: Any, body: bytes, format_: str) -> Outcome:
    """`mlflow.pyfunc.load_model(...).predict`, with what a user would make of the same bytes."""
    try:
        return answered(model.predict(_in_memory(body, format_)).to_dict("records"))
    except ModelInputError as error:
        return _mlflow_error(error.error_code, error.message)
    except MlflowException as error:
        return _mlflow_error(error.error_code, error.message)


def _in_memory(body: bytes, format_: str) -> Any:
    """Records as a list, everything else as a frame."""
    if format_ == PARQUET:
        return pd.read_parquet(io.BytesIO(body))
    if format_ == CSV:
        return pd.read_csv(io.BytesIO(body), dtype=str, keep_default_na=False)
    if format_ == CSV_TYPED:
        return pd.read_csv(io.BytesIO(body))
    document = json.loads(body)
    if format_ == RECORDS:
        return document
    return pd.DataFrame(document[DF_RECORDS]) if format_ == DF_RECORDS else pd.DataFrame(**document[DF_SPLIT])


class NoRun:
    """Stands for the run of `score`, which MLflow's store would make slow; nothing that is asked here depends on it."""

    run_id = "none"

    def params(self, _: Mapping[str, object]) -> None:
        """Not logged."""

    metrics = tags = params


def in_score(folder: Path, scorer: Scorer, body: bytes, format_: str) -> Outcome:
    """`score`, from file to file."""
    data, out = folder / f"rows.{ENDINGS.get(format_, 'json')}", folder / "out.csv"
    data.write_bytes(body)
    out.unlink(missing_ok=True)
    try:
        with mock.patch.object(score, "load", return_value=scorer):  # loading takes longer than scoring
            done = score.score_into(cast("StepRun", NoRun()), str(data), str(out), "models:/crisol@champion")
    except ProjectError as error:
        assert not out.exists()
        return refused(error.problems, str(error))
    return answered(list(csv.DictReader(out.read_text().splitlines())), done["warnings"])


def _mlflow_error(code: str | int, message: str) -> Outcome:
    """Our problems inside MLflow's error, or MLflow's own."""
    if message.startswith('[{"code"'):
        return refused(problems_in(message), message)
    return by_mlflow(code if isinstance(code, str) else ErrorCode.Name(code), message)
