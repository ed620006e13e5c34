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
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "NO_LETTERS", "REST", "TextFeatures", "head_of", "often", "words_in"]

FEWEST_ROWS, LEAST_SHARE, MOST_SHARE = 5, 0.01, 0.99  # of the rows with a text: what fewer hold is no feature
MOST_PARTS = 30
PLAIN = ("length", "words", "digits", "number", "same")
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


def words_in(text: str) -> list[str]:
    """Words of a text in their order, case folded."""
    return WORD.findall(text[:LONGEST_READ].casefold())


def head_of(text: str) -> str:
    """The letters that a text begins with, up to a space or digit, case folded, without signs between: `A./5` is `a`.

    Empty where it begins with something else.
    """
    found = HEAD.match(text[:LONGEST_READ])
    return NOT_LETTERS.sub("", found[1]).casefold()[:LONGEST_HEAD] if found else ""


def often(found: Iterable[Iterable[str]], rows: Sequence[int], most: int) -> tuple[str, ...]:
    """What occurs in enough of the rows, but not in nearly all: the most frequent first, on a tie by the alphabet.

    Args:
        found: parts of each text, empty ones and very long ones of no account.
        rows: how many rows hold each text.
        most: how many parts are kept.
    """
    counts: Counter[str] = Counter()
    for parts, count in zip(found, rows, strict=True):
        for part in set(parts):
            counts[part] += count
    n_rows = sum(rows)
    least, limit = max(FEWEST_ROWS, LEAST_SHARE * n_rows), MOST_SHARE * n_rows
    kept = [part for part, count in counts.items() if least <= count <= limit and 0 < len(part) <= LONGEST_WORD]
    return tuple(sorted(kept, key=lambda part: (-counts[part], part))[:most])


@dataclass(frozen=True)
class _Texts:
    """A column's different texts, each looked at once, and where they stand."""

    codes: np.ndarray[Any, Any]  # (n_rows,) position of each row's text, -1 for missing
    distinct: Sequence[str]
    read: Sequence[str]  # what is read of each
    words: Sequence[Sequence[str]]
    heads: Sequence[str]

    @classmethod
    def of(cls, texts: pd.Series) -> _Texts:
        """Look at them."""
        values = texts.to_numpy(dtype=object)
        if len(values) == 1:  # as served: one row needs no table
            distinct = [text for text in values if isinstance(text, str)]
            codes = np.array([len(distinct) - 1])
        else:
            import pandas as pd  # noqa: PLC0415 (compiled models bring codes, and need none)

            codes, found = pd.factorize(pd.Series(values, dtype=object))
            distinct = list(found)
        return cls.coded(codes, distinct)

    @classmethod
    def coded(cls, codes: np.ndarray[Any, Any], distinct: Sequence[str]) -> _Texts:
        """The same where each row's place is known."""
        read = [text[:LONGEST_READ] for text in distinct]
        return cls(codes, distinct, read, list(map(words_in, read)), list(map(head_of, read)))


class TextFeatures:
    """Features of one column of text. Learns from texts alone; labels are never seen."""

    def fit(self, texts: pd.Series) -> Self:
        """Learn frequent words and heads, and count equal texts.

        Args:
            texts: (n_rows,) object, NaN for missing.
        """
        self._learn(_Texts.of(texts))
        return self

    def transform(self, texts: pd.Series) -> tuple[Floats, np.ndarray[Any, Any]]:
        """Numbers (n_rows, n_names), called `names`, and heads (n_rows,); the same ones whatever the rows hold."""
        return self._made(_Texts.of(texts), itself=0)

    def fit_transform(self, texts: pd.Series) -> tuple[Floats, np.ndarray[Any, Any]]:
        """The same for the training rows themselves, which `same` counts without the row itself.

        A new row is not among the training rows; if training rows counted themselves, a text seen once would mean one
        thing in training and another in use.
        """
        looked_at = _Texts.of(texts)
        self._learn(looked_at)
        return self._made(looked_at, itself=1)

    def transform_coded(
        self, codes: np.ndarray[Any, Any], distinct: Sequence[str]
    ) -> tuple[Floats, np.ndarray[Any, Any]]:
        """`transform` of texts as places (n_rows,) in a list of different ones, -1 for missing."""
        return self._made(_Texts.coded(codes, distinct), itself=0)

    @property
    def names(self) -> list[str]:
        """Of the numbers, in their order."""
        return [*PLAIN, *(f"part{at}" for at in range(len(self.words_)))]

    def _learn(self, texts: _Texts) -> None:
        """Frequent words and heads; the hash of each text, and its number of rows."""
        counts = np.bincount(texts.codes[texts.codes >= 0], minlength=len(texts.distinct))
        rows = counts.tolist()
        self.words_ = often(texts.words, rows, MOST_PARTS)
        self.heads_ = often(([head] for head in texts.heads), rows, MOST_HEADS)
        hashes = _hashes(texts.distinct)
        order = np.argsort(hashes)
        self.hashes_, self.counts_ = hashes[order], counts[order].astype(np.int32)

    def _made(self, texts: _Texts, itself: int) -> tuple[Floats, np.ndarray[Any, Any]]:
        """Features of the different texts, handed out to the rows; the last one stands for a missing text."""
        n_texts = len(texts.distinct)
        numbers = np.zeros((n_texts + 1, len(PLAIN) + len(self.words_)))
        figures = list(map(WHOLE_NUMBER.findall, texts.read))
        numbers[:n_texts, 0] = list(map(len, texts.distinct))
        numbers[:n_texts, 1] = list(map(len, texts.words))
        numbers[:n_texts, 2] = [sum(map(len, found)) if found else 0 for found in figures]
        numbers[:n_texts, 3] = [_number(found[-1]) if found else math.nan for found in figures]
        numbers[:n_texts, 4] = np.log1p(np.maximum(self._seen(texts.distinct) - itself, 0))
        numbers[n_texts, 3] = np.nan
        place = {word: at for at, word in enumerate(self.words_, start=len(PLAIN))}
        if place:
            at = [(row, place[word]) for row, words in enumerate(texts.words) for word in place.keys() & words]
            numbers[tuple(np.array(at, dtype=np.int64).reshape(-1, 2).T)] = 1.0
        known = {"": NO_LETTERS, **{head: head for head in self.heads_}}
        heads = np.array([*(known.get(head, REST) for head in texts.heads), MISSING], dtype=object)
        return numbers[texts.codes], heads[texts.codes]

    def _seen(self, distinct: Sequence[str]) -> np.ndarray[Any, Any]:
        """How many training rows hold each text."""
        if not len(self.hashes_):
            return np.zeros(len(distinct))
        wanted = _hashes(distinct)
        at = np.minimum(np.searchsorted(self.hashes_, wanted), len(self.hashes_) - 1)
        return np.where(self.hashes_[at] == wanted, self.counts_[at], 0)


def _number(digits: str) -> float:
    """A whole number, unless it is too long to be a quantity."""
    return float(digits) if len(digits) <= LONGEST_NUMBER else math.nan


def _hashes(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Texts as 8 bytes each (n_texts,); half of a surrogate pair, which JSON can hold, is text too."""
    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)
