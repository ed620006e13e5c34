"""CatBoost's counts of labels by category, as numbers that a bag's trees see behind the matrix.

A count belongs to a combination: of categories, of bounds that a number is beyond or not, of single codes. CatBoost
knows it by a hash of them all, and so does this. Source: what CatBoost 1.2 writes by `save_model(format="python")`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pyfunc.boosters import NO_CATEGORY

CATEGORY, BOUND, CODE = 0, 1, 2  # what an element of a combination is
FACTOR, WHOLE = 0x4906BA494954CB65, 2**64 - 1
SQUARE = FACTOR * FACTOR & WHOLE

Floats = np.ndarray[Any, np.dtype[np.float64]]
Words = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True)
class Combination:
    """What some counts belong to.

    Attributes:
        elements: (n_elements, 4): what it is, its column of the matrix, the bound or code, and whether a gap counts
            as beyond, or as that code.
        keys: (n_keys,) hashes that were seen, rising.
        values: (n_keys + 1, n_counts); the last row for all other hashes.
    """

    elements: Floats
    keys: Words
    values: Floats

    def of_rows(self, matrix: Floats, hashes: Words) -> Floats:
        """Counts (n_rows, n_counts) of a matrix (n_rows, n_features)."""
        key = np.zeros(len(matrix), dtype=np.uint64)
        for what, at, bound, gap_is_so in self.elements.tolist():
            cells = matrix[:, int(at)]
            if what == CATEGORY:
                key = key * np.uint64(FACTOR) + hashes[_places(cells)]
                continue
            is_so = (cells > bound if what == BOUND else cells == bound) | (np.isnan(cells) & bool(gap_is_so))
            key = key * np.uint64(FACTOR) + np.where(is_so, np.uint64(SQUARE), np.uint64(0))
        found = np.searchsorted(self.keys, key)
        within = np.minimum(found, max(0, len(self.keys) - 1))
        is_known = self.keys[within] == key if len(self.keys) else np.zeros(len(key), dtype=bool)
        return self.values[np.where(is_known, within, len(self.keys))]

    def of_row(self, cells: Sequence[float], hashes: Sequence[int]) -> Sequence[float]:
        """The same (n_counts,) of one row, for which arrays take ten times as long."""
        key = 0
        for what, at, bound, gap_is_so in self._elements:
            cell = cells[at]
            if what == CATEGORY:
                add = hashes[0 if cell != cell else int(cell) - NO_CATEGORY]  # noqa: PLR0124 (NaN)
            else:
                is_so = cell > bound if what == BOUND else cell == bound
                add = SQUARE if is_so or (gap_is_so and cell != cell) else 0  # noqa: PLR0124
            key = (key * FACTOR + add) & WHOLE
        return self._known.get(key, self._others)

    @cached_property
    def _elements(self) -> list[tuple[int, int, float, bool]]:
        """As Python's own types."""
        return [(int(what), int(at), bound, bool(gap)) for what, at, bound, gap in self.elements.tolist()]

    @cached_property
    def _known(self) -> dict[int, list[float]]:
        """Counts by hash."""
        return dict(zip(self.keys.tolist(), self.values.tolist(), strict=False))

    @cached_property
    def _others(self) -> list[float]:
        """Counts of a hash that was not seen."""
        found: list[float] = self.values[-1].tolist()
        return found


@dataclass(frozen=True)
class Counts:
    """All counts of a bag's trees.

    Attributes:
        packed: the combinations, as `pack` writes them.
    """

    packed: bytes = field(repr=False)

    def of_rows(self, matrix: Floats) -> Floats:
        """A matrix (n_rows, n_features) with the counts behind it."""
        hashes, combinations = self._read
        return np.hstack([matrix, *(each.of_rows(matrix, hashes) for each in combinations)])

    def of_row(self, row: Floats) -> Floats:
        """The same of one row (n_features,)."""
        cells = row.tolist()
        return np.array([*cells, *(count for each in self._read[1] for count in each.of_row(cells, self._hashes))])

    @cached_property
    def _read(self) -> tuple[Words, list[Combination]]:
        """The way back from `pack`."""
        with np.load(io.BytesIO(self.packed), allow_pickle=False) as arrays:
            held = dict(arrays)
        listed = [
            Combination(*(held[f"{name}{at}"] for name in ("elements", "keys", "values")))
            for at in range((len(held) - 1) // 3)
        ]
        return held["hashes"], listed

    @cached_property
    def _hashes(self) -> list[int]:
        """As Python's own numbers."""
        found: list[int] = self._read[0].tolist()
        return found


def pack(hashes: Words, combinations: Sequence[Combination]) -> Counts:
    """Combinations as bytes.

    Args:
        hashes: (n_codes + 1,) what a category of each code from `NO_CATEGORY` on adds to a hash.
        combinations: in the order in which their counts stand behind the matrix.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {"hashes": hashes}
    for at, each in enumerate(combinations):
        arrays |= {f"elements{at}": each.elements, f"keys{at}": each.keys, f"values{at}": each.values}
    with io.BytesIO() as file:
        np.savez_compressed(file, **arrays)
        return Counts(file.getvalue())


def _places(cells: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where the hashes of codes (n,) stand; a gap is `NO_CATEGORY`."""
    return np.where(np.isnan(cells), 0, cells - NO_CATEGORY).astype(np.int64)
