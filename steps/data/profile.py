"""What the training file's columns hold, and which of them a model reads.

The answer depends on what the cells mean (`pyfunc/cells.py`), not on the format they came in: the same table as CSV,
Parquet, JSON or Excel gives the same schema.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pyfunc import cells
from pyfunc.cells import Kind
from pyfunc.errors import Problem, TrainingRefusedError, quoted, rows_named
from pyfunc.schema import FIX_OF, WHAT_OF, Column, InputSchema, LeftOut, Target
from pyfunc.spelling import PLAIN, Spelling
from steps.data.kinds import Asked

AUTO = "auto"
MISSING_DIGITS = 6  # of the share of missing cells
MANY_VALUES = 20  # up to that many different texts are categories, however few the rows
MANY_SHARE = 0.5  # of the rows with a value: more different texts than that are no categories
IDENTIFIER_LENGTH, IDENTIFIER_WORDS = 30, 3  # mean length and mean number of words from which text is prose
NAMED_IDENTIFIER_ROWS, COUNTER_ROWS, COUNTER_SPREAD = 20, 50, 3
IDENTIFIER_WORDS_IN_NAMES = {"id", "key", "uuid", "guid", "index", "row", "no", "nr"}
WORDS_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")
LEADING_ZERO = re.compile(r"\s*[+-]?0\d", re.ASCII)
TRUE_FALSE = {"true", "false"}
UNCOMPUTABLE = {"infinite_number", "number_too_large"}  # numbers all the same, and no categories
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
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # columns by "ambiguous_dates", "mixed_column"


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
        problems.append(Problem("no_columns", "No column is left to learn from.", "training file", fix))
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
    kinds: Mapping[str, Asked] = NOTHING_ASKED,  # noqa: ARG001 (not yet honoured)
) -> Features:
    """Describe every column but the target, in the order of the file."""
    columns: list[Column] = []
    left_out: list[LeftOut] = []
    missing: dict[str, float] = {}
    problems: list[Problem] = []
    for name in train.columns:
        if name == target:
            continue
        try:
            described = describe(name, train[name])
        except TrainingRefusedError as error:
            if name in ignore:
                left_out.append(LeftOut(name, Kind.TEXT, IGNORED))
            else:
                problems += error.problems
            continue
        missing[name] = described.missing
        if name in ignore:
            left_out.append(LeftOut(name, described.kind, IGNORED))
        elif described.kind in (Kind.TEXT, Kind.IDENTIFIER, Kind.CONSTANT):
            left_out.append(LeftOut(name, described.kind, described.reason))
        else:
            columns.append(described)
    return Features(tuple(columns), tuple(left_out), missing, tuple(problems))


def describe(name: str, column: pd.Series) -> Column:
    """Kind and facts of one column.

    Raises:
        TrainingRefusedError: lists, objects, or numbers that cannot be computed with.
    """
    kind, values, timezone = _kind_and_values(name, column)
    present = values.dropna()
    missing = round(1 - len(present) / len(values), MISSING_DIGITS)
    n_distinct = int(present.nunique())
    made = Column(name, kind, missing=missing)
    if not n_distinct:
        return replace(made, kind=Kind.CONSTANT, reason="No row has a value.")
    if n_distinct == 1 and not missing:
        return replace(made, kind=Kind.CONSTANT, reason="Every row has the same value.")
    if kind is Kind.BOOLEAN:
        return replace(made, reason="Every value is true or false.")
    if kind is Kind.DATETIME:
        return replace(
            made,
            reason="Every value is a date or time.",
            minimum=present.min().isoformat(),
            maximum=present.max().isoformat(),
            spelling=Spelling(timezone=timezone),
        )
    if kind is Kind.NUMBER:
        counter = _counter_reason(name, values.to_numpy())
        if counter:
            return replace(made, kind=Kind.IDENTIFIER, reason=counter)
        lowest, highest = float(present.min()), float(present.max())
        return replace(made, reason="Every value is a number.", minimum=lowest, maximum=highest)
    return _text_like(made, present, n_distinct)


def labels_of(column: pd.Series) -> Labels:
    """A target column as text: whole numbers (`1`, `1.0`) in their shortest form, everything else as it stands.

    Raises:
        TrainingRefusedError: cells that are no label, such as lists.
    """
    found, wrong = convert(column, Kind.CATEGORY)
    _refuse_cells(str(column.name), wrong)
    texts = np.array([None if pd.isna(text) else text for text in found], dtype=object)
    numbers, wrong = convert(column, Kind.NUMBER)
    present = numbers.dropna()
    if not wrong and len(present) and (present % 1 == 0).all() and not _has_leading_zero(texts):
        whole = [None if pd.isna(number) else cells.text_of(number) for number in numbers]
        return Labels(np.array(whole, dtype=object), integer=True)
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
        if schema.target.integer and cells.NUMBER_TEXT.fullmatch(text.strip()) and not LEADING_ZERO.match(text):
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


def convert(column: pd.Series, kind: Kind, spelling: Spelling = PLAIN) -> tuple[pd.Series, dict[str, list[int]]]:
    """`cells.convert`, as values (n_rows,) and 1-based rows of cells that do not fit, by problem code."""
    result = cells.convert(column, kind, spelling)
    return result.values, result.wrong  # noqa: PD011 (a field of ours)


def _kind_and_values(name: str, column: pd.Series) -> tuple[Kind, pd.Series, str | None]:
    """Kind, enforced values and time zone, before identifiers and constants are told apart."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        timezone = "UTC" if getattr(column.dtype, "tz", None) is not None else None
        moments, wrong = convert(column, Kind.DATETIME, Spelling(timezone=timezone))
        if not wrong:
            return Kind.DATETIME, moments, timezone
    texts, wrong = convert(column, Kind.CATEGORY)
    _refuse_cells(name, wrong)
    distinct = {text.strip() for text in texts.dropna().unique()} - set(cells.MISSING_TOKENS)
    if not distinct:
        return Kind.CATEGORY, pd.Series(np.full(len(column), np.nan, dtype=object)), None
    if {text.lower() for text in distinct} <= TRUE_FALSE:
        return Kind.BOOLEAN, convert(column, Kind.BOOLEAN)[0], None
    numbers, wrong = convert(column, Kind.NUMBER)
    if set(wrong) <= UNCOMPUTABLE and not any(LEADING_ZERO.match(text) for text in distinct):
        _refuse_cells(name, wrong)
        return Kind.NUMBER, numbers, None
    if all(cells.DATE_TEXT.fullmatch(text) for text in distinct):
        for timezone in (None, "UTC"):
            moments, wrong = convert(column, Kind.DATETIME, Spelling(timezone=timezone))
            if not wrong:
                return Kind.DATETIME, moments, timezone
    return Kind.CATEGORY, texts, None


def _text_like(made: Column, present: pd.Series, n_distinct: int) -> Column:
    """Category, identifier or prose."""
    if n_distinct <= MANY_VALUES or n_distinct <= MANY_SHARE * len(present):
        reason = f"{n_distinct} different values." if n_distinct > 1 else "One value, and gaps."
        return replace(made, reason=reason, categories=tuple(sorted(present.unique())))
    words = present.str.split().str.len().mean()
    if present.str.len().mean() <= IDENTIFIER_LENGTH and words < IDENTIFIER_WORDS:
        reason = f"{n_distinct} different short texts in {len(present)} rows: it names rows."
        return replace(made, kind=Kind.IDENTIFIER, reason=reason)
    return replace(made, kind=Kind.TEXT, reason=f"{n_distinct} different texts in {len(present)} rows: it is prose.")


def _counter_reason(name: str, values: np.ndarray[Any, Any]) -> str:
    """Why a number column only counts or names its rows; empty where it measures something."""
    n_rows = len(values)
    if np.isnan(values).any() or (values % 1 != 0).any() or len(np.unique(values)) < n_rows:
        return ""
    words = {word.lower() for word in WORDS_OF_NAME.findall(name)}
    if n_rows >= NAMED_IDENTIFIER_ROWS and words & IDENTIFIER_WORDS_IN_NAMES:
        return "Whole numbers without a repeat, and the name says that it identifies rows."
    if n_rows >= COUNTER_ROWS and values.max() - values.min() + 1 <= COUNTER_SPREAD * n_rows:
        return "Whole numbers without a repeat and almost without holes: it counts rows."
    return ""


def _has_leading_zero(texts: np.ndarray[Any, Any]) -> bool:
    """Whether a text is a code such as 007."""
    return any(LEADING_ZERO.match(text) for text in set(texts) - {None})


def _refuse_cells(name: str, wrong: dict[str, list[int]]) -> None:
    """Refuse a column with cells that no model can read."""
    if wrong:
        problems = [
            Problem(code, f"'{name}' {WHAT_OF[code]} in {rows_named(rows)}.", "training file", FIX_OF[code])
            for code, rows in wrong.items()
        ]
        raise TrainingRefusedError(*problems)
