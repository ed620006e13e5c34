"""What the reader noticed in the two files, as checks: so that it stands where people look for what is odd."""

from __future__ import annotations

from collections.abc import Iterable

from pyfunc.schema import Notice
from steps.data.readers import Table
from steps.records import Check

FIX = {  # what to do about each; a notice without an entry only informs
    "header_is_data": "Put the columns' names into the first row; without them the first row of data is lost.",
    "header_repeated": "Remove the rows that repeat the names; they are read as data.",
    "other_sheets": "If the rows stand on another sheet, move it to the front or save it as a file of its own.",
}
CODES = ("decimal_comma", "header_is_data", "header_repeated", "index_not_read", "other_sheets")


def reading_checks(train: Table, test: Table) -> list[Check]:
    """One check for each thing that was noticed, in either file."""
    return [*_checks("training file", train.notices), *_checks("test file", test.notices)]


def _checks(where: str, notices: Iterable[Notice]) -> list[Check]:
    """The notices of one file."""
    return [
        Check(
            notice.code,
            "warning" if notice.code in FIX else "ok",
            f"In the {where}: {notice.what}",
            notice.columns,
            FIX.get(notice.code, ""),
            where=where,
        )
        for notice in notices
    ]
