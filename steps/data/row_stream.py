"""What every table that is read in record batches offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import pyarrow as pa

from pyfunc.schema import Notice
from steps.data.formats import FileFormat


class NotPlainError(Exception):
    """These bytes have to be read as a whole; `readers.read` says what they are."""


class RowStream(ABC):
    """A table that is being read. Iterate once; what was noticed and the format are complete behind the last batch.

    Attributes:
        header: distinct names, known from the start.
        format: what the file turned out to be.
        notices: what the reader noticed.
    """

    header: list[str]
    format: FileFormat
    notices: list[Notice]

    @abstractmethod
    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches (n_rows, n_columns), named by `header`, at least one, none of them empty.

        Raises:
            FileRefusedError: what `readers.read` refuses.
            NotPlainError: the file has to be read as a whole.
        """

    @property
    @abstractmethod
    def share(self) -> float | None:
        """How much of the file has been read, 0 to 1; None where its size is not known."""

    @abstractmethod
    def close(self) -> None:
        """Stop reading, wherever that was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
