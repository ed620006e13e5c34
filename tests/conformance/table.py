"""The matrix as a page: one row for each cell that is treated alike."""

from __future__ import annotations

from collections.abc import Iterable

from pyfunc.cells import Kind
from tests.conformance.cells import Cannot, Case, cases
from tests.conformance.doors import INVOCATIONS, PREDICT, PYTHON, SCORE, SERVE, TAKES, TOLERANCE, Outcome
from tests.conformance.exceptions import DIFFERENCES, differences
from tests.conformance.formats import CSV, CSV_TYPED, FORMATS, PARQUET, RECORDS, write
from tests.conformance.measure import Measured

DOORS = (PREDICT, INVOCATIONS, SERVE, PYTHON, SCORE)
WRITTEN = ((RECORDS, "JSON"), (CSV, "CSV"), (PARQUET, "Parquet"))  # one for each way to write a cell
LARGEST_TELLING = 0.999  # beyond, different numbers have the same score

HEAD = """# Conformance

Written by `tests/conformance/test_matrix.py`, which sends every cell of this page in every format to every door, and
fails where two answers disagree or where this page is not what was answered.

A small model with a column of every kind gets a row that is plain but for one odd cell. Below it, in every format but
the single record, stands a plain row, whose score must not move. "Everywhere" is what all doors answer in all formats
that can hold the cell: the same score to 1e-9, or the same problems in the same words. In the last column, numbers are
differences and letters are formats that cannot hold the cell; both are explained at the end.
"""

NOTES = """In Python, `records` is a list of dictionaries, `dataframe_records` and `dataframe_split` are frames of what
the JSON holds, Parquet is what `pandas.read_parquet` makes of it, and CSV is a frame of text (`dtype=str,
keep_default_na=False`) or of the types that `pandas.read_csv` finds; one dictionary is columns to MLflow, and no
record. A dash: there is no such thing at the door. JSON is written with `NaN` and `Infinity`, as Python writes them; in
CSV a null is an empty cell. Only `/predict` and `score` answer with warnings."""


def verdict(case: Case, said: Outcome, measured: Measured) -> str:
    """An outcome in words: what the cell was taken for, or the problem codes."""
    if said.refused:
        return f"refused: {said.codes}"
    warned = "".join(f", warned: `{code}`" for code in dict.fromkeys(said.warned or ()))
    score = said.scores[0]
    for literal in ("null", *case.like) if case.column else ("",):
        meant = measured.meant.get((case.column, literal), float("nan"))
        if abs(score - meant) <= TOLERANCE and score <= LARGEST_TELLING:
            taken = {"": "the plain row", "null": "a gap"}.get(literal, f"`{literal}`")
            return f"score, as {taken}{warned}"
    return f"score{warned}"


def page(measured: Measured, kinds: dict[str, Kind]) -> str:
    """The whole page in Markdown."""
    reasons: list[str] = []
    rows = [_row(case, measured, kinds, reasons) for case in cases()]
    lines = ["| Cell | As JSON, else as Arrow | In columns | Everywhere | But |", "|---|---|---|---|---|"]
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, shown, column, said, notes in rows:
        alike.setdefault((name, shown, said, notes), []).append(column)
    for (name, shown, said, notes), columns in alike.items():
        lines.append(f"| {name} | {shown} | {', '.join(columns)} | {said} | {notes} |")
    lines = [HEAD, *_columns(measured), *_formats(measured), *lines, "", *_legend(measured, kinds, reasons), ""]
    return "\n".join(lines)


def reference(said: dict[tuple[str, str], Outcome]) -> Outcome:
    """What the others are compared with: the first format of `/predict`."""
    return next(said[format_, PREDICT] for format_ in FORMATS if (format_, PREDICT) in said)


def _row(case: Case, measured: Measured, kinds: dict[str, Kind], reasons: list[str]) -> tuple[str, str, str, str, str]:
    """Cell, as JSON, column, verdict, notes. Reasons are collected in the order of their letters."""
    notes = []
    for format_, shown in WRITTEN:
        body = write(case, format_)
        if isinstance(body, Cannot):
            if body.why not in reasons:
                reasons.append(body.why)
            notes.append(f"{shown} {_letter(reasons.index(body.why))}")
    numbers = sorted(set(differences(case, kinds.get(case.column)).values()))
    notes += [f"{number}" for number in numbers]
    cell = f"`{case.cell.shown.replace('|', chr(92) + '|')}`" if case.cell else ""
    said = verdict(case, reference(measured.answers[case.id]), measured)
    return case.name, cell, case.column, said, ", ".join(notes)


def _columns(measured: Measured) -> Iterable[str]:
    """What the model's columns are."""
    yield "| Column | Kind |"
    yield "|---|---|"
    for column in measured.schema.columns:
        yield f"| {column.name} | {column.kind} |"
    yield ""


def _formats(measured: Measured) -> Iterable[str]:
    """Which door takes which format; what MLflow says to the others."""
    formats = (*FORMATS, CSV_TYPED)
    yield f"| | {' | '.join(formats)} |"
    yield f"|---|{'---|' * len(formats)}"
    for door in DOORS:
        said = {f: measured.not_taken[f, door].codes for f in formats if (f, door) in measured.not_taken}
        marks = ["asked" if f in TAKES[door] else said.get(f, "-") for f in formats]
        yield f"| {door} | {' | '.join(marks)} |"
    yield ""
    yield NOTES
    yield ""


def _legend(measured: Measured, kinds: dict[str, Kind], reasons: list[str]) -> Iterable[str]:
    """Numbers and letters explained."""
    found: dict[int, set[str]] = {}
    for case in cases():
        for place, number in differences(case, kinds.get(case.column)).items():
            if place in measured.answers[case.id]:
                found.setdefault(number, set()).add(verdict(case, measured.answers[case.id][place], measured))
    yield "Differences:"
    yield ""
    for number, difference in enumerate(DIFFERENCES, start=1):
        doors: dict[str, list[str]] = {}
        for format_, door in difference.places:
            doors.setdefault(door, []).append(format_)
        where = "; ".join(f"{door}: {', '.join(formats)}" for door, formats in doors.items())
        said = sorted(found[number])
        shown = "; ".join(one for one in said if not any(other.startswith(f"{one}, warned") for other in said))
        yield f"{number}. {difference.why} {where}. There: {shown}."
    yield ""
    yield "Formats that cannot hold a cell:"
    yield ""
    for at, why in enumerate(reasons):
        yield f"- {_letter(at)}: {why}"


def _letter(at: int) -> str:
    """a, b, c..."""
    return chr(ord("a") + at)
