"""Rows to answers: the one way in which every door scores, and the MLflow model around it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

from pyfunc import explaining, package
from pyfunc.compiled.plan import Floats, Plan
from pyfunc.enforced import cells_of, columns_of
from pyfunc.errors import Problem, ProjectError, SchemaMismatchError
from pyfunc.gate import Gate
from pyfunc.plain import FEW
from pyfunc.schema import InputSchema, Notice

PACKAGE_ARTIFACT = "package"  # name of our folder among the model's artifacts
INPUT_ROWS = "input rows"
TWO_CLASSES = 2


class ModelInputError(MlflowException):
    """A `ProjectError` on its way out of `predict`; the message is the problems as JSON.

    The message can be set once: MLflow's scoring server otherwise puts the caller's rows in front of it.
    """

    def __init__(self, error: ProjectError) -> None:
        super().__init__(error.to_json(), error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The problems as a JSON list."""
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        if not hasattr(self, "_message"):
            self._message = text


@dataclass(frozen=True)
class Scorer:
    """A loaded model that answers."""

    package: package.Package

    @cached_property
    def gate(self) -> Gate:
        """The way without a frame."""
        return Gate(self.schema)

    @property
    def read_as(self) -> Mapping[str, Any]:
        """The format that the training file was read in, as the reader described it; empty where nobody kept it."""
        return self.package.manifest.get("read_as") or {}

    @property
    def schema(self) -> InputSchema:
        """What the rows must be."""
        return self.package.schema

    def warm(self) -> None:
        """Make a compiled model ready for many rows; takes seconds, and others may ask meanwhile."""
        if self.package.plan is not None:
            self.package.plan.warm()

    def answer(
        self, frame: pd.DataFrame, where: str, threshold: float | None = None
    ) -> tuple[pd.DataFrame, list[Notice]]:
        """Score rows.

        Args:
            frame: (n_rows, any) as `InputSchema.enforce` takes it.
            where: what the rows are, for messages.
            threshold: for two classes, from which probability of the positive class on it is predicted; the stored
                one when None.

        Returns:
            (n_rows, 2 + n_classes) with the index of `frame`: prediction, probability, probability_<class>...; notices.

        Raises:
            SchemaMismatchError: rows or threshold that do not fit.
        """
        scores, notices = self._scored(frame, where, threshold)
        answers = answers_of(scores, self.schema, self._cut(threshold))
        answers.index = frame.index
        return answers, notices

    def scores(self, enforced: pd.DataFrame) -> Floats:
        """Probabilities (n_rows, n_classes): by the plan where there is one, which is equal to the pipeline.

        Args:
            enforced: (n_rows, n_columns) as `InputSchema.enforce` leaves it.
        """
        plan = self.package.plan
        if plan is None:
            return np.asarray(self.package.pipeline.predict_proba(enforced), dtype=np.float64)
        kinds = [column.kind for column in self.schema.columns]
        if len(enforced) == 1:
            return plan.score_row(cells_of(enforced, kinds))[np.newaxis]
        return plan.score(columns_of(enforced, kinds))

    def _scored(self, frame: pd.DataFrame, where: str, threshold: float | None) -> tuple[Floats, list[Notice]]:
        """Probabilities (n_rows, n_classes), and what was noticed."""
        plan = self.package.plan
        if plan is not None and 0 < len(frame) <= FEW and not threshold_problems(self.schema, threshold):
            found = self._scored_by_gate(plan, frame)
            if found is not None:
                return found
        enforced, notices = self._enforced(frame, where, threshold)
        return self.scores(enforced), notices

    def _scored_by_gate(self, plan: Plan, frame: pd.DataFrame) -> tuple[Floats, list[Notice]] | None:
        """The same of few rows, without what a frame costs a column; None where `enforce` has to look."""
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            return None
        cells = {name: frame.iloc[:, at].tolist() for at, name in enumerate(names)}
        if len(frame) > 1:
            rows = self.gate.columns(names, cells)
            return None if rows is None else (plan.score(rows[0]), rows[1])
        row = self.gate.row({name: cell for name, (cell,) in cells.items()})
        return None if row is None else (plan.score_row(row[0])[np.newaxis], row[1])

    def answer_records(
        self, records: Sequence[Mapping[str, Any]], threshold: float | None = None
    ) -> tuple[list[dict[str, Any]], list[Notice]] | None:
        """The same for records, by a compiled model and without a frame.

        Args:
            records: at least one.
            threshold: as `answer` takes it.

        Returns:
            For each record what `answer` has in its row, by column, as Python's own types, and the notices; None where
            `answer` has to look: at what it refuses, among others.
        """
        plan = self.package.plan
        if plan is None or threshold_problems(self.schema, threshold):
            return None
        if len(records) == 1:
            row = self.gate.row(records[0])
            if row is None:
                return None
            return [self._answer(plan.score_row(row[0]).tolist(), self._cut(threshold))], row[1]
        rows = self.gate.rows(records)
        if rows is None:
            return None
        said = answer_columns(plan.score(rows[0]), self.schema, self._cut(threshold))
        answers = zip(*(each.tolist() for each in said.values()), strict=True)
        return [dict(zip(said, row, strict=True)) for row in answers], rows[1]

    def _answer(self, scores: list[float], cut: float) -> dict[str, Any]:
        """`answer_columns` of one row (n_classes,), which takes arrays longer than numbers."""
        names, labels, positive_at = self._said
        if positive_at is None:
            chosen = scores.index(max(scores))
        else:
            chosen = positive_at if scores[positive_at] >= cut else 1 - positive_at
        return dict(zip(names, (labels[chosen], scores[chosen], *scores), strict=True))

    @cached_property
    def _said(self) -> tuple[list[str], list[Any], int | None]:
        """The answer's columns, the labels, and where a threshold decides."""
        target = self.schema.target
        is_cut = target.positive is not None and len(target.classes) == TWO_CLASSES
        at = target.classes.index(target.positive) if is_cut and target.positive is not None else None
        return answer_names(self.schema), target.labels().tolist(), at

    def answer_batch(
        self, batch: pa.RecordBatch, threshold: float | None = None
    ) -> tuple[pa.RecordBatch, list[Notice]] | None:
        """The same for columns of Arrow (n_rows, any): the answers (n_rows, 2 + n_classes), and the notices.

        Texts are what the reader of files makes of them: null for an empty cell.
        """
        plan, names = self.package.plan, batch.schema.names
        if plan is None or threshold_problems(self.schema, threshold) or len(set(names)) < len(names):
            return None
        rows = self.gate.columns(names, dict(zip(names, batch.columns, strict=True)))
        if rows is None:
            return None
        said = answer_columns(plan.score(rows[0]), self.schema, self._cut(threshold))
        return pa.RecordBatch.from_pydict({name: pa.array(each) for name, each in said.items()}), rows[1]

    @cached_property
    def usual(self) -> pd.DataFrame:
        """Enforced rows that a row is compared with to explain it."""
        return explaining.usual_frame(self.package.manifest.get("usual"), self.schema)

    def answer_explained(
        self, frame: pd.DataFrame, where: str, threshold: float | None, largest: int
    ) -> tuple[pd.DataFrame, list[Notice]]:
        """`answer` with the columns that contribute most to the probability of each row's prediction.

        Args:
            frame: as `answer` takes it; a row takes as long as a few hundred that are only answered.
            where: what the rows are, for messages.
            threshold: as `answer` takes it.
            largest: how many columns are named, at most as many as there are.

        Returns:
            The answers, and behind them `explaining.names_of`: base, the columns and what they contribute, the others'
            sum. Base and contributions add up to the probability.
        """
        enforced, notices = self._enforced(frame, where, threshold)
        scores, cut = self.scores(enforced), self._cut(threshold)
        chosen = decide(scores, self.schema, cut).tolist()
        explained = explaining.explain(enforced, chosen, self.usual, self._mixer)
        told = explaining.columns_of(explained, self.schema.names, min(largest, len(self.schema.columns)))
        return pd.DataFrame({**answer_columns(scores, self.schema, cut), **told}, index=frame.index), notices

    def _enforced(self, frame: pd.DataFrame, where: str, threshold: float | None) -> tuple[pd.DataFrame, list[Notice]]:
        """The rows as the model takes them, and what was noticed; all that is wrong with them and the threshold."""
        problems = threshold_problems(self.schema, threshold)
        try:
            enforced, notices = self.schema.enforce(frame, where)
        except SchemaMismatchError as error:
            raise SchemaMismatchError(*error.problems, *problems) from error
        if problems:
            raise SchemaMismatchError(*problems)
        return enforced, notices

    def _mixer(self, frame: pd.DataFrame) -> explaining.Mixer:
        """What scores rows mixed from an enforced frame's; see `explaining.explain`."""
        plan = self.package.plan
        if plan is None:
            columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
            return lambda places: self.scores(
                pd.DataFrame({each.name: each.array.take(places[:, at]) for at, each in enumerate(columns)})
            )
        plain = columns_of(frame, [column.kind for column in self.schema.columns])
        return lambda places: plan.score([each[places[:, at]] for at, each in enumerate(plain)])

    def _cut(self, threshold: float | None) -> float:
        """From which probability of the positive class on it is predicted."""
        return self.package.threshold if threshold is None else threshold


def threshold_problems(schema: InputSchema, threshold: float | None) -> list[Problem]:
    """What is wrong with a threshold that a caller has sent."""
    if threshold is None:
        return []
    if len(schema.target.classes) != TWO_CLASSES:
        what = f"A threshold needs two classes; the model has {len(schema.target.classes)}."
        return [Problem("threshold_not_applicable", what, "threshold", "Leave the threshold out.")]
    if math.isnan(threshold) or not 0 <= threshold <= 1:
        return [Problem("threshold_invalid", "The threshold is not between 0 and 1.", "threshold", "Send 0 to 1.")]
    return []


def decide(scores: np.ndarray[Any, Any], schema: InputSchema, threshold: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions (n_rows,) of the predicted classes for probabilities (n_rows, n_classes)."""
    positive = schema.target.positive
    if positive is None or len(schema.target.classes) != TWO_CLASSES:
        return scores.argmax(axis=1).astype(np.int64)
    at = schema.target.classes.index(positive)
    return np.where(scores[:, at] >= threshold, at, 1 - at).astype(np.int64)


def answer_names(schema: InputSchema) -> list[str]:
    """The answer's columns, in their order."""
    return ["prediction", "probability", *(f"probability_{label}" for label in schema.target.classes)]


def answer_columns(
    scores: np.ndarray[Any, Any], schema: InputSchema, threshold: float
) -> dict[str, np.ndarray[Any, Any]]:
    """The answer's columns (n_rows,) for probabilities (n_rows, n_classes)."""
    chosen = decide(scores, schema, threshold)
    found = schema.target.labels()[chosen], scores[np.arange(len(scores)), chosen], *scores.T
    return dict(zip(answer_names(schema), found, strict=True))


def answers_of(scores: np.ndarray[Any, Any], schema: InputSchema, threshold: float) -> pd.DataFrame:
    """The answer (n_rows, 2 + n_classes) for probabilities (n_rows, n_classes)."""
    return pd.DataFrame(answer_columns(scores, schema, threshold))


def signature(schema: InputSchema) -> ModelSignature:
    """The MLflow signature: untyped inputs, because MLflow would refuse or convert before our schema sees them."""
    inputs = Schema([ColSpec(AnyType(), name, required=False) for name in schema.names])
    label = DataType.long if schema.target.integer else DataType.string
    outputs = [ColSpec(label, "prediction"), ColSpec(DataType.double, "probability")]
    outputs += [ColSpec(DataType.double, f"probability_{name}") for name in schema.target.classes]
    params = ParamSchema([ParamSpec("threshold", "double", None)])
    return ModelSignature(inputs=inputs, outputs=Schema(outputs), params=params)


def frame_of(rows: Any, where: str) -> pd.DataFrame:
    """A frame (n_rows, any) of what Python callers have: a frame, records, or columns by name.

    Args:
        rows: a frame; a list of dicts; a dict of lists, arrays, series or scalars (only scalars are one row).
        where: what the rows are, for messages.

    Raises:
        SchemaMismatchError: it is none of these, or its columns are of different lengths.
    """
    if isinstance(rows, pd.DataFrame):
        return rows
    is_one_row = isinstance(rows, Mapping) and not any(pd.api.types.is_list_like(cell) for cell in rows.values())
    try:
        return pd.DataFrame([rows] if is_one_row else rows)
    except (ValueError, TypeError) as error:
        fix = "Send a frame, a list of dicts, or a dict of lists of one length."
        raise SchemaMismatchError(Problem("not_a_table", "The rows are no table.", where, fix)) from error


class CrisolModel(PythonModel):
    """The pyfunc: answers the same through Python, `mlflow models serve`, Spark and the API."""

    def __init__(self) -> None:
        self.scorer: Scorer | None = None

    def load_context(self, context: PythonModelContext) -> None:
        """Read and check the package."""
        self.scorer = Scorer(package.load(Path(context.artifacts[PACKAGE_ARTIFACT])))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 (MLflow's signature)
        model_input: pd.DataFrame,  # the one annotation that MLflow makes no schema of
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Score a frame, or what `frame_of` makes one of; see `Scorer.answer`.

        Raises:
            ModelInputError: rows or parameters that do not fit.
        """
        assert self.scorer is not None
        try:
            frame = frame_of(model_input, INPUT_ROWS)
            answers, _ = self.scorer.answer(frame, INPUT_ROWS, (params or {}).get("threshold"))
        except ProjectError as error:
            raise ModelInputError(error) from error
        return answers


def problems_in(message: str) -> tuple[Problem, ...]:
    """The problems that a `ModelInputError` carries, from its message."""
    return tuple(Problem(**fields) for fields in json.loads(message))
