"""The first row of a table: names that tell columns apart, and whether it is rather a row of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import DATE_TEXT, NUMBER_TEXT, WHOLE_TEXT, text_of
from pyfunc.errors import NAMES_SHOWN, FileRefusedError, Problem, quoted, rows_named
from pyfunc.schema import Notice
from steps.data.compression import shown

Objects = np.ndarray[Any, Any]

FIRST_ROWS = 10_000  # in which a name is looked for among its column's cells
NEARLY_ALL, FEWEST_COLUMNS = 0.8, 2


def refuse_header(header: list[str | None], n_rows: int, where: str, max_columns: int) -> None:
    """Refuse names that do not tell columns apart, too many of them, and a table without rows.

    Args:
        header: the names; None for an empty one.
        n_rows: rows below them.
        where: what the file is, for messages.
        max_columns: most columns.
    """
    problems = []
    nameless = [at + 1 for at, name in enumerate(header) if name is None or not name.strip()]
    if nameless:
        listed = _positions(nameless)
        what = f"Column {listed} has no name." if len(nameless) == 1 else f"Columns {listed} have no name."
        fix = "Name every column; a file made by pandas needs `index=False`."
        problems.append(Problem("column_without_name", what, where, fix))
    seen: set[str] = set()
    repeated = {name for name in header if name is not None and name.strip() and (name in seen or seen.add(name))}  # type: ignore[func-returns-value]
    if repeated:
        what = f"{quoted(map(shown, sorted(repeated)))} {'stands' if len(repeated) == 1 else 'stand'} more than once."
        problems.append(Problem("duplicate_column", what, where, "Give every column a name of its own."))
    if len(header) > max_columns:
        what = f"The file has {len(header)} columns; the limit is {max_columns}."
        problems.append(Problem("too_many_columns", what, where, "Send fewer columns."))
    if not n_rows or not header:
        problems.append(Problem("no_rows", "There is no row below the header.", where, "Send at least one row."))
    if problems:
        raise FileRefusedError(*problems)


def header_notices(header: Sequence[str | None], frame: pd.DataFrame) -> list[Notice]:
    """Whether the names look like a row of data: nothing is lost for sure, so it is said and not refused.

    They do where every name is a number or a date, or stands among the cells below it, and where nearly all stand
    there. Some years beside names are names, and so are numbers that only count the columns.

    Args:
        header: names that tell the columns apart.
        frame: (n_rows, n_columns) the cells below them.
    """
    names = [str(name).strip() for name in header]
    values = [bool(NUMBER_TEXT.fullmatch(name.replace(",", ".")) or DATE_TEXT.fullmatch(name)) for name in names]
    if all(values) and _counts(names):
        return []
    cells = frame.iloc[:FIRST_ROWS].to_numpy(dtype=object)
    again = _rows_like(names, cells) if not any(values) else []
    if again:
        what = f"The names stand again in {rows_named(again)}. Remove such rows, or the columns will not be numbers."
        return [Notice("header_repeated", what, count=len(again))]
    below = _below(names, values, cells)
    if below is None:
        return []
    suspicious = [at + 1 for at in range(len(names)) if values[at] or below[at]]
    are = f"column {_positions(suspicious)} is" if len(suspicious) == 1 else f"columns {_positions(suspicious)} are"
    what = (
        f"The first row was read as names and looks like data: {are} called like a cell. Put a row of names above it."
    )
    return [Notice("header_is_data", what, count=len(suspicious))]  # the names may be somebody's data: positions only


def _below(names: Sequence[str], values: Sequence[bool], cells: Objects) -> list[bool] | None:
    """Which names stand among the cells of their column; None as soon as it is clear that they are names."""
    found: list[bool] = []
    is_name = False
    for at, name in enumerate(names):
        found.append(len(names) >= FEWEST_COLUMNS and name in _texts(cells, at))
        is_name = is_name or not (values[at] or found[-1])
        if is_name and found.count(False) > len(names) - NEARLY_ALL * len(names):
            return None
    return found


def _rows_like(names: Sequence[str], cells: Objects) -> list[int]:
    """1-based rows that hold the names."""
    rows = list(range(len(cells)))
    for at, name in enumerate(names):
        texts = _texts(cells, at)
        rows = [row for row in rows if texts[row] == name]
        if not rows:
            break
    return [row + 1 for row in rows]


def _texts(cells: Objects, at: int) -> list[str | None]:
    """The texts of a column's cells."""
    return [cell if isinstance(cell, str) else text_of(cell) for cell in cells[:, at]]


def _counts(names: Sequence[str]) -> bool:
    """Whether names are whole numbers each one more than the one before, as years are, or numbers of columns."""
    if len(names) < FEWEST_COLUMNS or not all(WHOLE_TEXT.fullmatch(name) for name in names):
        return False
    return bool((np.diff(np.array(names, dtype=np.float64)) == 1).all())


def _positions(at: Sequence[int]) -> str:
    """1-based positions for a sentence."""
    more = f" and {len(at) - NAMES_SHOWN} more" if len(at) > NAMES_SHOWN else ""
    return ", ".join(map(str, at[:NAMES_SHOWN])) + more
