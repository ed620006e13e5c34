"""Tables in JSON: records, lines, one record, and the forms that pandas and MLflow call `split` and `records`.

Values keep the type they have: `30`, `"30"`, `30.5`, `true` and `null` stay apart, whole numbers stay whole beside
nulls. Columns have dtype object.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pyfunc.errors import FileRefusedError, Problem, quoted, rows_named
from steps.data.compression import shown

SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
FORMS = (
    'Send a list of records such as [{"age": 30}], one record, one record a line, '
    '{"columns": [...], "data": [[...]]}, {"dataframe_split": {...}} or {"dataframe_records": [...]}.'
)
SPLIT, RECORDS = "dataframe_split", "dataframe_records"


@dataclass(frozen=True)
class JsonTable:
    """Names as they stand in the document, and the columns under their positions."""

    header: list[str]
    frame: pd.DataFrame
    is_lines: bool


def may_be_json(beginning: bytes, name: str) -> bool:
    """Whether it is worth asking `looks_like_json`, by the beginning of a text in UTF-8; blank ones may go on."""
    return name.lower().endswith((".json", ".jsonl", ".ndjson")) or beginning.lstrip()[:1] in (b"{", b"[", b"")


def looks_like_json(text: str, name: str) -> bool:
    """Whether a text is meant as JSON: by its first character; a name that says CSV wins over broken JSON."""
    if name.lower().endswith((".json", ".jsonl", ".ndjson")):
        return True
    if text.lstrip()[:1] not in ("{", "["):
        return False
    if not name.lower().endswith((".csv", ".tsv", ".tab", ".txt")):
        return True
    try:
        json.loads(text.strip().splitlines()[0] if text.lstrip()[:1] == "{" else text)
    except (ValueError, RecursionError):
        return False
    return True


def read_json(text: str, where: str) -> JsonTable:
    """Read a table from a JSON text.

    Args:
        text: the document, or one record a line.
        where: what the file is, for messages.

    Raises:
        FileRefusedError: no JSON, or JSON that is no table; with the line and the forms that are.
    """
    repeated: set[str] = set()

    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.update(name for name in made if names.count(name) > 1)
        return made

    documents, is_lines = _documents(text, where, record)
    if repeated:
        what = f"{quoted(map(shown, sorted(repeated)))} stands more than once in a record."
        raise FileRefusedError(Problem("duplicate_column", what, where, "Give every column a name of its own."))
    header, frame = _records(documents, where) if is_lines else _table(documents[0], where)
    return JsonTable(header, frame, is_lines)


def _documents(text: str, where: str, record: Any) -> tuple[list[Any], bool]:
    """The one document of a text, or one a line."""
    decoder = json.JSONDecoder(object_pairs_hook=record)
    try:
        return [decoder.decode(text)], False
    except RecursionError as error:
        raise _unreadable("It is nested too deeply.", where) from error
    except json.JSONDecodeError as error:
        lines = text.strip().splitlines()
        if not lines[1:] or not lines[0].rstrip().endswith("}"):
            raise _unreadable(f"It breaks off in line {error.lineno}, column {error.colno}.", where) from error
    except ValueError as error:  # a number of more than 4,300 digits
        raise _unreadable("A number has too many digits.", where) from error
    documents = []
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                documents.append(decoder.decode(line))
        except (ValueError, RecursionError) as error:
            raise _unreadable(f"Line {number} is no record.", where) from error
    return documents, True


def _table(document: Any, where: str) -> tuple[list[str], pd.DataFrame]:
    """The table in one document, whatever its form."""
    if isinstance(document, list):
        return _records(document, where)
    if not isinstance(document, dict):
        raise _no_table(where)
    if len(document) == 1 and isinstance(document.get(RECORDS), list):
        return _records(document[RECORDS], where)
    if len(document) == 1 and isinstance(document.get(SPLIT), dict):
        document = document[SPLIT]
        if not _is_split(document):
            raise _no_table(where)
    if _is_split(document):
        return _split(document["columns"], document["data"], where)
    if all(isinstance(value, list | dict) for value in document.values()):
        raise _no_table(where)
    return _records([document], where)


def _is_split(document: dict[str, Any]) -> bool:
    """Whether an object is `{"columns": [...], "data": [...]}`; pandas adds an index, which says nothing."""
    lists = isinstance(document.get("columns"), list) and isinstance(document.get("data"), list)
    return lists and set(document) <= {"columns", "data", "index"}


def _records(records: list[Any], where: str) -> tuple[list[str], pd.DataFrame]:
    """Columns from records, in the order in which names first appear; an absent key is a missing value."""
    wrong = [at + 1 for at, record in enumerate(records) if not isinstance(record, dict)]
    if wrong:
        what = f"There is no record with column names in {rows_named(wrong)}."
        raise FileRefusedError(Problem("json_no_table", what, where, FORMS))
    header = list(dict.fromkeys(name for record in records for name in record))
    columns = {at: pd.Series([record.get(name) for record in records], dtype=object) for at, name in enumerate(header)}
    return header, pd.DataFrame(columns, index=pd.RangeIndex(len(records)))


def _split(names: list[Any], data: list[Any], where: str) -> tuple[list[str], pd.DataFrame]:
    """Columns from a list of names and a list of rows."""
    if any(isinstance(name, list | dict) for name in names):
        raise _no_table(where)
    header = [name if isinstance(name, str) else json.dumps(name) for name in names]
    ragged = [at + 1 for at, row in enumerate(data) if not isinstance(row, list) or len(row) != len(header)]
    if ragged:
        what = f"'columns' has {len(header)} names, {rows_named(ragged)} of 'data' more or fewer cells."
        fix = "Give every row as many cells as there are columns."
        raise FileRefusedError(Problem("ragged_rows", what, where, fix))
    columns = {at: pd.Series([row[at] for row in data], dtype=object) for at in range(len(header))}
    return header, pd.DataFrame(columns, index=pd.RangeIndex(len(data)))


def refuse_half_characters(text: str, header: list[str], frame: pd.DataFrame, where: str) -> None:
    """Refuse cells and names with one half of a UTF-16 pair: no file can be written with them.

    Args:
        text: the document; nothing is looked at where it has no such escape.
        header: names.
        frame: columns under their positions.
        where: what the file is, for messages.
    """
    if not SURROGATE_ESCAPE.search(text):
        return
    broken = [at + 1 for at, name in enumerate(header) if SURROGATE.search(name)]
    if broken:
        what = f"The name of column {broken[0]} holds half a character."
        raise FileRefusedError(Problem("text_invalid", what, where, "Send whole characters."))
    problems = []
    for at, name in enumerate(header):
        rows = [row + 1 for row, cell in enumerate(frame[at]) if isinstance(cell, str) and SURROGATE.search(cell)]
        if rows:
            what = f"'{shown(name)}' holds half a character in {rows_named(rows)}."
            problems.append(Problem("text_invalid", what, where, "Send whole characters."))
    if problems:
        raise FileRefusedError(*problems)


def _unreadable(what: str, where: str) -> FileRefusedError:
    """The refusal for a text that is no JSON; the parser's own words would quote it."""
    return FileRefusedError(Problem("json_unreadable", f"The JSON cannot be read. {what}", where, FORMS))


def _no_table(where: str) -> FileRefusedError:
    """The refusal for JSON that is no table."""
    return FileRefusedError(Problem("json_no_table", "The JSON is no table.", where, FORMS))
