"""The first row: names, or a row of data; and where in a file something is wrong."""

from __future__ import annotations

import gzip
import io
import zipfile

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import zstandard

from pyfunc.errors import FileRefusedError
from steps.data import delimited
from steps.data.readers import read


def codes(content: bytes | str, name: str = "f.csv") -> list[str]:
    """Codes of the notices about a file."""
    content = content.encode() if isinstance(content, str) else content
    return [notice.code for notice in read(content, name).notices]


def zipped(content: bytes) -> bytes:
    """A zip of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.csv", content)
    return out.getvalue()


def workbook(*rows: list[object]) -> bytes:
    """An .xlsx file of one sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "5.1,3.5,1.4\n4.9,3.0,1.3\n", "2024-01-31,7\n2024-02-01,9\n", "7\n8\n", '"1,5";2\n"2,5";3\n',
        "5.1,3.5,setosa\n4.9,3.0,setosa\n6,3,virginica\n", "m,no,red\nf,yes,blue\nm,yes,red\nf,no,red\n",
        "a,b,c,d,SECRET\na,b,c,d,e\nx,y,z,d,e\n",
    ],
)  # fmt: skip
def test_a_first_row_of_data_is_said(text):
    """Names that are all numbers or dates, or stand below in (nearly) all columns, are said by position."""
    table = read(text.encode(), "f.csv")
    notice = next(notice for notice in table.notices if notice.code == "header_is_data")
    assert "Put a row of names above it" in notice.what
    assert notice.columns == ()
    assert notice.count >= 1
    assert "SECRET" not in notice.what


def test_positions_of_suspicious_names_are_said():
    """The columns are named by position, because their names may be somebody's data."""
    notice = read(b"5.1,3.5,setosa\n4.9,3.0,setosa\n", "f.csv").notices[0]
    assert "columns 1, 2, 3 are called like a cell" in notice.what
    assert notice.count == 3


@pytest.mark.parametrize(
    "text",
    [
        "age,sex\n1,m\n2,f\n", "country,2019,2020,2021,2022,2023\nx,1,2,3,4,5\n", "2019,2020,2021\n2019,2,3\n",
        "0,1,2\n5,6,7\n", "yes,no\n1,2\n", "red,b\nred,1\nblue,2\n", "a\na\nb\n", "1.5,b\n2,3\n",
    ],
)  # fmt: skip
def test_names_are_not_taken_for_data(text):
    """Years, column numbers, a name that is also a value, and a number beside names are names."""
    assert "header_is_data" not in codes(text)


def test_repeated_names_are_said_as_such():
    """Files put together with their headers: the rows are named, and nothing is said about data above."""
    notices = read(b"age,sex\n1,m\nage,sex\n2,f\nage,sex\n", "f.csv").notices
    assert [notice.code for notice in notices] == ["header_repeated"]
    assert "rows 2, 4" in notices[0].what


def test_excel_headers_are_asked_and_typed_formats_are_not():
    """A sheet's first row may be data; the names of Parquet and JSON are names whatever they are."""
    assert codes(workbook([5.1, 2.5], [4.9, 3]), "f.xlsx") == ["header_is_data"]
    assert codes(workbook(["a", "b"], [4.9, 3]), "f.xlsx") == []
    out = io.BytesIO()
    pd.DataFrame({"5.1": [1], "2.5": [2]}).to_parquet(out)
    assert codes(out.getvalue(), "f.parquet") == []
    assert codes('[{"5.1": 1, "2.5": 5}]', "f.json") == []


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress, zstandard.compress, zipped])
@pytest.mark.parametrize("large", [False, True])
def test_rows_are_counted_as_tables_count_them(pack, large):
    """Line breaks in cells and empty lines between rows do not shift the row that a message names."""
    more = b'"x\r\ny",1\n' * 50_000 if large else b""
    content = b'\n"a\nb",c\n' + more + b'"x\n\ny",1\n\n\n"z, ""z""\nz",2\n3\n4,5\n6,7,8\n'
    with pytest.raises(FileRefusedError) as caught:
        read(pack(content), "f.csv")
    first = 50_000 if large else 0
    assert [problem.code for problem in caught.value.problems] == ["ragged_rows"]
    assert f"rows {first + 3}, {first + 5} more or fewer" in caught.value.problems[0].what


def test_what_is_read_ahead_of_the_beginning_counts_nothing(monkeypatch):
    """Its reader may still be at work when all has been read, and names ragged rows once more."""
    real = delimited._repeated

    def late(content: pa.Buffer, options: delimited.Options) -> set[str]:
        found = real(content, options)
        options.ragged.append(50_002)
        return found

    monkeypatch.setattr(delimited, "_repeated", late)
    read(b"a,b\n" + b"x,1\n" * 50_000, "f.csv")
    with pytest.raises(FileRefusedError) as caught:
        read(b"a,b\n" + b"x,1\n" * 50_000 + b"3\n", "f.csv")
    assert "row 50001 more or fewer" in caught.value.problems[0].what


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress, zstandard.compress, zipped])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_open_quotes_are_refused_in_every_packing(pack, end):
    """A quote that is never closed swallows the rest of the file; that is said, with or without a line end."""
    with pytest.raises(FileRefusedError) as caught:
        read(pack(b'a,b\n1,2\n3,"4\n5,6' + end), "f.csv")
    assert [problem.code for problem in caught.value.problems] == ["open_quote"]
