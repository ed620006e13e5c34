"""Bytes to a table: the one reader for training files, request bodies and files to score.

The content decides what a file is, its name only where the content does not. Nothing that can execute is read, and
what is wrong is said with names and row numbers, never with cells.

`READER_FORMAT` is part of a dataset's identity: raise it when the same bytes would be read differently.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import pandas as pd

from pyfunc.errors import FileRefusedError, Problem, quoted
from pyfunc.schema import Notice
from steps.data.columnar import read_arrow, read_excel, read_parquet
from steps.data.compression import BYTES_PER_MIB, decompress, is_excel, shown, too_large
from steps.data.delimited import read_delimited
from steps.data.encodings import utf8
from steps.data.formats import FileFormat, Kind
from steps.data.header import header_notices, refuse_header
from steps.data.json_table import looks_like_json, may_be_json, read_json, refuse_half_characters

__all__ = ["MAX_COLUMNS", "MAX_MIB", "READER_FORMAT", "FileFormat", "Table", "read"]

READER_FORMAT = 2
MAX_MIB = 512.0
MAX_COLUMNS = 10_000
KNOWN = "Send CSV, TSV, Parquet, Feather, Arrow, Excel (.xlsx) or JSON; gz, zip or zst around it is fine."
UNREAD = (  # beginnings of files that are something else, and what to do about it
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "Save it as .xlsx or CSV."),
    (b"\x89HDF", "an HDF5 file", KNOWN),
    (b"\x93NUMPY", "a NumPy file", KNOWN),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV or Parquet."),
    (b"%PDF", "a PDF", KNOWN),
    (b"FEA1", "a Feather file of version 1", "Write it with Feather version 2, or as Parquet."),
    (b"Obj\x01", "an Avro file", KNOWN),
    (b"ORC", "an ORC file", KNOWN),
    (b"BZh", "packed with bzip2", "Pack it with gz, zip or zst."),
    (b"\xfd7zXZ", "packed with xz", "Pack it with gz, zip or zst."),
    (b"7z\xbc\xaf", "packed with 7-Zip", "Pack it with gz, zip or zst."),
    (b"Rar!", "packed with RAR", "Pack it with gz, zip or zst."),
)
PICKLE = re.compile(rb"\x80[\x02-\x05]")
PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".p")
TAR_AT, TAR = 257, b"ustar"
BYTES_LOOKED_AT = 64 * 1024  # for the first character


@dataclass(frozen=True)
class Table:
    """A table as read: (n_rows, n_columns), at least one of each, with distinct names and a fresh index."""

    frame: pd.DataFrame
    format: FileFormat
    notices: list[Notice]


def read(
    content: bytes,
    name: str,
    where: str | None = None,
    *,
    max_mib: float = MAX_MIB,
    max_columns: int = MAX_COLUMNS,
    decimal_comma: Collection[str] | None = None,
    like: FileFormat | None = None,
) -> Table:
    """Read a table.

    Args:
        content: the file or the body of a request.
        name: its name; for a body one that says its type, such as `body.csv`.
        where: what it is, for messages; the name by default.
        max_mib: largest accepted size in MiB, packed and unpacked.
        max_columns: most columns.
        decimal_comma: names of the columns in which a comma may be the decimal point (CSV with semicolons or tabs).
            None asks the cells: a column all of whose cells are numbers. To read rows for a model, give its number
            columns, so that one row means what a file of them means.
        like: format of the file that the model has learned from, or that this one belongs to. It decides where the
            bytes leave a choice: of delimiters that are equally consistent, of decimal signs, of encodings without a
            mark.

    Returns:
        CSV cells are str, or missing where empty (None; pd.NA in columns that `delimited` leaves in Arrow's memory).
        JSON and Excel cells are Python objects; Parquet and Arrow keep dtypes.

    Raises:
        FileRefusedError: everything that keeps the bytes from being a table.
    """
    where = where or shown(name) or "file"
    if len(content) > max_mib * BYTES_PER_MIB:
        raise too_large(where, max_mib)
    content, name, packing = decompress(content, name, where, max_mib)
    if content.isspace() or not content:
        raise _refused("file_empty", "The file is empty.", where, "Send a header and at least one row.")
    refuse_unread(content, name, where)
    header: list[str | None]
    if content.startswith(b"PAR1"):
        names, frame, notices = read_parquet(content, where, max_mib)
        header, format_ = [*names], FileFormat("parquet", packing)
    elif content.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        names, frame, notices = read_arrow(content, where, max_mib)
        header, format_ = [*names], FileFormat("feather", packing)
    elif content.startswith(b"PK\x03\x04") and is_excel(content):
        header, frame, notices = read_excel(content, where, max_mib)
        format_ = FileFormat("excel", packing)
    else:
        header, frame, format_, notices = _text_table(content, name, where, packing, max_columns, decimal_comma, like)
    refuse_header(header, len(frame), where, max_columns)
    if format_.kind in ("csv", "excel"):
        notices += header_notices(header, frame)
    frame.columns = pd.Index(header, dtype=object)
    return Table(frame, format_, notices)


def _text_table(
    content: bytes,
    name: str,
    where: str,
    packing: str | None,
    max_columns: int,
    decimal_comma: Collection[str] | None,
    like: FileFormat | None,
) -> tuple[list[str | None], pd.DataFrame, FileFormat, list[Notice]]:
    """Header, columns, format and notices of a file of text."""
    found_text = utf8(content, like.encoding if like else None)
    if found_text is None:
        raise _refused("file_unreadable", "The file is neither text nor any format that is known.", where, KNOWN)
    text, start, encoding = found_text
    if may_be_json(text[start : start + BYTES_LOOKED_AT], name):
        decoded = text[start:].decode()
        if looks_like_json(decoded, name):
            table = read_json(decoded, where)
            refuse_half_characters(decoded, table.header, table.frame, where)
            kind: Kind = "jsonl" if table.is_lines else "json"
            return [*table.header], table.frame, FileFormat(kind, packing, None, encoding), []
    found = read_delimited(text, name, where, max_columns, decimal_comma, start=start, like=like)
    changed = [str(found.header[at]) for at in found.decimal_comma]
    notices = [commas_notice(changed)] if changed else []
    return found.header, found.frame, FileFormat("csv", packing, found.delimiter, encoding, found.decimal), notices


def commas_notice(changed: Sequence[str]) -> Notice:
    """Which columns had decimal commas."""
    what = f"Commas were read as decimal points in {quoted(map(shown, changed))}."
    return Notice("decimal_comma", what, tuple(changed), len(changed))


def refuse_unread(content: bytes, name: str, where: str) -> None:
    """Refuse what is recognised and not read; pickles first, because they run code."""
    if PICKLE.match(content) or PurePath(name).suffix.lower() in PICKLE_NAMES:
        what = "The file is a pickle, which runs code when it is read."
        raise _refused("file_executes", what, where, KNOWN)
    for beginning, kind, fix in UNREAD:
        if content.startswith(beginning) and not (beginning == b"ORC" and not content.endswith(b"ORC")):
            raise _refused("format_unknown", f"The file is {kind}.", where, fix)
    if content[TAR_AT : TAR_AT + len(TAR)] == TAR:
        raise _refused("format_unknown", "The file is a tar archive.", where, "Send the table itself.")
    if content.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")) or (
        content[:4] == b"PK\x03\x04" and not is_excel(content)
    ):
        raise _refused("format_unknown", "The file is packed twice.", where, "Pack it once.")


def _refused(code: str, what: str, where: str, fix: str) -> FileRefusedError:
    """One problem as a refusal."""
    return FileRefusedError(Problem(code, what, where, fix))
