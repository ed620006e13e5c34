"""What loops in machine code take, for those who call them and for the one who makes them (`pyfunc.compiled.loops`).

A loop takes arrays without gaps, and whole numbers, each of a kind: NumPy's name of the type, and of how many axes.
"""

from __future__ import annotations

Kind = tuple[str, int]

WIDTH = 8  # lanes of a vector
TOGETHER = 4 * WIDTH  # lanes that are under way: a group of four vectors

NUMBER: Kind = ("i8", 0)
FLOATS: Kind = ("f8", 1)
INTS: Kind = ("i8", 1)
WORDS: Kind = ("u8", 1)
SMALL: Kind = ("u2", 1)
BYTES: Kind = ("u1", 1)
FLOATS_2D: Kind = ("f8", 2)
SMALL_2D: Kind = ("u2", 2)

SIGNATURES: dict[str, tuple[Kind, ...]] = {
    "descend": (
        INTS, INTS, INTS, INTS, INTS, INTS, INTS, FLOATS, WORDS,
        WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, FLOATS,
        WORDS, WORDS, WORDS, WORDS, FLOATS,
        FLOATS, WORDS, FLOATS, WORDS, FLOATS, FLOATS_2D, NUMBER, FLOATS,
    ),
    "find": (INTS, INTS, FLOATS, INTS, INTS, INTS, FLOATS_2D, SMALL_2D),
    "sum_up": (
        INTS, INTS, INTS, INTS, SMALL, SMALL, INTS, SMALL, INTS, INTS, SMALL, INTS, FLOATS,
        SMALL_2D, SMALL_2D, FLOATS_2D,
    ),
    "sum_up_levels": (
        INTS, INTS, BYTES, SMALL, INTS, INTS, SMALL, INTS, INTS, FLOATS,
        SMALL_2D, SMALL_2D, FLOATS_2D,
    ),
    "walk": (WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, FLOATS, FLOATS, FLOATS, WORDS, WORDS, FLOATS_2D),
    "walk_alone": (
        WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, FLOATS, FLOATS, WORDS, FLOATS,
        FLOATS, FLOATS, WORDS, FLOATS, FLOATS_2D, NUMBER, FLOATS,
    ),
}  # fmt: skip
