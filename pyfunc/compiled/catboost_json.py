"""What a model of CatBoost states of itself in JSON: its questions, and its counts of labels by category."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from pyfunc.boosters import NO_CATEGORY
from pyfunc.compiled import counts
from pyfunc.compiled.counts import BOUND, CATEGORY, CODE, Combination, Counts
from pyfunc.compiled.rounding import at_most
from pyfunc.compiled.unfit import NotCompiledError

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Levels = Mapping[int, int]  # by column of the matrix: how many codes a category has
Question = tuple[int, float | None, bool, int | None]  # column, border in float64 or None, gap is beyond it, code
Row = tuple[int, int, float, bool]  # an element of a combination, see `counts.Combination`
MOST_CODES = 10_000  # of four digits
EMPTY = 2**64 - 1  # the hash of an unused place in a table
COUNTER, BORDERS, BUCKETS = "Counter", "Borders", "Buckets"
# CityHash64 (version 1.0) of texts of up to four bytes, which CatBoost knows categories by
_K2, _K3, _KMUL, _64 = 0x9AE16A3B2F90404F, 0xC949D7C7509E6557, 0x9DDFEA08EB382D69, 2**64 - 1


class Seen:
    """Where a model finds its columns in the matrix.

    Args:
        numbers: (n_numbers,) columns of the matrix.
        categories: (n_categories,) likewise.
        info: the model's `features_info`.
        levels: of the matrix's categories.
    """

    def __init__(self, numbers: Ints, categories: Ints, info: Mapping[str, Any], levels: Levels) -> None:
        self.numbers, self.categories = numbers.tolist(), categories.tolist()
        self.most = min(MOST_CODES, max(levels.values(), default=0))
        self._treated = {
            each["feature_index"]: each["nan_value_treatment"] for each in info.get("float_features") or ()
        }
        self._codes = {hash_of(str(code)): code for code in range(NO_CATEGORY, self.most)}

    def question(self, split: Mapping[str, Any]) -> Question:
        """One level of a tree."""
        if split["split_type"] == "FloatFeature":
            return *self.bound(split), None
        return self.categories[split["cat_feature_index"]], None, False, self.code(split)

    def bound(self, stated: Mapping[str, Any]) -> tuple[int, float, bool]:
        """A column, a bound that it is asked to be beyond, and whether a gap is."""
        at = stated["float_feature_index"]
        return self.numbers[at], _border(stated), self._treated.get(at) == "AsTrue"

    def code(self, stated: Mapping[str, Any]) -> int:
        """The code of a category."""
        code = self._codes.get(stated["value"] % 2**32)
        if code is None:
            raise NotCompiledError("a category that CatBoost knows by another name")
        return code

    def element(self, stated: Mapping[str, Any]) -> Row:
        """One of a combination."""
        if stated["combination_element"] == "cat_feature_value":
            return CATEGORY, self.categories[stated["cat_feature_index"]], 0.0, False
        if stated["combination_element"] == "float_feature":
            return BOUND, *self.bound(stated)
        code = self.code(stated)
        return CODE, self.categories[stated["cat_feature_index"]], float(code), code == NO_CATEGORY


class Columns:
    """Where the counts of one model stand behind the matrix."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        before = sum(len(each["borders"] or ()) for each in info.get("float_features") or ())
        before += sum(len(each.get("values") or ()) for each in info.get("categorical_features") or ())
        # Questions are numbered through: bounds of numbers, codes, bounds of counts
        self._first = [*accumulate((len(each["borders"]) for each in info.get("ctrs") or ()), initial=before)]
        self.places: dict[int, int] = {}  # by position among the model's counts

    def question(self, split: Mapping[str, Any]) -> Question:
        """One level of a tree that asks for a count."""
        return self.places[bisect_right(self._first, split["split_index"]) - 1], _border(split), False, None


class Counted:
    """Gathers the counts of all members of a bag.

    Args:
        columns: of the matrix, behind which they stand.
    """

    def __init__(self, columns: int) -> None:
        self.width = columns
        self._made: list[Combination] = []
        self._most = 0

    def take(self, stated: Mapping[str, Any], seen: Seen) -> Columns:
        """Those of one model.

        Raises:
            NotCompiledError: a kind of count that is not known here.
        """
        columns = Columns(stated["features_info"])
        together: dict[tuple[Row, ...], list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        for at, one in enumerate(stated["features_info"].get("ctrs") or ()):
            together[tuple(sorted(map(seen.element, one["elements"]), key=_kind))].append((at, one))
        for elements, listed in together.items():
            self._made.append(_combination(elements, [one for _, one in listed], stated["ctr_data"]))
            columns.places |= {at: self.width + place for place, (at, _) in enumerate(listed)}
            self.width += len(listed)
        self._most = max(self._most, seen.most)
        return columns

    def counts(self) -> Counts | None:
        """All of them; None where there are none."""
        if not self._made:
            return None
        added = [_signed(hash_of(str(code))) * counts.SQUARE & _64 for code in range(NO_CATEGORY, self._most)]
        return counts.pack(np.array(added, dtype=np.uint64), self._made)


def _border(stated: Mapping[str, Any]) -> float:
    """The bound that a number is asked to be beyond, for float64."""
    return float(at_most(np.array([stated["border"]]))[0])


def _kind(element: Row) -> int:
    """Hashes take categories first, then bounds, then codes; the order of each is kept."""
    return element[0]


def _combination(
    elements: Sequence[Row], listed: Sequence[Mapping[str, Any]], tables: Mapping[str, Any]
) -> Combination:
    """Counts that belong to the same."""
    held = [Table(tables[one["identifier"]], one) for one in listed]
    keys = np.unique(np.concatenate([table.keys for table in held]))
    values = np.column_stack([table.of(keys) for table in held])
    return Combination(np.array(elements, dtype=np.float64), keys, values)


class Table:
    """What one count is by hash.

    Args:
        stated: of `ctr_data`.
        one: of `ctrs`.
    """

    def __init__(self, stated: Mapping[str, Any], one: Mapping[str, Any]) -> None:
        stride = stated["hash_stride"]
        keys = np.array([int(key) for key in stated["hash_map"][::stride]], dtype=np.uint64)
        held = [np.array(stated["hash_map"][at::stride], dtype=np.float32) for at in range(1, stride)]
        by_class = np.column_stack(held)
        kind, index, bottom = one["ctr_type"], one["target_border_idx"], stated["counter_denominator"]
        if kind == COUNTER:
            good, total = by_class[:, 0], np.full(len(keys), bottom, dtype=np.float32)
        elif kind == BORDERS:
            good, total = by_class[:, index + 1 :].sum(axis=1), by_class.sum(axis=1)
        elif kind == BUCKETS:
            good, total = by_class[:, index], by_class.sum(axis=1)
        else:
            raise NotCompiledError(f"CatBoost's counts of the kind {kind}")
        self._one = one
        order = np.argsort(keys, kind="stable")
        order = order[keys[order] != EMPTY]
        self.keys, self._values = keys[order], self._shifted(good, total)[order]
        self._other = self._shifted(np.zeros(1, np.float32), np.array([bottom if kind == COUNTER else 0], np.float32))

    def of(self, keys: np.ndarray[Any, np.dtype[np.uint64]]) -> Floats:
        """Values (n_keys + 1,) of hashes (n_keys,), and of any other."""
        found = np.full(len(keys) + 1, self._other[0], dtype=np.float64)
        found[np.searchsorted(keys, self.keys)] = self._values
        return found

    def _shifted(self, good: Any, total: Any) -> Any:
        """As CatBoost compares them, in float32."""
        prior, below, shift, scale = (
            np.float32(self._one[name]) for name in ("prior_numerator", "prior_denomerator", "shift", "scale")
        )
        return ((good + prior) / (total + below) + shift) * scale


def hash_of(text: str) -> int:
    """What CatBoost knows a category by: the lower half of the hash of its text, up to four bytes long."""
    raw = text.encode()
    if len(raw) == 4:  # noqa: PLR2004
        word = int.from_bytes(raw, "little")
        low, high = len(raw) + (word << 3), word
        mixed = (low ^ high) * _KMUL & _64
        mixed = (high ^ mixed ^ mixed >> 47) * _KMUL & _64
        return ((mixed ^ mixed >> 47) * _KMUL & _64) % 2**32
    first, last = raw[0] + (raw[len(raw) >> 1] << 8), len(raw) + (raw[-1] << 2)
    mixed = (first * _K2 & _64) ^ (last * _K3 & _64)
    return ((mixed ^ mixed >> 47) * _K2 & _64) % 2**32


def _signed(half: int) -> int:
    """The lower half of a hash as CatBoost widens it: as a number with a sign."""
    return half - 2**32 if half >= 2**31 else half
