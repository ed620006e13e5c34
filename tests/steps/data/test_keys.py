"""Keys and texts: the line between what is left out and what gives features."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from steps.data.describing import describe

ROWS = 300
SURNAMES = ["Alonso", "Berg", "Cohen", "Dupont", "Eriksen", "Fischer"]
TITLES = ["Mr.", "Mrs.", "Miss.", "Master."]


def chars(draw: np.random.Generator, letters: str, n: int) -> str:
    """A random text."""
    return "".join(draw.choice(list(letters), n))


def ticket(draw: np.random.Generator, at: int) -> str:
    """A number, before it in a quarter of the rows a prefix."""
    return f"{draw.choice(['PC ', 'C.A. ', 'A/5 ']) if at % 4 == 0 else ''}{draw.integers(10_000, 999_999)}"


def path(draw: np.random.Generator, at: int) -> str:
    """A URL; a third of them on the same page."""
    return f"https://shop.example/{draw.choice(['shoes', 'hats', 'bags'])}/{at}"


UPPER, BASE_36 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
KEYS = {
    "uuid": lambda draw, _: str(uuid.UUID(int=int.from_bytes(draw.bytes(16)), version=4)),
    "sha256": lambda _, at: hashlib.sha256(str(at).encode()).hexdigest(),
    "e-mail address": lambda draw, at: f"{draw.choice(SURNAMES)}.{at}@{draw.choice(['a.example', 'b.example'])}",
    "order number": lambda _, at: f"ORD-2024-{at:06}",
    "counter with a letter": lambda _, at: f"K{at}",
    "base 36": lambda draw, _: chars(draw, BASE_36, 10),
    "letters": lambda draw, _: chars(draw, UPPER, 8),
    "phone number": lambda draw, _: f"+34 {draw.integers(600, 700)} {draw.integers(100, 999)} {draw.integers(999)}",
    "leading zeros": lambda _, at: f"{at * 7:08}",
    "number plate": lambda draw, _: f"{draw.integers(1000, 9999)} {chars(draw, 'BCDFGHJKLMNPRSTVWXYZ', 3)}",
    "repeated customer": lambda _, at: f"cust{at % 180}",
}
TEXTS = {
    "name": lambda draw, at: f"{draw.choice(SURNAMES)}{at}, {draw.choice(TITLES)} {chars(draw, UPPER, 5)}",
    "ticket": ticket,
    "cabin": lambda draw, _: f"{draw.choice(list('ABCDE'))}{draw.integers(1, 400)}",
    "cabins": lambda draw, _: " ".join(f"{draw.choice(list('ABC'))}{draw.integers(1, 99)}" for _ in range(2)),
    "prose": lambda draw, at: f"{chars(draw, UPPER, 5)} {chars(draw, UPPER, 7)} {chars(draw, UPPER, 3)} {at}",
    "address": lambda draw, at: f"{at} {draw.choice(['Main', 'High'])} Street",
    "url": path,
    "city plate": lambda draw, at: f"{draw.choice(['M', 'B', 'HH'])}-{chars(draw, UPPER, 2)} {at}",
    "Cyrillic": lambda draw, at: f"{draw.choice(['дом', 'сад'])} {at}",
}


def described(make, name="column"):
    """A column of made-up texts."""
    draw = np.random.default_rng(1)
    return describe(name, pd.Series([make(draw, at) for at in range(ROWS)], dtype=object))


@pytest.mark.parametrize("what", KEYS)
def test_keys_are_left_out(what):
    """What only tells rows apart is an identifier, and the reason says so."""
    column = described(KEYS[what])
    assert (column.kind, column.reason[-14:]) == (Kind.IDENTIFIER, "it names rows.")


@pytest.mark.parametrize("what", TEXTS)
def test_texts_with_shared_parts_are_read(what):
    """Words or heads that several rows share make a text, however different the whole texts are."""
    column = described(TEXTS[what])
    assert (column.kind, column.categories) == (Kind.TEXT, ())


def test_a_name_that_says_key_decides_for_short_texts_that_are_all_different():
    """`booking id` leaves cabins out where no two are equal, not where some are, and never prose."""
    cabins = [f"{'ABC'[at % 3]}{at}" for at in range(ROWS)]
    assert describe("booking id", pd.Series(cabins)).kind is Kind.IDENTIFIER
    assert describe("booking", pd.Series(cabins)).kind is Kind.TEXT
    assert describe("booking id", pd.Series([*cabins[1:], cabins[1]])).kind is Kind.TEXT
    assert described(TEXTS["prose"], "booking id").kind is Kind.TEXT


def test_few_shared_parts_are_too_few():
    """A part that less than a tenth of the rows share makes no text."""
    for share, kind in ((0.08, Kind.IDENTIFIER), (0.12, Kind.TEXT)):
        texts = [
            f"rare {at}" if at < share * ROWS else chars(np.random.default_rng(at), UPPER, 9) for at in range(ROWS)
        ]
        assert describe("code", pd.Series(texts)).kind is kind


def test_a_very_long_cell_takes_no_time():
    """Texts of 100,000 characters are told in a moment, digits and letters in turn as well."""
    texts = [("a1" * 50_000) + str(at) for at in range(30)]
    assert describe("blob", pd.Series(texts)).kind is Kind.IDENTIFIER
