from __future__ import annotations

import datetime as dt
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfunc.cells import Kind, Spelling, convert
from pyfunc.spelling import CURRENCIES, ISO8601, moments, plain_number

GERMAN = Spelling(unit="€", thousands=".", decimal=",")
ENGLISH = Spelling(unit="$", thousands=",")
SHARE = Spelling(unit="%")
SPACED = Spelling(unit="EUR", thousands=" ", decimal=",")
PATTERNS = [
    "%d/%m/%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d", "%d %b %Y", "%d-%B-%Y", "%b %d, %Y",
    "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p",
]  # fmt: skip


def read(cells: list[object], kind: Kind, spelling: Spelling) -> list[object]:
    """Converted cells, after asserting that none was wrong or unseen."""
    result = convert(pd.Series(cells, dtype=object), kind, spelling)
    assert (result.wrong, result.unseen) == ({}, [])
    return result.values.tolist()  # noqa: PD011 (a field of ours)


@pytest.mark.parametrize(
    ("text", "spelling", "number"),
    [
        ("1.234,56 €", GERMAN, 1234.56), ("1.234.567", GERMAN, 1234567.0), ("-7 €", GERMAN, -7.0), ("€ 5", GERMAN, 5.0),
        ("1234,5", GERMAN, 1234.5), (",5", GERMAN, 0.5), ("$1,234.50", ENGLISH, 1234.5), ("-$7", ENGLISH, -7.0),
        ("$-7.5", ENGLISH, -7.5), ("1234.5", ENGLISH, 1234.5), ("1e3", ENGLISH, 1000.0), ("12.5 %", SHARE, 0.125),
        ("12.5%", SHARE, 0.125), ("0.125", SHARE, 0.125), ("-3 %", SHARE, -0.03), ("0.1 %", SHARE, 0.001),
        ("1 234,5 EUR", SPACED, 1234.5), ("eur 1\u202f234", SPACED, 1234.0), ("1\u00a0234\u00a0567", SPACED, 1234567.0),
        ("1\u2019234'567", Spelling(thousands="'"), 1234567.0), ("?", GERMAN, None),
        (12.5, SHARE, 12.5), (7, GERMAN, 7.0),
    ],
)  # fmt: skip
def test_numbers_in_a_columns_own_style(text, spelling, number):
    """Units, separators and signs are read; numbers that are no text stay what they are."""
    got = read([text], Kind.NUMBER, spelling)[0]
    assert np.isnan(got) if number is None else got == number


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("1.5", GERMAN), ("1,5 $", GERMAN), ("1.23,5", GERMAN), ("0.125", GERMAN), ("1,5", ENGLISH),
        ("12,34,567", ENGLISH), ("$5$", ENGLISH), ("-$-5", ENGLISH), ("%5", SHARE), ("5 % %", SHARE), ("5 €", SHARE),
        ("€", GERMAN), ("x", GERMAN),
        ("1,234", Spelling()), ("5 %", Spelling()), ("$", ENGLISH), ("1  234", SPACED), (True, GERMAN),
    ],
)  # fmt: skip
def test_what_another_style_would_mean_is_no_number(text, spelling):
    """A point beside decimal commas, another unit and broken groups are refused, never read as something else."""
    assert convert(pd.Series(["1", text], dtype=object), Kind.NUMBER, spelling).wrong == {"not_a_number": [2]}


def test_words_that_mean_missing_are_the_columns_own():
    """Asked-for words are missing in any casing; another word stays an error."""
    spelling = Spelling(missing_words=("unknown",))
    result = convert(pd.Series(["1", "Unknown ", "none"], dtype=object), Kind.NUMBER, spelling)
    assert result.wrong == {"not_a_number": [3]}
    assert np.isnan(read(["1", "UNKNOWN"], Kind.NUMBER, spelling)[1])


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False),
    st.sampled_from([None, *CURRENCIES]),
    st.sampled_from([None, ",", " ", "'"]),
    st.booleans(),
)
def test_numbers_come_back_from_their_spelling(number, unit, thousands, is_german):
    """A number written with any unit and separators is read back to the last bit."""
    spelling = Spelling(unit=unit, thousands="." if is_german and thousands == "," else thousands)
    text = f"{number:,.2f}".replace(",", "_")
    if is_german:
        spelling = Spelling(unit=unit, thousands=spelling.thousands, decimal=",")
        text = text.replace(".", ",")
    text = text.replace("_", spelling.thousands or "")
    assert read([text if unit is None else f"{text} {unit}"], Kind.NUMBER, spelling) == [float(number)]
    if unit is not None and not text.startswith("-"):
        assert read([f"{unit}{text}"], Kind.NUMBER, spelling) == [float(number)]


@given(st.decimals(min_value=-1000, max_value=1000, places=3))
def test_percent_comes_back_as_its_share(number):
    """Percent is the nearest double to a hundredth, as a spreadsheet stores it."""
    assert read([f"{number} %"], Kind.NUMBER, SHARE) == [float(number / Decimal(100))]


@given(
    st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=6),
    st.sampled_from([("no", "yes"), ("N", "Y"), ("nein", "ja"), ("f", "m"), ("2", "5"), ("false", "true")]),
    st.sampled_from([str, str.upper, str.title]),
)
def test_booleans_come_back_from_their_words(numbers, words, casing):
    """A boolean column written in its words, in any casing, is read back; once read, it passes as it is."""
    spelling = Spelling(words=words)
    texts = [casing(words[int(number)]) for number in numbers]
    assert read(texts, Kind.BOOLEAN, spelling) == numbers
    assert read(numbers, Kind.BOOLEAN, spelling) == numbers


@given(st.lists(st.text(min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=6))
def test_categories_come_back_as_they_stand(texts):
    """No text with a sign in it changes, whatever it looks like."""
    assert read(texts, Kind.CATEGORY, Spelling()) == texts


@given(st.text(max_size=8), st.sampled_from([GERMAN, ENGLISH, SHARE, SPACED]))
def test_any_text_is_a_plain_number_or_none(text, spelling):
    """No text raises, and what is read as a number in a style is one in plain form."""
    plain = plain_number(text, spelling)
    assert plain is None or plain == text or isinstance(float(plain), float)


@given(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2060, 1, 1)), st.sampled_from(PATTERNS))  # noqa: DTZ001
def test_dates_come_back_from_their_pattern(moment, pattern):
    """A time written in a pattern is read back as what the pattern keeps of it; ISO text and times pass beside it."""
    kept = dt.datetime.strptime(moment.strftime(pattern), pattern)  # noqa: DTZ007 (it has no zone)
    spelling = Spelling(format=pattern)
    expected = [pd.Timestamp(kept)] * 3
    assert read([f" {moment.strftime(pattern)}", kept.isoformat(), kept], Kind.DATETIME, spelling) == expected


@pytest.mark.parametrize(
    "text",
    ["31/02/2024", "2024-02-30", "12/31/2024", "now", "today", "NaT", "31/05/2024 10:00", "31.05.2024", "1/1/1500"],
)
def test_what_does_not_fit_the_pattern_is_named(text):
    """Impossible dates, other orders and words that pandas would read are no dates."""
    column = pd.Series(["31/05/2024", text], dtype=object)
    assert convert(column, Kind.DATETIME, Spelling(format="%d/%m/%Y")).wrong == {"not_a_datetime": [2]}


def test_a_pattern_with_a_zone_gives_utc():
    """Offsets are applied; the result passes again."""
    spelling = Spelling(timezone="UTC", format="%d/%m/%Y %H:%M %z")
    got = convert(pd.Series(["31/05/2024 12:00 +0200", "31/05/2024 12:00 +0000"]), Kind.DATETIME, spelling).values  # noqa: PD011
    assert got.tolist() == [pd.Timestamp("2024-05-31T10:00Z"), pd.Timestamp("2024-05-31T12:00Z")]
    assert convert(got, Kind.DATETIME, spelling).values.tolist() == got.tolist()  # noqa: PD011


@pytest.mark.parametrize("pattern", ["mixed", "", "%Q"])
def test_what_is_no_pattern_is_refused(pattern):
    """Pandas' ways to guess are no patterns."""
    with pytest.raises(ValueError, match="directive"):
        moments(["x"], pattern, utc=False)


@pytest.mark.parametrize("spelling", [Spelling(), GERMAN, SHARE])
def test_a_long_cell_of_digits_is_refused(spelling):
    """A hundred thousand digits with a sign behind them are looked at once: in quadratic time this would never end."""
    column = pd.Series(["1" * 100_000 + "x", "1," * 50_000, "1" * 100_000 + ".x"], dtype=object)
    assert convert(column, Kind.NUMBER, spelling).wrong == {"not_a_number": [1, 2, 3]}


def test_many_dates_are_read():
    """Different texts by pattern and as ISO, without a warning."""
    times = pd.Series(pd.date_range("2000-01-01", periods=5_000, freq="97min"))
    for pattern, written in (("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"), (ISO8601, "%Y-%m-%dT%H:%M:%S")):
        spelling = Spelling() if pattern == ISO8601 else Spelling(format=pattern)
        column = times.dt.strftime(written).astype(object)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = convert(column, Kind.DATETIME, spelling).values  # noqa: PD011 (a field of ours)
        assert got.tolist() == times.tolist()


def test_the_json_form_comes_back():
    """Lists are words again, and fields of a later program are ignored."""
    assert Spelling.from_dict({"words": ["no", "yes"], "unit": "%", "later": 1}) == Spelling(
        words=("no", "yes"), unit="%"
    )
