"""The rows of a file, some at a time: in batches where the file is plain, else cut from the whole table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pandas as pd
import pyarrow as pa

from pyfunc.errors import FileRefusedError, Problem
from pyfunc.model import Scorer
from pyfunc.scalars import text_of
from pyfunc.schema import Notice
from steps.data import readers, stream
from steps.data.compression import BYTES_PER_MIB
from steps.data.formats import FileFormat

PART_ROWS = 16 * 1024  # cut from a whole table

Part: TypeAlias = pa.RecordBatch | pd.DataFrame


class Rows(Protocol):
    """A file's rows. Iterate once; what the reader noticed is complete behind the last part."""

    @property
    def header(self) -> list[str]:
        """Distinct names."""

    @property
    def notices(self) -> list[Notice]:
        """What the reader noticed."""

    @property
    def format(self) -> FileFormat:
        """What the file turned out to be."""

    @property
    def share(self) -> float | None:
        """How much has been handed out, 0 to 1; None where nobody knows."""

    def __iter__(self) -> Iterator[Part]: ...


@dataclass(frozen=True)
class Limits:
    """The largest table that is held in memory as a whole; a file that is read in batches may be of any size."""

    max_mib: float = readers.MAX_MIB
    max_columns: int = readers.MAX_COLUMNS


@dataclass(frozen=True)
class Source:
    """A table to be scored.

    Attributes:
        held: a file of this machine, or its bytes.
        name: its name, whose ending says its format.
        where: what it is, for messages.
    """

    held: Path | bytes
    name: str
    where: str


@contextmanager
def in_batches(source: Source, scorer: Scorer, limits: Limits) -> Iterator[Rows]:
    """Rows for a model from a table that can be read in batches.

    Raises:
        FileRefusedError: what keeps it from being a table.
        NotPlainError: it has to be read as a whole.
    """
    with stream.open_file(
        source.held,
        source.name,
        source.where,
        max_columns=limits.max_columns,
        decimal_comma=scorer.schema.decimal_comma_names,
        like=FileFormat.of_model(scorer.read_as),
    ) as rows:
        yield rows


@contextmanager
def from_whole(source: Source, scorer: Scorer, limits: Limits) -> Iterator[Rows]:
    """Rows for a model from a table of any format, which is held in memory.

    Raises:
        FileRefusedError: what keeps it from being a table, or it is too large.
    """
    held = source.held
    if isinstance(held, Path) and held.stat().st_size > limits.max_mib * BYTES_PER_MIB:
        what = f"The file is larger than {limits.max_mib:g} MiB, and has to be read as a whole."
        fix = "Send it as CSV in UTF-8 or as Parquet, which are read in parts, or raise CRISOL_MAX_MIB."
        raise FileRefusedError(Problem("file_too_large", what, source.where, fix))
    table = readers.read(
        held if isinstance(held, bytes) else held.read_bytes(),
        source.name,
        source.where,
        max_mib=limits.max_mib,
        max_columns=limits.max_columns,
        decimal_comma=scorer.schema.decimal_comma_names,
        like=FileFormat.of_model(scorer.read_as),
    )
    yield Whole(table)


class Whole:
    """A whole table in parts."""

    def __init__(self, table: readers.Table) -> None:
        self.header, self.notices, self.format = [*table.frame.columns], table.notices, table.format
        self.share: float | None = 0.0
        self._frame = table.frame

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for start in range(0, len(self._frame), PART_ROWS):
            part = self._frame.iloc[start : start + PART_ROWS]
            self.share = (start + len(part)) / len(self._frame)
            yield part.reset_index(drop=True)


def frame_of(part: Part) -> pd.DataFrame:
    """A part (n_rows, n_columns) as the schema takes it, with a fresh index."""
    return part if isinstance(part, pd.DataFrame) else stream.frame_of(part)


def column_of(part: Part, name: str) -> pa.Array:
    """A column (n_rows,) as it is carried along: typed where the file has types for it, else as text."""
    if isinstance(part, pa.RecordBatch):
        return part.column(name)
    return pa.array([text_of_cell(cell) for cell in part[name]], pa.string())


def text_of_cell(cell: Any) -> str | None:
    """A cell of a whole table as text, None where it is missing; lists and objects as JSON."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False)
    return None if pd.isna(cell) else text_of(cell)
