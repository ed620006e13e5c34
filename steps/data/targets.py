"""Questions about the target: is it there, complete, and something that can be learned."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.errors import Problem, TrainingRefusedError, quoted, rows_named
from pyfunc.schema import InputSchema
from steps.data.profile import Labels, convert, encode, labels_of, target_of
from steps.records import Check

FEWEST_ROWS, FEW_ROWS = 2, 5  # of a class in training: fewer cannot be split, fewer cannot stand in every fold
MANY_CLASSES = 20  # more labels than that are not listed: the target is rather a number or a name
MOSTLY = 0.5  # share of the labels
NEAR_NAMES = 3
TARGET_NAMES = {"target", "label", "labels", "class", "y", "outcome", "result", "response", "churn", "survived"}
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def rank_targets(frame: pd.DataFrame) -> list[str]:
    """Columns that may be the target, the likeliest first: by name, few values, and standing last."""

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        words = {word.lower() for word in WORDS.findall(name)}
        return (not words & TARGET_NAMES, distinct[name] > MANY_CLASSES, name != last, distinct[name])

    distinct = {name: _distinct(frame[name]) for name in frame.columns}
    last = frame.columns[-1]
    return sorted(
        (name for name in frame.columns if 1 < distinct[name] <= max(MANY_CLASSES, len(frame) // 2)), key=rank
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """A sentence with the names that look like a wanted one, or with all names where none does."""
    listed = list(names)
    near = near_names(name, listed)
    return f"Did you mean {quoted(near)}?" if near else f"There are {quoted(listed)}."


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """The names that look like a wanted one, the likest first, whatever the case."""
    folded = {other.casefold(): other for other in names}
    return [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=NEAR_NAMES, cutoff=0.5)]


def not_beside(
    target: str | None, columns: Iterable[str], names: Iterable[str], where: str, code: str, said: str
) -> list[Problem]:
    """Names in a parameter that are no column, or the target itself.

    Args:
        target: the column to predict.
        columns: all there are, with or without the target.
        names: what the parameter names.
        where: the parameter.
        code: of the problems.
        said: what the parameter wants of a column: `is to be ignored`.
    """
    others = [column for column in columns if column != target]
    return [
        Problem(code, f"'{name[:80]}' {said}, but is no column beside the target.", where, nearest(name, others))
        for name in names
        if name not in others
    ]


def target_missing(train: pd.DataFrame, test: pd.DataFrame, target: str) -> Check:
    """The target has to be in both files."""
    absent = [file for file, frame in (("training", train), ("test", test)) if target not in frame.columns]
    if not target:
        return Check("target_missing", "refused", "No target is named.", fix=f"Name one of {quoted(train.columns)}.")
    if not absent:
        return Check("target_missing", "ok", "The target is in both files.", (target,))
    what = f"The target '{target}' is not in the {' or the '.join(absent)} file."
    fix = nearest(target, (train if "training" in absent else test).columns)
    return Check("target_missing", "refused", what, (target,), fix, where=_file(absent))


def label_checks(train: pd.Series, test: pd.Series) -> list[Check]:
    """Gaps, classes and their sizes."""
    name = str(train.name)
    read: dict[str, Labels] = {}
    unreadable = []
    for file, column in (("training", train), ("test", test)):
        try:
            read[file] = labels_of(column)
        except TrainingRefusedError as error:
            unreadable += [
                Check(problem.code, "refused", problem.what, (name,), problem.fix, where=_file([file]))
                for problem in error.problems
            ]
    if unreadable:
        return unreadable
    learned, judged = read["training"], read["test"]
    gaps = {file: rows_named(labels.gaps) for file, labels in read.items() if labels.gaps}
    if gaps:
        what = (
            f"The target '{name}' is empty in {' and in '.join(f'{rows} of the {f} file' for f, rows in gaps.items())}."
        )
        fix = "Fill the labels in, or remove the rows."
        missing = Check("target_gaps", "refused", what, (name,), fix, where=_file(gaps))
    else:
        missing = Check("target_gaps", "ok", "Every row has a label.", (name,))
    return [
        missing,
        _one_class(name, learned),
        _class_sizes(name, learned),
        _class_in_one_file(name, learned, test, judged),
    ]


def _one_class(name: str, labels: Labels) -> Check:
    """There has to be something to tell apart."""
    count = len(labels.counts)
    if count > 1:
        return Check("one_class", "ok", f"The training file has {count} classes.", (name,))
    what = f"The target '{name}' has {'one class only' if count else 'no label'} in the training file."
    return Check("one_class", "refused", what, (name,), "Send rows of at least two classes, or name another target.")


def _class_sizes(name: str, labels: Labels) -> Check:
    """Cross-validation needs rows of every class in every part."""
    counts = labels.counts
    small = {label: rows for label, rows in counts.items() if rows < FEW_ROWS}
    tiny = [label for label, rows in small.items() if rows < FEWEST_ROWS]
    figures = {"smallest": float(min(counts.values(), default=0)), "classes": float(len(counts))}
    if len(counts) > MANY_CLASSES and len(tiny) > MOSTLY * len(counts):
        what = f"The target '{name}' has {len(counts)} different labels, most of them in one row only."
        fix = "Name a target with a few classes; numbers to be predicted as such need another program."
        return Check("class_too_small", "refused", what, (name,), fix, figures)
    if tiny:
        what = f"Fewer than {FEWEST_ROWS} training rows have the label {quoted(tiny)}."
        fix = "Send more rows of these classes, or remove or merge them."
        return Check("class_too_small", "refused", what, (name,), fix, figures)
    if small:
        what = f"Fewer than {FEW_ROWS} training rows have the label {quoted(small)}."
        return Check("class_too_small", "warning", what, (name,), "Send more rows of these classes.", figures)
    return Check("class_too_small", "ok", f"Every class has at least {FEW_ROWS} training rows.", (name,), "", figures)


def _class_in_one_file(name: str, learned: Labels, test: pd.Series, judged: Labels) -> Check:
    """A class that was never learned cannot be predicted; one that is not tested is not judged."""
    schema = InputSchema((), target_of(name, learned))
    positions = encode(test, schema)
    gaps = set(judged.gaps)
    outside = [int(at) + 1 for at in np.flatnonzero(positions < 0) if int(at) + 1 not in gaps]
    if outside:
        labels = sorted({str(judged.texts[row - 1]) for row in outside})
        listed = f" ({quoted(labels)})" if len(labels) <= MANY_CLASSES else ""
        what = f"{len(labels)} {'class is' if len(labels) == 1 else 'classes are'} in the test file only{listed}."
        fix = f"Add training rows of it, or remove {rows_named(outside)} from the test file."
        return Check("class_in_one_file", "refused", what, (name,), fix)
    untested = [label for at, label in enumerate(schema.target.classes) if not (positions == at).any()]
    if untested:
        what = f"No test row has the label {quoted(untested)}: nothing will be known about it."
        return Check("class_in_one_file", "warning", what, (name,), "Add test rows of every class.")
    return Check("class_in_one_file", "ok", "The same classes are in both files.", (name,))


def _file(names: Collection[str]) -> str:
    """The file that a finding is about, of those named."""
    return "both files" if len(names) > 1 else f"{next(iter(names))} file"


def _distinct(column: pd.Series) -> int:
    """How many different texts a column holds; different numbers have different texts."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return int(column.nunique())
    return int(convert(column, Kind.CATEGORY)[0].nunique())
