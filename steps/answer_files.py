"""Answers written batch by batch: CSV, packed CSV, Parquet and JSON lines.

Numbers are written as Python writes them, the shortest text that reads back as the same number; texts are quoted in CSV
where they must be. A column is turned into texts at once and rows are joined from columns, never written one by one.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

CSV, PACKED, PARQUET, JSON_LINES = (".csv",), (".csv.gz",), (".parquet",), (".jsonl", ".ndjson")
JSON = ".json"  # the inside of a list; no file's ending, because it is no file by itself
ENDINGS = (*CSV, *PACKED, *PARQUET, *JSON_LINES)
GROUP_ROWS = 128 * 1024  # of a Parquet row group
GZIP_LEVEL = 6  # the highest takes three times as long for a hundredth of the size
LEAST_PLAIN = 1e-4  # smaller numbers Python writes with an exponent
MUST_QUOTE = '[",\r\n]'
MUST_ESCAPE = r'["\\\x00-\x1f]'


class Writer(Protocol):
    """What takes answers."""

    def write(self, answers: pa.RecordBatch) -> None:
        """Take some rows; the same columns each time."""

    def close(self) -> None:
        """Write what is left."""


def writer(out: Path, file: BinaryIO) -> Writer:
    """A writer in the format that the path's ending names, one of `ENDINGS` or `JSON`, into an open file."""
    if out.name.endswith(PARQUET):
        return _Parquet(file)
    if out.name.endswith(JSON_LINES):
        return _Lines(file, _json_line)
    if out.name.endswith(JSON):
        return _Lines(file, _json_item, dropped=1)
    if out.name.endswith(PACKED):
        return _Lines(gzip.GzipFile(fileobj=file, mode="wb", compresslevel=GZIP_LEVEL), _csv_line, _csv_header)
    return _Lines(file, _csv_line, _csv_header)


def start_over(before: Writer, file: BinaryIO) -> None:
    """Empty the file of a writer whose answers count for nothing.

    It is closed first: packed CSV and Parquet have an end, which would otherwise be written when the writer is gone,
    into what comes after it.
    """
    before.close()
    file.seek(0)
    file.truncate()


def is_writable(column: pa.DataType, out: Path) -> bool:
    """Whether a column of a type can be written in a format; text has no form for bytes and nested columns."""
    return out.name.endswith(PARQUET) or not (
        pa.types.is_nested(column) or pa.types.is_binary(column) or pa.types.is_large_binary(column)
    )


def texts_of(column: pa.Array, form: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column (n_rows,) as texts (n_rows,), null where it has no value.

    Args:
        column: of any type that `is_writable` as text.
        form: what becomes of texts, and of times and whatever else is written as text.
    """
    if pa.types.is_dictionary(column.type):
        return pc.take(texts_of(column.dictionary, form), column.indices)
    if pa.types.is_floating(column.type):
        return _numbers(column.cast(pa.float64()))
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.string())
    return form(column.cast(pa.string()))


def _numbers(column: pa.Array) -> pa.Array:
    """float64 (n_rows,) as Python writes it, null for NaN."""
    column = pc.if_else(pc.is_nan(column), None, column)
    texts = column.cast(pa.string())
    differs = pc.or_(pc.less(pc.abs(column), LEAST_PLAIN), pc.equal(pc.floor(column), column))
    differs = pc.fill_null(differs, fill_value=False)
    found = column.filter(differs)
    if not len(found):
        return texts
    return pc.replace_with_mask(texts, differs, pa.array(map(repr, found.to_pylist()), pa.string()))


def _in_csv(texts: pa.Array) -> pa.Array:
    """Texts (n_rows,) in quotes where CSV needs them."""
    must = pc.match_substring_regex(texts, MUST_QUOTE)
    if not pc.any(must).as_py():
        return texts
    return pc.if_else(must, _joined('"', pc.replace_substring(texts, '"', '""'), '"'), texts)


def _in_json(texts: pa.Array) -> pa.Array:
    """Texts (n_rows,) as JSON strings."""
    if not pc.any(pc.match_substring_regex(texts, MUST_ESCAPE)).as_py():
        return _joined('"', texts, '"')
    made = [None if text is None else json.dumps(text, ensure_ascii=False) for text in texts.to_pylist()]
    return pa.array(made, pa.string())


def _joined(*parts: pa.Array | str) -> pa.Array:
    """Texts (n_rows,) put together from texts, and from words that are the same in each row; null where one is."""
    return pc.binary_join_element_wise(*parts, "")


def _csv_header(names: list[str]) -> bytes:
    """The first line of a CSV file."""
    return (",".join(_in_csv(pa.array(names, pa.string())).to_pylist()) + "\n").encode()


def _csv_line(answers: pa.RecordBatch) -> pa.Array:
    """Rows (n_rows,) as lines of CSV."""
    cells = [pc.fill_null(texts_of(column, _in_csv), "") for column in answers.columns]
    parts = [part for cell in cells for part in (",", cell)][1:]
    return _joined(*parts, "\n")


def _json_line(answers: pa.RecordBatch) -> pa.Array:
    """Rows (n_rows,) as JSON objects, one a line."""
    cells = [pc.fill_null(texts_of(column, _in_json), "null") for column in answers.columns]
    names = [json.dumps(name, ensure_ascii=False) for name in answers.schema.names]
    parts = [part for name, cell in zip(names, cells, strict=True) for part in (f", {name}: ", cell)]
    return _joined("{" + parts[0][2:], *parts[1:], "}\n")


def _json_item(answers: pa.RecordBatch) -> pa.Array:
    """The same, each behind a comma."""
    return _joined(",", _json_line(answers))


class _Lines:
    """Rows as lines of text.

    Args:
        file: that takes bytes.
        line: what makes lines (n_rows,) of rows.
        header: what makes the first line of the columns' names.
        dropped: bytes at the beginning of all rows that are not written.
    """

    def __init__(
        self,
        file: BinaryIO | gzip.GzipFile,
        line: Callable[[pa.RecordBatch], pa.Array],
        header: Callable[[list[str]], bytes] | None = None,
        dropped: int = 0,
    ) -> None:
        self._file, self._line, self._header, self._dropped = file, line, header, dropped

    def write(self, answers: pa.RecordBatch) -> None:
        """Take some rows."""
        if self._header is not None:
            self._file.write(self._header(answers.schema.names))
            self._header = None
        lines = self._line(answers)
        _, offsets, text = lines.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)
        begin, self._dropped = ends[0] + self._dropped, 0
        self._file.write(memoryview(text)[begin : ends[len(lines)]])  # lines stand there one behind the other

    def close(self) -> None:
        """End what is packed; the file itself stays open."""
        if isinstance(self._file, gzip.GzipFile):
            self._file.close()


class _Parquet:
    """Rows in a Parquet file, in row groups of a size that readers like.

    Args:
        file: that takes bytes; it stays open.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: pa.parquet.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []

    def write(self, answers: pa.RecordBatch) -> None:
        """Take some rows."""
        self._held.append(answers)
        if sum(held.num_rows for held in self._held) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self._held:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        """Write what is held as one row group."""
        table = pa.Table.from_batches(self._held)
        self._held = []
        if self._writer is None:
            self._writer = pa.parquet.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table, row_group_size=table.num_rows)
