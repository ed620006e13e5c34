"""From an enforced frame under plain names to the matrix that boosters learn on, without a detour over labels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

WIDE = 0.2  # levels a row with a value: such a category is nearly a key
MOST_LEVELS = 5000  # of a category; the rarer ones are as good as unseen


class Codes(BaseEstimator, TransformerMixin):
    """Numbers as they are; categories as whole numbers, the most frequent one 0. NaN for missing and for unseen.

    Knows no labels, so it may be fitted once on all training rows.

    Attributes:
        categories_: positions of the columns that hold categories.
        wide_: positions of those among them with so many levels that each has few rows.
        levels_: texts of each of those columns, by position; the code of a text is its place.
    """

    def fit(self, frame: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Remember the levels of every category."""
        self.categories_: list[int] = [at for at in range(frame.shape[1]) if frame.dtypes.iloc[at].kind == "O"]
        self.levels_: dict[int, dict[str, int]] = {}
        self.wide_: list[int] = []
        for at in self.categories_:
            counts = frame.iloc[:, at].value_counts()
            if len(counts) > WIDE * counts.sum():
                self.wide_.append(at)
            ordered = [text for _, text in sorted((-count, text) for text, count in counts.items())][:MOST_LEVELS]
            self.levels_[at] = {str(text): code for code, text in enumerate(ordered)}
        return self

    def transform(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The matrix (n_rows, n_columns)."""
        matrix = np.empty(frame.shape, dtype=np.float64)
        for at in range(frame.shape[1]):
            values = frame.iloc[:, at]
            levels = self.levels_.get(at)
            matrix[:, at] = values.to_numpy(np.float64) if levels is None else values.map(levels).to_numpy(np.float64)
        return matrix
