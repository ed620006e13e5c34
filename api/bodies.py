"""The body of a request for predictions, read into a frame.

JSON cells stay what they are (an integer beside a null does not become a float); CSV and Parquet go through the reader
that training files go through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pandas as pd
from fastapi import Request

from api.problems import MediaTypeError, TooLargeError, TooSlowError
from pyfunc.cells import Kind
from pyfunc.errors import FileRefusedError, Problem, SchemaMismatchError, quoted, rows_named
from pyfunc.schema import InputSchema, Notice
from steps.data import readers
from steps.settings import Settings

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
KINDS = {JSON: JSON, CSV: CSV, PARQUET: PARQUET, "application/x-parquet": PARQUET}
ENDINGS = {CSV: "csv", PARQUET: "parquet"}  # names that the reader knows the formats by
WHERE = "request body"
IDLE_S = 30.0  # without a byte of the body
RECORDS, SPLIT = "dataframe_records", "dataframe_split"
FIX_JSON = 'Send a record {"column": value, ...}, a list of records, or MLflow\'s dataframe_records or dataframe_split.'


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


def frame_of(body: bytes, kind: str, schema: InputSchema, settings: Settings) -> tuple[pd.DataFrame, list[Notice]]:
    """The rows of a body, in their order.

    Args:
        body: as sent.
        kind: JSON, CSV or PARQUET.
        schema: the model's; its number columns may be written with a decimal comma in CSV.
        settings: the limits.

    Returns:
        A frame (n_rows, any), and what the reader noticed.

    Raises:
        FileRefusedError: it cannot be read.
        SchemaMismatchError: it can be read, but is no table.
        TooLargeError: more rows or columns than are taken at once.
    """
    if not body.strip():
        raise FileRefusedError(Problem("body_empty", "The body is empty.", WHERE, "Send at least one row."))
    if kind == JSON:
        return _from_json(body, settings), []
    commas = [column.name for column in schema.columns if column.kind is Kind.NUMBER]
    table = readers.read(
        body,
        f"body.{ENDINGS[kind]}",
        WHERE,
        max_mib=settings.max_mib,
        max_columns=settings.max_columns,
        decimal_comma=commas,
    )
    if table.format.kind != ENDINGS[kind]:
        what = f"The body is {table.format.kind}, not what the Content-Type says."
        fix = f"Send one of {', '.join(KINDS)} and name it in the Content-Type."
        raise FileRefusedError(Problem("media_type_mismatch", what, WHERE, fix))
    _check_size(len(table.frame), len(table.frame.columns), settings)
    return table.frame, list(table.notices)


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
        content = json.loads(body)
    except (ValueError, RecursionError) as error:  # ValueError: also bytes that are no text, and endless digits
        at = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise FileRefusedError(Problem("json_invalid", f"The body is not valid JSON{at}.", WHERE, FIX_JSON)) from error
    if isinstance(content, dict) and (RECORDS in content or SPLIT in content):
        _check_alone(content)
        if SPLIT in content:
            return _from_split(content[SPLIT], settings)
        content = content[RECORDS]
        if not isinstance(content, list):
            raise _no_table("not_records", f"'{RECORDS}' is not a list.")
    return _from_records([content] if isinstance(content, dict) else content, settings)


def _check_alone(content: Mapping[str, Any]) -> None:
    """MLflow's wrappers stand alone; what else stands beside them would be ignored without a word."""
    beside = [name for name in content if name not in (RECORDS, SPLIT)]
    if beside or len(content) > 1:
        what = f"Beside '{RECORDS}' or '{SPLIT}' stands something else ({quoted(list(content))})."
        fix = "Send one of the two alone; a threshold goes into the query: /predict?threshold=0.3."
        raise SchemaMismatchError(Problem("unknown_field", what, WHERE, fix))


def _from_records(records: Any, settings: Settings) -> pd.DataFrame:
    """A frame from a list of records; a key that is absent from some is a missing value there."""
    if not isinstance(records, list):
        raise _no_table("not_records", "The body is neither a record nor a list of records.")
    wrong = [at for at, record in enumerate(records, 1) if not isinstance(record, dict)]
    if wrong:
        raise _no_table("not_records", f"No record, but something else stands in {rows_named(wrong)}.")
    if not records:
        raise _no_table("no_rows", "There are no rows.", "Send at least one row.")
    names = list(dict.fromkeys(name for record in records for name in record))
    _check_size(len(records), len(names), settings)
    return pd.DataFrame(
        {name: pd.Series([record.get(name) for record in records], dtype=object) for name in names},
        index=range(len(records)),
    )


def _from_split(split: Any, settings: Settings) -> pd.DataFrame:
    """A frame from MLflow's split form."""
    if (
        not isinstance(split, dict)
        or not isinstance(split.get("columns"), list)
        or not isinstance(split.get("data"), list)
    ):
        raise _no_table("not_split", f"'{SPLIT}' has no lists 'columns' and 'data'.")
    names, rows = split["columns"], split["data"]
    unnamed = [at for at, name in enumerate(names, 1) if isinstance(name, dict | list)]
    if unnamed:
        raise _no_table("not_split", f"'columns' of '{SPLIT}' holds no name in {_places(unnamed)}.")
    ragged = [at for at, row in enumerate(rows, 1) if not isinstance(row, list) or len(row) != len(names)]
    if ragged:
        raise _no_table(
            "ragged_rows", f"Not a list with a cell for each of {len(names)} columns: {rows_named(ragged)}."
        )
    if not rows:
        raise _no_table("no_rows", "There are no rows.", "Send at least one row.")
    _check_size(len(rows), len(names), settings)
    cells = {at: pd.Series([row[at] for row in rows], dtype=object) for at in range(len(names))}
    frame = pd.DataFrame(cells, index=range(len(rows)))
    frame.columns = pd.Index([name if isinstance(name, str) else json.dumps(name) for name in names], dtype=object)
    return frame


def _places(at: Sequence[int]) -> str:
    """Positions for a sentence."""
    return "place " + ", ".join(str(place) for place in at[:5])


def _no_table(code: str, what: str, fix: str = FIX_JSON) -> SchemaMismatchError:
    """JSON that is no table."""
    return SchemaMismatchError(Problem(code, what, WHERE, fix))
