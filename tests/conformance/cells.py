"""The odd cells of the matrix, each in every format that can hold it.

A cell is written three times: as JSON text, as CSV text and as an Arrow value for Parquet. Where a format cannot hold
it, the reason stands in its place, and is printed in the table.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

SHOWN = 80  # characters of a cell in the table
TEXT, WHOLE, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
MICRO, UTC, BERLIN = pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Berlin")


@dataclass(frozen=True)
class Cannot:
    """Why a format cannot hold a cell."""

    why: str


@dataclass(frozen=True)
class Typed:
    """A value with its Arrow type."""

    value: Any
    type: pa.DataType


@dataclass(frozen=True)
class Cell:
    """One cell in three notations."""

    json: str | Cannot
    csv: str | Cannot
    arrow: Typed | Cannot

    @property
    def shown(self) -> str:
        """As the table shows it: JSON, or what the other formats hold."""
        shown = self.json if isinstance(self.json, str) else self.csv
        if not isinstance(shown, str):
            assert isinstance(self.arrow, Typed)
            shown = f"{self.arrow.value} ({self.arrow.type})"
        return shown if len(shown) <= SHOWN else f"{shown[:12]}... ({len(shown):,} characters)"


@dataclass(frozen=True)
class Case:
    """A request that is odd in one place.

    `cell` stands in `column` of the first row; the other cells are `PLAIN`. A case without a column changes the table:
    `without` columns, columns `extra`, or in another `order`. `like` are JSON cells that it may turn out to mean.
    """

    name: str
    column: str = ""
    cell: Cell | None = None
    like: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    extra: tuple[tuple[str, Cell], ...] = field(default=())
    is_reversed: bool = False

    @property
    def id(self) -> str:
        """Unique in the matrix."""
        return "/".join(part for part in (self.name, self.column, self.cell.shown if self.cell else "") if part)

    def rows(self) -> list[tuple[str, Cell, Cell]]:
        """The table by columns: name, cell of the first row, cell of the second row."""
        named = [(name, cell, cell) for name, cell in PLAIN.items() if name not in self.without]
        if self.cell is not None:
            named = [(name, self.cell if name == self.column else first, other) for name, first, other in named]
        named += [(name, cell, cell) for name, cell in self.extra]
        return named[::-1] if self.is_reversed else named


def text(content: str, csv: str | Cannot | None = None) -> Cell:
    """A text."""
    return Cell(json.dumps(content, ensure_ascii=False), content if csv is None else csv, Typed(content, TEXT))


def number(literal: str, value: float | Cannot, type_: pa.DataType = FLOAT) -> Cell:
    """A number, in JSON without quotes."""
    return Cell(literal, literal, value if isinstance(value, Cannot) else Typed(value, type_))


def boolean(value: bool) -> Cell:  # noqa: FBT001 (the cell is a boolean)
    """A boolean, in JSON without quotes."""
    literal = json.dumps(value)
    return Cell(literal, literal, Typed(value, BOOL))


def moment(literal: str, type_: pa.DataType) -> Cell:
    """A time: text in JSON and CSV, a timestamp in Parquet."""
    return Cell(json.dumps(literal), literal, Typed(dt.datetime.fromisoformat(literal), type_))


def arrow_only(value: Any, type_: pa.DataType) -> Cell:
    """What only Parquet can hold."""
    why = Cannot("a type that only Parquet has")
    return Cell(why, why, Typed(value, type_))


PLAIN = {  # the row that every odd cell is put into
    "income": number("1250.5", 1250.5),
    "children": number("2", 2, WHOLE),
    "city": text("Köln"),
    "plan": text("basic"),
    "employed": boolean(True),
    "member": text("Yes"),
    "since": moment("2022-05-17T08:30:00", MICRO),
    "seen": moment("2022-05-17T08:30:00+02:00", UTC),
    "joined": text("04.10.2017"),
    "rent": text("1.135,50 €"),
    "note": text("late payment of 120"),
}
NUMBERS, CATEGORIES, BOOLEANS = ("income", "children"), ("city", "plan"), ("employed", "member")
TIMES = ("since", "seen", "joined")
KINDS = ("income", "rent", "city", *BOOLEANS, *TIMES)  # one column for each way to be spelled
SOME = ("income", "city", "employed", "since")

ONLY_JSON = Cannot("CSV has only text: it would be the text of the list or object")
UNSPELLED = Cell("1272.5", Cannot("CSV has only text, which has a row of its own"), Typed(1272.5, FLOAT))
NULL = Cell("null", "", Typed(None, pa.null()))
NAN = Cell("NaN", "NaN", Typed(float("nan"), FLOAT))
NO_FLOAT = Cannot("float64 holds no such number: it becomes inf, which has a row of its own")
LONG = "x" * 100_000


def everywhere(name: str, cell: Cell, columns: tuple[str, ...] = KINDS, like: tuple[str, ...] = ()) -> list[Case]:
    """One case a column."""
    return [Case(name, column, cell, like) for column in columns]


def cases() -> list[Case]:
    """The whole matrix, in the order of the table."""
    return [
        Case("plain row"),
        *everywhere("null", NULL, tuple(PLAIN)),
        *everywhere("NaN", NAN, (*KINDS, "children")),
        *everywhere("empty text", text("")),
        *everywhere("blank text", text("   "), SOME),
        *everywhere("NA", text("NA")),
        *everywhere("int for float", number("640", 640, WHOLE), ("income",), ("640.0",)),
        *everywhere("float for int", number("3.0", 3.0), ("children",), ("3",)),
        *everywhere("float for int", number("2.5", 2.5), ("children",), ("2.5",)),
        *everywhere("number in a category", number("30", 30, WHOLE), ("plan", "city"), ('"30"',)),
        *everywhere("number in a category", number("30.0", 30.0), ("plan",), ('"30"',)),
        *everywhere("numeric text", text("640.25"), ("income",), ("640.25",)),
        *everywhere("numeric text", text("3"), ("children",), ("3",)),
        *everywhere("numeric text", text(" 6.4025E+2 "), ("income",), ("640.25",)),
        *everywhere("numeric text", text("640,25"), ("income",), ("640.25",)),
        *everywhere("numeric text", text("1,000"), ("income",), ("1000", "1")),
        *everywhere("numeric text", text("1_000"), ("income",), ("1000",)),
        *everywhere("numeric text", text("٦٤٠"), ("income",), ("640",)),
        *everywhere("number in its column's style", text("1.272,50 €"), ("rent", "income"), ("1272.5",)),
        *everywhere("number in its column's style", text("1.272,50"), ("rent",), ("1272.5",)),
        *everywhere("number in its column's style", text("1272,5"), ("rent",), ("1272.5",)),
        *everywhere("number in its column's style", text("1.272"), ("rent", "income"), ("1272", "1.272")),
        *everywhere("number in another style", UNSPELLED, ("rent",), ("1272.5",)),
        *everywhere("number in another style", number("1272", 1272, WHOLE), ("rent",), ("1272",)),
        *everywhere("number in another style", text("1272.5"), ("rent",), ("1272.5",)),
        *everywhere("number in another style", text("1,272.50"), ("rent",), ("1272.5",)),
        *everywhere("number in another style", text("$1.272,50"), ("rent",), ("1272.5",)),
        *everywhere("words in numbers", text("thirty"), (*NUMBERS, "rent")),
        *everywhere("words in numbers", text("640 EUR"), ("income",)),
        *everywhere("true", boolean(True), (*KINDS, "children", "plan"), like=("true", '"true"', '"Yes"', "1")),
        *everywhere("false", boolean(False), ("employed", "member", "income"), ("false", '"No"', "0")),
        *everywhere("true as text", text("true"), (*KINDS, "children", "plan"), like=("true", '"true"', '"Yes"', "1")),
        *everywhere("true as text", text("TRUE"), ("plan", "employed", "member"), ("true", '"true"', '"Yes"')),
        *everywhere("false as text", text("False"), BOOLEANS, ("false", '"No"')),
        *everywhere("yes", text("yes"), ("city", *BOOLEANS), ("true", '"Yes"')),
        *everywhere("1 for true", number("1", 1, WHOLE), BOOLEANS, ("true", '"Yes"')),
        *everywhere("0 for false", number("0", 0, WHOLE), BOOLEANS, ("false", '"No"')),
        *everywhere("1.0 for true", number("1.0", 1.0), BOOLEANS, ("true", '"Yes"')),
        *everywhere("1 as text", text("1"), BOOLEANS, ("true", '"Yes"')),
        *everywhere("2 for true", number("2", 2, WHOLE), BOOLEANS),
        *dates(),
        *everywhere("unseen category", text("Atlantis"), CATEGORIES),
        *everywhere("unseen category", text("köln"), ("city",), ('"Köln"',)),
        *everywhere("unseen category", text(" Köln "), ("city",), ('"Köln"',)),
        *texts(),
        Case("extra column", extra=(("shoe size", number("43", 43, WHOLE)),)),
        Case("extra column of lists", extra=(("shoes", Cell("[43]", ONLY_JSON, Typed([43], pa.list_(WHOLE)))),)),
        *(Case(f"missing column {name}", without=(name,)) for name in SOME),
        Case("two missing columns", without=("children", "seen")),
        Case("wrong order", is_reversed=True),
        *numbers(),
        *everywhere("list", Cell("[1, 2]", ONLY_JSON, Typed([1, 2], pa.list_(WHOLE)))),
        *everywhere("object", Cell('{"a": 1}', ONLY_JSON, Typed({"a": 1}, pa.struct({"a": WHOLE})))),
        *everywhere("bytes", arrow_only(b"\xff\x00", pa.binary()), SOME),
        *everywhere("decimal", arrow_only(Decimal("640.25"), pa.decimal128(9, 2)), ("income", "rent"), ("640.25",)),
        *everywhere("decimal", arrow_only(Decimal("30.00"), pa.decimal128(9, 2)), ("plan",), ('"30"',)),
        *everywhere("float32", arrow_only(640.25, pa.float32()), ("income",), ("640.25",)),
        *everywhere("int8", arrow_only(3, pa.int8()), ("children", "employed"), ("3",)),
        *everywhere("dictionary", arrow_only("Bonn", pa.dictionary(pa.int8(), TEXT)), ("city",), ('"Bonn"',)),
        *everywhere("emoji", text("🦩🦩"), SOME),
        Case("emoji as an extra column", extra=(("🦩", text("🦩🦩")),)),
        *everywhere("100 kB text", text(LONG), SOME),
        *everywhere("NUL", text("Kö\0ln", csv="Kö\0ln"), SOME),
        *everywhere("NUL", text("Köln\0", csv="Köln\0"), ("city",), ('"Köln"',)),
    ]


def texts() -> list[Case]:
    """A text column: nothing is unseen in it, and what is no text has the text that it would have in a file."""
    there = ("note",)
    return [
        *everywhere("NaN", NAN, there),
        *everywhere("empty text", text(""), there),
        *everywhere("blank text", text("   "), there),
        *everywhere("NA", text("NA"), there),
        *everywhere("number in a text", number("30", 30, WHOLE), there, ('"30"',)),
        *everywhere("number in a text", number("30.0", 30.0), there, ('"30"',)),
        *everywhere("number in a text", text("30"), there, ('"30"',)),
        *everywhere("true", boolean(True), there, ('"true"',)),
        *everywhere("true as text", text("true"), there, ('"true"',)),
        *everywhere("text in other letters", text("LATE Payment of 120"), there, ('"late payment of 120"',)),
        *everywhere("new words", text("paid in Ürümqi, 9 of 10"), there),
        *everywhere("right to left", text("\u202bشكر\u202c 12"), there),
        *everywhere("emoji", text("🦩🦩"), there),
        *everywhere("digits of other scripts", text("٦٤٠ ६४०"), there),
        *everywhere("100 kB text", text(LONG), there),
        *everywhere("100 kB of digits", text("7" * 100_000), there),
        *everywhere("lines and quotes", text('late "pay",\nment'), there),
        *everywhere("list", Cell("[1, 2]", ONLY_JSON, Typed([1, 2], pa.list_(WHOLE))), there),
        *everywhere("object", Cell('{"a": 1}', ONLY_JSON, Typed({"a": 1}, pa.struct({"a": WHOLE}))), there),
        Case("missing column note", without=there),
    ]


def dates() -> list[Case]:
    """Five spellings and more, impossible dates, and zones."""
    local, zoned, word = ("since",), ("seen",), ("joined",)
    day, minute = '"2021-03-09T00:00:00"', '"2021-03-09T13:45:00"'
    return [
        *everywhere("date, ISO", text("2021-03-09"), TIMES, (day, '"09.03.2021"')),
        *everywhere("date, ISO", text("2021-03-09T13:45:00"), TIMES, (minute,)),
        *everywhere("date, ISO", text("2021-03-09 13:45"), local, (minute,)),
        *everywhere("date, ISO", text("2021-03-09T13:45:00.123456789"), local, ('"2021-03-09T13:45:00.123456789"',)),
        *everywhere("date, day first", text("09.03.2021"), TIMES, (day,)),
        *everywhere("date, month first", text("03/09/2021"), TIMES, (day,)),
        *everywhere("date, without signs", text("20210309"), TIMES, (day,)),
        *everywhere("date, without signs", number("20210309", 20210309, WHOLE), local, (day,)),
        *everywhere("date, in words", text("March 9, 2021"), TIMES, (day,)),
        *everywhere("date, epoch in ms", number("1615297500000", 1615297500000, WHOLE), (*local, *zoned), (minute,)),
        *everywhere("date, Arrow", arrow_only(dt.date(2021, 3, 9), pa.date32()), TIMES, (day, '"09.03.2021"')),
        *everywhere("time, Arrow", arrow_only(dt.datetime(2021, 3, 9, 13, 45), MICRO), TIMES, (minute,)),  # noqa: DTZ001
        *everywhere("impossible date", text("2021-02-29"), TIMES),
        *everywhere("impossible date", text("2021-13-09"), local),
        *everywhere("impossible date", text("0000-00-00"), local),
        *everywhere("impossible date", text("2021-03-09T25:00:00"), local),
        *everywhere("date beyond 2262", text("9999-12-31"), local),
        *everywhere("time zone", text("2021-03-09T13:45:00Z"), (*local, *zoned), (minute, '"2021-03-09T13:45:00Z"')),
        *everywhere(
            "time zone", text("2021-03-09T13:45:00-05:30"), (*local, *zoned), (minute, '"2021-03-09T19:15:00Z"')
        ),
        *everywhere("time zone", text("2021-03-09T13:45:00 Europe/Berlin"), zoned, ('"2021-03-09T12:45:00Z"',)),
        *everywhere(
            "time zone, Arrow",
            arrow_only(dt.datetime(2021, 3, 9, 12, 45, tzinfo=dt.UTC), BERLIN),
            (*local, *zoned, *word),
            (minute, '"2021-03-09T12:45:00Z"'),
        ),
    ]


def numbers() -> list[Case]:
    """Too large, too precise, infinite."""
    odd = ("income", "children", "plan", "employed", "since")
    large, huge = 2**53 + 1, 2**70
    return [
        *everywhere("2**53+1", number(str(large), large, WHOLE), odd),
        *everywhere("2**53+1 as text", text(str(large)), odd[:3]),
        *everywhere("2**70", Cell(str(huge), str(huge), Typed(Decimal(huge), pa.decimal128(38))), odd),
        *everywhere("1e400", number("1e400", NO_FLOAT), odd),
        *everywhere("1e300", number("1e300", 1e300), odd[:2]),
        *everywhere("inf", Cell("Infinity", "inf", Typed(float("inf"), FLOAT)), odd),
        *everywhere("inf", Cell("-Infinity", "-inf", Typed(float("-inf"), FLOAT)), odd[:1]),
        *everywhere("inf as text", text("inf"), odd[:3]),
    ]
