"""CSV, TSV and their relatives, as text: cells are not interpreted here.

`00123`, `NA` and `true` come out as they stand, an empty cell as missing; what a cell means is decided by its column's
kind (`pyfunc/cells.py`). The one exception is the decimal comma, which only the file as a whole gives away.

A text of seven digits takes 64 bytes as a Python object and 11 in Arrow. So in a large file a column whose texts seldom
repeat stays in Arrow's memory (dtype `string[pyarrow]`, missing cells pd.NA); where they repeat, and in every small
file, the column has dtype object, equal cells are one object, and missing cells are None.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from pyfunc.errors import FileRefusedError, Problem, rows_named
from steps.data.decimals import decimal_points
from steps.data.formats import FileFormat

TAB = "\t"
DELIMITERS = (TAB, ";", "|", ",")  # of equally consistent ones the first: commas stand in numbers and sentences too
SAMPLE_BYTES, SAMPLE_LINES = 64 * 1024, 50  # what the delimiter is found from
BLOCK_BYTES = 8 * 1024 * 1024  # of pyarrow; no row may be longer
SMALL_BYTES = 256 * 1024  # below, threads and Arrow's memory cost more than they save
BEGINNING_SHARE = 8  # an eighth of the file, or a block, is the beginning that is looked at
REPEATS_SHARE = 0.3  # of the rows: up to so many different texts repeat
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
QUOTED = re.compile(rb'"[^"]*"')
SAVE_AGAIN = "Save the file again as CSV (UTF-8, comma, quotes around cells with line breaks), or as Parquet."


@dataclass(frozen=True)
class Delimited:
    """What a delimited file holds: `header` with None for an empty name, `frame` with columns 0, 1, 2..."""

    header: list[str | None]
    frame: pd.DataFrame
    delimiter: str
    decimal_comma: list[int]  # positions of columns whose decimal commas became points
    decimal: str | None  # sign of the number columns; None where no cell gives it away


def read_delimited(
    content: bytes,
    name: str,
    where: str,
    max_columns: int,
    decimal_comma: Collection[str] | None = None,
    *,
    start: int = 0,
    like: FileFormat | None = None,
) -> Delimited:
    """Read a delimited file.

    Args:
        content: UTF-8.
        name: file name; `.tsv` decides where the content does not.
        where: what the file is, for messages.
        max_columns: most columns.
        decimal_comma: names of the columns in which a comma may be the decimal point; None asks the cells.
        start: bytes to pass over: the byte order mark.
        like: format of a file that this one resembles.

    Raises:
        FileRefusedError: rows of unequal length, a quote that is never closed, too many columns, unreadable text.
    """
    while content[start : start + 1] in (b"\r", b"\n"):
        start += 1
    delimiter = delimiter_of(content[start : start + SAMPLE_BYTES + 1], name, like.delimiter if like else None)
    n_columns = first_length(content[start : start + BLOCK_BYTES], delimiter)
    if n_columns > max_columns:
        raise too_many_columns(n_columns, where, max_columns)
    odd_quotes = content.count(b'"') % 2 == 1
    if odd_quotes and not content.endswith(b"\n"):
        content += b"\n"
    table = _parse(pa.py_buffer(content).slice(start), delimiter, n_columns, where)
    if table.num_rows == 0:
        return Delimited([], pd.DataFrame(), delimiter, [], None)
    header = [column[0].as_py() for column in table.columns]
    last = table.column(n_columns - 1)[-1].as_py()
    if odd_quotes and last is not None and "\n" in last:
        raise open_quote(where)
    columns = dict(enumerate(table.slice(1).columns))
    n_rows = table.num_rows - 1
    del table  # the columns are let go one by one
    decimals = decimal_points(columns, header, delimiter, decimal_comma, like)
    if len(content) <= SMALL_BYTES:
        frame = pa.table([*columns.values()], [*map(str, columns)]).to_pandas()
        frame.columns = pd.RangeIndex(n_columns)
    else:
        held = {at: _held(columns.pop(at)) for at in range(n_columns)}
        frame = pd.DataFrame(held, index=pd.RangeIndex(n_rows), copy=False)
    return Delimited(header, frame, delimiter, decimals.changed, decimals.sign)


def _held(column: pa.ChunkedArray) -> Any:
    """A column (n_rows,) of a large file as pandas holds it: an array of objects, or of texts in Arrow's memory."""
    if pa.types.is_dictionary(column.type):
        if sum(len(chunk.dictionary) for chunk in column.chunks) <= REPEATS_SHARE * len(column):
            categories = column.to_pandas().array
            texts = np.array([*categories.categories, None], dtype=object)
            cells = texts[categories.codes]  # the code of a missing cell is -1
            pa.default_memory_pool().release_unused()  # which it would keep for other tables
            return cells
        column = column.cast(pa.string())  # the beginning of the file is not like the rest
    return pd.array(column, dtype="string[pyarrow]")


def delimiter_of(sample: bytes, name: str, like: str | None) -> str:
    """The delimiter that the first line has and the following lines have equally often, outside quotes.

    Of equally consistent ones that of `like`, else the first of `DELIMITERS`.
    """
    if len(sample) > SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n", 0, SAMPLE_BYTES) + 1] or sample[:SAMPLE_BYTES]
    lines = [line for line in re.split(rb"\r\n|\n|\r", QUOTED.sub(b"", sample)) if line.strip(b" ")][:SAMPLE_LINES]
    best, best_share = TAB if name.lower().endswith((".tsv", ".tab")) else ",", 0.0
    if not lines:
        return best
    for delimiter in sorted(DELIMITERS, key=lambda delimiter: delimiter != like):
        counts = [line.count(delimiter.encode()) for line in lines]
        share = Counter(counts)[counts[0]] / len(counts)
        if counts[0] and share > best_share:
            best, best_share = delimiter, share
    return best


def first_length(beginning: bytes, delimiter: str) -> int:
    """How many cells the first row has; only a guess for pyarrow, which checks it."""
    start = io.TextIOWrapper(io.BytesIO(beginning), "utf-8", errors="replace", newline="")
    try:
        return max(1, len(next(csv.reader(start, delimiter=delimiter), [])))
    except csv.Error:  # a cell beyond Python's limit: junk, and no header
        return 1


def _parse(content: pa.Buffer, delimiter: str, n_columns: int, where: str) -> pa.Table:
    """All rows, the header among them, as text with null for empty cells; texts that repeat as dictionaries."""
    is_large = content.size > SMALL_BYTES
    options = Options(delimiter, n_columns)
    try:
        # by options of its own: pyarrow goes on reading ahead when only the beginning was wanted
        repeated = _repeated(content, Options(delimiter, n_columns)) if is_large else set()
        table = pa.csv.read_csv(pa.BufferReader(content), *options.all(repeated, threads=is_large))
        if options.ragged and options.ragged[0] is None:  # several threads, which do not know their rows' numbers
            options = Options(delimiter, n_columns)
            pa.csv.read_csv(pa.BufferReader(content), *options.all(repeated, threads=False))
    except pa.ArrowException as error:  # its text quotes cells
        raise unreadable(where) from error
    if options.ragged:
        raise ragged_rows(n_columns, options.ragged, where)
    return table


def too_many_columns(n_columns: int, where: str, max_columns: int) -> FileRefusedError:
    """The refusal for more columns than allowed, before they are read."""
    what = f"The file has {n_columns} columns; the limit is {max_columns}."
    return FileRefusedError(Problem("too_many_columns", what, where, "Send fewer columns."))


def ragged_rows(n_columns: int, numbers: Iterable[int | None], where: str) -> FileRefusedError:
    """The refusal for rows of other lengths than the header's; `numbers` count rows of the file from 1."""
    rows = [number - 1 for number in numbers if number is not None]  # the header is row 1 of the file
    what = f"The header has {n_columns} cells, {rows_named(rows)} more or fewer."
    fix = "Give every row as many cells as the header; put cells that hold the delimiter into quotes."
    return FileRefusedError(Problem("ragged_rows", what, where, fix))


def open_quote(where: str) -> FileRefusedError:
    """The refusal for a quotation mark that swallows the rest of the file."""
    what = "A quotation mark is opened and never closed."
    return FileRefusedError(Problem("open_quote", what, where, SAVE_AGAIN))


def unreadable(where: str) -> FileRefusedError:
    """The refusal for text of which pyarrow makes no table."""
    what = "The file is neither a readable table of text nor any other format that is known."
    return FileRefusedError(Problem("csv_unreadable", what, where, SAVE_AGAIN))


def _repeated(content: pa.Buffer, options: Options) -> set[str]:
    """Columns in whose beginning the texts repeat."""
    block = max(SMALL_BYTES, min(BLOCK_BYTES, content.size // BEGINNING_SHARE))
    try:
        with pa.csv.open_csv(pa.BufferReader(content), *options.all(set(), threads=False, block_bytes=block)) as reader:
            beginning = reader.read_next_batch()
    except (pa.ArrowInvalid, StopIteration):  # a row longer than the beginning
        return set()
    most = REPEATS_SHARE * beginning.num_rows
    return {
        name
        for name, cells in zip(beginning.schema.names, beginning.columns, strict=True)
        if pa.compute.count_distinct(cells).as_py() <= most
    }


@dataclass(frozen=True)
class Options:
    """Options of pyarrow: everything is text, only empty cells are missing.

    Attributes:
        delimiter: one character.
        n_columns: cells of a row.
        ragged: takes the numbers of rows with more or fewer, which are skipped; None for a number that is not known.
    """

    delimiter: str
    n_columns: int
    ragged: list[int | None] = field(default_factory=list)

    def all(self, repeated: Collection[str], *, threads: bool, block_bytes: int = BLOCK_BYTES) -> tuple[Any, Any, Any]:
        """For reading, parsing and converting; `repeated` are names of columns to hold as dictionaries."""
        names = [str(at) for at in range(self.n_columns)]
        ragged = self.ragged

        def note(row: pa.csv.InvalidRow) -> str:  # pyarrow holds it for ever where it holds who holds its reader
            ragged.append(row.number)
            return "skip"

        return (
            pa.csv.ReadOptions(use_threads=threads, block_size=block_bytes, column_names=names),
            pa.csv.ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=self.n_columns > 1,  # in a single column an empty line is a missing value
                invalid_row_handler=note,
            ),
            pa.csv.ConvertOptions(
                column_types={name: DICTIONARY if name in repeated else pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
