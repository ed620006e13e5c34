"""Arrays of one loop in machine code as a few: a call costs as much for each array as for some trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def joined(arrays: Sequence[np.ndarray[Any, Any]], *kinds: type) -> tuple[np.ndarray[Any, Any], ...]:
    """Arrays (n,) one behind the other, those of each type in one; `pyfunc.compiled.lanes` takes them apart.

    Args:
        arrays: of these types.
        kinds: in the order that the loop takes them in.

    Returns:
        Where each of the arrays begins and ends in that of its type, int64 (n_arrays, 2); then one for each type.
    """
    made: dict[type, list[np.ndarray[Any, Any]]] = {kind: [] for kind in kinds}
    filled = dict.fromkeys(kinds, 0)
    ends = np.zeros((len(arrays), 2), dtype=np.int64)
    for at, array in enumerate(arrays):
        kind = array.dtype.type
        ends[at] = filled[kind], filled[kind] + len(array)
        filled[kind] += len(array)
        made[kind].append(array)
    return ends, *(np.concatenate([np.zeros(0, dtype=kind), *made[kind]]) for kind in kinds)
