"""A case in each format: the bytes that a client sends."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet

from tests.conformance.cells import Cannot, Case, Cell, Typed

RECORD, RECORDS, DF_RECORDS, DF_SPLIT = "record", "records", "dataframe_records", "dataframe_split"
CSV, CSV_TYPED, PARQUET = "CSV", "CSV (pandas' types)", "Parquet"
JSONS = (RECORD, RECORDS, DF_RECORDS, DF_SPLIT)
FORMATS = (*JSONS, CSV, PARQUET)


def write(case: Case, format_: str) -> bytes | Cannot:
    """A request in a format, or why it cannot be made.

    All but `record` have a second row, which is plain: what a reader does to a whole column shows there. In Parquet it
    is left out where the odd cell's type cannot hold the plain cell.
    """
    if format_ in JSONS:
        return _json(case, format_)
    return _parquet(case) if format_ == PARQUET else _csv(case)


def _json(case: Case, format_: str) -> bytes | Cannot:
    """One of the four JSON forms; written by hand, because cells such as 1e400 are no Python values."""
    columns = case.rows()
    for _, first, _ in columns:
        if isinstance(first.json, Cannot):
            return first.json
    names = [json.dumps(name) for name, _, _ in columns]
    rows = [[first.json for _, first, _ in columns], [other.json for _, _, other in columns]]
    if format_ == DF_SPLIT:
        data = ", ".join(f"[{', '.join(row)}]" for row in rows)
        return f'{{"dataframe_split": {{"columns": [{", ".join(names)}], "data": [{data}]}}}}'.encode()
    records = [f"{{{', '.join(f'{name}: {cell}' for name, cell in zip(names, row, strict=True))}}}" for row in rows]
    if format_ == RECORD:
        return records[0].encode()
    listed = f"[{', '.join(records)}]"
    return (listed if format_ == RECORDS else f'{{"dataframe_records": {listed}}}').encode()


def _csv(case: Case) -> bytes | Cannot:
    """Comma, quotes where needed."""
    columns = case.rows()
    for _, first, _ in columns:
        if isinstance(first.csv, Cannot):
            return first.csv
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([[name for name, _, _ in columns], [a.csv for _, a, _ in columns], [b.csv for _, _, b in columns]])
    return out.getvalue().encode()


def _parquet(case: Case) -> bytes | Cannot:
    """Each column in the type of its first cell."""
    arrays: dict[str, tuple[list[object], pa.DataType]] = {}
    n_rows = 2
    for name, first, other in case.rows():
        if isinstance(first.arrow, Cannot):
            return first.arrow
        second = _in_type(other, first.arrow.type)
        n_rows = n_rows if second else 1
        arrays[name] = ([first.arrow.value, second.value if second else None], first.arrow.type)
    table = pa.table({name: pa.array(values[:n_rows], type_) for name, (values, type_) in arrays.items()})
    out = io.BytesIO()
    pa.parquet.write_table(table, out)
    return out.getvalue()


def _in_type(plain: Cell, type_: pa.DataType) -> Typed | None:
    """A plain cell as a value of a type; None where it is none."""
    assert isinstance(plain.arrow, Typed)
    if plain.arrow.type == type_:
        return plain.arrow
    if pa.types.is_string(type_):
        return Typed(plain.csv, type_)
    try:
        kept = pa.array([plain.arrow.value], type_)[0].as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None
    return Typed(kept, type_) if kept == plain.arrow.value else None  # else Arrow has cut it off
