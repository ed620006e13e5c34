"""The body of a request for predictions, read into a frame.

JSON, CSV and Parquet go through the readers that training files go through. Of files only, not of bodies, it is asked
that every column has a name and every text can be written: columns that the model does not read may be anything.
"""

from __future__ import annotations

import json
from typing import Any

import anyio
import pandas as pd
from fastapi import Request

from api.problems import MediaTypeError, TooLargeError, TooSlowError
from pyfunc.errors import FileRefusedError, Problem
from pyfunc.model import Scorer
from pyfunc.schema import Notice
from steps.data import readers
from steps.data.formats import FileFormat
from steps.data.json_table import read_json
from steps.settings import Settings

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
KINDS = {JSON: JSON, CSV: CSV, PARQUET: PARQUET, "application/x-parquet": PARQUET}
ENDINGS = {CSV: "csv", PARQUET: "parquet"}  # names that the reader knows the formats by
WHERE = "request body"
IDLE_S = 30.0  # without a byte of the body


def kind_of(request: Request) -> str:
    """Which of the three formats the body is in.

    Raises:
        MediaTypeError: another one, or none is named.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in KINDS:
        what = "The Content-Type is not one that is read." if given else "The request names no Content-Type."
        fix = f"Send {JSON}, {CSV} or {PARQUET}."
        raise MediaTypeError(Problem("media_type", what, "header Content-Type", fix))
    return KINDS[given]


async def read(request: Request) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: it is larger than is taken (raised where the bytes come in).
        TooSlowError: it stopped arriving.
    """
    parts = []
    stream = request.stream()
    while True:
        try:
            with anyio.fail_after(IDLE_S):
                parts.append(await anext(stream))
        except StopAsyncIteration:
            return b"".join(parts)
        except TimeoutError as error:
            what = f"No byte of the body came for {IDLE_S:.0f} s."
            raise TooSlowError(Problem("body_too_slow", what, WHERE, "Send it again, without a pause.")) from error


def frame_of(body: bytes, kind: str, scorer: Scorer, settings: Settings) -> tuple[pd.DataFrame, list[Notice]]:
    """The rows of a body, in their order.

    Args:
        body: as sent.
        kind: JSON, CSV or PARQUET.
        scorer: the model; CSV is read as its training file was, where the body leaves a choice.
        settings: the limits.

    Returns:
        A frame (n_rows, any), and what the reader noticed.

    Raises:
        FileRefusedError: it cannot be read.
        TooLargeError: more rows or columns than are taken at once.
    """
    if not body.strip():
        raise FileRefusedError(Problem("body_empty", "The body is empty.", WHERE, "Send at least one row."))
    if kind == JSON:
        return _from_json(body, settings), []
    table = readers.read(
        body,
        f"body.{ENDINGS[kind]}",
        WHERE,
        max_mib=settings.max_mib,
        max_columns=settings.max_columns,
        decimal_comma=scorer.schema.decimal_comma_names,
        like=FileFormat.of_model(scorer.read_as),
    )
    if table.format.kind != ENDINGS[kind]:
        what = f"The body is {table.format.kind}, not what the Content-Type says."
        fix = f"Send one of {', '.join(KINDS)} and name it in the Content-Type."
        raise FileRefusedError(Problem("media_type_mismatch", what, WHERE, fix))
    _check_size(len(table.frame), len(table.frame.columns), settings)
    return table.frame, list(table.notices)


def plain_records(body: bytes) -> list[dict[str, Any]] | None:
    """A record, or a list of records, in plain JSON; None for everything else, for which `frame_of` has words."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    records = [found] if isinstance(found, dict) else found
    return records if isinstance(records, list) and records and all(type(one) is dict for one in records) else None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _refuse(_: str) -> None:
    """NaN and Infinity are not JSON."""
    raise ValueError


def _check_size(rows: int, columns: int, settings: Settings) -> None:
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
    _check_size(len(table.frame), len(table.header), settings)
    return table.frame.set_axis(pd.Index(table.header, dtype=object), axis=1)
