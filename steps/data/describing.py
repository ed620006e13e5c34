"""What one column of the training file holds: its kind, how it is written, and why.

Different texts are looked at once each, however many rows they stand in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pyfunc import cells
from pyfunc.cells import Kind
from pyfunc.errors import TrainingRefusedError, rows_named
from pyfunc.faults import cell_problems
from pyfunc.schema import Column
from pyfunc.spelling import PLAIN, Spelling
from steps.data import dates
from steps.data.naming import are_categories, counter_reason, is_postcode, text_like
from steps.data.spelling import Found, boolean_words, in_words, number_style, numbers_among

MISSING_DIGITS = 6  # of the share of missing cells
MIXED_SHARE = 0.5  # of the cells with a value: from so many numbers on, few others are likely to be faults
MIXED_TEXTS, MIXED_RARE = 10, 0.1  # few: so many different texts, or that share of the cells
UNCOMPUTABLE = {"infinite_number", "number_too_large"}  # numbers all the same, and no categories
MIXED = "mixed_column"
TRAINING_FILE = "training file"
TOKENS = frozenset(cells.MISSING_TOKENS)


@dataclass(frozen=True)
class Described:
    """A column, and the code of a doubt that its reason explains."""

    column: Column
    doubt: str = ""


@dataclass(frozen=True)
class Held:
    """What a column holds: kind, enforced values (n_rows,), spelling, and what its reason has to say."""

    kind: Kind
    values: pd.Series
    spelling: Spelling = PLAIN
    why: str = ""
    doubt: str = ""


def describe(name: str, column: pd.Series) -> Column:
    """Kind and facts of one column (n_rows,).

    Raises:
        TrainingRefusedError: lists, objects, or numbers that cannot be computed with.
    """
    return described(name, column).column


def described(name: str, column: pd.Series) -> Described:
    """`describe`, and what is doubtful about it."""
    held = _held(name, column)
    return Described(column_of(name, held), held.doubt)


def column_of(name: str, held: Held, *, asked: bool = False) -> Column:
    """The column in words and figures; one that was asked for is no identifier, and its reason says so."""
    values = held.values  # noqa: PD011 (a field of ours)
    present = values.dropna()
    missing = round(1 - len(present) / len(values), MISSING_DIGITS)
    n_distinct = int(present.nunique())
    made = Column(name, held.kind, missing=missing, spelling=held.spelling)
    if not n_distinct:
        return replace(made, kind=Kind.CONSTANT, reason="No row has a value.", spelling=PLAIN)
    if n_distinct == 1 and not missing:
        return replace(made, kind=Kind.CONSTANT, reason="Every row has the same value.", spelling=PLAIN)
    if held.kind is Kind.CATEGORY:
        return text_like(made, present, n_distinct, held.why, asked=asked)
    said = " ".join(part for part in ("On request." if asked else "", held.why, _facts(held)) if part)
    if held.kind is Kind.BOOLEAN:
        return replace(made, reason=said)
    if held.kind is Kind.DATETIME:
        written = replace(held.spelling, granularity=dates.granularity(values))
        ends = present.min().isoformat(), present.max().isoformat()
        return replace(made, reason=said, minimum=ends[0], maximum=ends[1], spelling=written)
    counter = "" if asked else counter_reason(name, values.to_numpy())
    if counter:
        return replace(made, kind=Kind.IDENTIFIER, reason=counter, spelling=PLAIN)
    return replace(made, reason=said, minimum=float(present.min()), maximum=float(present.max()))


def texts_of(name: str, column: pd.Series) -> tuple[pd.Series, list[str]]:
    """A column as text (n_rows,), and its different texts without blanks and without those that mean missing.

    Raises:
        TrainingRefusedError: lists or objects.
    """
    found = cells.convert(column, Kind.CATEGORY)
    refuse_cells(name, found.wrong)
    texts = found.values  # noqa: PD011 (a field of ours)
    distinct = dict.fromkeys(text.strip() for text in texts.dropna().unique())
    return texts, [text for text in distinct if text not in TOKENS]


def refuse_cells(name: str, wrong: dict[str, list[int]]) -> None:
    """Refuse a column with cells that no model can read."""
    if wrong:
        raise TrainingRefusedError(*cell_problems(name, wrong, TRAINING_FILE))


def _facts(held: Held) -> str:
    """How values are written; words that were asked for are data and stay untold."""
    if held.kind is Kind.BOOLEAN and boolean_words(held.spelling.words) is None:
        return "Every value is one of two words."
    return in_words(held.kind, held.spelling)


def _held(name: str, column: pd.Series) -> Held:
    """Kind and values, before identifiers and constants are told apart."""
    typed = _typed(name, column)
    if typed is not None:
        return typed
    texts, distinct = texts_of(name, column)
    if not distinct:
        return Held(Kind.CATEGORY, pd.Series(np.full(len(column), np.nan, dtype=object)))
    words = boolean_words(distinct)
    if words is not None:
        spelling = Spelling(words=words)
        return Held(Kind.BOOLEAN, convert(column, Kind.BOOLEAN, spelling)[0], spelling)
    if cells.NUMBER_TEXT.fullmatch(distinct[0]) or cells.INFINITE_TEXT.fullmatch(distinct[0]):
        found = _plain_numbers(name, column, texts, distinct)
        if found is not None:
            return found
    moments = _moments(column, distinct)
    if moments is not None:
        return moments
    styled = _styled(name, column, texts, distinct)
    if styled is not None:
        return styled
    why, doubt = _partly_numbers(texts, distinct)
    return Held(Kind.CATEGORY, texts, why=why, doubt=doubt)


def _styled(name: str, column: pd.Series, texts: pd.Series, distinct: list[str]) -> Held | None:
    """Numbers and dates in a style of their own, or why they cannot be told; None where they are neither."""
    for find, kind in ((number_style, Kind.NUMBER), (dates.date_pattern, Kind.DATETIME)):
        found = find(distinct)
        if found.spelling is not None:
            values, wrong = convert(column, kind, found.spelling)
            if not set(wrong) <= UNCOMPUTABLE:
                return Held(Kind.CATEGORY, texts, why="Whole numbers too large to be exact: codes.")
            refuse_cells(name, wrong)
            return Held(kind, values, found.spelling)
        if found.why:
            return Held(Kind.CATEGORY, texts, why=_untold(name, found), doubt=found.doubt)
    return None


def _typed(name: str, column: pd.Series) -> Held | None:
    """Columns whose type says what they hold; None where the texts have to be looked at."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        spelling = Spelling(timezone="UTC" if getattr(column.dtype, "tz", None) is not None else None)
        moments, wrong = convert(column, Kind.DATETIME, spelling)
        return None if wrong else Held(Kind.DATETIME, moments, spelling)
    if is_postcode(name) or not _is_numeric(column):
        return None
    numbers, wrong = convert(column, Kind.NUMBER)
    if not set(wrong) <= UNCOMPUTABLE:
        return None
    refuse_cells(name, wrong)
    return Held(Kind.NUMBER, numbers)


def _is_numeric(column: pd.Series) -> bool:
    """Whether every cell is an int or a float, by the column's type or one by one (as JSON and Excel give them)."""
    if column.dtype == object:
        types = set(map(type, column.to_numpy())) - {type(None)}
        return bool(types) and types <= {int, float}
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"


def _plain_numbers(name: str, column: pd.Series, texts: pd.Series, distinct: Collection[str]) -> Held | None:
    """Numbers, or codes made of digits; None where not every text is a plain number."""
    numbers, wrong = convert(column, Kind.NUMBER)
    if wrong and not set(wrong) <= {*UNCOMPUTABLE, "integer_too_large"}:
        return None
    if any(map(cells.LEADING_ZERO.match, distinct)):
        return Held(Kind.CATEGORY, texts, why="Codes with leading zeros.")
    if "integer_too_large" in wrong:
        return Held(Kind.CATEGORY, texts, why="Whole numbers too large to be exact: codes.")
    refuse_cells(name, wrong)
    if is_postcode(name) and all(map(cells.WHOLE_TEXT.fullmatch, distinct)):
        if are_categories(len(distinct), int(texts.notna().sum())):
            return Held(Kind.CATEGORY, texts, why="The name says postcodes, whose size means nothing.")
        return Held(Kind.NUMBER, numbers, why="The name says postcodes, but there are too many for categories.")
    return Held(Kind.NUMBER, numbers)


def _moments(column: pd.Series, distinct: Collection[str]) -> Held | None:
    """Dates and times in ISO 8601; None where one is not."""
    if not all(map(cells.DATE_TEXT.fullmatch, distinct)):
        return None
    for spelling in (PLAIN, Spelling(timezone="UTC")):
        moments, wrong = convert(column, Kind.DATETIME, spelling)
        if not wrong:
            return Held(Kind.DATETIME, moments, spelling)
    return None


def convert(column: pd.Series, kind: Kind, spelling: Spelling = PLAIN) -> tuple[pd.Series, dict[str, list[int]]]:
    """`cells.convert`, as values (n_rows,) and 1-based rows of cells that do not fit, by problem code."""
    result = cells.convert(column, kind, spelling)
    return result.values, result.wrong  # noqa: PD011 (a field of ours)


def _untold(name: str, found: Found) -> str:
    """Why a column that looks like dates or numbers is not read as such."""
    return dates.ambiguity(name, found.why.split("|")) if found.doubt == dates.AMBIGUOUS_DATES else found.why


def _partly_numbers(texts: pd.Series, distinct: Collection[str]) -> tuple[str, str]:
    """What to say of a column with numbers and words, and whether the words are likely to be faults."""
    figures = numbers_among(distinct)
    if not figures or any(map(cells.LEADING_ZERO.match, figures)):
        return "", ""
    stripped = texts.str.strip()
    is_number, is_present = stripped.isin(figures), texts.notna() & ~stripped.isin(TOKENS)
    count, total = int(is_number.sum()), int(is_present.sum())
    if count == total:
        return "", ""
    if count < MIXED_SHARE * total:
        return f"{count} of {total} cells {'is a number' if count == 1 else 'are numbers'}.", ""
    rows = [int(at) + 1 for at in np.flatnonzero(is_present & ~is_number)]
    others = f"{rows_named(rows)} {'is' if len(rows) == 1 else 'are'} not"
    are_few = len(distinct) - len(figures) <= MIXED_TEXTS or len(rows) <= MIXED_RARE * total
    told = f"{count} of {total} cells {'is a number' if count == 1 else 'are numbers'}; {others}."
    return told, MIXED if are_few else ""
