"""PyCaret's learners and where their hyperparameters are drawn from, with the draws that cannot win cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.kernel_approximation import RBFSampler
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from pyfunc.estimators import Within, smooth_columns
from steps.search.portfolio import BAGGED, FEATURES, SPLINES, STACK, WAVES

NATIVE = "native"  # numbers and categories as they are, for learners that understand both and gaps in them
SCALED = ("lr", "knn", "svm", "rbfsvm", "gpc", "mlp", "ridge", "lda", "qda", "nb")  # learn on standardised features
# Not drawn: they move probabilities away from frequencies, and probabilities are what we promise.
NOT_DRAWN = ("class_weight", "scale_pos_weight")
# PyCaret draws rates from 1e-6 on; with at most 300 trees those below have learned next to nothing.
LEAST = {"learning_rate": 0.02, "eta": 0.02}
# From PyCaret's 0.5 down: no split of two classes lowers the impurity by more.
MOST = {"min_impurity_decrease": 1e-3}
CALIBRATION_FOLDS = 3
COSINES = 500
KNOTS = 5  # of a spline, at quantiles


@dataclass(frozen=True)
class Learner:
    """One classifier of PyCaret's list: its class, its arguments, and the space its hyperparameters are drawn from.

    `space` maps names to `("float", low, high, log)`, `("int", low, high, log)` or `("choice", values)`.
    """

    name: str
    factory: type
    arguments: Mapping[str, Any]
    space: Mapping[str, tuple[Any, ...]]

    def make(self, drawn: Mapping[str, Any], seed: int) -> Any:
        """An unfitted estimator with `predict_proba`; calibrated where the learner has none of its own."""
        own = {name: value for name, value in drawn.items() if name != FEATURES}
        estimator = self.factory(**{**self.arguments, **own})
        if drawn.get(FEATURES) == SPLINES:
            pieces = SplineTransformer(n_knots=KNOTS, knots="quantile", extrapolation="constant")
            return make_pipeline(make_column_transformer((pieces, smooth_columns), remainder="passthrough"), estimator)
        if drawn.get(FEATURES) == WAVES:
            return make_pipeline(
                Within(), RBFSampler(gamma="scale", n_components=COSINES, random_state=seed), estimator
            )
        if hasattr(estimator, "predict_proba"):
            return estimator
        folds = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
        return CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)


def variant_of(name: str) -> str:
    """The preprocessing that a learner learns on: `native`, `scaled` or `plain`, the latter two by PyCaret."""
    return NATIVE if name in (*BAGGED, STACK) else "scaled" if name in SCALED else "plain"


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
