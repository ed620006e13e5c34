"""A table in record batches, at constant memory whatever its length.

`readers.read` is the specification: the same columns, cells, notices and refusals, with the same rows named. What can
only be told from all of a file (another encoding than UTF-8, JSON, workbooks, commas that may be decimal) is not
guessed: `NotPlainError` says that the bytes have to be read as a whole, before the first batch or behind any other.

Batches of text hold text, null for an empty cell; those of Parquet keep their types. A problem in the last row is a
refusal after all rows before it were handed out, so what is made of them counts only when the end was reached.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa

from steps.data import columnar, readers
from steps.data.compression import shown
from steps.data.formats import FileFormat
from steps.data.parquet_rows import ParquetRows
from steps.data.row_stream import NotPlainError, RowStream
from steps.data.text_rows import BLOCK_BYTES, open_text

__all__ = ["BLOCK_BYTES", "NotPlainError", "RowStream", "frame_of", "open_file", "open_text"]

PARQUET = b"PAR1"


@contextmanager
def open_file(
    held: Path | bytes,
    name: str,
    where: str | None = None,
    *,
    max_columns: int = readers.MAX_COLUMNS,
    decimal_comma: Collection[str] | None = None,
    like: FileFormat | None = None,
    block_bytes: int | None = None,
) -> Iterator[RowStream]:
    """Read a table: delimited text, plain or in gz or zst, or Parquet. The limit on bytes is none here.

    Args:
        held: a file of this machine, or its bytes.
        name: its name, such as `rows.csv`.
        where: what it is, for messages; the name by default.
        max_columns: most columns.
        decimal_comma: as `readers.read` takes it.
        like: as `readers.read` takes it.
        block_bytes: how much text becomes one batch; `BLOCK_BYTES` by default.

    Raises:
        FileRefusedError: what `readers.read` refuses, as far as the beginning shows it.
        NotPlainError: the file has to be read as a whole.
    """
    with io.BytesIO(held) if isinstance(held, bytes) else held.open("rb", buffering=0) as file:
        if file.read(len(PARQUET)) == PARQUET:
            with ParquetRows(held, where or shown(name) or "file", max_columns) as rows:
                yield rows
            return
        size = file.seek(0, 2)
        file.seek(0)
        with open_text(
            file, name, where, max_columns=max_columns, decimal_comma=decimal_comma, like=like,
            block_bytes=block_bytes, size=size,
        ) as rows_of_text:  # fmt: skip
            yield rows_of_text


def frame_of(batch: pa.RecordBatch) -> pd.DataFrame:
    """A batch (n_rows, n_columns) as pandas holds what `readers.read` reads, with a fresh index."""
    columns = {
        at: pd.array(column, dtype="string[pyarrow]") if pa.types.is_string(column.type) else columnar.column_of(column)
        for at, column in enumerate(batch.columns)
    }
    frame = pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows), copy=False)
    frame.columns = pd.Index(batch.schema.names, dtype=object)
    return frame
