"""Many rows through many trees, question by question (`pyfunc.compiled.kernel`)."""

from __future__ import annotations

import numpy as np

from pyfunc.compiled.kernel import BITS, BLOCK, NEVER, TOGETHER
from pyfunc.compiled.places import GREATER

ALL = np.uint16(NEVER)
ZERO, ONE, TWO, FOUR, EIGHT = (np.uint16(value) for value in (0, 1, 2, 4, 8))
PAIRS, FOURS, EIGHTS, LOW = (np.uint16(bits) for bits in (0x5555, 0x3333, 0x0F0F, 0x001F))  # to count bits by


def sum_up(  # noqa: C901, PLR0912 (one loop for the compiler)
    number, trees, starts, row_of, bound, ruled, sets, kept, planes, plane, bits, leaves, values, places, room, out,
):  # fmt: skip
    """Add the leaves that rows fall into to the outputs (n_outputs, n_rows)."""
    left, leaf, seen = room[0], room[1], room[2]
    for begin in range(0, places.shape[1], BLOCK):
        size = min(BLOCK, places.shape[1] - begin)
        end = begin + size
        for tree in range(len(trees) - 1):
            for row in range(size):
                leaf[row] = ALL
            for word in range(trees[tree], trees[tree + 1]):
                for row in range(size):
                    left[row] = ALL
                for at in range(starts[word], starts[word + 1], TOGETHER):
                    held0, held1 = places[row_of[at], begin:end], places[row_of[at + 1], begin:end]
                    held2, held3 = places[row_of[at + 2], begin:end], places[row_of[at + 3], begin:end]
                    most0, most1, most2, most3 = bound[at], bound[at + 1], bound[at + 2], bound[at + 3]
                    kept0, kept1, kept2, kept3 = ruled[at], ruled[at + 1], ruled[at + 2], ruled[at + 3]
                    for row in range(size):
                        left[row] &= (
                            (kept0 if held0[row] > most0 else ALL)
                            & (kept1 if held1[row] > most1 else ALL)
                            & (kept2 if held2[row] > most2 else ALL)
                            & (kept3 if held3[row] > most3 else ALL)
                        )
                for at in range(sets[word], sets[word + 1]):
                    mask, first = kept[at], planes[at]
                    held, inside = places[plane[first], begin:end], bits[first]
                    if planes[at + 1] == first + 1:
                        for row in range(size):
                            left[row] &= ALL if held[row] & inside else mask
                        continue
                    for row in range(size):
                        seen[row] = held[row] & inside
                    for more in range(first + 1, planes[at + 1]):
                        held, inside = places[plane[more], begin:end], bits[more]
                        for row in range(size):
                            seen[row] |= held[row] & inside
                    for row in range(size):
                        left[row] &= ALL if seen[row] else mask
                base = np.uint16((word - trees[tree]) * BITS)
                for row in range(size):
                    word_left = left[row]
                    below = np.uint16((word_left & (ZERO - word_left)) - ONE)  # ones below the lowest, to be counted
                    below = np.uint16(below - ((below >> ONE) & PAIRS))
                    below = np.uint16((below & FOURS) + ((below >> TWO) & FOURS))
                    below = np.uint16((below + (below >> FOUR)) & EIGHTS)
                    below = np.uint16((below + (below >> EIGHT)) & LOW)
                    leaf[row] = np.uint16(base + below) if leaf[row] == ALL and word_left != ZERO else leaf[row]
            sums, of_leaf = out[number[tree] % out.shape[0], begin:end], values[leaves[tree] : leaves[tree + 1]]
            for row in range(size):
                sums[row] += of_leaf[np.uint64(leaf[row])]


def sum_up_levels(  # noqa: C901 (one loop for the compiler)
    number, row_of, kind, bound, planes, plane, bits, starts, leaves, values, places, room, out,
):  # fmt: skip
    """The same for trees of `pyfunc.compiled.places.Levels`."""
    leaf, seen = room[0], room[1]
    for begin in range(0, places.shape[1], BLOCK):
        size = min(BLOCK, places.shape[1] - begin)
        end = begin + size
        for tree in range(len(number)):
            for row in range(size):
                leaf[row] = ZERO
            for at in range(starts[tree], starts[tree + 1]):
                if kind[at] == GREATER:
                    held, most = places[row_of[at], begin:end], bound[at]
                    for row in range(size):
                        leaf[row] = np.uint16(leaf[row] + leaf[row] + (ONE if held[row] > most else ZERO))
                    continue
                for row in range(size):
                    seen[row] = ZERO
                for more in range(planes[at], planes[at + 1]):
                    held, inside = places[plane[more], begin:end], bits[more]
                    for row in range(size):
                        seen[row] |= held[row] & inside
                for row in range(size):
                    leaf[row] = np.uint16(leaf[row] + leaf[row] + (ZERO if seen[row] else ONE))
            sums, of_leaf = out[number[tree] % out.shape[0], begin:end], values[leaves[tree] : leaves[tree + 1]]
            for row in range(size):
                sums[row] += of_leaf[np.uint64(leaf[row])]
