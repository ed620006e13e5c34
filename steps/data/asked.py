"""Columns whose kind is asked for: what every cell has to be then, and what is refused.

Nothing is bent to fit: a cell that the asked kind cannot hold is refused with its row. Only where numbers are asked
for may a few words stand between them; they mean missing then, in every later row too.
"""

from __future__ import annotations

import pandas as pd

from pyfunc import cells
from pyfunc.cells import Kind, boolean_word
from pyfunc.errors import Problem, TrainingRefusedError, rows_named
from pyfunc.schema import Column
from pyfunc.spelling import PLAIN, Spelling, moments
from steps.data import dates
from steps.data.describing import TRAINING_FILE, Held, column_of, convert, describe, texts_of
from steps.data.kinds import Asked
from steps.data.spelling import TRUE_FALSE, boolean_words, number_style

MANY_WORDS = 10  # more different words than that between numbers are no way to say that a value is missing
ZERO_ONE = {"0", "1"}
CORRECT = "Correct these cells, or ask for another kind."


def describe_as(name: str, column: pd.Series, asked: Asked) -> Column:
    """Facts of one column (n_rows,) as the kind that is asked for; a constant stays one.

    Raises:
        TrainingRefusedError: `kind_unfit`, naming the rows that do not fit; cells that no model can read.
    """
    texts, distinct = texts_of(name, column)
    if asked.kind in (Kind.TEXT, Kind.IDENTIFIER, Kind.CONSTANT):
        made = column_of(name, Held(Kind.CATEGORY, texts), asked=True)
        if made.kind is Kind.CONSTANT:
            return made
        if asked.kind is Kind.TEXT:
            return Column(name, Kind.TEXT, "On request: features are made of its words.", made.missing)
        return Column(name, asked.kind, f"On request: left out as {asked.kind}.", made.missing)
    if not distinct and asked.kind is not Kind.CATEGORY:
        return describe(name, column)
    if asked.kind is Kind.CATEGORY:
        return column_of(name, Held(Kind.CATEGORY, texts), asked=True)
    if asked.kind is Kind.NUMBER:
        held = _numbers(name, column, texts, distinct)
    elif asked.kind is Kind.BOOLEAN:
        held = _booleans(name, column, distinct)
    else:
        held = _moments(name, column, distinct, asked.format)
    return column_of(name, held, asked=True)


def _numbers(name: str, column: pd.Series, texts: pd.Series, distinct: list[str]) -> Held:
    """Numbers, and words without a digit that mean missing."""
    words = {text for text in distinct if not _has_digit(text) and not cells.INFINITE_TEXT.fullmatch(text)}
    figures = [text for text in distinct if text not in words]
    if not figures:
        raise _unfit(name, "has no cell with a number", "Ask for another kind.")
    if len({word.casefold() for word in words}) > MANY_WORDS:
        fix = f"Up to {MANY_WORDS} different words may stand for missing values; leave the cells empty."
        raise _unfit(name, f"has words between its numbers in {_rows(texts, words)}", fix)
    style = PLAIN
    if not all(cells.NUMBER_TEXT.fullmatch(text) or cells.INFINITE_TEXT.fullmatch(text) for text in figures):
        found = number_style(figures)
        if found.doubt:
            fix = "Write the numbers without thousands separators, and with a decimal point."
            raise _unfit(name, "has numbers whose separators may be thousands or decimals", fix)
        style = found.spelling or PLAIN
    missing_words = tuple(sorted({word.casefold() for word in words}))
    spelling = Spelling(unit=style.unit, thousands=style.thousands, decimal=style.decimal, missing_words=missing_words)
    values, wrong = convert(column, Kind.NUMBER, spelling)
    _refuse(name, Kind.NUMBER, wrong)
    count = int(texts.str.strip().str.casefold().isin(missing_words).sum())
    why = f"{count} {'cell holds a word and counts' if count == 1 else 'cells hold words and count'} as missing."
    return Held(Kind.NUMBER, values, spelling, why=why if count else "")


def _booleans(name: str, column: pd.Series, distinct: list[str]) -> Held:
    """Two words; of a pair that is not known the second in order of the alphabet is 1."""
    words = boolean_words(distinct)
    if words is None:
        folded = sorted({boolean_word(text) or text for text in distinct})
        if set(folded) == ZERO_ONE:
            words = TRUE_FALSE
        elif len(folded) != len(TRUE_FALSE):
            what = f"has {len(folded)} different {'word' if len(folded) == 1 else 'words'}, not two"
            raise _unfit(name, what, "Ask for category, or correct the cells.")
        elif {*folded} & {*ZERO_ONE, *TRUE_FALSE}:
            what = "has two values of which one alone means true or false, 1 or 0"
            raise _unfit(name, what, "Ask for category or number, or write both as true and false.")
        else:
            written = {text.casefold(): text for text in distinct} if len(distinct) == len(folded) else {}
            words = written.get(folded[0], folded[0]), written.get(folded[1], folded[1])
    spelling = Spelling(words=words)
    values, wrong = convert(column, Kind.BOOLEAN, spelling)
    _refuse(name, Kind.BOOLEAN, wrong)
    return Held(Kind.BOOLEAN, values, spelling)


def _moments(name: str, column: pd.Series, distinct: list[str], pattern: str | None) -> Held:
    """Dates and times, in the pattern that was said or that is found."""
    if pattern is None and not all(map(cells.DATE_TEXT.fullmatch, distinct)):
        found = dates.date_pattern(distinct)
        if found.doubt:
            fix = dates.ambiguity(name, found.why.split("|"))
            raise _unfit(name, "has dates whose order of day and month cannot be told", fix)
        pattern = found.spelling.format if found.spelling is not None else None
    elif pattern is not None:
        _check_pattern(name, pattern)
    faults = []
    for timezone in ("UTC",) if pattern is not None and "%z" in pattern else (None, "UTC"):
        spelling = Spelling(timezone=timezone, format=pattern)
        values, wrong = convert(column, Kind.DATETIME, spelling)
        if not wrong:
            return Held(Kind.DATETIME, values, spelling)
        faults.append(wrong)
    least = min(faults, key=lambda wrong: sum(map(len, wrong.values())))
    _refuse(name, Kind.DATETIME, least)
    raise AssertionError("a fault has rows")


def _check_pattern(name: str, pattern: str) -> None:
    """Refuse what is no strptime pattern, or one that leaves the year out."""
    fix = "Write it like %d/%m/%Y %H:%M."
    try:
        moments(["1"], pattern, utc="%z" in pattern)
    except ValueError as error:
        raise _unfit(name, "is to be read by a pattern that is none", fix) from error
    if "%y" not in pattern.lower():
        raise _unfit(name, "is to be read by a pattern without a year", fix)


def _refuse(name: str, kind: Kind, wrong: dict[str, list[int]]) -> None:
    """Refuse cells that do not fit."""
    rows = sorted({row for rows in wrong.values() for row in rows})
    if rows:
        raise _unfit(name, f"is to be a {kind} and holds something else in {rows_named(rows)}", CORRECT)


def _unfit(name: str, what: str, fix: str) -> TrainingRefusedError:
    """A column that cannot have the kind that is asked for."""
    return TrainingRefusedError(Problem("kind_unfit", f"'{name}' {what}.", TRAINING_FILE, fix))


def _rows(texts: pd.Series, wanted: set[str]) -> str:
    """The rows that hold one of some texts, in words."""
    return rows_named(at + 1 for at, is_one in enumerate(texts.str.strip().isin(wanted)) if is_one)


def _has_digit(text: str) -> bool:
    """Whether a text could be meant as a number."""
    return any(sign.isdigit() for sign in text)
