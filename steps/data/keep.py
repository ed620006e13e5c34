"""Columns of a file that its answers carry along, in front: `keep=id,name`, or `keep=*` for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from pyfunc.errors import Problem, quoted
from steps.data.lists import entries

ALL = "*"


def kept(keep: str, header: Sequence[str], answers: Sequence[str], where: str) -> tuple[list[str], list[Problem]]:
    """Names of the columns to carry along, in the order asked for, and what is wrong with them.

    Args:
        keep: names separated by commas, those with commas of their own in double quotes; `*` alone is the whole file.
        header: the file's columns.
        answers: the columns of the answers.
        where: what the file is, for messages.
    """
    asked = list(header) if keep.strip() == ALL else list(entries(keep))
    problems = []
    absent = [name for name in asked if name not in set(header)]
    if absent:
        what = f"{quoted(absent)} {'is' if len(absent) == 1 else 'are'} to be kept and not in the file."
        problems.append(Problem("keep_missing", what, where, "Name columns of the file as they stand in it."))
    taken = [name for name in asked if name in set(answers)]
    if taken:
        what = f"{quoted(taken)} {'is' if len(taken) == 1 else 'are'} to be kept and named as the answers are."
        problems.append(Problem("keep_collides", what, where, "Rename them in the file, or do not keep them."))
    return asked, problems
