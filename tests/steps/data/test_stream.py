"""Streamed is what is read as a whole: the same table, or the same refusal."""

from __future__ import annotations

import gc
import gzip
import io
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyfunc.cells import Kind, convert
from pyfunc.errors import FileRefusedError
from steps.data import header, parquet_rows, stream
from steps.data.readers import FileFormat, read
from steps.data.stream import NotPlainError
from steps.data.text_rows import TextRows

bounded = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LIKE = [
    None, FileFormat("csv", None, ";", "utf-8", ","), FileFormat("csv", None, "\t", "cp1252", "."),
    FileFormat("csv", None, ",", "utf-8", "."),
]  # fmt: skip
plain = st.sampled_from(["1", "2.5", "1,5", "1,234", "x", "é", "a b", "NA", ""])
quoted = st.sampled_from(['"x"', '"1,5"', '"a\nb"', '"a;b"', '"a""b"', '""', '"\r\n"'])
odd = st.sampled_from(['"', 'a"b', '"a"b', "a,b", "\t", ";"])
names = st.sampled_from(["a", "b", "c", "1", "2", '"n m"'])
ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n", " \n"])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Delimited texts, most of them well-formed, some not."""
    delimiter = draw(st.sampled_from([",", ",", ";", "\t", "|"]))
    width = draw(st.integers(1, 4))
    end = draw(ends)
    cell = draw(st.sampled_from([plain, plain | quoted, plain | quoted | odd]))
    is_header = draw(st.integers(0, 9)) > 0
    rows = [draw(st.lists(names if is_header else names | plain, min_size=width, max_size=width, unique=is_header))]
    rows += draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=12))
    if draw(st.integers(0, 9)) == 0:
        rows.insert(draw(st.integers(0, len(rows))), draw(st.lists(plain, max_size=5)))
    if draw(st.integers(0, 4)) == 0:
        rows.append(rows[0])
    text = end.join(delimiter.join(row) + (delimiter if draw(st.integers(0, 19)) == 0 else "") for row in rows)
    text = draw(st.sampled_from(["", "", "", "\n", "\ufeff", " "])) + text + draw(st.sampled_from(["", end, end + end]))
    content = text.encode(draw(st.sampled_from(["utf-8"] * 20 + ["cp1252", "utf-16"])), "replace")
    return content + draw(st.sampled_from([b""] * 20 + [b"\0", b"\xff", b"\xc3"]))


class Dripping(io.RawIOBase):
    """A file that gives its bytes a few at a time, and no more than once."""

    def __init__(self, content: bytes, step: int) -> None:
        self._left, self._step = io.BytesIO(content), step

    def read(self, size: int = -1) -> bytes:
        """The next ones."""
        return self._left.read(self._step if size < 0 else min(size, self._step))


def streamed(content: bytes, name: str = "f.csv", block_bytes: int = 64, step: int = 7, **options: object):
    """Header, cells, format and notices of a stream."""
    with stream.open_text(Dripping(content, step), name, block_bytes=block_bytes, **options) as rows:
        batches = list(rows)
        assert all(batch.num_rows for batch in batches)
        table = pa.Table.from_batches(batches)
        return rows.header, table.to_pydict(), rows.format, rows.notices


def whole(content: bytes, name: str = "f.csv", **options: object):
    """The same of `readers.read`."""
    table = read(content, name, **options)
    frame = table.frame.astype(object).where(table.frame.notna(), None)
    cells = {column: frame[column].tolist() for column in frame.columns}
    return [*frame.columns], cells, table.format, table.notices


def outcome(reading, *arguments: object, **options: object):
    """What comes of it: what was read, or what was said."""
    try:
        return reading(*arguments, **options)
    except FileRefusedError as error:
        return error.problems


@bounded(max_examples=400)
@given(
    files(),
    st.sampled_from(["f.csv", "f.tsv", "f"]),
    st.sampled_from(LIKE),
    st.sampled_from([None, ("a",), ("a", "b", "1")]),
    st.sampled_from([32, 128, 4096]),
)
def test_a_stream_is_what_is_read_as_a_whole(content, name, like, decimal_comma, block_bytes):
    """Whatever the text: the same header, cells, format and notices, or the same refusal, unless it is not plain."""
    options = {"like": like, "decimal_comma": decimal_comma, "max_columns": 4}
    try:
        got = outcome(streamed, content, name, block_bytes=block_bytes, **options)
    except NotPlainError:
        return
    assert got == outcome(whole, content, name, **options)


PLAIN = {
    "quotes": b'a,b\n"1,5","x\ny"\n2,"""z"""\n',
    "blank lines": b"\n\na;b\n\n1;2\n\n\n3;4\n",
    "mark and carriage returns": "\ufeffa\tb\r\n1\té\r\n".encode(),
    "one column": b"a\n1\n\n2\n",
    "gaps": b"a|b\n|\n1|\n",
    "names again": b"a,b\n1,2\na,b\n",
}
PACKED = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.parametrize("packing", PACKED)
def test_plain_files_are_streamed(text, packing):
    """These are never read as a whole, packed or not, whatever the pieces they come in."""
    content, name = PACKED[packing](PLAIN[text]), f"f.csv{packing}"
    options = {"decimal_comma": ("a",)}
    expected = whole(content, name, **options)

    assert [streamed(content, name, step=step, **options) for step in (1, 1000)] == [expected] * 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a,b\n" + b"1,2\n" * 50 + b"1\n" + b"1,2\n" * 50 + b"1,2,3\n", "ragged_rows"),
        (b"a,b\n" + b"1,2\n" * 50 + b'1,"x\n', "open_quote"),
        (b"a,a\n" + b"1,2\n" * 50, "duplicate_column"),
        (b"a,a\n" + b"1,2\n" * 50 + b"1\n", "ragged_rows"),
        (b"a,b\n", "no_rows"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 50)[:-3], "file_damaged"),
        (gzip.compress(b"a,b\n1\n")[:-3], "file_damaged"),
        (b"a,b,c,d\n1,2,3,4\n", "too_many_columns"),
    ],
)
def test_refusals_are_those_of_the_whole(content, code):
    """What is wrong at the end is said as if all had been read before, all rows named."""
    expected = outcome(whole, content, max_columns=3)

    assert [problem.code for problem in expected] == [code]
    assert outcome(streamed, content, max_columns=3) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n" + b"1,2\n" * 50 + b"\xff,2\n",
        b"a,b\n" + b"1,2\n" * 50 + b"\0,2\n",
        b"a,b\n1," + b"2" * 500 + b"\n",
        b'{"a": 1}\n',
        b"PAR1",
        b"\x80\x04abc",
        "a;b\n".encode("utf-16"),
        b"",
        b"\n \n",
    ],
)
def test_what_is_not_plain_says_so(content):
    """Other encodings and formats, and rows longer than a block, are left to the reader of whole files."""
    with pytest.raises(NotPlainError):
        streamed(content)


def test_commas_that_a_whole_column_decides():
    """Where the training file had points, one cell further down may say that commas are decimal: nothing is guessed."""
    like = FileFormat("csv", None, ";", "utf-8", ".")
    with pytest.raises(NotPlainError):
        streamed(b"a;b\n" + b"1,234;x\n" * 20 + b"7,5;x\n", like=like, decimal_comma=("a",))
    content = b"a;b\n" + b'1.5;"1,5"\n' * 20
    options = {"like": like, "decimal_comma": ("a",)}
    assert streamed(content, **options) == whole(content, **options)


def test_names_are_looked_for_in_the_first_rows_only(monkeypatch):
    """As many rows as in a whole file are looked at, over as many batches as they take."""
    monkeypatch.setattr(header, "FIRST_ROWS", 30)
    for n_rows in (10, 29, 40):
        content = b"a,b\n" + b"1,2\n" * n_rows + b"a,b\n" * 3
        assert streamed(content, block_bytes=16) == whole(content)


def test_parquet_batches_mean_what_the_whole_file_means(tmp_path, monkeypatch):
    """Every kind of column with gaps, in batches smaller than its row groups: the cells mean the same."""
    table = pa.table(
        {
            "whole": pa.array([1, None, 2**60, 4, 5]),
            "real": [1.5, None, 2.0, 1e300, -0.0],
            "text": ["a", None, "é", "1", ""],
            "yes": [True, None, False, True, True],
            "when": pa.array([None, 1, 2, 3, 4], pa.timestamp("us", tz="UTC")),
            "day": pa.array([1, None, 2, 3, 4], pa.date32()),
            "coded": pa.array(["x", None, "y", "x", "y"]).dictionary_encode(),
            "__index_level_0__": [5, 4, 3, 2, 1],
        }
    )
    pa.parquet.write_table(table, tmp_path / "f.parquet", row_group_size=3)
    expected = read((tmp_path / "f.parquet").read_bytes(), "f.parquet")
    monkeypatch.setattr(parquet_rows, "BATCH_ROWS", 2)
    with stream.open_file(tmp_path / "f.parquet", "f.parquet") as rows:
        frames = [stream.frame_of(batch) for batch in rows]
    starts = np.cumsum([0, *(len(frame) for frame in frames)])
    assert starts.tolist() == [0, 2, 3, 4, 5]
    assert (rows.header, rows.format, rows.notices, rows.share) == (
        [*expected.frame.columns], expected.format, expected.notices, 1.0,
    )  # fmt: skip
    for kind in (Kind.NUMBER, Kind.CATEGORY, Kind.BOOLEAN, Kind.DATETIME):
        for name in expected.frame.columns:
            parts = [convert(frame[name], kind) for frame in frames]
            of_all = convert(expected.frame[name], kind)
            assert of_all.wrong == moved([part.wrong for part in parts], starts), (kind, name)
            if not of_all.wrong:
                joined = pd.concat([part.values for part in parts], ignore_index=True)  # noqa: PD011
                assert joined.equals(of_all.values), (kind, name)


def moved(wrong: list[dict[str, list[int]]], starts: np.ndarray) -> dict[str, list[int]]:
    """Rows of batches by code, as rows of all."""
    found: dict[str, list[int]] = {}
    for start, part in zip(starts[:-1], wrong, strict=True):
        for code, rows in part.items():
            found.setdefault(code, []).extend(row + start for row in rows)
    return found


@pytest.mark.parametrize("gone", [slice(-20, None), slice(40, None), slice(4, 64)])
def test_a_damaged_parquet_file_is_refused(tmp_path, gone):
    """A file that is cut off, and one with a page that cannot be read."""
    out = io.BytesIO()
    pa.parquet.write_table(pa.table({"a": [*range(1000)]}), out)
    content = bytearray(out.getvalue())
    content[gone] = b"\xff" * len(content[gone]) if gone.stop else b""
    (tmp_path / "f.parquet").write_bytes(content)
    with pytest.raises(FileRefusedError) as caught, stream.open_file(tmp_path / "f.parquet", "f.parquet") as rows:
        list(rows)
    assert [problem.code for problem in caught.value.problems] == ["file_damaged"]


def test_a_file_is_closed_wherever_reading_ended(tmp_path):
    """Whoever stops early leaves no open file behind, and the share tells how far it came."""
    (tmp_path / "f.csv").write_bytes(b"a,b\n" + b"1,2\n" * 1_000_000)
    with stream.open_file(tmp_path / "f.csv", "f.csv") as rows:
        next(iter(rows))
        assert rows.share is not None
        assert rows.share <= 1


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"a,b\n1,2\n1,2,3\n", b"a,b\n"])
def test_nothing_of_a_file_outlives_its_reading(content):
    """A server reads millions: what pyarrow holds must not hold the reader that holds it."""

    def alive() -> int:
        gc.collect()
        return sum(
            type(each) is TextRows for each in gc.get_objects()
        )  # isinstance would ask what weak references are to

    before = alive()
    for _ in range(3):
        outcome(streamed, content)

    assert alive() == before
