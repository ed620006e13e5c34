"""Generated tables for benchmarks: odd in one way each, and with something to learn.

A table is named by its size and what is odd about it: `1000000x30`, `20000x30x50classes`. A third of the columns are
categories; the target hangs on the first columns of each kind, on a product of two numbers, and on luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TARGET = "label"
MOST_TEST_ROWS, FEWEST_TEST_ROWS = 100_000, 300
RARE = 0.005  # share of the positive class
LEVELS = 5000
GAPS, MANY_GAPS = 0.05, 0.95
HEARD = 4  # columns of each kind that the target hangs on
SELDOM = 8  # rows of both files in which a column differs from its usual value

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Shape:
    """Rows to learn from, columns beside the target, and what is odd."""

    rows: int
    columns: int
    odd: str = ""

    @classmethod
    def of(cls, text: str) -> Shape:
        """Read `ROWSxCOLUMNS` or `ROWSxCOLUMNSxODD`.

        Raises:
            ValueError: another form, or an oddity that nobody knows.
        """
        rows, columns, *more = text.split("x")
        odd = more[0] if more else ""
        if len(more) > 1 or not (odd in ODD or odd.removesuffix("classes").isdigit()):
            raise ValueError(f"{text}: give ROWSxCOLUMNS, with x and one of {', '.join(filter(None, ODD))} or Nclasses")
        return cls(int(rows), int(columns), odd)

    @property
    def classes(self) -> int:
        """How many the target has."""
        return int(self.odd.removesuffix("classes")) if self.odd.endswith("classes") else 2


def write(shape: Shape, folder: Path, seed: int = 1) -> None:
    """Write `train.parquet`, `test.parquet` and `target.txt`."""
    test_rows = int(np.clip(shape.rows // 4, FEWEST_TEST_ROWS, MOST_TEST_ROWS))
    frame = table(shape, shape.rows + test_rows, seed)
    folder.mkdir(parents=True, exist_ok=True)
    frame.iloc[: shape.rows].to_parquet(folder / "train.parquet", index=False)
    frame.iloc[shape.rows :].to_parquet(folder / "test.parquet", index=False)
    (folder / "target.txt").write_text(TARGET)


def table(shape: Shape, rows: int, seed: int) -> pd.DataFrame:
    """Rows of a table, the target last."""
    random = np.random.default_rng(seed)
    numbers, categories = ODD.get(shape.odd, _usual)(shape.columns)
    heard = random.normal(size=rows)
    columns: dict[str, Any] = {}
    drawn = [random.normal(size=rows) for _ in range(numbers)]
    for at, values in enumerate(drawn):
        if at < HEARD:
            heard += values * (1 - at / HEARD) + (drawn[0] * values if at == 1 else 0)
        columns[f"number {at}"] = np.round(values, 4)
    for at in range(categories):
        levels = LEVELS if shape.odd == "levels" else 3 + 4 * at % 40
        codes = random.integers(0, levels, rows)
        if at < HEARD:
            heard += random.normal(size=levels)[codes]
        columns[f"category {at}"] = np.array([f"level {level}" for level in range(levels)], dtype=object)[codes]
    spoiled = {
        name: _spoilt(values, at, shape.odd, random) if at else values
        for at, (name, values) in enumerate(columns.items())
    }
    return pd.DataFrame({**spoiled, TARGET: _labels(heard, shape)})


def _usual(columns: int) -> tuple[int, int]:
    """Numbers and categories of most tables."""
    return columns - columns // 3, columns // 3


ODD: dict[str, Callable[[int], tuple[int, int]]] = {
    "": _usual,
    "rare": _usual,  # one positive in 200
    "gaps": _usual,  # all columns but the first are nearly empty
    "seldom": _usual,  # all columns but the first four are constant in some folds
    "levels": lambda columns: (0, columns),  # categories of 5000 levels, nothing else
    "numbers": lambda columns: (columns, 0),
}


def _spoilt(values: Any, at: int, odd: str, random: np.random.Generator) -> Any:
    """A column with gaps, or nearly constant."""
    rows = len(values)
    if odd == "seldom":
        kept = np.isin(np.arange(rows), random.choice(rows, SELDOM, replace=False))
        return values if at < HEARD else np.where(kept, values, values[0])
    return pd.Series(values).mask(random.random(rows) < (MANY_GAPS if odd == "gaps" else GAPS)).array


def _labels(heard: Floats, shape: Shape) -> np.ndarray[Any, Any]:
    """The target: the highest few, or classes of falling size."""
    if shape.odd == "rare":
        return np.where(heard > np.quantile(heard, 1 - RARE), "yes", "no")
    if shape.classes == 2:
        return np.where(heard > np.quantile(heard, 0.7), "yes", "no")
    shares = np.linspace(2, 1, shape.classes)
    cuts = np.quantile(heard, np.cumsum(shares / shares.sum())[:-1])
    return np.array([f"class {at:02d}" for at in range(shape.classes)], dtype=object)[np.searchsorted(cuts, heard)]
