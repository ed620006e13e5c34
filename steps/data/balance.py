"""The classes of the two files: how rare the rarest is, whether it is judged at all, whether their shares agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pyfunc.errors import quoted
from steps.data.drift import FEWEST_ROWS, RARELY, categories_shift
from steps.data.samples import Ints
from steps.records import Check

FEW_TO_JUDGE = 30  # test rows of a class: bounds from fewer are too wide for a verdict
SHIFTED = 0.05  # total variation between the classes' shares


def balance_checks(target: str, classes: Sequence[str], y_train: Ints, y_test: Ints) -> list[Check]:
    """`class_balance`, `few_rows_a_class` and `label_shift`.

    Args:
        target: name of the column.
        classes: the labels.
        y_train: positions (n_train,) of the training file's labels in them.
        y_test: those of the test file (n_test,).
    """
    learned, judged = (np.bincount(y, minlength=len(classes)) for y in (y_train, y_test))
    return [
        _balance(target, classes, learned),
        _few_rows(target, classes, judged),
        _label_shift(target, classes, y_train, y_test),
    ]


def _balance(target: str, classes: Sequence[str], learned: Ints) -> Check:
    """How rare the rarest class is; a figure, no fault."""
    rarest = int(learned.argmin())
    share = float(learned[rarest] / learned.sum())
    what = f"The rarest class, '{classes[rarest]}', has {learned[rarest]} training rows ({share:.1%})."
    return Check("class_balance", "ok", what, (target,), "", {"rows": float(learned[rarest]), "share": share})


def _few_rows(target: str, classes: Sequence[str], judged: Ints) -> Check:
    """Classes with too few test rows to judge; those with none are `class_in_one_file`."""
    few = [name for name, rows in zip(classes, judged, strict=True) if 0 < rows < FEW_TO_JUDGE]
    figures = {"smallest": float(judged.min())}
    if not few:
        what = f"Every class in the test file has at least {FEW_TO_JUDGE} rows there."
        return Check("few_rows_a_class", "ok", what, (target,), "", figures)
    what = f"Fewer than {FEW_TO_JUDGE} test rows have the label {quoted(few)}: no verdict for it."
    fix = "Send more test rows, or take the figures for what they are: their bounds are wide."
    return Check("few_rows_a_class", "warning", what, (target,), fix, figures)


def _label_shift(target: str, classes: Sequence[str], y_train: Ints, y_test: Ints) -> Check:
    """Whether the classes are as frequent in one file as in the other."""
    shift = categories_shift(pd.Series(y_train), pd.Series(y_test))
    if shift is None or min(len(y_train), len(y_test)) < FEWEST_ROWS:
        return Check("label_shift", "ok", "Too few rows to compare the classes' shares.", (target,))
    figures = {"difference": shift.effect, "p": shift.p}
    if shift.p >= RARELY or shift.effect < SHIFTED:
        return Check("label_shift", "ok", "The classes are as frequent in both files.", (target,), "", figures)
    shares = [np.bincount(y, minlength=len(classes)) / len(y) for y in (y_train, y_test)]
    most = int(abs(shares[0] - shares[1]).argmax())
    what = (
        f"The classes' shares differ between the files: '{classes[most]}' is {shares[0][most]:.1%} of the training rows"
        f" and {shares[1][most]:.1%} of the test rows."
    )
    fix = "Split at random, or expect probabilities that are too high or too low for rows like those of the test file."
    return Check("label_shift", "warning", what, (target,), fix, figures)
