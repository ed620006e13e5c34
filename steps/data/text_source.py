"""Bytes of a text as they come in: looked at once, handed on in blocks, and known for what they are at the end.

What `readers.read` asks of a whole file is asked here of every block: valid UTF-8, no zeros; and the quotation marks
are counted, because a file with an odd number of them may have left one open.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from steps.data.encodings import is_utf8
from steps.data.row_stream import NotPlainError

PIECE_BYTES = 1024 * 1024  # taken from a file at once


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file from where it stands to its end."""
    while piece := file.read(PIECE_BYTES):
        yield piece


class TextSource(io.RawIOBase):
    """A file of bytes for pyarrow, made of pieces.

    Attributes:
        fault: what has ended the reading before the end; pyarrow reads in a thread of its own.
        odd_quotes: whether the number of quotation marks so far is odd.
        is_at_end: whether all has been read.
    """

    def __init__(self, taken: Iterable[bytes]) -> None:
        self.fault: Exception | None = None
        self.odd_quotes = False
        self.is_at_end = False
        self._pieces = iter(taken)
        self._kept = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._last = b""

    def beginning(self, size: int) -> bytes:
        """The first bytes, fewer at the end of the file; they are still to be read."""
        self._fill(size)
        return bytes(self._kept[:size])

    def skip(self, size: int) -> None:
        """Pass over bytes that were looked at: a mark, empty lines."""
        del self._kept[:size]

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end and where a line break would be cut in two.

        Of a carriage return at the end of a block and a line feed at the beginning of the next pyarrow drops the
        second, even inside quotes.
        """
        try:
            self._fill(size + 1)
        except Exception as error:
            self.fault = error
            raise
        cut = size - 1 if size > 1 and self._kept[size - 1 : size + 1] == b"\r\n" else size
        block = bytes(self._kept[:cut])
        del self._kept[:cut]
        return block

    def drain(self) -> None:
        """Read to the end, for what is said of the whole."""
        while self.read(PIECE_BYTES):
            pass

    def _fill(self, size: int) -> None:
        """Take pieces until enough bytes are there."""
        while len(self._kept) < size and not self.is_at_end:
            piece = next(self._pieces, None)
            if piece is not None:
                self._look_at(piece)
                self._kept += piece
                continue
            self.is_at_end = True
            if self._decoder.getstate()[0]:
                raise NotPlainError("cut inside a character")
            if self.odd_quotes and self._last != b"\n":
                self._kept += b"\n"  # so that the cell behind an open quote holds a line break

    def _look_at(self, piece: bytes) -> None:
        """What is asked of every piece."""
        if b"\0" in piece:
            raise NotPlainError("a zero")
        if self._decoder.getstate()[0] or not is_utf8(piece):  # it may begin or end inside a character
            try:
                self._decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise NotPlainError("no UTF-8") from error
        self.odd_quotes ^= piece.count(b'"') % 2 == 1
        self._last = piece[-1:]
