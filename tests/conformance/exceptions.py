"""Where the doors do not say the same, each with its reason.

An exception holds for everything that it names: one that no longer occurs, in a single case or place, fails the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyfunc.cells import Kind
from tests.conformance.cells import Case
from tests.conformance.doors import INVOCATIONS, PREDICT, PYTHON, SCORE, SERVE
from tests.conformance.formats import CSV, CSV_TYPED, DF_RECORDS, DF_SPLIT, RECORDS

Place = tuple[str, str]  # format, door
CSV_AT_OUR_READER = ((CSV, PREDICT), (CSV, SCORE))
IN_PYTHON = ((CSV, PYTHON), (CSV_TYPED, PYTHON))
PANDAS_MADE = (
    *((format_, door) for door in (INVOCATIONS, SERVE, PYTHON) for format_ in (DF_RECORDS, DF_SPLIT)),
    (RECORDS, PYTHON),
    (CSV_TYPED, PYTHON),
)


@dataclass(frozen=True)
class Difference:
    """Cases in which some places say something else than the others, and why they may."""

    why: str
    places: tuple[Place, ...]
    holds: Callable[[Case, Kind | None], bool]  # the case and its column's kind


DIFFERENCES = (
    Difference(
        "In CSV, NaN is text, and among categories it may be one: warned is `unseen_category`; the score is the same.",
        CSV_AT_OUR_READER,
        lambda case, kind: case.name == "NaN" and kind is Kind.CATEGORY,
    ),
    Difference(
        "In CSV, NaN is text, and in a text column it is a word.",
        (*CSV_AT_OUR_READER, (CSV, PYTHON)),
        lambda case, kind: case.name == "NaN" and kind is Kind.TEXT,
    ),
    Difference(
        "To pandas NA is a gap, before the model sees it.",
        ((CSV_TYPED, PYTHON),),
        lambda case, kind: case.name == "NA" and kind is Kind.TEXT,
    ),
    Difference(
        "A number is written in its shortest form, so that 30.0 means the category or text `30`; CSV has the text"
        " `30.0`, which is another.",
        (*CSV_AT_OUR_READER, *IN_PYTHON),
        lambda case, kind: kind in (Kind.CATEGORY, Kind.TEXT) and case.cell is not None and case.cell.json == "30.0",
    ),
    Difference(
        "Beside a number with decimals pandas makes a float of the whole number, 9007199254740992, before the model"
        " sees it.",
        PANDAS_MADE,
        lambda case, _: case.id == f"2**53+1/income/{2**53 + 1}",
    ),
    Difference(
        "The same, and the quotes around it in CSV mean nothing to pandas.",
        ((CSV_TYPED, PYTHON),),
        lambda case, _: case.name == "2**53+1 as text" and case.column == "income",
    ),
    Difference(
        "A text file with a NUL is no text file, most often UTF-16 without a mark: refused as a whole.",
        CSV_AT_OUR_READER,
        lambda case, _: case.name == "NUL",
    ),
    Difference(
        "pandas ends a cell of CSV at the NUL.",
        IN_PYTHON,
        lambda case, _: case.name == "NUL" and case.cell is not None and case.cell.csv == "Köln\0",
    ),
)


def differences(case: Case, kind: Kind | None) -> dict[Place, int]:
    """The places that may say something else in a case, with the exception's number (from 1)."""
    return {
        place: number
        for number, difference in enumerate(DIFFERENCES, start=1)
        if difference.holds(case, kind)
        for place in difference.places
    }
