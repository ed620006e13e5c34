"""Boosters and forests behind one face: grown with a look at rows they do not learn from, then cut to some rounds.

They learn on the matrix of `pyfunc.codes.Codes`: float64 with NaN for what is missing, categories as whole numbers.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

NO_CATEGORY = -1  # a category that is missing, or that training has not seen, for libraries that take whole numbers
MISSING = -1e9  # what forests see in the place of a gap: below all that numbers and codes are likely to be
TREES_AT_ONCE = 10  # between two looks at the clock
CELLS_AT_ONCE = 5_000_000  # leaves of rows, of 8 bytes each
MOST_MARGIN = 700.0  # beyond it float64 has no power of e
LEAST_HEARD = 1e-4  # probabilities below are one to a bag that learns from them
DOUBT = 0.5  # votes for all classes alike: a class without a vote in a hundred trees is not impossible
Matrix = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Sight:
    """What a booster learns from, what it is watched on, and when it has to stop.

    Attributes:
        learn, watch: matrices (n_rows, n_features).
        y_learn, y_watch: int64 (n_rows,) positions of the classes.
        classes: how many there are.
        categories: positions of the columns that hold categories.
        rounds: at most.
        patience: rounds without a better log loss on `watch` after which it stops.
        end: time.monotonic() after which no further round begins; None for no such limit.
        seed: of whatever is drawn.
    """

    learn: Matrix
    y_learn: np.ndarray[Any, Any]
    watch: Matrix
    y_watch: np.ndarray[Any, Any]
    classes: int
    categories: Sequence[int]
    rounds: int
    patience: int
    end: float | None
    seed: int

    def is_over(self) -> bool:
        """Whether no further round may begin."""
        return self.end is not None and time.monotonic() >= self.end


class Grown(Protocol):
    """A booster with the log loss on the watched rows after each round, float64 (n_rounds,)."""

    curve: np.ndarray[Any, Any]

    def cut(self, rounds: int) -> None:
        """Forget all rounds after the first ones."""

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes)."""


class LightGBM:
    """LightGBM, by its own training loop: the scikit-learn wrapper adds a frame and a label encoder a call."""

    def __init__(self, sight: Sight, parameters: Mapping[str, Any]) -> None:
        import lightgbm  # noqa: PLC0415 (a process loads the libraries of the learners that it meets)

        two = sight.classes == 2  # noqa: PLR2004
        settings = {
            "objective": "binary" if two else "multiclass",
            **({} if two else {"num_class": sight.classes}),
            "num_threads": 1,
            "seed": sight.seed,
            "deterministic": True,
            "force_row_wise": True,  # else it times both ways first
            "verbosity": -1,
            **parameters,
        }
        data = {"categorical_feature": list(sight.categories), "free_raw_data": False, "params": settings}
        learn = lightgbm.Dataset(sight.learn, sight.y_learn, **data)
        watch = lightgbm.Dataset(sight.watch, sight.y_watch, reference=learn, **data)
        curve: list[float] = []

        def look(seen: Any) -> None:
            curve.append(seen.evaluation_result_list[0][2])
            if sight.is_over() or _is_past(curve, sight.patience):
                raise lightgbm.callback.EarlyStopException(len(curve) - 1, seen.evaluation_result_list)

        self.booster = lightgbm.train(settings, learn, sight.rounds, valid_sets=[watch], callbacks=[look])
        self.curve = np.array(curve)

    def cut(self, rounds: int) -> None:
        """Forget all rounds after the first ones."""
        import lightgbm  # noqa: PLC0415

        self.booster = lightgbm.Booster(model_str=self.booster.model_to_string(num_iteration=rounds))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes)."""
        return _two_columns(self.booster.predict(matrix, num_threads=1))


class XGBoost:
    """XGBoost, by its own training loop."""

    _said: Any = None  # also of boosters that were pickled before it was kept

    def __init__(self, sight: Sight, parameters: Mapping[str, Any]) -> None:
        import xgboost  # noqa: PLC0415

        two = sight.classes == 2  # noqa: PLR2004
        settings = {
            "objective": "binary:logistic" if two else "multi:softprob",
            **({} if two else {"num_class": sight.classes}),
            "eval_metric": "logloss" if two else "mlogloss",
            "tree_method": "hist",
            "nthread": 1,
            "seed": sight.seed,
            **parameters,
        }
        self.types = ["q"] * sight.learn.shape[1]
        for at in sight.categories:
            self.types[at] = "c"
        curve: list[float] = []

        class Look(xgboost.callback.TrainingCallback):
            """Stops in time."""

            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
                curve.append(next(iter(evals_log["watch"].values()))[-1])
                return sight.is_over() or _is_past(curve, sight.patience)

        watch = self._data(sight.watch, sight.y_watch)
        self.booster = xgboost.train(
            settings,
            self._data(sight.learn, sight.y_learn),
            sight.rounds,
            evals=[(watch, "watch")],
            callbacks=[Look()],
            verbose_eval=False,
        )
        self.curve = np.array(curve)

    def _data(self, matrix: Matrix, y: np.ndarray[Any, Any] | None = None) -> Any:
        """Rows as XGBoost takes them."""
        import xgboost  # noqa: PLC0415

        return xgboost.DMatrix(matrix, y, feature_types=self.types, enable_categorical=True, nthread=1)

    def cut(self, rounds: int) -> None:
        """Forget all rounds after the first ones."""
        self.booster = self.booster[:rounds]
        self._said = None

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes)."""
        return probabilities_of(self.margins(matrix))

    def margins(self, matrix: Matrix) -> Matrix:
        """Sums of the leaves (n_rows, n_margins) in float64.

        XGBoost's own are float32, whose last digits hang on the order of the trees, and so on the program that adds.
        """
        leaves, starts, base = self.said()
        margins = np.tile(base, (len(matrix), 1))
        chunk = max(1, CELLS_AT_ONCE // len(starts))
        for first in range(0, len(matrix), chunk):
            found = self.booster.predict(self._data(matrix[first : first + chunk]), pred_leaf=True, strict_shape=True)
            values = leaves[found.reshape(len(found), -1).astype(np.int64) + starts]
            margins[first : first + chunk] += values.reshape(len(found), -1, len(base)).sum(axis=1)
        return margins

    def said(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """What nodes say: all of them, tree by tree; where each tree starts; and before any tree (n_margins,)."""
        if self._said is None:
            learner = json.loads(self.booster.save_raw("json"))["learner"]
            trees = learner["gradient_booster"]["model"]["trees"]
            sizes = [len(tree["split_conditions"]) for tree in trees]
            nodes = np.concatenate([np.array(tree["split_conditions"], dtype=np.float32) for tree in trees])
            stated = np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float32)
            base = stated.astype(np.float64).ravel()
            is_two = learner["objective"]["name"] == "binary:logistic"
            self._said = (
                nodes.astype(np.float64), np.cumsum([0, *sizes[:-1]]), np.log(base / (1 - base)) if is_two else base
            )  # fmt: skip
        return self._said

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be read off the booster."""
        return {**self.__dict__, "_said": None}


class CatBoost:
    """CatBoost, with categories as the texts of their numbers."""

    def __init__(self, sight: Sight, parameters: Mapping[str, Any]) -> None:
        import catboost  # noqa: PLC0415

        self.categories = list(sight.categories)
        self.numbers = [at for at in range(sight.learn.shape[1]) if at not in set(sight.categories)]
        metric = "Logloss" if sight.classes == 2 else "MultiClass"  # noqa: PLR2004

        class Look:
            """Stops in time."""

            def after_iteration(self, info: Any) -> bool:
                return not (sight.is_over() or _is_past(info.metrics["validation"][metric], sight.patience))

        settings = {
            "loss_function": metric,
            "iterations": sight.rounds,
            "random_seed": sight.seed,
            "thread_count": 1,
            "use_best_model": False,
            "allow_writing_files": False,
            "logging_level": "Silent",
            **parameters,
        }
        self.booster = catboost.CatBoostClassifier(**settings)
        self.booster.fit(
            self._data(sight.learn, sight.y_learn), eval_set=self._data(sight.watch, sight.y_watch), callbacks=[Look()]
        )
        self.curve = np.array(self.booster.evals_result_["validation"][metric])

    def _data(self, matrix: Matrix, y: np.ndarray[Any, Any] | None = None) -> Any:
        """Rows as CatBoost takes them."""
        import catboost  # noqa: PLC0415

        categories = None
        if self.categories:
            codes = np.nan_to_num(matrix[:, self.categories], nan=NO_CATEGORY).astype(np.int64)
            categories = codes.astype("S").astype(object)
        numbers = matrix[:, self.numbers].astype(np.float32) if self.numbers else None
        return catboost.Pool(catboost.FeaturesData(numbers, categories), y)

    def cut(self, rounds: int) -> None:
        """Forget all rounds after the first ones."""
        if rounds < self.booster.tree_count_:
            self.booster.shrink(rounds)

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes)."""
        return np.asarray(self.booster.predict_proba(self._data(matrix), thread_count=1), dtype=np.float64)


class Forest:
    """Trees that vote, grown side by side; a round is a tree. A vote of all of them is not taken for certainty."""

    def __init__(self, sight: Sight, parameters: Mapping[str, Any], make: Callable[..., Any]) -> None:
        given = dict(parameters)
        most = min(int(given.pop("n_estimators")), sight.rounds)
        forest = make(n_estimators=0, warm_start=True, random_state=sight.seed, n_jobs=1, **given)
        learn = _filled(sight.learn)
        while forest.n_estimators < most and not (forest.n_estimators and sight.is_over()):
            forest.n_estimators = min(most, forest.n_estimators + TREES_AT_ONCE)
            forest.fit(learn, sight.y_learn)
        self.classes = sight.classes
        self.trees = [tree.tree_ for tree in forest.estimators_]
        self.places = forest.classes_.astype(np.int64)  # positions of the classes that the rows held
        right = self.predict_proba(sight.watch)[np.arange(len(sight.y_watch)), sight.y_watch]
        self.curve = np.full(len(self.trees), -np.log(right).mean())  # more trees are never worse but by luck

    def cut(self, rounds: int) -> None:
        """Forget all trees after the first ones."""
        self.trees = self.trees[:rounds]

    @classmethod
    def of(cls, forests: Sequence[Forest], trees: int) -> Forest:
        """One forest of so many trees or a few more, as many of each; all have seen the same classes."""
        each = -(-trees // len(forests))
        made = copy.copy(forests[0])
        made.trees = [tree for forest in forests for tree in forest.trees[:each]]
        return made

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Probabilities (n_rows, n_classes)."""
        rows = _filled(matrix)
        votes = np.zeros((len(rows), self.classes))
        for tree in self.trees:
            shares = tree.predict(rows).reshape(len(rows), -1)
            votes[:, self.places] += shares / shares.sum(axis=1, keepdims=True)
        return elected(votes, len(self.trees))


def _extra_trees(sight: Sight, parameters: Mapping[str, Any]) -> Grown:
    """A forest whose splits are drawn."""
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415

    return Forest(sight, parameters, ExtraTreesClassifier)


def _random_forest(sight: Sight, parameters: Mapping[str, Any]) -> Grown:
    """A forest on resampled rows."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return Forest(sight, parameters, RandomForestClassifier)


BOOSTERS: Mapping[str, Callable[[Sight, Mapping[str, Any]], Grown]] = {
    "lightgbm": LightGBM,
    "xgboost": XGBoost,
    "catboost": CatBoost,
    "et": _extra_trees,
    "rf": _random_forest,
}


def _is_past(curve: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` rounds brought nothing better than those before."""
    if len(curve) <= patience:
        return False
    return min(curve[-patience:]) >= min(curve[:-patience])


def probabilities_of(margins: Matrix) -> Matrix:
    """Probabilities (n_rows, n_classes) of margins (n_rows, n_classes), or (n_rows, 1) for the second of two."""
    if margins.shape[1] == 1:
        within = np.minimum(
            np.maximum(margins, -MOST_MARGIN), MOST_MARGIN
        )  # for one row `clip` takes five times as long
        second = 1 / (1 + np.exp(-within))
        return np.hstack([1 - second, second])
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def elected(votes: Matrix, trees: int) -> Matrix:
    """Probabilities (n_rows, n_classes) of the sums of the shares that so many trees have given each class."""
    return (votes + DOUBT / votes.shape[1]) / (trees + DOUBT)


def sayings(scores: Matrix) -> Matrix:
    """Probabilities as features: the log odds of the second of two classes, or the logarithm of each."""
    logs = np.log(np.minimum(np.maximum(scores, LEAST_HEARD), 1))
    return logs[:, [1]] - logs[:, [0]] if scores.shape[1] == 2 else logs  # noqa: PLR2004


def saying(scores: Matrix) -> list[float]:
    """`sayings` of one row (n_classes,): a few numbers are looked at one by one in a tenth of the time."""
    logs = [math.log(min(max(score, LEAST_HEARD), 1.0)) for score in scores.tolist()]
    return [logs[1] - logs[0]] if len(logs) == 2 else logs  # noqa: PLR2004


def _two_columns(scores: Any) -> Matrix:
    """Probabilities (n_rows, n_classes) where a library gives those of the second class alone."""
    found = np.asarray(scores, dtype=np.float64)
    return np.column_stack([1 - found, found]) if found.ndim == 1 else found


def _filled(matrix: Matrix) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The matrix as scikit-learn's trees take it."""
    return np.ascontiguousarray(np.nan_to_num(matrix, nan=MISSING), dtype=np.float32)
