"""What the cells of rows are among all that trees ask (`pyfunc.compiled.places`)."""

from __future__ import annotations

import numpy as np

from pyfunc.compiled.lightgbm_text import WORD
from pyfunc.compiled.loops.inner import inner
from pyfunc.compiled.places import CODE, MOST_CODES, SET
from pyfunc.compiled.places import LEFT as GAPS_LEFT
from pyfunc.compiled.places import ZERO as AS_ZERO

U = np.uint64  # Numba mends negative places in arrays, at a cost; these have none
ZERO, ONE, IN_WORD = U(0), U(1), U(MOST_CODES)


def find(features, kinds, bounds, bound_starts, words, word_starts, matrix, out):
    """The places (n_columns, n_rows) of a matrix (n_rows, n_features)."""
    for at in range(len(features)):
        kind, feature = kinds[at], features[at]
        if kind in (CODE, SET):
            listed = words[word_starts[at] : word_starts[at + 1]]
            for row in range(len(matrix)):
                out[at, row] = of_code(matrix[row, feature], kind, listed)
        else:
            for row in range(len(matrix)):
                out[at, row] = of_number(matrix[row, feature], kind, bounds, bound_starts[at], bound_starts[at + 1])


@inner
def of_code(cell, kind, words):
    """A code, or whether it is outside a set."""
    if kind == CODE:
        return U(cell) if cell >= 0 and cell < MOST_CODES else IN_WORD
    is_in = False
    if cell >= 0 and cell < len(words) * WORD:
        is_in = (words[np.int64(cell) // WORD] >> (np.int64(cell) % WORD)) & 1 == 1
    return ZERO if is_in else ONE


@inner
def of_number(cell, kind, bounds, first, end):
    """How many bounds are less, or what a gap is. Halves are chosen without a branch: which one cannot be guessed."""
    if np.isnan(cell):
        if kind != AS_ZERO:
            return ZERO if kind == GAPS_LEFT else U(end - first)
        cell = 0.0
    begin, left = first, end - first
    while left > 1:
        half = left >> 1
        begin += half if bounds[begin + half - 1] < cell else 0
        left -= half
    return U(begin - first + (1 if left > 0 and bounds[begin] < cell else 0))
