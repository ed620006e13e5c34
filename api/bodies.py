"""The body of a request for predictions: its bytes, and JSON read into records or a frame.

JSON goes through the reader that training files go through. Of files only, not of bodies, it is asked that every text
can be written: columns that the model does not read may be anything.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
from fastapi import Request
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from api.problems import MediaTypeError, TooLargeError, TooSlowError
from pyfunc.errors import FileRefusedError, Problem
from steps import tracking
from steps.data.json_table import read_json
from steps.settings import BYTES_PER_MIB, Settings

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
KINDS = {JSON: JSON, CSV: CSV, PARQUET: PARQUET, "application/x-parquet": PARQUET}
WHERE = "request body"
IDLE_S = 30.0  # without a byte of the body
IN_MEMORY = 1024 * 1024  # bytes; larger bodies wait in a file
GZIP, GZIP_WINDOW = "gzip", 31  # zlib's number for gzip with the largest window
UNPACKED_AT_ONCE = 1024 * 1024
WHITE = b" \t\r\n"  # what may stand between the parts of JSON


def kind_of(content_type: str) -> str:
    """Which of the three formats a body is in, by its Content-Type header; empty where it has none.

    Raises:
        MediaTypeError: another one, or none is named.
    """
    given = content_type.partition(";")[0].strip().lower()
    if given not in KINDS:
        what = "The Content-Type is not one that is read." if given else "The request names no Content-Type."
        fix = f"Send {JSON}, {CSV} or {PARQUET}."
        raise MediaTypeError(Problem("media_type", what, "header Content-Type", fix))
    return KINDS[given]


async def read(request: Request, settings: Settings) -> bytes:
    """The whole body, unpacked.

    Raises:
        as `pieces`.
    """
    packing = request.headers.get("content-encoding")
    if packing is not None:
        return b"".join([piece async for piece in pieces(request, settings)])
    kept: list[bytes] = []
    try:
        async with asyncio.timeout(IDLE_S) as limit:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                kept.append(message.get("body", b""))
                if not message.get("more_body", False):
                    break
                limit.reschedule(asyncio.get_running_loop().time() + IDLE_S)
    except TimeoutError as error:
        raise _too_slow() from error
    return kept[0] if len(kept) == 1 else b"".join(kept)


@asynccontextmanager
async def held(request: Request, settings: Settings) -> AsyncIterator[bytes | Path]:
    """The body, unpacked: in memory, or where it is large in a private file, which is gone behind the block.

    Raises:
        as `pieces`.
    """
    kept: list[bytes] = []
    size = 0
    with ExitStack() as stack:
        file: BinaryIO | None = None
        async for piece in pieces(request, settings):
            size += len(piece)
            if file is None and size > IN_MEMORY:
                path = stack.enter_context(tracking.scratch()) / "body"
                file = stack.enter_context(path.open("wb", buffering=0))
                for before in kept:
                    file.write(before)
            if file is None:
                kept.append(piece)
            else:
                file.write(piece)
        yield b"".join(kept) if file is None else path


async def pieces(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """The body as it comes in, unpacked where it is sent in gzip.

    Raises:
        TooLargeError: it is larger than is taken, packed (raised where the bytes come in) or unpacked.
        TooSlowError: it stopped arriving.
        MediaTypeError: it is packed in another way.
        FileRefusedError: what is said to be gzip is none, or is cut off.
    """
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in (GZIP, "identity"):
        fix = "Send it as it is, or in gzip."
        what = "The Content-Encoding is not one that is read."
        raise MediaTypeError(Problem("content_encoding", what, "header Content-Encoding", fix))
    arriving = _arriving(request)
    async for piece in _unpacked(arriving, settings.max_mib) if packing == GZIP else arriving:
        yield piece


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes in."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise _too_slow() from error
        if piece:
            yield piece


def _too_slow() -> TooSlowError:
    """The refusal for a body that stopped arriving."""
    what = f"No byte of the body came for {IDLE_S:.0f} s."
    return TooSlowError(Problem("body_too_slow", what, WHERE, "Send it again, without a pause."))


async def _unpacked(packed: AsyncIterator[bytes], max_mib: float) -> AsyncIterator[bytes]:
    """What gzip holds, a bounded piece at a time."""
    left = int(max_mib * BYTES_PER_MIB)
    unpacker = zlib.decompressobj(GZIP_WINDOW)
    async for piece in packed:
        waiting = piece
        while waiting:
            if unpacker.eof:  # one archive behind the other is one body
                unpacker = zlib.decompressobj(GZIP_WINDOW)
            try:
                made = unpacker.decompress(waiting, UNPACKED_AT_ONCE)
            except zlib.error as error:
                raise _damaged() from error
            waiting = unpacker.unconsumed_tail or unpacker.unused_data
            left -= len(made)
            if left < 0:
                what = f"The body is larger than {max_mib:g} MiB when unpacked."
                raise TooLargeError(Problem("body_too_large", what, WHERE, "Send it in parts."))
            if made:
                yield made
    if not unpacker.eof:
        raise _damaged()


def _damaged() -> FileRefusedError:
    """The refusal for bytes that gzip did not write."""
    what = "The body is not gzip, or is cut off."
    return FileRefusedError(Problem("body_damaged", what, WHERE, "Send it again, or without Content-Encoding."))


def frame_of(body: bytes, settings: Settings) -> pd.DataFrame:
    """The rows of a body in JSON, in their order.

    Args:
        body: as sent.
        settings: the limits.

    Returns:
        A frame (n_rows, any) of objects.

    Raises:
        FileRefusedError: it cannot be read.
        TooLargeError: more rows or columns than are taken at once.
    """
    refuse_empty(body)
    return _from_json(body, settings)


def refuse_empty(body: bytes) -> None:
    """Nothing at all is no table.

    Raises:
        FileRefusedError: it is empty.
    """
    if not body or body.isspace():
        raise FileRefusedError(Problem("body_empty", "The body is empty.", WHERE, "Send at least one row."))


def plain_records(body: bytes) -> list[dict[str, Any]] | None:
    """A record, or a list of records, in plain JSON; None for everything else, for which `frame_of` has words."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    records = [found] if isinstance(found, dict) else found
    if not isinstance(records, list) or not records or not all(type(one) is dict for one in records):
        return None
    return records if _is_without_repeats(body, sum(map(len, records))) else None


def _is_without_repeats(body: bytes, names: int) -> bool:
    """Whether the names of each object are all different, of JSON that was read as so many names.

    Each was followed by a colon: where there are as many of them, or of those behind a quote, none was there twice.
    """
    if body.count(b":") == names or body.translate(None, WHITE).count(b'":') == names:
        return True
    try:
        json.loads(body, object_pairs_hook=_refuse_repeats)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> None:
    """An object whose names are not all different is refused."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError


def check_size(rows: int, columns: int, settings: Settings) -> None:
    """More than is taken at once is refused."""
    problems = []
    if rows > settings.max_rows:
        what = f"There are {rows} rows; at most {settings.max_rows} are taken at once."
        problems.append(Problem("too_many_rows", what, WHERE, "Send them in parts."))
    if columns > settings.max_columns:
        what = f"There are {columns} columns; at most {settings.max_columns} are taken."
        problems.append(Problem("too_many_columns", what, WHERE, "Send the columns of the model's schema only."))
    if problems:
        raise TooLargeError(*problems)


def _from_json(body: bytes, settings: Settings) -> pd.DataFrame:
    """A frame of objects from any of the JSON forms."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fix = "Send the JSON in UTF-8."
        raise FileRefusedError(Problem("json_unreadable", "The body is not UTF-8.", WHERE, fix)) from error
    table = read_json(text, WHERE)
    if not len(table.frame):
        raise FileRefusedError(Problem("no_rows", "There are no rows.", WHERE, "Send at least one row."))
    check_size(len(table.frame), len(table.header), settings)
    return table.frame.set_axis(pd.Index(table.header, dtype=object), axis=1)
