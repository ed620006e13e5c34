"""Rows as columns of plain arrays, the form between the schema's gate and a compiled model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MISSING = -1  # code of a missing text
DAY_NS = 24 * 3_600_000_000_000
FARTHEST_NS = np.iinfo(np.int64).max  # 292 years: that two times are apart and int64 can say so


@dataclass(frozen=True)
class Coded:
    """Texts (n_rows,) as places in a list of different ones.

    Attributes:
        codes: integers (n_rows,); `MISSING` where there is no text.
        texts: the different texts; not all of them have to occur.
    """

    codes: np.ndarray[Any, Any]
    texts: Sequence[str]

    def __getitem__(self, rows: Any) -> Coded:
        """Some of the rows."""
        return Coded(self.codes[rows], self.texts)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.codes)


# By kind: number and boolean float64 (n_rows,) with NaN for missing; datetime datetime64[ns] (n_rows,) in UTC with NaT;
# category and text `Coded`. The same cell alone: float (NaN), `numpy.datetime64` (NaT), str or None.
Column = np.ndarray[Any, Any] | Coded
Cell = float | str | np.datetime64 | None


def days_before(latest: np.datetime64, times: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Days (n_rows,) from times, datetime64[ns], to the latest one; NaN for NaT. More than 292 years count as 292."""
    if np.isnat(latest):
        return np.full(len(times), np.nan)
    at, ns = int(latest.astype("datetime64[ns]").astype(np.int64)), times.astype(np.int64)
    near = np.clip(ns, max(at - FARTHEST_NS, -FARTHEST_NS), min(at + FARTHEST_NS, FARTHEST_NS))
    return np.where(np.isnat(times), np.nan, (at - near) / DAY_NS)
