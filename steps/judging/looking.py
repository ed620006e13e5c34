"""The questions that are asked of single columns: which matter, how they move the answer, where the model fails."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pyfunc.errors import SchemaMismatchError
from pyfunc.schema import InputSchema
from steps.judging import dependence, importance, related, slices
from steps.judging.answers import Answers
from steps.judging.dependence import Dependence
from steps.judging.importance import Answer, Importances
from steps.judging.slices import Slices
from steps.records import Dataset


@dataclass(frozen=True)
class Looked:
    """What was found, as `Judgement` holds it."""

    importances: Importances
    slices: Slices
    dependences: tuple[Dependence, ...]


def look(
    answer: Answer,
    schema: InputSchema,
    dataset: Dataset,
    frame: pd.DataFrame,
    candidate: Answers,
    asked: tuple[int | None, str],
) -> Looked:
    """Ask all of them.

    Args:
        answer: the model, at its threshold.
        schema: what it reads.
        dataset: whose rows are judged.
        frame: (n_rows, n_columns) its test rows as the model reads them.
        candidate: its answers to them.
        asked: position of the positive class, or None; the metric that importance is measured by.
    """
    positive_at, metric = asked
    train = _train(schema, dataset, frame)
    groups = related.groups(train, schema)
    found = importance.measure(answer, frame, dataset.y_test, positive_at, metric, groups=groups)
    ranked = [each.column for each in found.columns]
    answered = (dataset.y_test, candidate.scores, candidate.predicted)
    known = {column.name: column for column in schema.columns}
    return Looked(
        found,
        slices.find(frame, train, schema, answered, positive_at, ranked),
        dependence.measure(lambda rows: answer(rows)[0], frame, train, [known[name] for name in ranked], positive_at),
    )


def _train(schema: InputSchema, dataset: Dataset, frame: pd.DataFrame) -> pd.DataFrame:
    """The training rows as the model reads them; the test rows where it cannot read this dataset's training rows."""
    try:
        return schema.enforce(dataset.train, "training file")[0]
    except SchemaMismatchError:
        return frame
