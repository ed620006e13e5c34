"""Columns whose groups are compared (`sensitive=`): which there are, and which group each test row is in.

They need not be read by the model: a column that is left out is taken from the files as they were sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pyfunc import cells
from pyfunc.cells import Kind
from pyfunc.errors import Problem, TrainingRefusedError
from pyfunc.schema import Column, InputSchema
from steps.data import datasets
from steps.data.describing import describe
from steps.data.lists import entries
from steps.data.targets import not_beside
from steps.judging.parts import Cut, cut
from steps.records import Dataset

NEVER_GROUPS = (Kind.IDENTIFIER, Kind.TEXT)  # nearly every row has a value of its own, which would tell who it is


@dataclass(frozen=True)
class Sensitive:
    """A declared column: whether the model reads it, and its groups; None where its values make none."""

    name: str
    is_read: bool
    groups: Cut | None


def problems_with(text: str, names: Sequence[str], target: str) -> list[Problem]:
    """What is wrong with the parameter.

    Args:
        text: names separated by commas, in double quotes where they have commas of their own.
        names: columns of the dataset, with or without its target.
        target: column that is predicted.
    """
    return not_beside(target, names, entries(text), "sensitive", "sensitive_unknown", "is to be compared by")


def check(text: str, schema: InputSchema) -> None:
    """Refuse names that a dataset does not have.

    Raises:
        TrainingRefusedError: `sensitive_unknown`, for all of them at once.
    """
    names = [*schema.names, *(column.name for column in schema.left_out)]
    problems = problems_with(text, names, schema.target.name)
    if problems:
        raise TrainingRefusedError(*problems)


def columns(text: str, dataset: Dataset, reads: InputSchema) -> tuple[Sensitive, ...]:
    """The declared columns and their groups, in the order they are named.

    Args:
        text: as for `problems_with`.
        dataset: whose test rows are grouped, and whose training rows say where numbers are cut.
        reads: the model's schema.

    Raises:
        TrainingRefusedError: names that the dataset does not have.
        ModelUnavailableError: a column is left out, and the dataset's run does not have the files any more.
    """
    check(text, dataset.schema)
    known = {column.name: column for column in dataset.schema.columns}
    found, sent = [], None
    for name in entries(text):
        if name in known:
            kind = known[name].kind
            groups = None if kind in NEVER_GROUPS else cut(name, kind, dataset.test[name], dataset.train[name])
        else:
            sent = sent or _sent(dataset)
            groups = _of_file(name, sent[0][name], sent[1][name])
        found.append(Sensitive(name, name in reads.names, groups))
    return tuple(found)


def _sent(dataset: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test file as they were sent; their rows are in the dataset's order."""
    train, test = datasets.raw(dataset.run_id)
    return datasets.as_sent(dataset, train), datasets.as_sent(dataset, test)


def _of_file(name: str, train: pd.Series, test: pd.Series) -> Cut | None:
    """The groups of a column that the dataset leaves out; its kind is found out as for any other."""
    try:
        column = describe(name, train)
    except TrainingRefusedError:  # lists, objects: no groups
        return None
    if column.kind in NEVER_GROUPS:
        return None
    kind = column.kind if column.kind is not Kind.CONSTANT else Kind.CATEGORY
    return cut(name, kind, *(_values(column, kind, cells_of) for cells_of in (test, train)))


def _values(column: Column, kind: Kind, raw: pd.Series) -> pd.Series:
    """Cells of one kind (n_rows,); those that do not fit are missing."""
    return cells.convert(raw, kind, column.spelling).values  # noqa: PD011 (a field of ours)
