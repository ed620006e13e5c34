"""Transformers that live inside the pickled pipeline, so they ship with every model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from pyfunc.columns import days_before
from pyfunc.recalibration import Recalibration
from pyfunc.texts import TextFeatures

__all__ = ["Blend", "Calibrated", "Columns", "Matrix", "Recalibration", "Within", "smooth_columns"]

FEW_VALUES = 10  # a column with no more holds steps, and no curve is laid through them


class Columns(BaseEstimator, TransformerMixin):
    """An enforced frame under plain names, with datetimes as numbers and texts as features.

    Column `i` becomes `x<i>`, so that no learner stumbles over brackets, quotes or repeated words in users' names.
    A datetime becomes `x<i>year`, `month`, `weekday`, `hour` and `age` (days before the latest training time), always
    all of them: which parts exist must not depend on the rows at hand. A text becomes `x<i>length` and the other
    features of `pyfunc.texts`, of which only `x<i>head` is a category.

    Args:
        texts: positions of the text columns.
        keep_texts: hand the texts themselves through as categories `x<i>`, for learners that know what to do with them.
    """

    texts: tuple[int, ...] = ()  # also of models that were pickled before there were texts
    keep_texts: bool = False

    def __init__(self, texts: tuple[int, ...] = (), *, keep_texts: bool = False) -> None:
        self.texts = texts
        self.keep_texts = keep_texts

    def fit(self, frame: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Remember which columns are datetimes and the latest time in each, and what texts share. No label is used."""
        self._learn_moments(frame)
        self.features_ = {at: TextFeatures().fit(frame.iloc[:, at]) for at in self.texts}
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame (n_rows, n_features): float64 with NaN, categories object with NaN."""
        return self._made(frame, {at: self.features_[at].transform(frame.iloc[:, at]) for at in self.texts})

    def fit_transform(self, frame: pd.DataFrame, y: Any = None) -> pd.DataFrame:  # noqa: ARG002 (its signature)
        """Both, for the training rows: none of them counts itself among the rows with the same text."""
        self._learn_moments(frame)
        self.features_ = {at: TextFeatures() for at in self.texts}
        return self._made(frame, {at: self.features_[at].fit_transform(frame.iloc[:, at]) for at in self.texts})

    def _learn_moments(self, frame: pd.DataFrame) -> None:
        """The latest time in each column of datetimes."""
        self.latest_ = {
            at: frame.iloc[:, at].max() for at in range(frame.shape[1]) if frame.dtypes.iloc[at].kind == "M"
        }

    def _made(self, frame: pd.DataFrame, of_texts: Mapping[int, tuple[Any, Any]]) -> pd.DataFrame:
        """Everything under its plain name; numbers of texts stand last, as one block, which is faster."""
        parts: dict[str, Any] = {}
        for at in range(frame.shape[1]):
            values = frame.iloc[:, at]
            if at in of_texts:
                parts[f"x{at}head"] = of_texts[at][1]
                if self.keep_texts:
                    parts[f"x{at}"] = values
                continue
            if at not in self.latest_:
                parts[f"x{at}"] = values
                continue
            moments = values.dt
            for part, numbers in (
                ("year", moments.year),
                ("month", moments.month),
                ("weekday", moments.weekday),
                ("hour", moments.hour),
            ):
                parts[f"x{at}{part}"] = numbers.astype(np.float64)
            age = days_before(self.latest_[at].to_datetime64(), values.to_numpy("datetime64[ns]"))
            parts[f"x{at}age"] = pd.Series(age, index=frame.index)
        made = pd.DataFrame(parts, index=frame.index)
        if not of_texts:
            return made
        names = [f"x{at}{name}" for at in of_texts for name in self.features_[at].names]
        block = np.column_stack([numbers for numbers, _ in of_texts.values()])
        return pd.concat([made, pd.DataFrame(block, columns=names, index=frame.index, copy=False)], axis=1)


class Matrix(BaseEstimator, TransformerMixin):
    """A numeric frame as a bare float64 matrix (n_rows, n_features): encoders put category texts into names."""

    def fit(self, frame: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Remember how many features there are."""
        self.n_features_ = frame.shape[1]
        return self

    def transform(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The matrix."""
        return frame.to_numpy(dtype=np.float64)


class Within(BaseEstimator, TransformerMixin):
    """Standardised numbers, those that lie far out brought to a limit: waves of them would be noise.

    Args:
        limit: standard deviations.
    """

    def __init__(self, limit: float = 8.0) -> None:
        self.limit = limit

    def fit(self, matrix: np.ndarray[Any, Any], y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Nothing is learned."""
        self.n_features_in_ = matrix.shape[1]
        return self

    def transform(self, matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The matrix (n_rows, n_features)."""
        return np.clip(np.asarray(matrix, dtype=np.float64), -self.limit, self.limit)


def smooth_columns(matrix: np.ndarray[Any, Any]) -> list[int]:
    """Positions of the columns of a matrix (n_rows, n_features) that hold enough values for a curve through them."""
    return [at for at in range(matrix.shape[1]) if len(np.unique(matrix[:, at])) > FEW_VALUES]


class Blend(BaseEstimator, ClassifierMixin):
    """A weighted mean of fitted classifiers. Classifiers on the same preprocessing share it.

    Args:
        branches: pairs of a fitted pipeline from an enforced frame to a matrix, and the pairs of weight and fitted
            classifier behind it; all weights add up to 1.
    """

    def __init__(self, branches: list[tuple[Any, list[tuple[float, Any]]]]) -> None:
        self.branches = branches

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Probabilities (n_rows, n_classes)."""
        total: Any = 0.0
        for preprocessing, classifiers in self.branches:
            matrix = preprocessing.transform(frame)
            for weight, classifier in classifiers:
                total = total + weight * classifier.predict_proba(matrix)
        return np.asarray(total, dtype=np.float64)


class Calibrated(BaseEstimator, ClassifierMixin):
    """A fitted classifier whose probabilities are recalibrated."""

    def __init__(self, classifier: Any, recalibration: Recalibration) -> None:
        self.classifier = classifier
        self.recalibration = recalibration

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Probabilities (n_rows, n_classes)."""
        return self.recalibration(np.asarray(self.classifier.predict_proba(frame), dtype=np.float64))
