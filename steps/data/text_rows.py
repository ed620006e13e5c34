"""Delimited text in record batches: what is plain enough to be known from its beginning, and stays so.

Every block is looked at again (`text_source`), and what only the end shows is checked before the last batch is handed
out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv

from pyfunc.errors import FileRefusedError
from steps.data import delimited, encodings, header, readers
from steps.data.compression import STREAMS, shown, unpacked, without_suffix
from steps.data.decimals import commas_in, decimal_points, has_commas
from steps.data.formats import FileFormat
from steps.data.json_table import may_be_json
from steps.data.row_stream import NotPlainError, RowStream
from steps.data.text_source import TextSource, pieces

BLOCK_BYTES = 512 * 1024  # of text in a batch; no row may be longer. pyarrow reads up to 32 blocks ahead
READ_OTHERWISE = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"PK\x03\x04", b"PK\x05\x06", b"ORC")  # beginnings
HEAD_BYTES = encodings.BYTES_LOOKED_AT + delimited.SAMPLE_BYTES + 1  # from which a text is known for what it is


def open_text(
    file: BinaryIO,
    name: str,
    where: str | None = None,
    *,
    max_columns: int = readers.MAX_COLUMNS,
    decimal_comma: Collection[str] | None = None,
    like: FileFormat | None = None,
    block_bytes: int | None = None,
    size: int | None = None,
) -> TextRows:
    """Begin to read a delimited text, plain or in gz or zst.

    Args:
        file: anything with `read`; it need not know its length, nor go back.
        name: its name; for a body one that says its type, such as `body.csv`.
        where: what it is, for messages; the name by default.
        max_columns: most columns.
        decimal_comma: as `readers.read` takes it.
        like: as `readers.read` takes it.
        block_bytes: how much text becomes one batch; `BLOCK_BYTES` by default.
        size: of the file in bytes, where it is known.

    Raises:
        FileRefusedError: what `readers.read` refuses, as far as the beginning shows it.
        NotPlainError: the file has to be read as a whole.
    """
    where, block_bytes = where or shown(name) or "file", block_bytes or BLOCK_BYTES
    taken = pieces(file)
    first = next(taken, b"")
    while len(first) < max(map(len, STREAMS.values())) and (more := next(taken, b"")):
        first += more
    taken = _again(first, taken)
    packing = next((packing for packing, beginning in STREAMS.items() if first.startswith(beginning)), None)
    if packing is not None:
        taken, name = unpacked(taken, packing, where), without_suffix(name, packing)
    source = TextSource(taken)
    head = source.beginning(max(HEAD_BYTES, block_bytes))
    encoding, start = _text_of(head, name, where)
    while head[start : start + 1] in (b"\r", b"\n"):
        start += 1
    if start > encodings.BYTES_LOOKED_AT:
        raise NotPlainError("a long emptiness")
    sample = head[start : start + delimited.SAMPLE_BYTES + 1]
    delimiter = delimited.delimiter_of(sample, name, like.delimiter if like else None)
    is_whole = source.is_at_end
    if not (is_whole or _holds_a_row(head[start:], delimiter)):
        raise NotPlainError("a long first row")
    n_columns = delimited.first_length(head[start:], delimiter)
    if n_columns > max_columns:
        source.drain()
        raise delimited.too_many_columns(n_columns, where, max_columns)
    is_comma, may_be_thousands = commas_in(delimiter, like)
    if is_comma and decimal_comma is None:
        raise NotPlainError("decimal commas that all cells decide")
    source.skip(start)
    read_as = FileFormat("csv", packing, delimiter, encoding, None if is_comma else ".")
    commas = _Commas(decimal_comma or (), like, may_be_thousands=may_be_thousands) if is_comma else None
    return TextRows(source, file, size, read_as, n_columns, where, max_columns, commas, block_bytes)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces, with the one that was looked at."""
    if first:
        yield first
    yield from rest


def _text_of(head: bytes, name: str, where: str) -> tuple[str, int]:
    """Encoding of a plain text, and where behind a mark it begins."""
    marked = next((encoding for mark, encoding in encodings.MARKS if head.startswith(mark)), None)
    if marked == encodings.UTF16 or head.startswith(READ_OTHERWISE) or not head or head.isspace():
        raise NotPlainError("no plain text")
    readers.refuse_unread(head, name, where)
    start = len(encodings.MARKS[0][0]) if marked else 0
    if not encodings.begins_as_text(head, start):
        raise NotPlainError("control characters")
    if may_be_json(head[start : start + readers.BYTES_LOOKED_AT], name):
        raise NotPlainError("perhaps JSON")
    return marked or encodings.UTF8, start


def _holds_a_row(text: bytes, delimiter: str) -> bool:
    """Whether the first row of a text, or an empty line, ends before it does."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(text), "utf-8", errors="replace", newline=""), delimiter=delimiter)
    try:
        next(lines, None)
        return next(lines, None) is not None
    except csv.Error:
        return False


class _Commas:
    """Decimal commas of number columns, batch by batch.

    Args:
        names: of the columns in which a comma may be the decimal point.
        like: format of a file that this one resembles.
        may_be_thousands: whether a column's other cells decide what its commas are.
    """

    def __init__(self, names: Collection[str], like: FileFormat | None, *, may_be_thousands: bool) -> None:
        self.names, self.like, self.may_be_thousands = names, like, may_be_thousands
        self.changed: set[int] = set()
        self._has_points = False

    @property
    def sign(self) -> str | None:
        """The decimal sign that the cells so far show."""
        return "," if self.changed else "." if self._has_points else None

    def change(self, columns: dict[int, pa.Array], names: list[str], delimiter: str) -> None:
        """Put points for decimal commas in columns (n_rows,) of texts."""
        asked = [columns[at] for at, name in enumerate(names) if name in self.names]
        if self.may_be_thousands and any(map(has_commas, asked)):
            raise NotPlainError("commas that a whole column decides")
        found = decimal_points(columns, names, delimiter, self.names, self.like)
        self.changed |= set(found.changed)
        self._has_points = self._has_points or found.sign == "."


class TextRows(RowStream):
    """A delimited text."""

    def __init__(
        self,
        source: TextSource,
        file: BinaryIO,
        size: int | None,
        read_as: FileFormat,
        n_columns: int,
        where: str,
        max_columns: int,
        commas: _Commas | None,
        block_bytes: int,
    ) -> None:
        self.format = read_as
        self.notices = []
        self._source, self._file, self._size = source, file, size
        self._where, self._n_columns, self._commas = where, n_columns, commas
        self._ragged: list[int | None] = []
        self._last_cell: str | None = None
        self._reader: pa.csv.CSVStreamingReader | None = None
        assert read_as.delimiter is not None
        options = delimited.Options(read_as.delimiter, n_columns, self._ragged)
        self._options = options.all(set(), threads=False, block_bytes=block_bytes)
        first = self._batch()
        names: list[str | None] = [] if first is None else [column[0].as_py() for column in first.columns]
        rows = None if first is None else first.slice(1) if first.num_rows > 1 else self._batch()
        try:
            header.refuse_header(names, 0 if rows is None else rows.num_rows, where, max_columns)
        except FileRefusedError:
            while self._batch() is not None:  # rows of other lengths come first
                pass
            raise
        self.header = [str(name) for name in names]
        self._ahead = rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        beginning: list[pa.RecordBatch] | None = []
        while self._ahead is not None:
            batch, self._ahead = self._ahead, self._batch()  # the last one is handed out when all is known to be well
            batch = self._named(batch)
            if beginning is not None:
                beginning.append(batch)
                if self._ahead is None or sum(part.num_rows for part in beginning) >= header.FIRST_ROWS:
                    frame = pa.Table.from_batches(beginning).slice(0, header.FIRST_ROWS).to_pandas()
                    self.notices += header.header_notices(self.header, frame)
                    beginning = None
            yield batch
        if self._commas is not None:
            self.format = replace(self.format, decimal=self._commas.sign)
            changed = [self.header[at] for at in sorted(self._commas.changed)]
            self.notices[:0] = [readers.commas_notice(changed)] if changed else []

    @property
    def share(self) -> float | None:
        """How much of the file has been read."""
        return self._file.tell() / self._size if self._size else None

    def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.close()

    def _batch(self) -> pa.RecordBatch | None:
        """The next rows, None at a good end; behind a row of another length only the end is looked for."""
        while (batch := self._read()) is not None:
            if batch.num_rows and not self._ragged:
                self._last_cell = batch.column(self._n_columns - 1)[-1].as_py()
                return batch
        if self._ragged:
            raise delimited.ragged_rows(self._n_columns, self._ragged, self._where)
        if self._source.odd_quotes and self._last_cell is not None and "\n" in self._last_cell:
            raise delimited.open_quote(self._where)
        return None

    def _read(self) -> pa.RecordBatch | None:
        """What pyarrow makes of the next block; None behind the last."""
        try:
            if self._reader is None:
                self._reader = pa.csv.open_csv(self._source, *self._options)
            return self._reader.read_next_batch()
        except StopIteration:
            return None
        except pa.ArrowException as error:  # its text quotes cells
            raise self._source.fault or NotPlainError("pyarrow") from error

    def _named(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch with the names of the header, and points for decimal commas."""
        columns = dict(enumerate(batch.columns))
        if self._commas is not None:
            self._commas.change(columns, self.header, str(self.format.delimiter))
        return pa.RecordBatch.from_arrays([*columns.values()], self.header)
