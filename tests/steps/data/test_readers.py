from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pyfunc.errors import FileRefusedError
from steps.data.files import fetch
from steps.data.readers import READER_FORMAT, FileFormat, Table, read

PLAIN = b"a,b\n1,x\n,y\n"


def rows(content: bytes, name: str = "file", **options: object) -> list[list[object]]:
    """The cells of a table, row by row."""
    return read(content, name, **options).frame.to_numpy(dtype=object).tolist()


def refusal(content: bytes, name: str = "file", **options: object) -> dict[str, str]:
    """What is wrong with refused bytes, by code."""
    with pytest.raises(FileRefusedError) as caught:
        read(content, name, **options)
    assert all(problem.where and problem.fix for problem in caught.value.problems)
    return {problem.code: problem.what for problem in caught.value.problems}


def zipped(**members: bytes) -> bytes:
    """A zip of members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def written(frame: pd.DataFrame, kind: str) -> bytes:
    """A frame in one of the typed formats."""
    out = io.BytesIO()
    writers = {
        "parquet": frame.to_parquet,
        "feather": frame.to_feather,
        "excel": lambda file: frame.to_excel(file, index=False),
    }
    writers[kind](out)
    return out.getvalue()


def test_csv_cells_are_text_as_it_stands():
    """Zeros, tokens, booleans, dates and spaces stay text; only an empty cell, quoted or not, is None."""
    got = rows(b'c1,c2,c3,c4\n00123,NA,true, x\n2024-01-01,"",,nan\n', "f.csv")
    assert got == [["00123", "NA", "true", " x"], ["2024-01-01", None, None, "nan"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter):
    """Each delimiter is found although cells hold the others, in quotes or not consistently."""
    other = ";" if delimiter == "," else ","
    lines = ["one|two|three", f'1|"a{other}b|c"|2', f"3|x{other}y|4"]
    table = read("\n".join(line.replace("|", delimiter) for line in lines).encode(), "f.csv")
    assert table.format.delimiter == delimiter
    assert table.frame["two"].tolist() == [f"a{other}b{delimiter}c", f"x{other}y"]


def test_single_column_keeps_its_gaps():
    """In a file of one column an empty line is a missing value; in a wider one it is nothing."""
    assert rows(b"a\n1\n\n2\n") == [["1"], [None], ["2"]]
    assert rows(b"a,b\n1,2\n\n3,4\n") == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a,b\né,1\n".encode(), "utf-8"), ("a,b\né,1\n".encode("utf-8-sig"), "utf-8-sig"),
        ("a,b\né,1\n".encode("utf-16"), "utf-16"), ("\ufeffa,b\né,1\n".encode("utf-16-be"), "utf-16"),
        ("a,b\né,1\n".encode("cp1252"), "cp1252"),
    ],
)  # fmt: skip
def test_encodings(content, encoding):
    """Every encoding gives the same table, without a mark in the first name."""
    table = read(content, "f.csv")
    assert table.format.encoding == encoding
    assert list(table.frame.columns) == ["a", "b"]
    assert table.frame.iloc[0].tolist() == ["é", "1"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_breaks_and_quotes_inside_cells(newline):
    """Cells may hold the delimiter, line breaks and doubled quotes, with every kind of line end."""
    text = f'a,b{newline}"x, y","l1\nl2"{newline}"say ""hi""",5" pipe{newline}'
    assert rows(text.encode(), "f.csv") == [["x, y", "l1\nl2"], ['say "hi"', '5" pipe']]


def test_decimal_comma_is_found_by_column():
    """With semicolons, a column of numbers with commas gets points; text, codes and tokens do not change."""
    table = read(b"n;t;m\n1,5;a,b;NA\n2;c;,5\n;3,5;-1,0e3\n", "f.csv")
    assert table.frame["n"].tolist() == ["1.5", "2", None]
    assert table.frame["t"].tolist() == ["a,b", "c", "3,5"]
    assert table.frame["m"].tolist() == ["NA", ".5", "-1.0e3"]
    assert table.format.decimal == ","
    assert [(notice.code, notice.columns) for notice in table.notices] == [("decimal_comma", ("n", "m"))]


def test_decimal_comma_of_named_columns_only():
    """Rows for a model: its number columns get points cell by cell, a category that looks like a number does not."""
    table = read(b"n;c\n1,5;1,5\nx;2,5\n", "f.csv", decimal_comma=["n"])
    assert table.frame["n"].tolist() == ["1.5", "x"]
    assert table.frame["c"].tolist() == ["1,5", "2,5"]


def test_commas_in_comma_files_are_no_decimal_points():
    """In a file with commas a quoted `1,234` stays as it is: it may be a thousand."""
    assert rows(b'a,b\n"1,234",1\n', "f.csv") == [["1,234", "1"]]


@pytest.mark.parametrize(
    ("packed", "kind"),
    [(gzip.compress(PLAIN), "gz"), (gzip.compress(PLAIN[:6]) + gzip.compress(PLAIN[6:]), "gz"),
    (zipped(**{"x.csv": PLAIN}), "zip"),
     (zipped(**{"x.csv": PLAIN, "__MACOSX/._x.csv": b"\0"}), "zip"), (zstandard.compress(PLAIN), "zst"),
     (zstandard.compress(PLAIN[:6]) + zstandard.compress(PLAIN[6:]), "zst")],
)  # fmt: skip
def test_packed_files_are_read(packed, kind):
    """gz, zip and zst, in one part or several, give the table inside, whatever the name says."""
    table = read(packed, "x.dat")
    assert table.format.compression == kind
    assert table.frame.to_numpy().tolist() == [["1", "x"], [None, "y"]]


@pytest.mark.parametrize("packed", [gzip.compress(PLAIN * 50), zipped(x=PLAIN * 50), zstandard.compress(PLAIN * 50)])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_cut_off_packing_is_refused(packed, kept):
    """A download that broke off is no shorter table."""
    assert set(refusal(packed[: int(len(packed) * kept)], "x.gz")) == {"file_damaged"}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, lambda content: zipped(x=content)])
def test_bombs_are_refused(pack):
    """A few kilobytes that would unpack to more than the limit are refused, as are plain files beyond it."""
    bomb = pack(b"a\n" + b"0" * 3 * 1024 * 1024)
    assert len(bomb) < 100_000
    assert refusal(bomb, max_mib=1) == {"file_too_large": "The file is larger than 1 MiB."}
    assert set(refusal(b"a\n" + b"0" * 2 * 1024 * 1024, max_mib=1)) == {"file_too_large"}


def test_zip_with_several_or_no_members_is_refused():
    """A zip has to hold exactly one table; the names are said."""
    assert refusal(zipped(one=PLAIN, two=PLAIN)) == {"zip_members": "The zip holds 2 files: 'one', 'two'."}
    assert refusal(zipped()) == {"zip_members": "The zip holds 0 files."}
    assert set(refusal(gzip.compress(gzip.compress(PLAIN)))) == {"format_unknown"}
    nameless = bytearray(zipped(x=PLAIN))
    entry = nameless.index(b"PK\x01\x02")
    nameless[entry + 28], nameless[entry + 30] = 0, 1  # lengths of the name and of what follows it
    assert set(refusal(bytes(nameless))) == {"file_damaged"}


@pytest.mark.parametrize("kind", ["parquet", "feather", "excel"])
def test_typed_formats_are_found_by_content(kind):
    """Parquet, Feather and Excel are recognised without a name; values keep their type."""
    frame = pd.DataFrame({"n": [1, 2], "t": ["00123", None], "f": [1.5, None], "b": [True, False]})
    table = read(written(frame, kind), "body")
    assert table.format == FileFormat(kind)
    assert list(table.frame.columns) == ["n", "t", "f", "b"]
    assert table.frame["n"].tolist() == [1, 2]
    assert table.frame["t"].tolist() == ["00123", None]
    assert table.frame["b"].tolist() == [True, False]
    assert pd.isna(table.frame["f"]).tolist() == [False, True]


def test_arrow_streams_are_read():
    """An Arrow stream is read like an Arrow file."""
    out = io.BytesIO()
    data = pa.table({"a": [1, None], "b": ["x", "y"]})
    with pa.ipc.new_stream(out, data.schema) as stream:
        stream.write_table(data)
    assert rows(out.getvalue())[0] == [1, "x"]


def test_whole_numbers_with_gaps_keep_their_digits():
    """2**53 + 1 beside a null in Parquet is not rounded on the way in."""
    table = read(_parquet(pa.table({"big": [2**53 + 1, None], "small": [7, None]})), "f")
    assert table.frame["big"].tolist() == [2**53 + 1, None]
    assert table.frame["small"][0] == 7


def test_unnamed_index_of_pandas_is_not_a_column():
    """The row numbers that a filtered frame takes into its Parquet file are left out, with a notice."""
    frame = pd.DataFrame({"a": [1, 2, 3]}).iloc[[2, 0]]
    table = read(written(frame, "parquet"), "f")
    assert list(table.frame.columns) == ["a"]
    assert [notice.code for notice in table.notices] == ["index_not_read"]


def test_excel_first_sheet_only():
    """The first sheet is read, others are named; empty rows at the end and columns at the side are no data."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["a", "b", None], [1, "x", None], [None, None, None], [2.5, "", None], [None, None, None]):
        sheet.append(row)
    book.create_sheet("Notes")
    out = io.BytesIO()
    book.save(out)
    table = read(out.getvalue(), "f.xlsx")
    assert table.frame.to_numpy(dtype=object).tolist() == [[1, "x"], [None, None], [2.5, None]]
    assert [notice.what for notice in table.notices] == ["Only the first sheet was read, not 'Notes'."]


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ([{"a": 1, "b": "x"}, {"b": None, "a": 2.5}], "json"),
        ({"columns": ["a", "b"], "data": [[1, "x"], [2.5, None]]}, "json"),
        ({"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, "x"], [2.5, None]]}}, "json"),
        ({"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2.5}]}, "json"),
    ],
)  # fmt: skip
def test_json_forms(document, kind):
    """Records, split and MLflow's two forms are the same table; an absent key is a missing value."""
    table = read(json.dumps(document).encode(), "body.json")
    assert table.format.kind == kind
    assert list(table.frame.columns) == ["a", "b"]
    assert table.frame.to_numpy(dtype=object).tolist() == [[1, "x"], [2.5, None]]


def test_json_values_keep_their_type():
    """Integers stay integers beside nulls and whole floats floats; text is not made a number."""
    table = read(
        b'[{"i": 9007199254740993, "t": "30", "b": true, "f": 1.0}, {"i": null, "t": "", "b": null, "f": NaN}]',
        "f.json",
    )
    first = table.frame.iloc[0].tolist()
    assert first == [9007199254740993, "30", True, 1.0]
    assert [type(cell) for cell in first] == [int, str, bool, float]
    assert {str(dtype) for dtype in table.frame.dtypes} == {"object"}


def test_json_lines_and_single_records():
    """One record a line, with blank lines between, and one record alone are tables."""
    table = read(b'{"a": 1}\n\n{"a": [2], "b": 3}\n', "f")
    assert table.format.kind == "jsonl"
    assert table.frame.to_numpy(dtype=object).tolist() == [[1, None], [[2], 3]]
    assert rows(b' {"a": 1, "b": null} ') == [[1, None]]


def test_csv_that_begins_like_json():
    """A name that says CSV wins over broken JSON."""
    assert rows(b"{id},b\n1,2\n", "f.csv") == [["1", "2"]]
    assert set(refusal(b"{id},b\n1,2\n", "body")) == {"json_unreadable"}


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "f.csv", "file_empty"), (b" \n\n", "f.csv", "file_empty"), (b"a,b\n", "f.csv", "no_rows"),
        (b"[]", "f.json", "no_rows"),
        (b"\x00\x01\x02\x03", "f.csv", "file_unreadable"), (bytes(range(256)), "f.csv", "file_unreadable"),
        ("a,b\n1,2\n".encode("utf-16-le"), "f.csv", "file_unreadable"), (pickle.dumps(PLAIN), "f.csv", "file_executes"),
        (b"anything", "model.joblib", "file_executes"), (b"\xd0\xcf\x11\xe0" + b"x" * 99, "f.xls", "format_unknown"),
        (b"\x93NUMPY\x01", "f", "format_unknown"), (b"PAR1junkPAR1", "f", "file_damaged"),
        (b"ARROW1\0\0junk", "f", "file_damaged"),
        (b"a,b,a\n1,2,3\n", "f.csv", "duplicate_column"), (b",b\n1,2\n", "f.csv", "column_without_name"),
        (b"a,b\n1,2,3\n4\n", "f.csv", "ragged_rows"), (b'a,b\n1,"2\n3,4\n', "f.csv", "open_quote"),
        (b"[1, 2]", "f.json", "json_no_table"), (b"3", "f.json", "json_no_table"),
        (b'{"a": [1], "b": [2]}', "f", "json_no_table"),
        (b'{"a": 1', "f", "json_unreadable"), (b'{"a": 1}\n{"a"}\n', "f", "json_unreadable"),
        (b"[" * 100_000, "f", "json_unreadable"),
        (b'[{"a": 1, "a": 2}]', "f", "duplicate_column"), (b'[{"": 1}]', "f", "column_without_name"),
        (b'{"columns": ["a"], "data": [[1, 2]]}', "f", "ragged_rows"), (b'[{"a": "\\ud800"}]', "f", "text_invalid"),
        (b'[{"a": ' + b"9" * 5000 + b"}]", "f", "json_unreadable"), (b"BZh9junk", "f.csv.bz2", "format_unknown"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(content, name, code):
    """Every way of not being a table has its code."""
    assert code in refusal(content, name)


def test_refusals_name_rows_and_columns():
    """Rows are counted from 1 below the header, columns by name or position, also in large files read by threads."""
    assert refusal(b"a,b\n1,2\n3\n4,5\n6,7,8\n") == {"ragged_rows": "The header has 2 cells, rows 2, 4 more or fewer."}
    large = b"a,b\n" + b"1,2\n" * 100_000 + b"3\n"
    assert refusal(large) == {"ragged_rows": "The header has 2 cells, row 100001 more or fewer."}
    assert refusal(b"a,,b,,a\n1,2,3,4,5\n") == {
        "column_without_name": "Columns 2, 4 have no name.",
        "duplicate_column": "'a' stands more than once.",
    }
    assert refusal(b'[{"a": 1}, 2]') == {"json_no_table": "There is no record with column names in row 2."}


def test_too_many_columns_are_refused_before_they_are_read():
    """A header beyond the limit is counted, in every format."""
    assert refusal(b"a,b,c\n1,2,3\n", max_columns=2) == {"too_many_columns": "The file has 3 columns; the limit is 2."}
    assert set(refusal(b'[{"a": 1, "b": 2, "c": 3}]', max_columns=2)) == {"too_many_columns"}


def test_claimed_rows_are_bounded():
    """A Parquet file that claims more cells than the limit has bytes is refused unread."""
    repeated = _parquet(pa.table({"a": pa.array(np.zeros(3 * 1024 * 1024, dtype=np.int8))}))
    assert len(repeated) < 100_000
    assert set(refusal(repeated, max_mib=1)) == {"file_too_large"}


def test_junk_is_not_echoed():
    """Neither cells nor a header of junk come back in a message."""
    for content in (
        b"SECRET" * 100,
        b"SECRET" * 100 + b"," + b"SECRET" * 100 + b"\n1\n",
        b'{"SECRET": SECRET}',
        b"a,b\n1,2,SECRET\n",
    ):
        assert "SECRETSECRETSECRETSECRET" not in str(refusal(content))
    long = b"n" * 500
    assert max(map(len, refusal(long + b"," + long + b"\n1,2\n").values())) < 120


@given(st.binary(max_size=200), st.sampled_from(["f.csv", "f.json", "f", "f.parquet", "f.xlsx"]))
def test_any_bytes_are_a_table_or_refused(content, name):
    """Random bytes never raise anything but a refusal."""
    try:
        table = read(content, name)
    except FileRefusedError:
        return
    assert isinstance(table, Table)
    assert len(table.frame) > 0


TYPED = [written(pd.DataFrame({"a": [1, 2], "b": ["x", None]}), kind) for kind in ("parquet", "feather", "excel")]
PACKED = [gzip.compress(PLAIN), zstandard.compress(PLAIN), zipped(x=PLAIN), b'[{"a": 1, "b": [2]}]']


@given(st.sampled_from(TYPED + PACKED), st.integers(0, 10**6), st.binary(min_size=1, max_size=4), st.booleans())
def test_damaged_files_are_a_table_or_refused(content, at, junk, cut):
    """Files with bytes changed or cut off never raise anything but a refusal."""
    at %= len(content)
    damaged = content[:at] + junk + (b"" if cut else content[at + len(junk) :])
    try:
        table = read(damaged, "f")
    except FileRefusedError:
        return
    assert len(table.frame) > 0


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_round_trip(cells):
    """Whatever text pandas writes as CSV is what is read, cell by cell."""
    frame = pd.DataFrame(cells, columns=["a", "b"])
    assert rows(frame.to_csv(index=False).encode(), "f.csv", decimal_comma=()) == frame.to_numpy().tolist()


def test_fetch_reads_paths_and_file_uris(tmp_path, monkeypatch):
    """Relative and absolute paths and file:// give bytes and name, also with spaces and colons."""
    monkeypatch.chdir(tmp_path)
    for name in ("plain.csv", "with space.csv", "od:d.csv"):
        (tmp_path / name).write_bytes(PLAIN)
        assert fetch(name, "train") == (PLAIN, name)
        assert fetch(str(tmp_path / name), "train") == (PLAIN, name)
        assert fetch((tmp_path / name).as_uri(), "train") == (PLAIN, name)


@pytest.mark.parametrize(
    ("location", "code", "hint"),
    [
        ("", "file_missing", "Give a path"), ("trian.csv", "file_missing", "Did you mean 'train.csv'?"),
        ("folder", "file_is_folder", "one file"),
        ("no/where.csv", "file_missing", "no folder"), ("http://example.org/x.csv", "address_unknown", "runs"),
        ("train.csv/x", "file_missing", "no folder"), ("a\0b", "file_missing", "path"),
        ("x" * 5000, "file_missing", "path"),
        ("runs:/0123456789abcdef0123456789abcdef/x.csv", "file_missing", "run id"),
    ],
)  # fmt: skip
def test_fetch_refuses_with_a_hint(store, tmp_path, monkeypatch, location, code, hint):
    """What is not there is refused with the nearest names or the kinds of address."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "train.csv").write_bytes(PLAIN)
    with pytest.raises(FileRefusedError) as caught:
        fetch(location, "train")
    problem = caught.value.problems[0]
    assert problem.code == code
    assert hint in problem.fix
    assert problem.where == "train"


def test_fetch_limits_and_pipes(tmp_path):
    """Too large a file is not read, a pipe is never opened."""
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * 2048)
    with pytest.raises(FileRefusedError, match=r"larger than 0\.001 MiB"):
        fetch(str(large), "train", 0.001)
    with pytest.raises(FileRefusedError, match="is not a file"):
        fetch("/dev/zero", "train")


def test_fetch_reads_artifacts(store):
    """A file of a run is fetched by its runs:/ URI."""
    run = store.client.create_run("0")
    store.client.log_text(run.info.run_id, "a\n1\n", "raw/x.csv")
    assert fetch(f"runs:/{run.info.run_id}/raw/x.csv", "train") == (b"a\n1\n", "x.csv")
    with pytest.raises(FileRefusedError, match="folder"):
        fetch(f"runs:/{run.info.run_id}/raw", "train")


def test_reader_format_is_one():
    """The number is part of every dataset's identity: who changes how bytes are read, raises it here too."""
    assert READER_FORMAT == 2


def _parquet(table: pa.Table) -> bytes:
    """A table as Parquet."""
    out = io.BytesIO()
    pa.parquet.write_table(table, out)
    return out.getvalue()
