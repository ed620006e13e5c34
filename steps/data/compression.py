"""Bytes out of gz, zip and zst, never more of them than allowed.

A few kilobytes can hold gigabytes of zeros, so nothing is unpacked in one call.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import zstandard

from pyfunc.errors import FileRefusedError, Problem, quoted

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
STREAMS = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}  # packings that unpack from the front, and how they begin
GZIP_WINDOW = 31  # zlib: the largest window, with a gzip header
STEP = 1024 * 1024  # bytes taken out at once
ZST_STEP = 1024  # bytes put in at once: zstandard cannot bound what comes out, and 4 bytes can become 128 KiB
ENCRYPTED = 0x1  # bit in a zip member's flags
NAME_SHOWN = 60  # characters
BYTES_PER_MIB = 1024 * 1024


def decompress(content: bytes, name: str, where: str, max_mib: float) -> tuple[bytes, str, str | None]:
    """Unpack gz, zip (of exactly one file) and zst, once; other bytes are returned as they are.

    Args:
        content: the file.
        name: its name, or the name in a request.
        where: what the file is, for messages.
        max_mib: most MiB that may come out.

    Returns:
        The bytes, the name without the packing's suffix, and `gz`, `zip`, `zst` or None.

    Raises:
        FileRefusedError: too large, cut off, damaged, or a zip that does not hold exactly one file.
    """
    for packing, beginning in STREAMS.items():
        if content.startswith(beginning):
            chunks = unpacked(_pieces(content), packing, where)
            return _collect(chunks, where, max_mib), without_suffix(name, packing), packing
    if content.startswith(ZIP) and not is_excel(content):
        member, chunks = _zip(content, where)
        return _collect(chunks, where, max_mib), member, "zip"
    return content, name, None


def is_excel(content: bytes) -> bool:
    """Whether a zip is a workbook of Excel 2007 or later."""
    return b"[Content_Types].xml" in content and b"xl/" in content


def too_large(where: str, max_mib: float) -> FileRefusedError:
    """The refusal for more bytes than allowed, packed or unpacked."""
    what = f"The file is larger than {max_mib:g} MiB."
    fix = "Send fewer rows or columns, or raise CRISOL_MAX_MIB."
    return FileRefusedError(Problem("file_too_large", what, where, fix))


def shown(name: str) -> str:
    """A name as messages show it: one line, not too long."""
    line = " ".join(name.split())
    return line if len(line) <= NAME_SHOWN else f"{line[: NAME_SHOWN - 1]}…"


def _collect(chunks: Iterator[bytes], where: str, max_mib: float) -> bytes:
    """All chunks as one, while they stay within the limit."""
    collected = bytearray()
    for chunk in chunks:
        collected += chunk
        if len(collected) > max_mib * BYTES_PER_MIB:
            raise too_large(where, max_mib)
    return bytes(collected)


def unpacked(pieces: Iterable[bytes], packing: str, where: str) -> Iterator[bytes]:
    """What `gz` or `zst` bytes that come in pieces hold, a little at a time.

    Raises:
        FileRefusedError: damaged or cut off.
    """
    return _gz(pieces, where) if packing == "gz" else _zst(pieces, where)


def _gz(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """The members of a gz file, one after the other; gzip pads with zeros."""
    member: Any = None
    is_padding = False
    for piece in pieces:
        rest = piece
        while rest:
            if member is None:
                is_padding = is_padding or rest[0] == 0
                if is_padding and rest.strip(b"\0"):
                    raise _damaged("gz", where)
                if is_padding:
                    break
                member = zlib.decompressobj(wbits=GZIP_WINDOW)
            try:
                while chunk := member.decompress(rest, STEP):
                    yield chunk
                    rest = member.unconsumed_tail
            except zlib.error as error:
                raise _damaged("gz", where) from error
            rest = member.unused_data
            member = None if member.eof else member
    if member is not None:
        raise _damaged("gz", where)


def _zst(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """The frames of a zst file, one after the other."""
    frame: Any = None
    for piece in pieces:
        for start in range(0, len(piece), ZST_STEP):
            rest = piece[start : start + ZST_STEP]
            while rest:
                frame = zstandard.ZstdDecompressor().decompressobj() if frame is None else frame
                try:
                    yield frame.decompress(rest)
                except zstandard.ZstdError as error:
                    raise _damaged("zst", where) from error
                rest = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    if frame is not None:
        raise _damaged("zst", where)


def _zip(content: bytes, where: str) -> tuple[str, Iterator[bytes]]:
    """Name and bytes of the only file in a zip."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, LookupError) as error:
        raise _damaged("zip", where) from error
    if len(members) != 1:
        names = quoted(shown(member.filename) for member in members)
        what = f"The zip holds {len(members)} files{': ' + names if names else ''}."
        raise FileRefusedError(Problem("zip_members", what, where, "Put exactly one table into the zip."))
    if members[0].flag_bits & ENCRYPTED:
        what = "The zip is encrypted."
        raise FileRefusedError(Problem("zip_encrypted", what, where, "Send it without a password."))
    return PurePosixPath(members[0].filename).name, _zip_chunks(archive, members[0], where)


def _zip_chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
    """The bytes of one file in a zip."""
    try:
        with archive.open(member) as file:
            read: Callable[[], bytes] = lambda: file.read(STEP)  # noqa: E731 (iter() wants a callable)
            yield from iter(read, b"")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _damaged("zip", where) from error


def _damaged(packing: str, where: str) -> FileRefusedError:
    """The refusal for packed bytes that cannot be unpacked to the end."""
    what = f"The {packing} file is damaged or cut off."
    return FileRefusedError(Problem("file_damaged", what, where, "Pack or send the file again."))


def without_suffix(name: str, packing: str) -> str:
    """A name without the packing's suffix."""
    return name[: -len(packing) - 1] if name.lower().endswith(f".{packing}") else name


def _pieces(content: bytes) -> Iterator[bytes]:
    """Bytes in pieces, so that what is left of them is not copied again and again."""
    return (content[start : start + STEP] for start in range(0, len(content), STEP))
