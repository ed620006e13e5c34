"""Parquet, Arrow (Feather) and Excel: formats whose cells have types.

Columns keep their dtype, except whole numbers with gaps that float64 cannot hold exactly: those become objects.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet

from pyfunc.cells import EXACT_INTEGER, text_of
from pyfunc.errors import FileRefusedError, Problem, quoted
from pyfunc.schema import Notice
from steps.data.compression import BYTES_PER_MIB, shown, too_large

UNNAMED_INDEX = "__index_level_"  # how pandas stores an index without a name
EXCEL_FAULTS = (
    zipfile.BadZipFile, zlib.error, ParseError, LookupError, ValueError, TypeError, AttributeError,
    EOFError, OSError, NotImplementedError, RuntimeError, ArithmeticError,
)  # fmt: skip  # what openpyxl raises on damaged workbooks beside its own error, found by damaging some
ARROW_FAULTS = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError)


def read_parquet(content: bytes, where: str, max_mib: float) -> tuple[list[str], pd.DataFrame, list[Notice]]:
    """Read a Parquet file: names, columns under their positions, notices.

    Raises:
        FileRefusedError: damaged, or more cells than the limit has bytes (a kilobyte can claim a billion rows).
    """
    try:
        file = pa.parquet.ParquetFile(pa.BufferReader(content))
        _bound_cells(file.metadata.num_rows, file.metadata.num_columns, where, max_mib)
        table = file.read()
        return _frame(table)
    except ARROW_FAULTS as error:  # Arrow's texts may quote cells
        raise damaged("Parquet", where) from error


def read_arrow(content: bytes, where: str, max_mib: float) -> tuple[list[str], pd.DataFrame, list[Notice]]:
    """Read an Arrow file (Feather 2) or stream: names, columns under their positions, notices.

    Raises:
        FileRefusedError: damaged, or larger than the limit when unpacked.
    """
    try:
        if content.startswith(b"ARROW1"):
            file = pa.ipc.open_file(pa.BufferReader(content))
            schema = file.schema
            batches: Iterator[pa.RecordBatch] = (file.get_batch(at) for at in range(file.num_record_batches))
        else:
            stream = pa.ipc.open_stream(pa.BufferReader(content))
            schema, batches = stream.schema, iter(stream)
        kept, size = [], 0
        for batch in batches:
            batch.validate(full=True)
            size += batch.nbytes
            _bound_cells(batch.num_rows, batch.num_columns, where, max_mib)
            if size > max_mib * BYTES_PER_MIB:
                raise too_large(where, max_mib)
            kept.append(batch)
        return _frame(pa.Table.from_batches(kept, schema))
    except ARROW_FAULTS as error:
        raise damaged("Arrow", where) from error


def read_excel(content: bytes, where: str, max_mib: float) -> tuple[list[str | None], pd.DataFrame, list[Notice]]:
    """Read the first sheet of an .xlsx workbook: names (None for an empty one), columns under their positions, notices.

    Empty rows at the end and columns without name and cells are not part of the table.

    Raises:
        FileRefusedError: damaged, or larger than the limit when unpacked.
    """
    import openpyxl  # type: ignore[import-untyped]  # noqa: PLC0415 (only workbooks need it)
    from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > max_mib * BYTES_PER_MIB:
                raise too_large(where, max_mib)
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = book.worksheets
        rows = [list(row) for row in sheets[0].iter_rows(values_only=True)] if sheets else []
        others = [sheet.title for sheet in sheets[1:]]
        book.close()
    except (InvalidFileException, *EXCEL_FAULTS) as error:
        raise damaged("Excel", where) from error
    while rows and all(cell is None or cell == "" for cell in rows[-1]):
        rows.pop()
    width = max((at + 1 for row in rows for at, cell in enumerate(row) if cell is not None), default=0)
    if width * len(rows) > max_mib * BYTES_PER_MIB:
        raise too_large(where, max_mib)
    notices = []
    if others:
        what = f"Only the first sheet was read, not {quoted(map(shown, others))}."
        notices.append(Notice("other_sheets", what, count=len(others)))
    if not rows:
        return [], pd.DataFrame(), notices
    full = [row[:width] + [None] * (width - len(row)) for row in rows]
    header = [_header_text(cell) for cell in full[0]]
    columns = {
        at: pd.Series([None if row[at] == "" else row[at] for row in full[1:]], dtype=object) for at in range(width)
    }
    return header, pd.DataFrame(columns, index=pd.RangeIndex(len(full) - 1)), notices


def _header_text(cell: object) -> str | None:
    """A column's name in Excel: text, or the text of a number or date; None where it is empty."""
    return text_of(cell) if cell is not None else None


def _frame(table: pa.Table) -> tuple[list[str], pd.DataFrame, list[Notice]]:
    """Names, columns under their positions, and what was left out."""
    kept, notices = kept_of(table.column_names)
    columns = {position: column_of(table.column(at)) for position, at in enumerate(kept)}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    return [table.column_names[at] for at in kept], frame, notices


def kept_of(names: Sequence[str]) -> tuple[list[int], list[Notice]]:
    """Positions of the columns that are read, and what was left out."""
    kept = [at for at, name in enumerate(names) if not name.startswith(UNNAMED_INDEX)]
    if len(kept) == len(names):
        return kept, []
    what = "The row numbers that pandas stored as an index were not read."
    return kept, [Notice("index_not_read", what, count=len(names) - len(kept))]


def column_of(column: pa.Array | pa.ChunkedArray) -> Any:
    """A column as pandas holds it, without losing digits of whole numbers beside gaps."""
    if pa.types.is_integer(column.type) and column.null_count:
        ends = pa.compute.min_max(column).as_py()
        if any(end is not None and abs(end) > EXACT_INTEGER for end in ends.values()):
            return pd.Series(column.to_pylist(), dtype=object)
    return column.to_pandas()


def _bound_cells(n_rows: int, n_columns: int, where: str, max_mib: float) -> None:
    """Refuse more cells than the limit has bytes, before they are unpacked."""
    if n_rows * n_columns > max_mib * BYTES_PER_MIB:
        raise too_large(where, max_mib)


def damaged(kind: str, where: str) -> FileRefusedError:
    """The refusal for a file that begins like one of a kind and cannot be read as one."""
    what = f"The {kind} file is damaged, cut off, or uses something that is not supported."
    return FileRefusedError(Problem("file_damaged", what, where, "Write the file again, or send it as CSV."))
