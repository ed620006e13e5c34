"""Learners and where their hyperparameters are drawn from: PyCaret's, with the draws that cannot win cut off."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold

SCALED = ("lr", "knn", "svm", "rbfsvm", "gpc", "mlp", "ridge", "lda", "qda", "nb")  # learn on standardised features
# Not drawn: they move probabilities away from frequencies, and probabilities are what we promise.
NOT_DRAWN = ("class_weight", "scale_pos_weight")
# PyCaret draws rates from 1e-6 on; with at most 300 trees those below have learned next to nothing.
LEAST = {"learning_rate": 0.02, "eta": 0.02}
# From PyCaret's 0.5 down: no split of two classes lowers the impurity by more.
MOST = {"min_impurity_decrease": 1e-3}
CALIBRATION_FOLDS = 3


@dataclass(frozen=True)
class Learner:
    """One classifier of PyCaret's list: its class, its arguments, and the space its hyperparameters are drawn from.

    `space` maps names to `("float", low, high, log)`, `("int", low, high, log)` or `("choice", values)`.
    """

    name: str
    factory: type
    arguments: Mapping[str, Any]
    space: Mapping[str, tuple[Any, ...]]

    @property
    def variant(self) -> str:
        """The preprocessing that it learns on."""
        return variant_of(self.name)

    def draw(self, number: int, seed: int) -> dict[str, Any]:
        """Hyperparameters of the `number`th candidate: PyCaret's defaults first, then reproducible draws."""
        if number == 0:
            return {}
        random = np.random.default_rng([seed, zlib.crc32(self.name.encode()), number])
        return {name: _draw(random, *space) for name, space in sorted(self.space.items())}

    def make(self, drawn: Mapping[str, Any], seed: int) -> Any:
        """An unfitted estimator with `predict_proba`; calibrated where the learner has none of its own."""
        estimator = self.factory(**{**self.arguments, **drawn})
        if hasattr(estimator, "predict_proba"):
            return estimator
        folds = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
        return CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)


def variant_of(name: str) -> str:
    """The preprocessing that a learner learns on: `scaled` or `plain`."""
    return "scaled" if name in SCALED else "plain"


def space_of(distributions: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """PyCaret's distributions (pycaret/distributions.py) as plain tuples."""
    space: dict[str, tuple[Any, ...]] = {}
    for name, distribution in distributions.items():
        if name in NOT_DRAWN:
            continue
        if hasattr(distribution, "values"):
            space[name] = ("choice", tuple(distribution.values))
            continue
        kind = "int" if type(distribution).__name__.startswith("Int") else "float"
        low = max(distribution.lower, LEAST.get(name, distribution.lower))
        high = min(distribution.upper, MOST.get(name, distribution.upper))
        space[name] = (kind, low, high, bool(distribution.log))
    return space


def _draw(random: np.random.Generator, kind: str, *space: Any) -> Any:
    """One value."""
    if kind == "choice":
        return space[0][int(random.integers(len(space[0])))]
    low, high, log = space
    if log:
        value = float(np.exp(random.uniform(np.log(low), np.log(high))))
        return round(value) if kind == "int" else value
    return int(random.integers(low, high)) if kind == "int" else float(random.uniform(low, high))
