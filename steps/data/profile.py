"""What the training file's columns hold, and which of them a model reads.

The answer depends on what the cells mean (`pyfunc/cells.py`), not on the format they came in: the same table as CSV,
Parquet, JSON or Excel gives the same schema.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pyfunc import cells
from pyfunc.cells import Kind
from pyfunc.errors import Problem, TrainingRefusedError, quoted
from pyfunc.schema import Column, InputSchema, LeftOut, Target
from steps.data.asked import describe_as
from steps.data.describing import TRAINING_FILE, Described, convert, describe, described, refuse_cells
from steps.data.kinds import Asked
from steps.data.naming import MANY_VALUES

__all__ = [
    "AUTO", "IGNORED", "MANY_VALUES", "Features", "Labels", "convert", "describe", "encode", "features", "labels_of",
    "profile", "target_of",
]  # fmt: skip

AUTO = "auto"
TWO_CLASSES = 2
NOTHING_ASKED: Mapping[str, Asked] = {}
IGNORED = "Left out on request."


@dataclass(frozen=True)
class Features:
    """The columns beside the target: those that a model reads, the others, and cells that no model can read."""

    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...]
    missing: Mapping[str, float]  # share of the rows, for every described column
    problems: tuple[Problem, ...] = ()
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of columns by what is doubtful: `ambiguous_dates`, `ambiguous_numbers`, `mixed_column`."""


@dataclass(frozen=True)
class Labels:
    """A target column as text (n_rows,), None where missing, and whether all of it is whole numbers."""

    texts: np.ndarray[Any, Any]
    integer: bool

    @property
    def counts(self) -> dict[str, int]:
        """Rows per class, the classes sorted: whole numbers by size, text by code point."""
        present = pd.Series(self.texts, dtype=object).dropna().value_counts()
        return {text: int(present[text]) for text in sorted(present.index, key=int if self.integer else None)}

    @property
    def gaps(self) -> list[int]:
        """1-based rows without a label."""
        return [at + 1 for at, text in enumerate(self.texts) if text is None]


def profile(
    train: pd.DataFrame,
    target: str,
    ignore: Collection[str] = (),
    positive: str = AUTO,
    kinds: Mapping[str, Asked] = NOTHING_ASKED,
) -> InputSchema:
    """The schema of a training table.

    Args:
        train: (n_rows, n_columns) as read; the target is one of the columns.
        target: name of the column to predict; it has no gaps.
        ignore: names of columns to leave out.
        positive: label of the positive class where there are two; `auto` is the rarer, on a tie the last.
        kinds: kinds that are asked for, by column.

    Raises:
        TrainingRefusedError: no column is left, cells that no model can read, a positive label that is no class.
    """
    found = features(train, target, ignore, kinds)
    problems = [*found.problems]
    if not found.columns and not problems:
        fix = "Send columns that say something about the target, or ignore fewer."
        problems.append(Problem("no_columns", "No column is left to learn from.", TRAINING_FILE, fix))
    labels = labels_of(train[target])
    try:
        goal = target_of(target, labels, positive)
    except TrainingRefusedError as error:
        raise TrainingRefusedError(*problems, *error.problems) from error
    if problems:
        raise TrainingRefusedError(*problems)
    return InputSchema(found.columns, goal, found.left_out)


def features(
    train: pd.DataFrame,
    target: str | None,
    ignore: Collection[str] = (),
    kinds: Mapping[str, Asked] = NOTHING_ASKED,
) -> Features:
    """Describe every column but the target, in the order of the file.

    Args:
        train: (n_rows, n_columns) as read.
        target: the column to predict, which is not described; None where it is not known.
        ignore: names of columns to leave out.
        kinds: kinds that are asked for, by column.
    """
    columns: list[Column] = []
    left_out: list[LeftOut] = []
    missing: dict[str, float] = {}
    problems: list[Problem] = []
    doubts: dict[str, list[str]] = {}
    for name in train.columns:
        if name == target:
            continue
        try:
            found = _described(name, train[name], None if name in ignore else kinds.get(name))
        except TrainingRefusedError as error:
            if name in ignore:
                left_out.append(LeftOut(name, Kind.TEXT, IGNORED))
            else:
                problems += error.problems
            continue
        made = found.column
        missing[name] = made.missing
        if name in ignore:
            left_out.append(LeftOut(name, made.kind, IGNORED))
            continue
        if found.doubt:
            doubts.setdefault(found.doubt, []).append(name)
        if made.kind in (Kind.IDENTIFIER, Kind.CONSTANT):
            left_out.append(LeftOut(name, made.kind, made.reason))
        else:
            columns.append(made)
    told = {code: tuple(names) for code, names in doubts.items()}
    return Features(tuple(columns), tuple(left_out), missing, tuple(problems), told)


def _described(name: str, column: pd.Series, asked: Asked | None) -> Described:
    """A column as it is found, or as the kind that is asked for."""
    return described(name, column) if asked is None else Described(describe_as(name, column, asked))


def labels_of(column: pd.Series) -> Labels:
    """A target column as text: whole numbers (`1`, `1.0`) in their shortest form, everything else as it stands.

    Raises:
        TrainingRefusedError: cells that are no label, such as lists.
    """
    found, wrong = convert(column, Kind.CATEGORY)
    refuse_cells(str(column.name), wrong)
    texts = np.array([None if pd.isna(text) else text for text in found], dtype=object)
    numbers, wrong = convert(column, Kind.NUMBER)
    present = numbers.dropna()
    if not wrong and len(present) and (present % 1 == 0).all() and not _has_leading_zero(texts):
        whole = numbers.map({number: cells.text_of(number) for number in present.unique()})
        return Labels(whole.astype(object).where(numbers.notna(), None).to_numpy(), integer=True)
    return Labels(texts, integer=False)


def encode(column: pd.Series, schema: InputSchema) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions (n_rows,) of a target column's labels in the schema's classes; -1 for a gap or another label.

    The file's own labels do not decide whether they are whole numbers; the schema does.
    """
    position = {label: at for at, label in enumerate(schema.target.classes)}
    texts, _ = convert(column, Kind.CATEGORY)
    known: dict[Any, int] = {}
    for text in texts.dropna().unique():
        label = text
        if schema.target.integer and cells.NUMBER_TEXT.fullmatch(text.strip()) and not cells.LEADING_ZERO.match(text):
            label = cells.text_of(float(text))
        known[text] = position.get(label, -1)
    return texts.map(known).fillna(-1).to_numpy(dtype=np.int64)


def target_of(name: str, labels: Labels, positive: str = AUTO) -> Target:
    """The target: its classes, and the positive one where there are two.

    Raises:
        TrainingRefusedError: `positive` is no class.
    """
    counts = labels.counts
    classes = tuple(counts)
    if positive != AUTO and positive not in classes:
        what = f"The positive label '{positive}' is no class of '{name}'."
        fix = f"Choose one of {quoted(classes)}, or leave it out."
        raise TrainingRefusedError(Problem("positive_unknown", what, "positive", fix))
    if len(classes) != TWO_CLASSES:
        return Target(name, classes, labels.integer)
    if positive == AUTO:
        positive = classes[0] if counts[classes[0]] < counts[classes[1]] else classes[1]
    return Target(name, classes, labels.integer, positive)


def _has_leading_zero(texts: np.ndarray[Any, Any]) -> bool:
    """Whether a text is a code such as 007."""
    return any(cells.LEADING_ZERO.match(text) for text in set(texts) - {None})
