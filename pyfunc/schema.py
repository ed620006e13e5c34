"""What a model expects of its rows, and the one gate that all rows pass.

`schema.json` (format 3) is this module's `InputSchema.to_dict()`:

    format            3; see `SCHEMA_FORMAT`
    columns           what the model reads, in its order: name, kind, reason, missing (share of the training rows),
                      categories (kind category), minimum and maximum (kind number; datetimes as ISO 8601 text),
                      spelling (how cells are written beside the plain forms: the fields of
                      `pyfunc.spelling.Spelling`, each null or an empty list where there is nothing to say)
    left_out          columns of the training file that the model does not read: name, kind, reason
    target            name, classes (sorted), integer (labels are whole numbers), positive (two classes only)
    unseen_category   "missing": a category that training has not seen counts as a missing value, and is named;
                      "warn": it reaches the pipeline as it stands, and is named; "reject": it is an error
    missing_tokens    texts that mean "missing" in number, boolean and datetime columns; empty text does everywhere

A column of kind text has no categories: no text in it is unseen. Format 2 had no such column, and format 1 had
`timezone` in the place of `spelling`; both are still read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from pyfunc import cells
from pyfunc.cells import Converted, Kind
from pyfunc.errors import Problem, SchemaMismatchError, quoted
from pyfunc.faults import FIX_OF, WHAT_OF, cell_problems
from pyfunc.spelling import PLAIN, Spelling

__all__ = ["FIX_OF", "WHAT_OF", "Column", "InputSchema", "LeftOut", "Notice", "Target", "UnseenCategory"]

UnseenCategory = Literal["missing", "warn", "reject"]
SCHEMA_FORMAT = 3  # raise it when a reader of the old format would misread the new one; keep a reader for the old
ROWS_SHOWN = 10  # of a notice in an answer
FLAT_TIMEZONE, NO_TEXTS = 1, 2  # formats in which a column had a timezone and no spelling; no text was read


@dataclass(frozen=True)
class Column:
    """One column that the model reads."""

    name: str
    kind: Kind
    reason: str = ""
    missing: float = 0.0
    categories: tuple[str, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    spelling: Spelling = PLAIN


@dataclass(frozen=True)
class LeftOut:
    """One column of the training file that the model does not read, and why."""

    name: str
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Target:
    """What is predicted: the classes as text, sorted, and whether they were whole numbers."""

    name: str
    classes: tuple[str, ...]
    integer: bool = False
    positive: str | None = None

    def labels(self) -> np.ndarray[Any, Any]:
        """The classes in their original type: int64 (n_classes,) or object (n_classes,)."""
        if self.integer:
            return np.array([int(label) for label in self.classes], dtype=np.int64)
        return np.array(self.classes, dtype=object)


@dataclass(frozen=True)
class Notice:
    """Something in accepted rows that the caller should know of."""

    code: str
    what: str
    columns: tuple[str, ...] = ()
    count: int = 0
    rows: tuple[int, ...] = field(default=(), repr=False)  # all of them, from 1; empty where it is about no row

    def to_dict(self) -> dict[str, Any]:
        """The fields as `warnings` of an answer carry them; of the rows the first ones."""
        named = {"code": self.code, "what": self.what, "columns": list(self.columns), "count": self.count}
        return {**named, "rows": list(self.rows[:ROWS_SHOWN])} if self.rows else named


@dataclass(frozen=True)
class InputSchema:
    """What a model expects of its rows. See the module's docstring for the JSON form."""

    columns: tuple[Column, ...]
    target: Target
    left_out: tuple[LeftOut, ...] = ()
    unseen_category: UnseenCategory = "missing"
    missing_tokens: tuple[str, ...] = field(default=cells.MISSING_TOKENS)

    @property
    def names(self) -> list[str]:
        """Names of the columns that the model reads, in its order."""
        return [column.name for column in self.columns]

    @property
    def texts(self) -> tuple[int, ...]:
        """Positions of the text columns that the model reads."""
        return tuple(at for at, column in enumerate(self.columns) if column.kind is Kind.TEXT)

    @property
    def decimal_comma_names(self) -> list[str]:
        """`decimal_comma_names` of its columns."""
        return decimal_comma_names(self.columns)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"format": SCHEMA_FORMAT, **json.loads(json.dumps(asdict(self)))}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> InputSchema:
        """Read the JSON form.

        Raises:
            ValueError: another format number than this code knows.
        """
        if stored.get("format") not in (FLAT_TIMEZONE, NO_TEXTS, SCHEMA_FORMAT):
            raise ValueError(f"schema format {stored.get('format')}, this code reads up to {SCHEMA_FORMAT}")
        columns = tuple(_column_of(c) for c in stored["columns"])
        left_out = tuple(LeftOut(c["name"], Kind(c["kind"]), c["reason"]) for c in stored["left_out"])
        target = Target(**{**stored["target"], "classes": tuple(stored["target"]["classes"])})
        return cls(columns, target, left_out, stored["unseen_category"], tuple(stored["missing_tokens"]))

    def example(self) -> pd.DataFrame:
        """One made-up row (1, n_columns) that fits; no row of the training file may travel with a model."""
        return pd.DataFrame({column.name: [_example_cell(column)] for column in self.columns})

    def enforce(self, frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[Notice]]:
        """Turn any reasonable frame into the one the model was trained on.

        Args:
            frame: (n_rows, any) columns in any order and of any type; extra ones are ignored and named. Not changed.
            where: what the rows are, for messages: `request body`, a file's name.

        Returns:
            The frame (n_rows, n_columns) with a fresh index: number and boolean columns float64 with NaN for missing,
            categories and texts object with NaN, datetimes datetime64[ns] (in UTC and marked so where training had
            zones) with NaT; and what was noticed in accepted rows. The frame passes again unchanged.

        Raises:
            SchemaMismatchError: all that is wrong at once, with column names and 1-based rows, never with cell values.
        """
        names = [str(name) for name in frame.columns]
        repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        absent = [name for name in self.names if name not in set(names)]
        problems = _shape_problems(len(frame), repeated, absent, where)
        position = {name: at for at, name in enumerate(names)}
        converted: dict[str, pd.Series] = {}
        notices = [*self.extra_columns(names)]
        for column in self.columns:
            if column.name in position and column.name not in repeated and len(frame):
                result = cells.convert(
                    frame.iloc[:, position[column.name]], column.kind, column.spelling, self.missing_tokens
                )
                unseen = unseen_rows(column, result)
                problems += cell_problems(column.name, result.wrong, where, column.spelling)
                if unseen and self.unseen_category == "reject":
                    problems += cell_problems(column.name, {"unseen_category": [*unseen]}, where)
                if not result.wrong:
                    converted[column.name], seen = _against_training(column, result, unseen, self.unseen_category)
                    notices += seen
        if problems:
            raise SchemaMismatchError(*problems)
        return pd.DataFrame(converted, columns=self.names), notices

    def extra_columns(self, names: Sequence[str]) -> list[Notice]:
        """Columns that are not read, named in one notice."""
        known = set(self.names)
        extra = [name for name in names if name not in known]
        if not extra:
            return []
        return [Notice("extra_columns", f"Not read by the model: {quoted(extra)}.", tuple(extra), len(extra))]


def decimal_comma_names(columns: Iterable[Column]) -> list[str]:
    """Number columns in which a CSV reader may take `1,5` for 1.5; the others read their commas themselves."""
    return [c.name for c in columns if c.kind is Kind.NUMBER and not c.spelling.reads_commas]


def _column_of(stored: Mapping[str, Any]) -> Column:
    """One column from its JSON form, of any format."""
    facts = dict(stored)
    spelling = (
        Spelling(timezone=facts.pop("timezone")) if "timezone" in facts else Spelling.from_dict(facts["spelling"])
    )
    return Column(
        **{**facts, "kind": Kind(facts["kind"]), "categories": tuple(facts["categories"]), "spelling": spelling}
    )


def _example_cell(column: Column) -> Any:
    """A cell in the middle of what training has seen, as JSON would carry it."""
    if column.kind is Kind.NUMBER and column.minimum is not None and column.maximum is not None:
        middle = (float(column.minimum) + float(column.maximum)) / 2
        return float(f"{middle:.4g}")
    if column.kind is Kind.CATEGORY:
        return column.categories[0] if column.categories else "text"
    if column.kind is Kind.TEXT:
        return "text"
    return True if column.kind is Kind.BOOLEAN else column.maximum


def _shape_problems(rows: int, repeated: list[str], absent: list[str], where: str) -> list[Problem]:
    """What is wrong before any cell is looked at."""
    problems = []
    if repeated:
        what = f"{quoted(repeated)} {'stands' if len(repeated) == 1 else 'stand'} more than once."
        problems.append(Problem("duplicate_column", what, where, "Give every column a name of its own."))
    if absent:
        listed = ", ".join(f"'{name}'" for name in absent)
        what = f"{listed} {'is' if len(absent) == 1 else 'are'} missing."
        fix = "Send every column of the model's schema; leave a cell empty for a missing value."
        problems.append(Problem("missing_column", what, where, fix))
    if not rows:
        problems.append(Problem("no_rows", "There are no rows.", where, "Send at least one row."))
    return problems


def unseen_rows(column: Column, result: Converted) -> Sequence[int]:
    """1-based rows with a category, or a boolean's word, that training has not seen."""
    if column.kind is not Kind.CATEGORY:
        return result.unseen
    texts = result.values  # noqa: PD011 (a field of ours)
    return _rows(texts.notna() & ~texts.isin(column.categories))


def _against_training(
    column: Column, result: Converted, unseen: Sequence[int], policy: UnseenCategory
) -> tuple[pd.Series, list[Notice]]:
    """What training has not seen is counted and named; unseen categories become missing where the policy says so.

    So are gaps where training had none: the model has learned nothing about them.
    """
    values = result.values  # noqa: PD011 (a field of ours)
    notices = []
    gaps = _rows(values.isna(), but=result.unseen) if column.missing == 0 else ()
    if unseen:
        notices.append(row_notice("unseen_category", column, policy, len(unseen), tuple(unseen)))
        if not hands_on(column, policy):
            values = values.mask(np.isin(np.arange(len(values)), np.array(unseen) - 1), np.nan)
    if column.kind is Kind.NUMBER and column.minimum is not None and column.maximum is not None:
        outside = _rows((values < float(column.minimum)) | (values > float(column.maximum)))
        if outside:
            notices.append(row_notice("out_of_range", column, policy, len(outside), outside))
    if gaps:
        notices.append(row_notice("missing_value", column, policy, len(gaps), gaps))
    return values, notices


def row_notice(code: str, column: Column, policy: UnseenCategory, count: int, rows: tuple[int, ...]) -> Notice:
    """What is said of cells of accepted rows.

    Args:
        code: `unseen_category`, `out_of_range` or `missing_value`.
        column: that they stand in.
        policy: of the schema, for categories that training has not seen.
        count: of the cells.
        rows: from 1; all of them, or the first.
    """
    if code == "unseen_category":
        means = "handed to the model as it stands" if hands_on(column, policy) else "counted as missing"
        said = "a category" if column.kind is Kind.CATEGORY else "a value"
        what = f"{_cells(count)} with {said} that training has not seen; {means}."
    elif code == "out_of_range":
        what = f"{_cells(count)} outside the range seen in training."
    else:
        what = f"{'1 gap' if count == 1 else f'{count} gaps'}; training had none there."
    return Notice(code, f"'{column.name}' has {what}", (column.name,), count, rows)


def hands_on(column: Column, policy: UnseenCategory) -> bool:
    """Whether the pipeline meets texts that training has not seen."""
    return policy == "warn" and column.kind is Kind.CATEGORY


def _rows(mask: pd.Series, but: Sequence[int] = ()) -> tuple[int, ...]:
    """1-based rows where a mask is true, without some."""
    found = np.flatnonzero(mask.to_numpy()) + 1
    return tuple(found[~np.isin(found, but)].tolist() if len(but) else found.tolist())


def _cells(count: int) -> str:
    """A number of cells for a sentence."""
    return "1 cell" if count == 1 else f"{count} cells"
