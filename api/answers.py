"""Scores, written in the format that the client accepts."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import pandas as pd
import pyarrow as pa
from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic_core import PydanticSerializationError, to_json
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from api import measures
from api.bodies import CSV, IN_MEMORY, JSON, PARQUET
from api.champion import Loaded
from api.problems import NotAcceptableError, json_bytes
from pyfunc.errors import Problem
from pyfunc.schema import Notice
from steps import answer_files

OFFERED = (JSON, CSV, PARQUET)  # the first that fits, where the client has no preference
PACKED_FROM = 64 * 1024  # bytes of an answer, for clients that accept gzip; less is not worth its time
NAMES = {JSON: "answers.json", CSV: "answers.csv", PARQUET: "answers.parquet"}  # that a writer knows them by


def wanted(accept: str) -> str:
    """The format that a client likes best of those that are offered, by its Accept header; empty where it has none.

    Raises:
        NotAcceptableError: it accepts none of them.
    """
    found = _best(accept or "*/*")
    if found is None:
        what = "The Accept header names no format that is written."
        fix = f"Accept one of {', '.join(OFFERED)}."
        raise NotAcceptableError(Problem("not_acceptable", what, "header Accept", fix))
    return found


@lru_cache(maxsize=64)
def _best(accept: str) -> str | None:
    """The format that an Accept header likes best, None where it accepts none."""
    liked = {kind: _liking(kind, accept) for kind in OFFERED}
    best = max(OFFERED, key=lambda kind: liked[kind])  # the first of equals
    return best if liked[best] > 0 else None


def _liking(kind: str, accept: str) -> float:
    """The quality that the most exact range of an Accept header gives to a media type; 0 where none does."""
    best = (-1, 0.0)
    for part in accept.split(","):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        exactness = {kind: 2, f"{kind.partition('/')[0]}/*": 1, "*/*": 0}.get(name)
        if name == "application/x-parquet" and kind == PARQUET:
            exactness = 2
        if exactness is None:
            continue
        quality = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            best = max(best, (exactness, float(quality)))
        except ValueError:
            continue
    return best[1]


def counts(notices: Sequence[Notice]) -> str:
    """Cells (columns, where it is about whole ones) by code: `out_of_range=2, unseen_category=1` (RFC 9651).

    Formats other than JSON have no place for warnings in their body.
    """
    if not notices:
        return ""
    found = Counter[str]()
    for notice in notices:
        found[notice.code] += notice.count
    return ", ".join(f"{code}={count}" for code, count in sorted(found.items()))


def write(answers: pd.DataFrame, notices: Sequence[Notice], loaded: Loaded, kind: str, request_id: str) -> Response:
    """The answer's bytes and headers; takes time for many rows, so not for the event loop."""
    if kind == JSON:
        names = [str(name) for name in answers.columns]
        rows = zip(*(answers[name].tolist() for name in answers.columns), strict=True)
        return write_records([dict(zip(names, row, strict=True)) for row in rows], notices, loaded, request_id)
    with Written(kind, loaded, request_id) as made:
        columns = {name: pa.array(answers[name], from_pandas=True) for name in answers.columns}
        made.take(pa.RecordBatch.from_pydict(columns))
        return made.response(notices)


def write_records(
    predictions: Sequence[Mapping[str, Any]], notices: Sequence[Notice], loaded: Loaded, request_id: str
) -> Response:
    """The answer in JSON, for rows by column."""
    measures.answered(loaded.version, len(predictions), notices)
    content = {
        "request_id": request_id,
        "model": loaded.facts,
        "predictions": predictions,
        "warnings": [notice.to_dict() for notice in notices],
    }
    return Response(_json_of(content), 200, {**loaded.headers, "X-Crisol-Warnings": counts(notices)}, JSON)


def _json_of(content: Any) -> bytes:
    """JSON, many times as fast as `json_bytes`, which writes what UTF-8 cannot: halves of characters that came in."""
    try:
        return to_json(content)
    except PydanticSerializationError:
        return json_bytes(content)


class Packed(GZipMiddleware):
    """ASGI middleware: large answers in gzip, for clients that accept it."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=PACKED_FROM, compresslevel=1)


class Written:
    """An answer that is written some rows at a time, and sent when it is complete.

    It waits in memory, or where it is large in a file without a name, which is gone with the last of it. A context
    manager: the file is gone as well where an error ends the block.

    Args:
        kind: one of `OFFERED`.
        loaded: the model.
        request_id: of the request.
    """

    def __init__(self, kind: str, loaded: Loaded, request_id: str) -> None:
        self.out = Path(NAMES[kind])
        self._kind, self._loaded, self._request_id = kind, loaded, request_id
        # A file in everything that is asked of it, which Python's types do not say; closed when it is sent
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._file.close()

    def begin(self) -> None:
        """Forget what was taken."""
        answer_files.start_over(self._writer, self._file)
        self._begin()

    def take(self, answers: pa.RecordBatch) -> None:
        """Some rows more."""
        self._writer.write(answers)
        self._rows += answers.num_rows

    def response(self, notices: Sequence[Notice]) -> Response:
        """All of it."""
        self._writer.close()
        measures.answered(self._loaded.version, self._rows, notices)
        if self._kind == JSON:
            self._file.write(b'],"warnings":' + json_bytes([notice.to_dict() for notice in notices]) + b"}")
        size = self._file.tell()
        self._file.seek(0)
        headers = {**self._loaded.headers, "X-Crisol-Warnings": counts(notices), "Content-Length": str(size)}
        kind = f"{CSV}; charset=utf-8" if self._kind == CSV else self._kind
        if size <= IN_MEMORY:
            with self._file:
                return Response(self._file.read(), 200, headers, kind)
        return StreamingResponse(self._pieces(), 200, headers, kind)

    def _begin(self) -> None:
        """What stands in front of the rows."""
        if self._kind == JSON:
            said = json_bytes({"request_id": self._request_id, "model": self._loaded.facts})
            self._file.write(said[:-1] + b',"predictions":[')
        self._rows = 0
        self._writer = answer_files.writer(self.out, self._file)

    def _pieces(self) -> Iterator[bytes]:
        """The file, read in threads."""
        with self._file:
            while piece := self._file.read(IN_MEMORY):
                yield piece
