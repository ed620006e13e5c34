"""Rows that stand in the files more than once.

Rows are compared by what the model reads, in the training file's types, and by texts that name them or say something
about them (names, prose) where both files have such a column: two passengers with the same fare are two passengers.
Numbers that only count rows are not compared, because a copied row is often counted anew. Across the two files numbers
are also compared by fewer digits, because one of the files may have gone through a program that keeps no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.errors import quoted
from steps.data.profile import IGNORED, Features, convert
from steps.data.samples import Floats, Ints
from steps.records import Check, Level, SharedRows

Hashes = np.ndarray[Any, np.dtype[np.uint64]]

MANY = 0.01  # share of the training rows from which on repeats and contradictions are worth a warning
DIGITS = (7, 6)  # significant digits that programs write, beside float32 and all
MOST_DECIMALS = 12  # more are those of computed numbers
FEWEST_ROUNDED, BY_CHANCE = 3, 3  # rows that rounding makes equal; times as many as in either file, where it is chance
UNLABELLED = "columns that are read"
LABELLED = "label and columns that are read"


@dataclass(frozen=True)
class Rows:
    """What the rows of a file hold, as hashes (n_rows,), and their labels (n_rows,) where they are known."""

    read: Hashes  # what the model reads
    whole: Hashes  # with the texts that tell rows apart
    rounded: tuple[Hashes, ...]  # the whole, numbers with fewer digits, by how they were rounded
    labels: Ints | None

    def labelled(self, hashes: Hashes) -> Hashes:
        """Hashes (n_rows,) that differ where the labels do."""
        if self.labels is None:
            return hashes
        return pd.util.hash_array(hashes ^ pd.util.hash_array(self.labels))


def names_of(found: Features, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, tuple[pd.Series, pd.Series]]:
    """The texts that tell rows apart, of both files, by column."""
    texts = {}
    for column in found.left_out:
        name = column.name
        if column.reason == IGNORED or column.kind is Kind.CONSTANT or name not in test.columns:
            continue
        (learned, wrong), (judged, wrong_too) = (convert(file[name], Kind.CATEGORY) for file in (train, test))
        if not wrong and not wrong_too and convert(train[name], Kind.NUMBER)[1]:
            texts[name] = learned, judged
    return texts


def decimals_of(train: Mapping[str, pd.Series], test: Mapping[str, pd.Series]) -> dict[str, int]:
    """Decimals of the file with fewer, for columns (n_rows,) of numbers that have more in the other."""
    found = {}
    for name, column in train.items():
        if column.dtype.kind == "f":
            least, most = sorted(_decimals(each.dropna().to_numpy()) for each in (column, test[name]))
            if least < most:
                found[name] = least
    return found


def rows_of(
    values: Mapping[str, pd.Series],
    texts: Mapping[str, pd.Series],
    labels: Ints | None,
    decimals: Mapping[str, int] | None = None,
) -> Rows:
    """Hash the rows of a file, in the same way for both.

    Args:
        values: what the model reads, columns (n_rows,) by name.
        texts: those that tell rows apart.
        labels: (n_rows,) where they are known.
        decimals: from `decimals_of`.
    """
    n_rows = len(next(iter(values.values())))
    numbers = pd.DataFrame({name: column for name, column in values.items() if column.dtype.kind == "f"})
    others = _hashes(pd.DataFrame({name: values[name] for name in values if name not in numbers}), n_rows)
    told = _together(others, _hashes(pd.DataFrame(texts), n_rows)) if texts else others
    exact = _hashes(numbers, n_rows)
    rounded = (
        tuple(_together(told, _hashes(each, n_rows)) for each in _rounded(numbers, decimals or {}))
        if numbers.size
        else ()
    )
    return Rows(_together(others, exact), _together(told, exact), rounded, labels)


def shared_rows(train: Rows, test: Rows) -> SharedRows:
    """Which test rows stand in the training file too; without labels, with any.

    Rows that are equal only after rounding count where rounding tells more than chance: not where it makes rows of one
    file equal as well (a table with a single column of numbers).
    """
    same = np.isin(test.labelled(test.whole), train.labelled(train.whole))
    known = np.isin(test.whole, train.whole)
    for ours, theirs in zip(test.rounded, train.rounded, strict=True):
        found = np.isin(ours, theirs) & ~known
        merged = sum(
            len(np.unique(exact)) - len(np.unique(rounded))
            for exact, rounded in ((test.whole, ours), (train.whole, theirs))
        )
        if found.sum() >= FEWEST_ROUNDED and found.sum() > BY_CHANCE * merged:
            known = known | found
            same = same | (found & np.isin(test.labelled(ours), train.labelled(theirs)))
    return SharedRows(*(tuple(int(at) + 1 for at in np.flatnonzero(mask)) for mask in (same, known)))


def row_checks(train: Rows, test: Rows, told_apart_by: tuple[str, ...], shared: SharedRows) -> list[Check]:
    """`rows_in_both_files`, `rows_in_both_without_label` and `duplicates`.

    Args:
        train: the training file's rows.
        test: those of the test file.
        told_apart_by: columns with the texts that tell rows apart.
        shared: the test rows that stand in the training file too.
    """
    checks = [_rows_in_both(train, test, told_apart_by, shared)]
    if train.labels is not None:
        checks.append(_without_label(len(test.whole), shared))
    return [*checks, _duplicates(train)]


def _rows_in_both(train: Rows, test: Rows, told_apart_by: tuple[str, ...], shared: SharedRows) -> Check:
    """Test rows that stand in the training file with the same label tell nothing about new rows."""
    n_rows, count = len(test.whole), len(shared.same_label)
    counted = np.zeros(n_rows, dtype=bool)
    counted[[row - 1 for row in shared.same_label]] = True
    rounded = count - int(np.isin(test.labelled(test.whole), train.labelled(train.whole)).sum())
    alike = int((np.isin(test.labelled(test.read), train.labelled(train.read)) & ~counted).sum())
    but = f" {alike} {'differs' if alike == 1 else 'differ'} only in {quoted(told_apart_by)}." if alike else ""
    if not count:
        what = f"No test row is also in the training file.{but}"
        return Check("rows_in_both_files", "ok", what, (), "", {"alike": float(alike)} if alike else {})
    are = "is" if count == 1 else "are"
    compared = LABELLED if train.labels is not None else UNLABELLED
    after = f" {rounded} of them only after rounding numbers to what fewer digits hold." if rounded else ""
    what = f"{count} of {n_rows} test rows {are} also in the training file ({compared}).{after}{but}"
    fix = "Remove them from one of the files: they make the model look better than it is."
    figures = {"rows": float(count), "share": count / n_rows} | ({"rounded": float(rounded)} if rounded else {})
    return Check("rows_in_both_files", "warning", what, (), fix, figures)


def _without_label(n_rows: int, shared: SharedRows) -> Check:
    """Test rows that stand in the training file with another label: one of the two is wrong, or nobody can tell."""
    agree = len(shared.same_label)
    disagree = len(shared.any_label) - agree
    figures = {"agree": float(agree), "disagree": float(disagree)}
    if not disagree:
        what = "No test row is in the training file with another label only."
        return Check("rows_in_both_without_label", "ok", what, (), "", figures)
    are = "is" if disagree == 1 else "are"
    what = (
        f"Of {agree + disagree} test rows whose columns stand in the training file, {agree} have a label that they have"
        f" there and {disagree} {are} there with another label only."
    )
    fix = "Look at how the labels came about, or add the columns that tell such rows apart."
    level: Level = "warning" if disagree >= MANY * n_rows else "ok"
    return Check("rows_in_both_without_label", level, what, (), fix if level == "warning" else "", figures)


def _duplicates(train: Rows) -> Check:
    """Rows that repeat others of the training file, and equal rows with different labels."""
    n_rows = len(train.whole)
    pairs = pd.DataFrame({"row": train.whole, "labelled": train.labelled(train.whole)})
    repeats = int(pairs["labelled"].duplicated().sum())
    labels = pairs.drop_duplicates()["row"].value_counts()
    conflicts = int(pairs["row"].isin(labels.index[labels > 1]).sum())
    figures = {"rows": float(repeats), "share": repeats / n_rows, "conflicts": float(conflicts)}
    said = [f"{repeats} of {n_rows} training rows repeat an earlier one ({repeats / n_rows:.1%})"] if repeats else []
    if conflicts:
        said.append(f"{conflicts} training rows are equal to one with another label")
    if not said:
        return Check("duplicates", "ok", "No training row repeats another.", (), "", figures)
    what = f"{'; '.join(said)}."
    if max(repeats, conflicts) < MANY * n_rows:
        return Check("duplicates", "ok", what, (), "", figures)
    fix = "Remove repeats that are no observations of their own; look at how equal rows came to different labels."
    return Check("duplicates", "warning", what, (), fix, figures)


def _rounded(numbers: pd.DataFrame, decimals: Mapping[str, int]) -> list[pd.DataFrame]:
    """Numbers (n_rows, n_columns) in every way that a program may have shortened them."""
    values = numbers.to_numpy(dtype=np.float64)
    sizes = np.log10(np.abs(values), out=np.zeros_like(values), where=np.isfinite(values) & (values != 0))
    found = [values.astype(np.float32).astype(np.float64)]
    for digits in DIGITS:  # but never coarser than whole numbers: those are often codes
        steps = 10.0 ** (np.clip(np.floor(sizes), -300, digits - 1) - (digits - 1))
        found.append(np.round(values / steps) * steps)
    if decimals:
        found.append(
            np.column_stack(
                [values[:, at].round(decimals.get(str(name), MOST_DECIMALS)) for at, name in enumerate(numbers)]
            )
        )
    return [pd.DataFrame(each + 0.0) for each in found]  # no negative zero, which hashes otherwise


def _decimals(values: Floats) -> int:
    """How many decimals numbers (n_values,) have."""
    return next((n for n in range(MOST_DECIMALS) if (values.round(n) == values).all()), MOST_DECIMALS)


def _together(one: Hashes, other: Hashes) -> Hashes:
    """Hashes of what two hashes stand for."""
    return pd.util.hash_array(one ^ pd.util.hash_array(other))


def _hashes(frame: pd.DataFrame, n_rows: int) -> Hashes:
    """One number a row; the same for every row of a frame without columns."""
    if not frame.columns.size:
        return np.zeros(n_rows, dtype=np.uint64)
    return pd.util.hash_pandas_object(frame, index=False).to_numpy()
