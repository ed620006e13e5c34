"""Cells that do not fit their column: what is said of them, and how to fix them."""

from __future__ import annotations

from collections.abc import Mapping

from pyfunc.errors import Problem, rows_named
from pyfunc.scalars import EXACT_INTEGER, LARGEST_NUMBER
from pyfunc.spelling import PLAIN, Spelling

FIX_OF = {
    "not_a_number": "Send a number, or leave the cell empty for a missing value.",
    "infinite_number": "Send a finite number, or leave the cell empty for a missing value.",
    "integer_too_large": f"Whole numbers beyond {EXACT_INTEGER:.0f} lose digits: send such a code as text.",
    "number_too_large": f"Numbers beyond {LARGEST_NUMBER:.2g} cannot be computed with: correct the cell.",
    "not_text": "Send text, a number or true/false in a cell, not a list or an object.",
    "not_a_boolean": "Send true or false, or leave the cell empty for a missing value.",
    "not_a_datetime": "Send ISO 8601 text such as 2024-05-31 or 2024-05-31T13:45:00.",
    "unseen_category": "Send one of the categories that the schema lists (/schema), or leave the cell empty.",
    "no_time_zone": "Send the time with its zone, such as 2024-05-31T13:45:00+02:00.",
    "unwanted_time_zone": "Send the time without a zone: the training file had none.",
}
WHAT_OF = {
    "not_a_number": "is not a number",
    "infinite_number": "is not a finite number",
    "integer_too_large": "is a whole number too large to be exact",
    "number_too_large": "is too large a number",
    "not_text": "is neither text nor a number",
    "not_a_boolean": "is neither true nor false",
    "not_a_datetime": "is not a date or time",
    "unseen_category": "has a category that training has not seen",
    "no_time_zone": "has no time zone",
    "unwanted_time_zone": "has a time zone",
}


def cell_problems(name: str, wrong: Mapping[str, list[int]], where: str, spelling: Spelling = PLAIN) -> list[Problem]:
    """One problem per code, naming the column and its 1-based rows.

    Args:
        name: the column.
        wrong: 1-based rows by code, as `cells.convert` finds them.
        where: what the rows are.
        spelling: how the column's cells are written, for the fix.
    """
    return [
        Problem(code, f"'{name}' {WHAT_OF[code]} in {rows_named(rows)}.", where, _fix(code, spelling))
        for code, rows in wrong.items()
    ]


def _fix(code: str, spelling: Spelling) -> str:
    """How to write such a cell; a column with a pattern of its own names it."""
    if code == "not_a_datetime" and spelling.format is not None:
        return f"{FIX_OF[code][:-1]}, or text written {spelling.format} as in the training file."
    return FIX_OF[code]
