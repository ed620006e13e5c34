"""Questions about the two files without whose answers training is nonsense.

Every question is asked and answered, so that one refusal names everything that has to be mended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import pandas as pd

from pyfunc import cells
from pyfunc.cells import Converted, Kind
from pyfunc.errors import Problem, quoted, rows_named
from pyfunc.schema import FIX_OF, WHAT_OF, Column, InputSchema, UnseenCategory, unseen_rows
from steps.data.accepting import accepted
from steps.data.balance import balance_checks
from steps.data.columns import doubtful, duplicate_columns, left_out, near_identifier, texts
from steps.data.describing import describe
from steps.data.drift import drift_checks
from steps.data.kinds import Asked
from steps.data.leakage import target_leak
from steps.data.options import DEFAULT_POLICY
from steps.data.profile import Features, convert, encode, features, labels_of, target_of
from steps.data.rows import decimals_of, names_of, row_checks, rows_of, shared_rows
from steps.data.targets import label_checks, near_names, nearest, target_missing
from steps.data.time_order import time_order
from steps.records import Check, SharedRows

TRAINING, TEST, BOTH = "training file", "test file", "both files"
WHERE = {
    TEST: ("type_mismatch", "unseen_category", "few_rows_a_class"),
    BOTH: (
        "class_in_one_file", "rows_in_both_files", "rows_in_both_without_label", "label_shift",
        "drift", "column_drift", "time_order",
    ),
}  # fmt: skip  # the rest is in the training file, or says itself where it is
MOSTLY = 0.5  # share of a column's cells that are known categories, from which on it may be the one that is missed
FILE_OF = {code: file for file, codes in WHERE.items() for code in codes}


@dataclass(frozen=True)
class _Both:
    """Both files as read, and by column in the training file's types."""

    found: Features
    train: pd.DataFrame
    test: pd.DataFrame
    learned: dict[str, pd.Series]
    judged: dict[str, pd.Series]


@dataclass(frozen=True)
class Compared:
    """The answers, and the training file's columns as they were described for them."""

    checks: tuple[Check, ...]
    features: Features
    shared: SharedRows | None = None  # None where the rows could not be compared

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every refused check as a problem; nothing may be learned while there is one."""
        return tuple(
            Problem(check.code, check.what, check.where, check.fix) for check in self.checks if check.level == "refused"
        )


def compare(
    train: pd.DataFrame,
    test: pd.DataFrame,
    target: str | None,
    ignore: Collection[str] = (),
    accept: Collection[str] = (),
    *,
    kinds: Mapping[str, Asked] = MappingProxyType({}),
    unseen_category: UnseenCategory = DEFAULT_POLICY,
    found: Features | None = None,
) -> Compared:
    """Ask every question about two tables.

    The statistics (rows, leaks, drift) are asked only of files whose columns and labels can be read.

    Args:
        train: (n_rows, n_columns) as read.
        test: the same for the test file.
        target: the column to predict; None asks only what needs none.
        ignore: columns to leave out.
        accept: codes of refused checks that are to be warnings, where that is possible.
        kinds: kinds of columns that were decided on request.
        unseen_category: what becomes of categories that training has not seen.
        found: the training table's columns, where they are described already.
    """
    found = found or features(train, target, ignore, kinds)
    checks = [_ignored(train, target, ignore), _kinds_asked(train, target, kinds), *_unreadable(found)]
    if target is not None:
        checks.append(target_missing(train, test, target))
        if checks[-1].level == "ok":
            checks += label_checks(train[target], test[target])
    are_labels_good = target is not None and not any(check.level == "refused" for check in checks)
    checks += [_columns_in_one_file(found, train, test, target), _columns_left(found)]
    converted, mismatch = _converted(found, test)
    checks += [mismatch, _unseen(found, converted, unseen_category)]
    known = {column.name: convert(train[column.name], column.kind, column.spelling)[0] for column in found.columns}
    shared = None
    if known and mismatch.level == "ok" and set(converted) == set(known):
        judged = {name: result.values for name, result in converted.items()}  # noqa: PD011 (a field of ours)
        both = _Both(found, train, test, known, judged)
        statistics, shared = _statistics(both, target if are_labels_good else None)
        checks += statistics
    checks += [
        *doubtful(found),
        *left_out(found),
        texts(found),
        near_identifier(found, known),
        duplicate_columns(known),
    ]
    return Compared(tuple(accepted(_placed(check), accept) for check in checks), found, shared)


def _ignored(train: pd.DataFrame, target: str | None, ignore: Collection[str]) -> Check:
    """Columns to leave out have to exist, and the target is not one of them."""
    unknown = tuple(name for name in ignore if name not in train.columns)
    if target in ignore:
        what, fix = f"The target '{target}' is among the columns to ignore.", "Take it off the list."
        return Check("ignored_unknown", "refused", what, (str(target),), fix)
    if unknown:
        what = f"{quoted(unknown)} {'is' if len(unknown) == 1 else 'are'} to be ignored and not in the training file."
        return Check("ignored_unknown", "refused", what, unknown, nearest(unknown[0], train.columns))
    return Check("ignored_unknown", "ok", "Every column to ignore is in the training file.", tuple(ignore))


def _kinds_asked(train: pd.DataFrame, target: str | None, kinds: Mapping[str, Asked]) -> Check:
    """Columns whose kind is decided on request have to exist, and the target is not one of them."""
    unknown = tuple(name for name in kinds if name not in train.columns)
    if target in kinds:
        what, fix = f"The target '{target}' has a kind on request; its labels are read as they stand.", "Take it off."
        return Check("kinds_unknown", "refused", what, (str(target),), fix)
    if unknown:
        what = f"{quoted(unknown)} {'has' if len(unknown) == 1 else 'have'} a kind on request and no training column."
        return Check("kinds_unknown", "refused", what, unknown, nearest(unknown[0], train.columns))
    return Check("kinds_unknown", "ok", "Every column with a kind on request is in the training file.", tuple(kinds))


def _unreadable(found: Features) -> list[Check]:
    """Cells that no model can read."""
    return [Check(problem.code, "refused", problem.what, fix=problem.fix) for problem in found.problems]


def _columns_in_one_file(found: Features, train: pd.DataFrame, test: pd.DataFrame, target: str | None) -> Check:
    """The test file needs what the model reads; more is not used."""
    absent = tuple(column.name for column in found.columns if column.name not in test.columns)
    extra = tuple(name for name in test.columns if name not in train.columns and name != target)
    if absent:
        what = f"{quoted(absent)} {'is' if len(absent) == 1 else 'are'} not in the test file."
        them = "it" if len(absent) == 1 else "them"
        fix = f"Add {them} to the test file, or ignore {them}."
        meant = _renamed(tuple(column for column in found.columns if column.name in absent), test, extra)
        if meant:
            pairs = ", ".join(f"'{there}' for '{here}'" for here, there in meant.items())
            fix = f"Did you mean {pairs}? Name columns alike in both files. Otherwise add {them}, or ignore {them}."
        return Check("column_in_one_file", "refused", what, absent, fix, where=TEST)
    if extra:
        what = f"Only the test file has {quoted(extra)}; not used."
        fix = "Add the columns to the training file, if they matter."
        return Check("column_in_one_file", "warning", what, extra, fix, where=TEST)
    return Check("column_in_one_file", "ok", "The test file has every column that the model reads.")


def _renamed(absent: Sequence[Column], test: pd.DataFrame, extra: Collection[str]) -> dict[str, str]:
    """What absent columns may be called in the test file: a like name, or the only unused column of the same kind."""
    meant: dict[str, str] = {}
    for column in absent:
        left = [name for name in extra if name not in meant.values()]
        near = near_names(column.name, left)
        alike = near or [name for name in left if _holds(column, test[name])]
        if near or len(alike) == 1:
            meant[column.name] = alike[0]
    return meant


def _holds(column: Column, cells: pd.Series) -> bool:
    """Whether a column of the test file could be this one: of its kind, and mostly with its categories."""
    values, wrong = convert(cells, column.kind, column.spelling)
    if wrong or values.isna().all():
        return False
    if column.kind is Kind.TEXT:  # which any cell converts to
        return describe(column.name, cells).kind is Kind.TEXT
    return column.kind is not Kind.CATEGORY or bool(values.dropna().isin(column.categories).mean() > MOSTLY)


def _columns_left(found: Features) -> Check:
    """There has to be something to learn from."""
    if found.columns or found.problems:
        return Check(
            "no_columns",
            "ok",
            f"The model reads {len(found.columns)} columns.",
            figures={"columns": float(len(found.columns))},
        )
    fix = "Send columns that say something about the target, or ignore fewer."
    return Check("no_columns", "refused", "No column is left to learn from.", fix=fix)


def _converted(found: Features, test: pd.DataFrame) -> tuple[dict[str, Converted], Check]:
    """The test file's columns in the training file's types, and which of them do not convert."""
    made: dict[str, Converted] = {}
    wrong: dict[str, str] = {}
    for column in found.columns:
        if column.name in test.columns:
            made[column.name] = cells.convert(test[column.name], column.kind, column.spelling)
            faulty = made[column.name].wrong
            if faulty:
                faults = "; ".join(f"{WHAT_OF[code]} in {rows_named(rows)}" for code, rows in faulty.items())
                wrong[column.name] = f"'{column.name}' {faults} (training: {column.kind})"
                fix = FIX_OF[next(iter(faulty))]
    if wrong:
        return made, Check("type_mismatch", "refused", f"{'. '.join(wrong.values())}.", tuple(wrong), fix)
    return made, Check("type_mismatch", "ok", "The columns of both files hold the same kinds of values.")


def _unseen(found: Features, converted: dict[str, Converted], policy: UnseenCategory) -> Check:
    """Test categories, and words of booleans, that training has not seen, and what becomes of them."""
    columns = [column for column in found.columns if column.name in converted]
    counts = {column.name: len(unseen_rows(column, converted[column.name])) for column in columns}
    unseen = tuple(name for name, count in counts.items() if count)
    if not unseen:
        return Check("unseen_category", "ok", "Every category of the test file is in the training file.")
    have = "has" if len(unseen) == 1 else "have"
    what = f"{quoted(unseen)} {have} test cells with categories that training has not seen"
    figures = {"cells": float(sum(counts.values()))}
    if policy == "reject":
        fix = "Add training rows of them, remove the test rows, or let `unseen_category` be missing or warn."
        return Check("unseen_category", "refused", f"{what}.", unseen, fix, figures)
    what += "; they count as missing." if policy == "missing" else "; the model knows them as unknown."
    fix = "Add training rows with them, or merge them into categories that training has."
    return Check("unseen_category", "warning", what, unseen, fix, figures)


def _statistics(both: _Both, target: str | None) -> tuple[list[Check], SharedRows]:
    """Rows in both files, leaks, order and drift; with the labels where they are known."""
    columns = both.found.columns
    texts = names_of(both.found, both.train, both.test)
    sides = [{name: pair[side] for name, pair in texts.items()} for side in (0, 1)]
    if target is None:
        y_train = y_test = None
        of_labels = []
    else:
        schema = InputSchema((), target_of(target, labels_of(both.train[target])))
        y_train, y_test = (encode(file[target], schema) for file in (both.train, both.test))
        of_labels = balance_checks(target, schema.target.classes, y_train, y_test)
        of_labels.append(target_leak(columns, both.learned, y_train))
    decimals = decimals_of(both.learned, both.judged)
    rows = rows_of(both.learned, sides[0], y_train, decimals), rows_of(both.judged, sides[1], y_test, decimals)
    shared = shared_rows(*rows)
    of_columns = [time_order(columns, both.learned, both.judged), *drift_checks(columns, both.learned, both.judged)]
    return [*row_checks(*rows, tuple(texts), shared), *of_labels, *of_columns], shared


def _placed(check: Check) -> Check:
    """The check with the file that it is about."""
    return check if check.where else replace(check, where=FILE_OF.get(check.code, TRAINING))
