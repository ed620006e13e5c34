"""A Parquet file in record batches, at constant memory however large its row groups are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from steps.data import columnar, header
from steps.data.formats import FileFormat
from steps.data.row_stream import RowStream

BATCH_ROWS = 16 * 1024
BUFFER_BYTES = 256 * 1024  # of each column


class ParquetRows(RowStream):
    """The rows of a Parquet file.

    Args:
        held: the file, which is open until `close`, or its bytes.
        where: what it is, for messages.
        max_columns: most columns.

    Raises:
        FileRefusedError: what `readers.read` refuses.
    """

    def __init__(self, held: Path | bytes, where: str, max_columns: int) -> None:
        self._where = where
        try:
            # Without a buffer a column chunk is read whole; a map would count as memory of the process
            source = pa.BufferReader(held) if isinstance(held, bytes) else held
            self._file = pa.parquet.ParquetFile(source, memory_map=False, buffer_size=BUFFER_BYTES)
            names = self._file.schema_arrow.names
            n_rows = self._file.metadata.num_rows
        except columnar.ARROW_FAULTS as error:
            raise columnar.damaged("Parquet", where) from error
        self._kept, self.notices = columnar.kept_of(names)
        self.header = [names[at] for at in self._kept]
        self.format = FileFormat("parquet")
        header.refuse_header([*self.header], n_rows, where, max_columns)
        self._n_rows, self._n_read = n_rows, 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        batches = self._file.iter_batches(BATCH_ROWS, use_threads=False)
        try:
            for batch in batches:
                if batch.num_rows:
                    columns = [batch.column(at) for at in self._kept]
                    self._n_read += batch.num_rows
                    yield pa.RecordBatch.from_arrays(columns, self.header)
        except columnar.ARROW_FAULTS as error:
            raise columnar.damaged("Parquet", self._where) from error

    @property
    def share(self) -> float | None:
        """How much of the file has been read."""
        return self._n_read / self._n_rows

    def close(self) -> None:
        """Stop reading."""
        self._file.close()
