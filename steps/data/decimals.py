"""Decimal commas: which columns of a delimited file have them.

`1,5` is a number in a file whose cells are separated by semicolons or tabs; between commas it may be a thousand, unless
the file resembles one that has decimal commas.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pyfunc.cells import MISSING_TOKENS, NUMBER_TEXT
from steps.data.formats import FileFormat

COMMA_IS_DECIMAL_WITH = ("\t", ";")
SPACES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # what str.strip() takes off
DECIMAL_COMMA = r"^[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?$"  # for RE2, where \d is 0 to 9 and $ the end
NUMBER = f"^(?:{NUMBER_TEXT.pattern})$"
THOUSAND = r"^[+-]?[1-9]\d{0,2},\d{3}$"
FIRST_ROWS = 1000  # looked at before a whole column is


@dataclass(frozen=True)
class Decimals:
    """Positions of columns whose decimal commas became points; the file's decimal sign, None where nothing shows it."""

    changed: list[int]
    sign: str | None


def decimal_points(
    columns: dict[int, pa.ChunkedArray],
    header: Sequence[str | None],
    delimiter: str,
    names: Collection[str] | None,
    like: FileFormat | None,
) -> Decimals:
    """Put points for decimal commas.

    Args:
        columns: texts (n_rows,) by position; columns with commas are replaced here.
        header: their names.
        delimiter: the file's.
        names: of the columns in which each cell that is a number with a comma is changed; None changes the columns all
            of whose cells are numbers.
        like: format of a file that this one resembles: with its decimal comma, commas are decimal whatever the
            delimiter is; where it has points although commas would do, they are in columns with a cell that cannot
            be a thousand (`7,5`), because `1,234` alone may be one.
    """
    commas_read, may_be_thousands = commas_in(delimiter, like)
    if not commas_read:
        return Decimals([], ".")
    changed, points = [], False
    for at, column in [*columns.items()]:
        if names is None or header[at] in names:
            if names is None and not (_all_numbers(column.slice(0, FIRST_ROWS)) and _all_numbers(column)):
                continue
            texts = _trimmed(column)
            commas = pc.match_substring_regex(texts, DECIMAL_COMMA)
            if may_be_thousands and not pc.any(pc.and_not(commas, pc.match_substring_regex(texts, THOUSAND))).as_py():
                continue
            if pc.any(commas).as_py():
                columns[at] = pc.if_else(commas, pc.replace_substring(texts, ",", "."), column.cast(pa.string()))
                changed.append(at)
            points = points or bool(pc.any(pc.match_substring(texts, ".")).as_py())
    return Decimals(changed, "," if changed else "." if points else None)


def commas_in(delimiter: str, like: FileFormat | None) -> tuple[bool, bool]:
    """Whether commas may be decimal in a file, and whether a whole column has to say that they are no thousands."""
    is_comma, may_be_thousands = delimiter in COMMA_IS_DECIMAL_WITH, False
    if like is not None and like.decimal is not None:
        may_be_thousands = is_comma and like.decimal == "." and like.delimiter in COMMA_IS_DECIMAL_WITH
        is_comma = is_comma or like.decimal == ","
    return is_comma, may_be_thousands


def has_commas(column: pa.Array) -> bool:
    """Whether a column (n_rows,) of texts has a number with a comma."""
    return bool(pc.any(pc.match_substring_regex(_trimmed(column), DECIMAL_COMMA)).as_py())


def _all_numbers(column: pa.ChunkedArray) -> bool:
    """Whether all cells are numbers, with point or comma, or mean missing."""
    texts = _trimmed(column)
    fine = pc.or_(pc.match_substring_regex(texts, NUMBER), pc.match_substring_regex(texts, DECIMAL_COMMA))
    fine = pc.or_(fine, pc.is_in(texts, pa.array(["", *MISSING_TOKENS])))
    return pc.all(fine).as_py() is not False  # null where there is no cell


def _trimmed(column: pa.Array) -> pa.Array:
    """Texts (n_rows,) without spaces around them."""
    return pc.utf8_trim(column.cast(pa.string()), SPACES)
