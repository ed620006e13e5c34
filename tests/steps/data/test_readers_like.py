"""A file that resembles another is read like it, where its bytes leave a choice."""

from __future__ import annotations

import pytest

from steps.data.readers import FileFormat, read

GERMAN = FileFormat("csv", None, ";", "cp1252", ",")
ENGLISH = FileFormat("csv", None, ",", "utf-8", ".")
SEMICOLON_POINT = FileFormat("csv", None, ";", "utf-8", ".")


def cells(text: str, like: FileFormat | None, numbers: list[str] | None = None) -> list[list[object]]:
    """The cells of a CSV, row by row."""
    return read(text.encode(), "f.csv", decimal_comma=numbers, like=like).frame.to_numpy(dtype=object).tolist()


@pytest.mark.parametrize("known", [GERMAN, FileFormat("parquet"), FileFormat("json", "gz", None, "utf-8-sig")])
def test_a_format_comes_back_from_its_record(known):
    """What a manifest keeps of a format is the format; a field of a later version does no harm."""
    assert FileFormat.from_dict({**known.to_dict(), "later": 1}) == known
    assert set(known.to_dict()) == {"kind", "compression", "delimiter", "encoding", "decimal"}


def test_a_format_without_kind_is_an_error():
    """A record that is none of ours is not taken for one."""
    with pytest.raises(KeyError):
        FileFormat.from_dict({"delimiter": ","})


@pytest.mark.parametrize(
    ("like", "delimiter"), [(None, ";"), (ENGLISH, ","), (GERMAN, ";"), (FileFormat("excel"), ";")]
)
def test_equally_consistent_delimiters_are_those_of_the_training_file(like, delimiter):
    """A header and one row that hold two delimiters equally often are cut as the training file was."""
    table = read(b"a;b,c\n1;2,3\n", "f.csv", like=like, decimal_comma=[])
    assert table.format.delimiter == delimiter


@pytest.mark.parametrize("like", [ENGLISH, FileFormat("csv", None, "|"), FileFormat("csv", None, "\t")])
def test_a_delimiter_that_the_file_does_not_have_is_not_used(like):
    """Where the content says clearly what separates the cells, the training file's habit does not matter."""
    assert read(b"a;b\n1;x,y\n2;z\n", "f.csv", like=like).format.delimiter == ";"
    assert read(b"a;b\n1;2\n", "f.csv", like=like).format.delimiter == ";"


def test_decimal_commas_between_commas_need_a_training_file_that_had_them():
    """A quoted `1,5` in a file with commas is a number only where the training file had decimal commas."""
    text = 'n,c\n"1,5","1,5"\n2,x\n'
    assert cells(text, None, ["n"]) == [["1,5", "1,5"], ["2", "x"]]
    assert cells(text, ENGLISH, ["n"]) == [["1,5", "1,5"], ["2", "x"]]
    assert cells(text, GERMAN, ["n"]) == [["1.5", "1,5"], ["2", "x"]]
    assert cells(text, GERMAN) == [["1.5", "1,5"], ["2", "x"]]  # the cells of `c` are not all numbers


def test_commas_stay_where_the_training_file_could_have_had_them_and_had_points():
    """`1,234` beside semicolons is left to be refused, and not read as 1.234, where training wrote 1234.0."""
    text = "n;m\n1,234;1\n2;3\n"
    assert cells(text, None, ["n"]) == [["1.234", "1"], ["2", "3"]]
    assert cells(text, SEMICOLON_POINT, ["n"]) == [["1,234", "1"], ["2", "3"]]
    assert cells(text, SEMICOLON_POINT) == [["1,234", "1"], ["2", "3"]]
    assert cells(text, ENGLISH, ["n"]) == [["1.234", "1"], ["2", "3"]]  # its commas had to be delimiters
    assert cells("n;m\n7,5;1,234\n1,234;3\n", SEMICOLON_POINT) == [["7.5", "1,234"], ["1.234", "3"]]  # 7,5 decides


def test_a_file_that_shows_no_decimal_sign_binds_nobody():
    """Whole numbers beside semicolons say nothing about the sign, so a later `1,5` is still a number."""
    whole = read(b"n;m\n1;2\n", "f.csv").format
    assert whole.decimal is None
    assert read(b"n;m\n1.5;2\n", "f.csv").format.decimal == "."
    assert read(b"n;m\n1,5;2\n", "f.csv").format.decimal == ","
    assert read(b"n,m\n1,2\n", "f.csv").format.decimal == "."
    assert cells("n;m\n1,5;2\n", whole, ["n"]) == [["1.5", "2"]]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_unmarked_utf16_is_read_where_training_had_it(order):
    """UTF-16 without a mark is no text by itself, and is where the training file was UTF-16."""
    content = "a,b\né,1\n".encode(order)
    table = read(content, "f.csv", like=FileFormat("csv", None, ",", "utf-16", "."))
    assert table.frame.to_numpy().tolist() == [["é", "1"]]
    assert table.format.encoding == "utf-16"


@pytest.mark.parametrize("like", [None, ENGLISH, GERMAN, FileFormat("csv", None, ",", "utf-16", ".")])
def test_marks_and_valid_utf8_win_over_the_training_file(like):
    """An encoding that the bytes show is used whatever the training file had; so is Windows-1252 at the end."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        assert read("a,b\né,1\n".encode(encoding), "f.csv", like=like).frame["a"].tolist() == ["é"]
