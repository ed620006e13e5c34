"""What is noticed and what is wrong in the parts of a file, as if all rows had been looked at together."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import pandas as pd

from pyfunc import cells
from pyfunc.errors import Problem
from pyfunc.faults import cell_problems
from pyfunc.schema import ROWS_SHOWN, InputSchema, Notice, row_notice, unseen_rows

OF_ROWS = ("unseen_category", "out_of_range", "missing_value")  # notices about single rows
OF_COLUMNS = ("duplicate_column", "missing_column")  # problems that every part of a file has


class Noticed:
    """Notices, added up.

    Args:
        schema: whose order of columns they have.
    """

    def __init__(self, schema: InputSchema) -> None:
        self._columns = {column.name: column for column in schema.columns}
        self._places = {name: at for at, name in enumerate(schema.names)}
        self._policy = schema.unseen_category
        self._found: dict[tuple[str, tuple[str, ...]], Notice] = {}

    def add(self, notices: Iterable[Notice], before: int) -> None:
        """Add those of a part, whose rows come behind `before` others."""
        for notice in notices:
            key = notice.code, notice.columns
            known = self._found.get(key)
            if notice.code not in OF_ROWS:
                self._found.setdefault(key, notice)  # about columns, which are the same in every part
                continue
            rows = tuple(row + before for row in notice.rows[:ROWS_SHOWN])
            count = notice.count + (known.count if known else 0)
            first = (known.rows if known else ()) + rows
            column = self._columns[notice.columns[0]]
            self._found[key] = row_notice(notice.code, column, self._policy, count, first[:ROWS_SHOWN])

    def all(self) -> list[Notice]:
        """Of all parts, as the schema orders them; of their rows the first that an answer shows."""

        def place(notice: Notice) -> tuple[int, int]:
            if notice.code not in OF_ROWS:
                return -1, 0
            return self._places[notice.columns[0]], OF_ROWS.index(notice.code)

        return sorted(self._found.values(), key=place)


class Faults:
    """Cells that do not fit, found in one part after the other.

    Args:
        schema: what they do not fit.
        where: what the rows are, for messages.
        before: how many rows came before, all of them well.
    """

    def __init__(self, schema: InputSchema, where: str, before: int = 0) -> None:
        self._schema, self._where, self._before = schema, where, before
        self._rows: dict[str, dict[str, array[int]]] = {name: {} for name in schema.names}

    def add(self, frame: pd.DataFrame) -> None:
        """Look at the next part (n_rows, any)."""
        for column in self._schema.columns:
            if column.name not in frame.columns:
                continue
            result = cells.convert(frame[column.name], column.kind, column.spelling, self._schema.missing_tokens)
            found: dict[str, Sequence[int]] = dict(result.wrong)
            if self._schema.unseen_category == "reject":
                found["unseen_category"] = unseen_rows(column, result)
            for code, rows in found.items():
                if rows:
                    self._rows[column.name].setdefault(code, array("q")).extend(row + self._before for row in rows)
        self._before += len(frame)

    def problems(self, of_first: Iterable[Problem]) -> list[Problem]:
        """All of them as the schema says them, behind those of columns.

        Args:
            of_first: what the schema has said of the first part.
        """
        problems = [problem for problem in of_first if problem.code in OF_COLUMNS]
        for column in self._schema.columns:
            wrong = {code: list(rows) for code, rows in self._rows[column.name].items()}
            problems += cell_problems(column.name, wrong, self._where, column.spelling)
        return problems
