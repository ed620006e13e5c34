"""Whether texts that are nearly all different say something, or only tell rows apart.

A key is left out: an encoder that sees labels would learn every row by heart from it. Texts that share words or heads
become features (`pyfunc/texts.py`). The line, for a column with too many different texts for categories:

    key     its name says that it identifies rows (`id`, `key`), each row has another value, and no words between
            spaces; or no text has a letter; or most texts are e-mail addresses, UUIDs, hashes, or codes that change
            between letters and digits more than once (X7F3K9); or too few rows share a part
    text    prose: several words to a cell, or
            `SHARED` of the rows or more have a word or a head that makes a feature

A part makes a feature if it stands in 5 rows or more and in 1 % of them, but not in nearly all: the `ORD-` of every
order number does not, the deck of a cabin does. That a whole text stands in several rows does not make it one: so do
the numbers of customers in a table of orders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from pyfunc.texts import MOST_HEADS, MOST_PARTS, head_of, often, words_in

PROSE_WORDS = 3  # mean number of words from which on cells are prose
MOSTLY = 0.5  # share of the texts that look like keys
SHARED = 0.1  # share of the rows
LEAST_LETTERS = 2  # of a word that says something; single ones are initials, or parts of codes
LONGEST_LOOKED_AT = 200  # characters: no key is longer
HAS_LETTER = re.compile(r"[^\W\d_]")
KEYS = re.compile(
    r"[^@\s]+@[^@\s]+\.[^@\s]+"  # e-mail addresses
    r"|\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?"  # UUIDs
    r"|(?:0x)?[0-9a-f]{16,}"  # hashes in hexadecimal digits
    r"|\S*\d[^\W\d_]+\d\S*|\S*[^\W\d_]\d+[^\W\d_]\S*",  # mixed codes
    re.IGNORECASE,
)


def is_key(present: pd.Series, *, is_named_key: bool) -> bool:
    """Whether texts only tell rows apart.

    Args:
        present: (n_rows,) texts, too many of them different for categories; no gaps.
        is_named_key: the column's name says that it identifies rows.
    """
    counts = present.value_counts()
    distinct = [str(text) for text in counts.index]
    is_prose = bool(present.str.split().str.len().mean() >= PROSE_WORDS)
    if is_named_key and len(distinct) == len(present) and not is_prose:
        return True
    if not any(map(HAS_LETTER.search, distinct)):
        return True
    if sum(KEYS.fullmatch(text.strip()[:LONGEST_LOOKED_AT]) is not None for text in distinct) > MOSTLY * len(distinct):
        return True
    return not is_prose and _sharing(distinct, counts.tolist()) < SHARED * len(present)


def _sharing(distinct: Sequence[str], rows: Sequence[int]) -> int:
    """How many rows have a word or a head that makes a feature; `rows` hold each of the different texts."""
    words = [{word for word in words_in(text) if len(word) >= LEAST_LETTERS and word.isalpha()} for text in distinct]
    heads = [{head_of(text)} for text in distinct]
    known_words, known_heads = {*often(words, rows, MOST_PARTS)}, {*often(heads, rows, MOST_HEADS)}
    return sum(
        count
        for of_text, head, count in zip(words, heads, rows, strict=True)
        if of_text & known_words or head & known_heads
    )
