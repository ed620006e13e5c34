"""Columns of the training file that say nothing, too much of themselves, or the same as another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pandas as pd

from pyfunc.cells import Kind
from pyfunc.errors import quoted
from pyfunc.schema import Column, LeftOut
from steps.data.dates import AMBIGUOUS_DATES
from steps.data.describing import MIXED
from steps.data.profile import MANY_VALUES, Features
from steps.data.spelling import OPEN_COMMAS
from steps.records import Check, Level

MOSTLY = 0.5  # share of a column's different values that occur once
NOT_FEW = 0.1  # share of its cells that hold such a value


def left_out(found: Features) -> list[Check]:
    """Columns that are not learned from, by why."""
    said = {
        Kind.CONSTANT: ("constant_column", "has one value only", "No column has one value only."),
        Kind.IDENTIFIER: ("identifier_column", "names or counts rows", "No column names or counts rows."),
    }
    checks = []
    for kind, (code, why, none) in said.items():
        names = tuple(column.name for column in found.left_out if column.kind is kind)
        what = f"{quoted(names)} {why}: left out." if names else none
        checks.append(Check(code, "ok", what, names))
    return checks


def texts(found: Features) -> Check:
    """Columns of which features are made."""
    names = tuple(column.name for column in found.columns if column.kind is Kind.TEXT)
    what = f"{quoted(names)} {'is' if len(names) == 1 else 'are'} read as text: by words, heads and lengths."
    return Check("text_column", "ok", what if names else "No column is read as text.", names)


def doubtful(found: Features) -> list[Check]:
    """Columns that look like numbers or dates and are not read as such, because that would be a guess."""
    said = {
        MIXED: (
            "holds numbers and words, and is read as text",
            "Every column of numbers holds nothing else.",
            "Mend the cells; or say kinds=NAME:number, and these words count as missing.",
        ),
        AMBIGUOUS_DATES: (
            "looks like dates whose day and month could be either",
            "No date can be read in two ways.",
            "Say how it is written: kinds=NAME:datetime:%d/%m/%Y or kinds=NAME:datetime:%m/%d/%Y.",
        ),
        OPEN_COMMAS: (
            "looks like numbers whose separator could be of thousands or of decimals",
            "No number can be read in two ways.",
            "Write the numbers without separators of thousands, and with a decimal point.",
        ),
    }
    described: list[Column | LeftOut] = [*found.columns, *found.left_out]
    reasons = {column.name: column.reason for column in described}
    checks = []
    for code, (why, none, fix) in said.items():
        names = found.doubts.get(code, ())
        parts = [f"'{name}' {why}. {reasons[name]}" for name in names]
        level: Level = "warning" if names else "ok"
        checks.append(Check(code, level, " ".join(parts) or none, tuple(names), fix if names else ""))
    return checks


def near_identifier(found: Features, values: Mapping[str, pd.Series]) -> Check:
    """Categories that mostly name single rows: what is learned of them is of no use for new rows.

    Args:
        found: the training file's columns.
        values: its converted columns (n_rows,) by name.
    """
    shares = {}
    for column in found.columns:
        if column.kind is not Kind.CATEGORY or len(column.categories) <= MANY_VALUES:
            continue
        counts = values[column.name].value_counts()
        once = int((counts == 1).sum())
        if once > MOSTLY * len(counts) and once >= NOT_FEW * counts.sum():
            shares[column.name] = once / len(counts)
    names = tuple(shares)
    if not names:
        return Check("near_identifier", "ok", "No column of categories mostly names single rows.")
    what = f"Most values of {quoted(names)} occur in one training row only."
    fix = f"Ignore {'it' if len(names) == 1 else 'them'}, or group the values."
    return Check("near_identifier", "warning", what, names, fix, shares)


def duplicate_columns(values: Mapping[str, pd.Series]) -> Check:
    """Columns that say the same thing twice."""
    first: dict[str, str] = {}
    twins = []
    for name, column in values.items():
        content = pd.util.hash_pandas_object(column, index=False).to_numpy()
        key = f"{column.dtype}{hashlib.sha256(content.tobytes()).hexdigest()}"
        if key in first:
            twins += [first[key], name]
        first.setdefault(key, name)
    columns = tuple(dict.fromkeys(twins))
    if not columns:
        return Check("duplicate_columns", "ok", "No two columns hold the same values.")
    what = f"{quoted(columns)} hold the same values as another column."
    return Check("duplicate_columns", "warning", what, columns, "Keep one of them, ignore the others.")
