"""Kinds of columns that a user decides (`kinds=`), in place of what the profile would find."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pyfunc.cells import Kind
from pyfunc.errors import Problem, quoted
from steps.data.lists import entries, joined

OFFERED = tuple(kind for kind in Kind if kind is not Kind.CONSTANT)  # a column cannot be made constant
ENTRY = re.compile(rf"(?P<name>.+):(?P<kind>{'|'.join(Kind)})(?::(?P<format>.+))?", re.DOTALL)
EXAMPLE = "zip:category,age:number,when:datetime:%d/%m/%Y"
DATE_CODES = frozenset("YymdbBHIMSfpjzZaA")  # directives of strptime that name a part of a time
DAYS = ({"d", "m"}, {"d", "b"}, {"d", "B"}, {"j"})  # one of these, and a year, make a day
YEARS = {"Y", "y"}


@dataclass(frozen=True)
class Asked:
    """The kind of a column, and for a datetime the strptime pattern of its text where it is not ISO 8601."""

    kind: Kind
    format: str | None = None


def kinds_in(text: str) -> dict[str, Asked]:
    """Kinds by column from a text such as `zip:category,"a, b:number"`; what is wrong in it is left out.

    `problems_with` says what that is.
    """
    found = {}
    for entry in entries(text):
        match = ENTRY.fullmatch(entry)
        if match and not _problem(entry):
            found[match["name"].strip()] = Asked(Kind(match["kind"]), match["format"])
    return found


def problems_with(text: str) -> list[Problem]:
    """Everything that is wrong with such a text."""
    problems = [problem for entry in entries(text) if (problem := _problem(entry))]
    names = [match["name"].strip() for entry in entries(text) if (match := ENTRY.fullmatch(entry))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what = f"{quoted(twice)} {'has' if len(twice) == 1 else 'have'} more than one kind."
        problems.append(Problem("kinds_invalid", what, "kinds", "Name each column once."))
    return problems


def text_of(kinds: Mapping[str, Asked]) -> str:
    """The text that `kinds_in` reads back, columns sorted."""
    return joined(
        f"{name}:{asked.kind}" + (f":{asked.format}" if asked.format else "") for name, asked in sorted(kinds.items())
    )


def _problem(entry: str) -> Problem | None:
    """What is wrong with one entry."""
    match = ENTRY.fullmatch(entry)
    if not match or match["kind"] not in OFFERED:
        what = f"'{entry[:80]}' does not say a column and its kind."
        return Problem("kinds_invalid", what, "kinds", f"Write {EXAMPLE}; kinds are {', '.join(OFFERED)}.")
    if match["format"] is None:
        return None
    if match["kind"] != Kind.DATETIME:
        what = f"'{match['name'].strip()[:80]}' has a format, but is no datetime."
        return Problem("kinds_invalid", what, "kinds", f"Only datetimes have one: {EXAMPLE}.")
    if not _is_date_format(match["format"]):
        what = f"The format of '{match['name'].strip()[:80]}' does not give a day, month and year."
        return Problem("kinds_invalid", what, "kinds", "Write it as strptime does, such as %d/%m/%Y or %d.%m.%Y %H:%M.")
    return None


def _is_date_format(text: str) -> bool:
    """Whether a strptime pattern is known, names nothing twice, and tells the day."""
    codes = re.findall("%(.?)", text.replace("%%", ""), re.DOTALL)
    known = set(codes)
    is_day = any(day <= known for day in DAYS) and bool(known & YEARS)
    return known <= DATE_CODES and len(codes) == len(known) and is_day
