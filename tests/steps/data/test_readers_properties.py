"""Whatever the bytes: a table or a refusal without cells in it; and what is written is what is read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
import zstandard
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pyfunc.cells import Kind, convert, text_of
from pyfunc.errors import FileRefusedError
from steps.data import delimited
from steps.data.encodings import utf8
from steps.data.readers import FileFormat, Table, read

MARKER = "Xq7Zmarker"  # stands in cells only: a message that holds it has quoted a cell
bounded = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Cell = str | float | int | None


def zipped(content: bytes) -> bytes:
    """A zip of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", content)
    return out.getvalue()


def as_csv(frame: pd.DataFrame, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    """A frame as text."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(frame.columns)
    writer.writerows([["" if cell is None else text_of(cell) for cell in row] for row in frame.to_numpy(dtype=object)])
    return out.getvalue()


def binary(method: str, **options: object) -> Callable[[pd.DataFrame], bytes]:
    """A writer of pandas for one of its binary formats."""

    def write(frame: pd.DataFrame) -> bytes:
        out = io.BytesIO()
        getattr(frame, method)(out, **options)
        return out.getvalue()

    return write


def records(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """A frame as JSON carries it."""
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.to_numpy(dtype=object)]


WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "f.parquet": binary("to_parquet"),
    "f.feather": binary("to_feather"),
    "f.xlsx": binary("to_excel", index=False),
    "f.json": lambda frame: json.dumps(records(frame)).encode(),
    "split.json": lambda frame: json.dumps(
        {"columns": [*frame.columns], "data": frame.to_numpy(dtype=object).tolist()}, ensure_ascii=False
    ).encode(),
    "f.jsonl": lambda frame: "\n".join(map(json.dumps, records(frame))).encode(),
    "f.csv.gz": lambda frame: gzip.compress(as_csv(frame).encode()),
    "f.csv.zst": lambda frame: zstandard.compress(as_csv(frame, ";").encode()),
    "f.zip": lambda frame: zipped(as_csv(frame, "|").encode()),
}
DELIMITER_OF = {"f.csv.gz": ",", "f.csv.zst": ";", "f.zip": "|"}
VALID = {
    name: write(pd.DataFrame({"a": [1.5, 2.5, None], "b": [MARKER, "x,y", None]})) for name, write in WRITERS.items()
}
VALID |= {
    f"f{at}.csv": as_csv(pd.DataFrame({"a": [1.5, None], "b": [MARKER, 'x"\n']}), delimiter).encode(encoding)
    for at, (delimiter, encoding) in enumerate([(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16"), ("|", "utf-8-sig")])
}

text = st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=["Cc", "Cs"]), max_size=5)
odd = st.sampled_from(
    ['"', '""', "a\nb", ",", ";", "\t", "|", "'", "\U0001f600", "é", " x", "00123", "NA", "true", "1,5", "{"]
)
cells = st.one_of(st.none(), text, odd, st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6, allow_subnormal=False))
names = st.one_of(odd, text).filter(lambda name: bool(name.strip()))


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Tables of numbers or texts with gaps under odd names: at least two columns, at least one cell in each row."""
    header = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    n_rows = draw(st.integers(1, 5))
    kinds = [st.none() | st.one_of(text, odd), st.integers(-(2**53), 2**53), st.none() | st.floats(-1e9, 1e9), cells]
    columns = [draw(st.lists(draw(st.sampled_from(kinds)), min_size=n_rows, max_size=n_rows)) for _ in header]
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in zip(header, columns, strict=True)})


def texts(frame: pd.DataFrame) -> list[list[str | None]]:
    """What the cells mean; empty text is a missing cell."""
    rows = frame.astype(object).where(frame.notna(), None).to_numpy()
    return [[None if cell is None else text_of(cell) or None for cell in row] for row in rows]


def is_table_or_refusal(content: bytes, name: str, **options: object) -> None:
    """Read bytes; what is refused says so without quoting cells."""
    refused: FileRefusedError | None = None
    try:
        table = read(content, name, **options)
    except FileRefusedError as error:
        refused = error
    if refused is not None:
        assert MARKER not in str(refused)
        assert refused.problems
        return
    assert isinstance(table, Table)
    assert len(table.frame) > 0
    assert table.frame.columns.is_unique
    assert FileFormat.from_dict(table.format.to_dict()) == table.format
    assert all(MARKER not in notice.what for notice in table.notices) or MARKER in "".join(table.frame.columns)


@bounded(max_examples=150)
@given(
    st.binary(max_size=300) | text.map(str.encode),
    st.sampled_from(["f.csv", "f.json", "f", "f.parquet", "f.xlsx", "f.tsv", "f.jsonl"]),
    st.sampled_from([None, FileFormat("csv", None, ";", "utf-16", ","), FileFormat("csv", None, "\t", "cp1252", ".")]),
)
def test_any_bytes(content, name, like):
    """Random bytes are a table or refused, whatever the file is said to resemble."""
    is_table_or_refusal(content, name, like=like)


@pytest.mark.parametrize("name", VALID)
@bounded(max_examples=40)
@given(st.data())
def test_mutated_files(name, data):
    """Files of every format with bytes changed, taken out, put in or cut off are a table or refused, without cells."""
    content = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 4), "changes")):
        at = data.draw(st.integers(0, max(0, len(content) - 1)), "at")
        gone = data.draw(st.integers(0, 8) | st.just(len(content)), "gone")
        content[at : at + gone] = data.draw(
            st.binary(max_size=8) | st.sampled_from([b'"', b"\n", b"{", b"}"]), "put in"
        )
    is_table_or_refusal(bytes(content), data.draw(st.sampled_from([name, "f"]), "name"))


@pytest.mark.parametrize("name", WRITERS)
@bounded(max_examples=25)
@given(frame=frames())
def test_typed_and_packed_formats_come_back(name, frame):
    """What is written in a format is what is read, by the texts of the cells, under the same names."""
    if name in ("f.parquet", "f.feather"):
        frame = frame.apply(lambda column: column if _is_typed(column) else column.map(text_of, na_action="ignore"))
    if name == "f.xlsx":  # empty rows at the end of a sheet are no rows, and what begins like a formula is one
        assume(any(texts(frame)[-1]))
        assume(not any(name.startswith("=") for name in frame.columns))
        frame = frame.map(
            lambda cell: float(f"{cell:.15g}") if isinstance(cell, float) else cell
        )  # all that Excel keeps
    like = FileFormat("csv", delimiter=DELIMITER_OF[name]) if name in DELIMITER_OF else None
    table = read(WRITERS[name](frame), name, decimal_comma=[], like=like)  # names of delimiters leave a choice
    assert [*table.frame.columns] == [*frame.columns]
    assert texts(table.frame) == texts(frame)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@bounded(max_examples=40)
@given(
    frame=frames(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_delimited_text_comes_back(delimiter, quoting, frame, encoding, end):
    """CSV with each delimiter, encoding, line end and style of quotes holds the same texts, told what it resembles."""
    like = FileFormat("csv", None, delimiter, encoding, None)
    table = read(as_csv(frame, delimiter, quoting, end).encode(encoding), "f.csv", decimal_comma=[], like=like)
    assert [*table.frame.columns] == [*frame.columns]
    assert texts(table.frame) == texts(frame)


@bounded(max_examples=30)
@given(frame=frames(), repeat=st.integers(1, 300))
def test_large_files_hold_the_same_cells_as_small_ones(frame, repeat):
    """Threads, dictionaries and Arrow's memory change what a column is made of, and none of its cells."""
    content = as_csv(pd.concat([frame] * repeat)).encode()
    like = FileFormat("csv", None, ",")
    small = read(content, "f.csv", decimal_comma=[], like=like)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "SMALL_BYTES", 64)
        large = read(content, "f.csv", decimal_comma=[], like=like)
    assert small.format == large.format
    assert texts(small.frame) == texts(large.frame)


@bounded(max_examples=200)
@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda drawn: drawn.encode("utf-8", "surrogatepass")))
def test_utf8_is_what_python_calls_utf8(content):
    """Arrow's validation in place and Python's decoding agree on which bytes are UTF-8."""
    found = utf8(b"a" + content)
    try:
        content.decode()
        is_utf8 = b"\0" not in content
    except UnicodeDecodeError:
        is_utf8 = False
    if found is not None:
        assert (found[2] == "utf-8") == is_utf8


def test_columns_whose_texts_seldom_repeat_stay_in_arrow():
    """In a large file columns of many different texts are Arrow's, others share their texts; both mark gaps."""
    rows = "".join(f"{at}.5,cat {at % 7},\n" if at % 5 else f",,{at}\n" for at in range(30_000))
    frame = read(f"n,c,g\n{rows}".encode(), "f.csv").frame
    assert [str(dtype) for dtype in frame.dtypes] == ["string", "object", "object"]
    assert frame["n"].isna().sum() == frame["c"].isna().sum() == 6000
    assert frame["c"][0] is None
    assert frame["c"][1] is frame["c"][8]
    assert frame["g"][5] == "5"
    assert frame["n"][29_999] == "29999.5"


def test_a_beginning_unlike_the_rest_is_noticed():
    """Texts that repeat only in the first part of a large file are read as they stand, and kept in Arrow."""
    texts_written = ["same"] * 60_000 + [f"text {at}" for at in range(90_000)]
    content = "\n".join(["a,b", *(f"{cell},1" for cell in texts_written)]).encode()
    frame = read(content, "f.csv").frame
    assert frame["a"].tolist() == texts_written
    assert str(frame["a"].dtype) == "string"
    assert set(frame["b"]) == {"1"}


def _is_typed(column: pd.Series) -> bool:
    """Whether Parquet holds the cells with one type, as pandas writes them."""
    kinds = {type(cell) for cell in column if cell is not None and not (isinstance(cell, float) and np.isnan(cell))}
    return len(kinds) <= 1


@pytest.mark.parametrize("kind", Kind)
@bounded(max_examples=30)
@given(
    st.lists(
        st.sampled_from([None, "1", "1.5", " 2", "-3e2", "", " ", "NA", "nan", "inf", "9007199254740993", "1e39", "x",
                         "true", "2024-01-31", "2024-01-31T10:00:00", "1,5", "+4", ".5", "5."]),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_arrow_texts_convert_like_python_texts(kind, drawn):
    """A column in Arrow's memory means what the same texts as Python objects mean, gap for gap and fault for fault."""
    held = convert(pd.Series(drawn, dtype="string[pyarrow]"), kind)
    expected = convert(pd.Series(drawn, dtype=object), kind)
    assert held.wrong == expected.wrong
    pd.testing.assert_series_equal(held.values, expected.values)
