"""Numbers and a category from a column of text, made without labels.

    length, words, digits   of the text; 0 for a missing one
    number                  the last whole number in it, NaN where there is none (or one too long to be a quantity)
    head                    the leading letters where enough training rows share them: the deck of a cabin, the prefix
                            of a ticket; else one of `REST`, `NO_LETTERS`, `MISSING`
    same                    log(1 + how many other training rows hold the same text)
    part0, part1, ...       1 where a frequent word of the training rows stands in the text: Mr, Mrs, Master

No text of a training row is kept, because a model travels further than its data: words and heads are those that many
rows share, and whole texts are kept as hashes of 8 bytes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import pandas as pd

__all__ = ["MISSING", "NO_LETTERS", "REST", "TextFeatures", "head_of", "often", "words_in"]

FEWEST_ROWS, LEAST_SHARE, MOST_SHARE = 5, 0.01, 0.99  # of the rows with a text: what fewer hold is no feature
MOST_PARTS = 30
MOST_HEADS = 20  # few enough to become a column each: encoders that see labels are for more
REST, NO_LETTERS, MISSING = "(other)", "(none)", "(missing)"  # no head has a bracket
LONGEST_READ = 10_000  # characters of a text in which words and numbers are looked for
LONGEST_WORD, LONGEST_HEAD = 40, 20
LONGEST_NUMBER = 15  # digits: more are a code, and beyond what float64 holds
WORD = re.compile(r"\w+")
HEAD = re.compile(r"\s*([^\W\d_](?:[^\w\s]*[^\W\d_])*)")
WHOLE_NUMBER = re.compile(r"\d+")
NOT_LETTERS = re.compile(r"[\W\d_]+")

Floats = np.ndarray[Any, np.dtype[np.float64]]


def words_in(text: str) -> set[str]:
    """Different words of a text, case folded."""
    return {word for word in WORD.findall(text[:LONGEST_READ].casefold()) if len(word) <= LONGEST_WORD}


def head_of(text: str) -> str:
    """The letters that a text begins with, up to a space or digit, case folded, without signs between: `A./5` is `a`.

    Empty where it begins with something else.
    """
    found = HEAD.match(text[:LONGEST_READ])
    return NOT_LETTERS.sub("", found[1]).casefold()[:LONGEST_HEAD] if found else ""


def often(found: Iterable[tuple[Iterable[str], int]], n_rows: int, most: int) -> tuple[str, ...]:
    """What occurs in enough of the rows, but not in nearly all: the most frequent first, on a tie by the alphabet.

    Args:
        found: what stands in a text, and how many rows hold that text.
        n_rows: with a text.
        most: how many are kept.
    """
    rows: Counter[str] = Counter()
    for parts, count in found:
        for part in parts:
            rows[part] += count
    least = max(FEWEST_ROWS, LEAST_SHARE * n_rows)
    kept = [part for part, count in rows.items() if least <= count <= MOST_SHARE * n_rows]
    return tuple(sorted(kept, key=lambda part: (-rows[part], part))[:most])


class TextFeatures:
    """Features of one column of text. Learns from texts alone; labels are never seen."""

    def fit(self, texts: pd.Series) -> Self:
        """Learn frequent words and heads, and count equal texts.

        Args:
            texts: (n_rows,) object, NaN for missing.
        """
        self._learn(*_distinct(texts))
        return self

    def transform(self, texts: pd.Series) -> dict[str, np.ndarray[Any, Any]]:
        """Features (n_rows,) by name, float64 but for `head` (object); the same ones whatever the rows hold."""
        codes, distinct = _distinct(texts)
        return self._made(codes, distinct, itself=0)

    def fit_transform(self, texts: pd.Series) -> dict[str, np.ndarray[Any, Any]]:
        """The same for the training rows themselves, which `same` counts without the row itself.

        A new row is not among the training rows; if training rows counted themselves, a text seen once would mean one
        thing in training and another in use.
        """
        codes, distinct = _distinct(texts)
        self._learn(codes, distinct)
        return self._made(codes, distinct, itself=1)

    def _learn(self, codes: np.ndarray[Any, Any], distinct: Sequence[str]) -> None:
        """From different texts and the position of each row's text in them, -1 for missing."""
        counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
        n_rows = int(counts.sum())
        rows = counts.tolist()
        self.words_ = often(zip(map(words_in, distinct), rows, strict=True), n_rows, MOST_PARTS)
        heads = ((head,) if (head := head_of(text)) else () for text in distinct)
        self.heads_ = often(zip(heads, rows, strict=True), n_rows, MOST_HEADS)
        hashes = _hashes(distinct)
        order = np.argsort(hashes)
        self.hashes_, self.counts_ = hashes[order], counts[order].astype(np.int32)

    def _made(self, codes: np.ndarray[Any, Any], distinct: Sequence[str], itself: int) -> dict[str, Any]:
        """Features of the different texts, handed out to the rows; the last one stands for a missing text."""
        numbers = np.zeros((len(distinct) + 1, 5 + len(self.words_)))
        numbers[-1, 3] = np.nan
        heads = np.empty(len(distinct) + 1, dtype=object)
        heads[-1] = MISSING
        place = {word: 5 + at for at, word in enumerate(self.words_)}
        known, frequent = frozenset(self.words_), frozenset(self.heads_)
        for at, text in enumerate(distinct):
            row = numbers[at]
            row[:4] = _plain(text)
            for word in known & words_in(text):
                row[place[word]] = 1.0
            head = head_of(text)
            heads[at] = head if head in frequent else REST if head else NO_LETTERS
        numbers[:-1, 4] = np.log1p(np.maximum(self._seen(distinct) - itself, 0))
        names = ("length", "words", "digits", "number", "same", *(f"part{at}" for at in range(len(self.words_))))
        rows = numbers[codes].T
        made: dict[str, Any] = dict(zip(names, rows, strict=True))
        made["head"] = heads[codes]
        return made

    def _seen(self, distinct: Sequence[str]) -> np.ndarray[Any, Any]:
        """How many training rows hold each text."""
        if not len(self.hashes_):
            return np.zeros(len(distinct))
        wanted = _hashes(distinct)
        at = np.minimum(np.searchsorted(self.hashes_, wanted), len(self.hashes_) - 1)
        return np.where(self.hashes_[at] == wanted, self.counts_[at], 0)


def _plain(text: str) -> tuple[float, float, float, float]:
    """Length, number of words, digits, and the last whole number."""
    figures = WHOLE_NUMBER.findall(text[:LONGEST_READ])
    last = float(figures[-1]) if figures and len(figures[-1]) <= LONGEST_NUMBER else math.nan
    return len(text), len(text.split()), sum(map(len, figures)), last


def _distinct(texts: pd.Series) -> tuple[np.ndarray[Any, Any], Sequence[str]]:
    """Position of each row's text among the different ones (n_rows,), -1 for missing; and these."""
    values = texts.to_numpy(dtype=object)
    if len(values) == 1:  # as served: no table is needed for one row
        is_there = isinstance(values[0], str)
        return np.array([0 if is_there else -1]), list(values) if is_there else []
    codes, distinct = pd.factorize(pd.Series(values, dtype=object))
    return codes, list(distinct)


def _hashes(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Texts as 8 bytes each (n_texts,); half of a surrogate pair, which JSON can hold, is text too."""
    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)
