"""Columns that name things or rows rather than measure them: categories, identifiers, counters, postcodes, text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.schema import Column
from steps.data.keys import is_key

MANY_VALUES = 20  # up to that many different texts are categories, however few the rows
MANY_SHARE = 0.5  # of the rows with a value: more different texts than that are no categories
NAMED_IDENTIFIER_ROWS, COUNTER_ROWS, COUNTER_SPREAD = 20, 50, 3
IDENTIFIER_WORDS_IN_NAMES = {"id", "key", "uuid", "guid", "index", "row", "no", "nr"}
POSTCODE_WORDS_IN_NAMES = {"zip", "zipcode", "postcode", "postal", "postalcode", "plz", "postleitzahl", "pincode"}
WORDS_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")


def words_of(name: str) -> set[str]:
    """The words of a column's name, in small letters."""
    return {word.lower() for word in WORDS_OF_NAME.findall(name)}


def text_like(made: Column, present: pd.Series, n_distinct: int, why: str, *, asked: bool) -> Column:
    """Category, identifier or text."""
    before = f"{'On request. ' if asked else ''}{f'{why} ' if why else ''}"
    if asked or are_categories(n_distinct, len(present)):
        reason = f"{n_distinct} different values." if n_distinct > 1 else "One value, and gaps."
        return replace(made, reason=f"{before}{reason}", categories=tuple(sorted(present.unique())))
    before += f"{n_distinct} different texts in {len(present)} rows"
    if is_key(present, is_named_key=bool(words_of(made.name) & IDENTIFIER_WORDS_IN_NAMES)):
        return replace(made, kind=Kind.IDENTIFIER, reason=f"{before}: it names rows.")
    return replace(made, kind=Kind.TEXT, reason=f"{before}: features are made of their words.")


def are_categories(n_distinct: int, n_present: int) -> bool:
    """Whether there are few enough different texts."""
    return n_distinct <= MANY_VALUES or n_distinct <= MANY_SHARE * n_present


def is_postcode(name: str) -> bool:
    """Whether a column is named as one of postcodes."""
    return bool(words_of(name) & POSTCODE_WORDS_IN_NAMES)


def counter_reason(name: str, values: np.ndarray[Any, Any]) -> str:
    """Why a number column only counts or names its rows; empty where it measures something."""
    n_rows = len(values)
    if np.isnan(values).any() or (values % 1 != 0).any() or len(np.unique(values)) < n_rows:
        return ""
    if n_rows >= NAMED_IDENTIFIER_ROWS and words_of(name) & IDENTIFIER_WORDS_IN_NAMES:
        return "Whole numbers without a repeat, and the name says that it identifies rows."
    if n_rows >= COUNTER_ROWS and values.max() - values.min() + 1 <= COUNTER_SPREAD * n_rows:
        return "Whole numbers without a repeat and almost without holes: it counts rows."
    return ""
