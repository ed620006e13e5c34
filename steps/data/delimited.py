"""CSV, TSV and their relatives, as text: cells are not interpreted here.

`00123`, `NA` and `true` come out as they stand, an empty cell as None; what a cell means is decided by its column's
kind (`pyfunc/cells.py`). The one exception is the decimal comma, which only the file as a whole gives away.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from pyfunc.cells import MISSING_TOKENS, NUMBER_TEXT
from pyfunc.errors import FileRefusedError, Problem, rows_named

TAB = "\t"
DELIMITERS = (TAB, ";", "|", ",")  # of equally consistent ones the first: commas stand in numbers and sentences too
COMMA_IS_DECIMAL_WITH = (TAB, ";")
SAMPLE_BYTES, SAMPLE_LINES = 64 * 1024, 50  # what the delimiter is found from
BLOCK_BYTES = 8 * 1024 * 1024  # of pyarrow; no row may be longer
SMALL_BYTES = 256 * 1024  # below, threads cost more than they save
QUOTED = re.compile(rb'"[^"]*"')
DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
SAVE_AGAIN = "Save the file again as CSV (UTF-8, comma, quotes around cells with line breaks), or as Parquet."


@dataclass(frozen=True)
class Delimited:
    """What a delimited file holds: `header` with None for an empty name, `frame` with columns 0, 1, 2..."""

    header: list[str | None]
    frame: pd.DataFrame
    delimiter: str
    decimal_comma: list[int]  # positions of columns whose decimal commas became points


def read_delimited(
    content: bytes, name: str, where: str, max_columns: int, decimal_comma: Collection[str] | None = None
) -> Delimited:
    """Read a delimited file.

    Args:
        content: UTF-8 without a byte order mark.
        name: file name; `.tsv` decides where the content does not.
        where: what the file is, for messages.
        max_columns: most columns.
        decimal_comma: names of the columns in which a comma may be the decimal point; None asks the cells.

    Raises:
        FileRefusedError: rows of unequal length, a quote that is never closed, too many columns, unreadable text.
    """
    content = content.lstrip(b"\r\n")
    delimiter = _delimiter(content, name)
    n_columns = _first_length(content, delimiter)
    if n_columns > max_columns:
        what = f"The file has {n_columns} columns; the limit is {max_columns}."
        raise FileRefusedError(Problem("too_many_columns", what, where, "Send fewer columns."))
    odd_quotes = content.count(b'"') % 2 == 1
    table = _parse(content + b"\n" if odd_quotes else content, delimiter, n_columns, where)
    if table.num_rows == 0:
        return Delimited([], pd.DataFrame(), delimiter, [])
    header = [column[0].as_py() for column in table.columns]
    last = table.column(n_columns - 1)[-1].as_py()
    if odd_quotes and last is not None and "\n" in last:
        what = "A quotation mark is opened and never closed."
        raise FileRefusedError(Problem("open_quote", what, where, SAVE_AGAIN))
    frame = table.slice(1).to_pandas()
    frame.columns = pd.RangeIndex(n_columns)
    changed: list[int] = []
    if delimiter in COMMA_IS_DECIMAL_WITH:
        for at in range(n_columns):
            if decimal_comma is None or header[at] in decimal_comma:
                points = _decimal_points(frame[at], whole_column=decimal_comma is None)
                if points is not None:
                    frame[at] = points
                    changed.append(at)
    return Delimited(header, frame, delimiter, changed)


def _delimiter(content: bytes, name: str) -> str:
    """The delimiter that the first line has and the following lines have equally often, outside quotes."""
    sample = content[:SAMPLE_BYTES]
    if len(content) > SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    lines = [line for line in re.split(rb"\r\n|\n|\r", QUOTED.sub(b"", sample)) if line.strip(b" ")][:SAMPLE_LINES]
    best, best_share = TAB if name.lower().endswith((".tsv", ".tab")) else ",", 0.0
    if not lines:
        return best
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter.encode()) for line in lines]
        share = Counter(counts)[counts[0]] / len(counts)
        if counts[0] and share > best_share:
            best, best_share = delimiter, share
    return best


def _first_length(content: bytes, delimiter: str) -> int:
    """How many cells the first row has; only a guess for pyarrow, which checks it."""
    start = io.TextIOWrapper(io.BytesIO(content[:BLOCK_BYTES]), "utf-8", errors="replace", newline="")
    try:
        return max(1, len(next(csv.reader(start, delimiter=delimiter), [])))
    except csv.Error:  # a cell beyond Python's limit: junk, and no header
        return 1


def _parse(content: bytes, delimiter: str, n_columns: int, where: str) -> pa.Table:
    """All rows, the header among them, as text with null for empty cells."""
    ragged: list[int | None] = []

    def note(row: pa.csv.InvalidRow) -> str:
        ragged.append(row.number)
        return "skip"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(content), *_options(delimiter, n_columns, note, threads=len(content) > SMALL_BYTES)
        )
        if ragged and ragged[0] is None:  # read by several threads, which do not know their rows' numbers
            ragged.clear()
            pa.csv.read_csv(pa.BufferReader(content), *_options(delimiter, n_columns, note, threads=False))
    except pa.ArrowException as error:  # its text quotes cells
        what = "The file is neither a readable table of text nor any other format that is known."
        raise FileRefusedError(Problem("csv_unreadable", what, where, SAVE_AGAIN)) from error
    if ragged:
        rows = [number - 1 for number in ragged if number is not None]  # the header is row 1 of the file
        what = f"The header has {n_columns} cells, {rows_named(rows)} more or fewer."
        fix = "Give every row as many cells as the header; put cells that hold the delimiter into quotes."
        raise FileRefusedError(Problem("ragged_rows", what, where, fix))
    return table


def _options(delimiter: str, n_columns: int, note: object, *, threads: bool) -> tuple[object, object, object]:
    """Options of pyarrow: everything is text, only empty cells are missing."""
    names = [str(at) for at in range(n_columns)]
    return (
        pa.csv.ReadOptions(use_threads=threads, block_size=BLOCK_BYTES, column_names=names),
        pa.csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            ignore_empty_lines=n_columns > 1,  # in a single column an empty line is a missing value
            invalid_row_handler=note,
        ),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _decimal_points(column: pd.Series, *, whole_column: bool) -> pd.Series | None:
    """The column with decimal points for commas; None where there is nothing to change.

    Args:
        column: (n_rows,) str or None.
        whole_column: change the column only if all its cells are numbers; else each cell that is one.
    """
    changed: dict[str, str] = {}
    for cell in column.dropna().unique():
        text = cell.strip()
        if DECIMAL_COMMA.fullmatch(text):
            changed[cell] = text.replace(",", ".")
        elif whole_column and text and text not in MISSING_TOKENS and not NUMBER_TEXT.fullmatch(text):
            return None
    if not changed:
        return None
    return pd.Series(np.array([changed.get(cell, cell) for cell in column], dtype=object))
