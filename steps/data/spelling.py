"""How the numbers and booleans of a training column are written, told from its different texts.

Everything here takes the different texts of a column, without blanks around them and without those that mean missing.
A style counts only where every text fits it and no other style would give another number: what cannot be told is
said, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pyfunc.cells import LEADING_ZERO, NUMBER_TEXT, Kind
from pyfunc.spelling import CURRENCIES, PERCENT, PLAIN, SPACE, Spelling, plain_number, styled

BOOLEAN_PAIRS = (
    ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"),
    ("nein", "ja"), ("no", "si"), ("no", "sí"), ("non", "oui"),
)  # fmt: skip
TRUE_FALSE = BOOLEAN_PAIRS[0]
STYLES = (
    (None, None), (",", None), (" ", None), ("'", None), (None, ","), (".", ","), (" ", ","), ("'", ","),
)  # fmt: skip  # what separates thousands, what the decimals (None is the point)
SHARE_STYLES = ((None, None), (None, ","))  # thousands of percent are not written
UNIT = "|".join(re.escape(unit) for unit in sorted((PERCENT, *CURRENCIES), key=len, reverse=True))
MARKED = re.compile(
    rf"[+-]?(?:(?P<before>{UNIT}){SPACE}?[+-]?)?"
    rf"(?P<body>[\d.,](?:[\d.,'\u2019]|{SPACE}(?=\d))*)(?:{SPACE}?(?P<after>{UNIT}))?",
    re.ASCII | re.IGNORECASE,
)
SEPARATOR = {",": "a comma", ".": "a point", " ": "a space", "'": "an apostrophe"}
OPEN_COMMAS = "ambiguous_numbers"


@dataclass(frozen=True)
class Found:
    """How a column's texts are written, or why that cannot be told (`doubt` is a code, `why` its sentence)."""

    spelling: Spelling | None = None
    doubt: str = ""
    why: str = ""


def boolean_words(texts: Collection[str]) -> tuple[str, str] | None:
    """The word for 0 and the word for 1, as written where one casing is used; None where they are no known pair.

    true and false are lower-case whatever the file says, because every format writes them its own way.
    """
    folded = {text.casefold() for text in texts}
    if folded and folded <= set(TRUE_FALSE):
        return TRUE_FALSE
    pair = next((pair for pair in BOOLEAN_PAIRS if folded == set(pair)), None)
    if pair is None or len(texts) > len(pair):
        return pair
    written = {text.casefold(): text for text in texts}
    return written[pair[0]], written[pair[1]]


def number_style(texts: Collection[str]) -> Found:
    """Units and separators of numbers that are not written plainly.

    `1,234` alone may be a thousand or one and a bit, and so may `1.234 €`: without a text that decides, nothing is
    found and the doubt is told. Percent needs its sign in every text but 0, because 13 may be 13 or 13 %.
    """
    units: set[str] = set()
    bare = 0
    for text in texts:
        found = MARKED.fullmatch(text)
        if found is None or LEADING_ZERO.match(found["body"]):
            return Found()
        unit = found["before"] or found["after"]
        units |= {unit.upper()} if unit else set()
        bare += not unit and text != "0"
    if len(units) > 1:
        return Found(why="Numbers with different units.")
    unit = next(iter(units), None)
    if unit == PERCENT and bare:
        return Found(why=f"Some numbers carry {PERCENT} and some do not.")
    fitting = [
        Spelling(unit=unit, thousands=thousands, decimal=decimal)
        for thousands, decimal in (SHARE_STYLES if unit == PERCENT else STYLES)
        if all(styled(text, unit, thousands, decimal) for text in texts)
    ]
    if not fitting:
        return Found()
    if len({tuple(plain_number(text, style) for text in texts) for style in fitting}) > 1:
        why = "Looks like numbers, but whether they have thousands or decimals cannot be told from the separators."
        return Found(doubt=OPEN_COMMAS, why=why)
    return Found(fitting[0])


def numbers_among(texts: Collection[str]) -> set[str]:
    """The texts that are numbers: plain ones, and those with units or separators where all of them fit one style."""
    plain = {text for text in texts if NUMBER_TEXT.fullmatch(text)}
    marked = {text for text in texts if MARKED.fullmatch(text) and any(map(str.isdigit, text))}
    return plain | marked if marked and number_style(plain | marked).spelling is not None else plain


def in_words(kind: Kind, spelling: Spelling = PLAIN) -> str:
    """How a column's values are written, as the reason for its kind."""
    if kind is Kind.BOOLEAN:
        return f"Every value is {spelling.words[1]} or {spelling.words[0]}."
    if kind is Kind.DATETIME:
        return f"Every value is a date or time{f', written {spelling.format}' if spelling.format else ''}."
    said = ["Every value is a number"]
    if spelling.unit == PERCENT:
        said.append("a percent sign divides it by 100")
    elif spelling.unit is not None:
        said.append(f"it may carry {spelling.unit}")
    if spelling.thousands is not None:
        said.append(f"{SEPARATOR[spelling.thousands]} separates thousands")
    if spelling.decimal is not None:
        said.append("a comma stands before the decimals")
    return f"{'; '.join(said)}."
