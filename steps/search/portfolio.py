"""Which hyperparameters are tried first, and the spaces that further ones are drawn from.

The values are facts of others, at the rates that fit into a minute: LightGBM's extra trees, the forest that splits
by entropy and CatBoost's and XGBoost's first entries from AutoGluon's defaults and zero-shot portfolios
(autogluon.tabular 1.6, `configs/zeroshot/`: the 2023 and 2025 portfolios, learned from TabRepo and TabArena);
CatBoost's plain boosting with one step a leaf from the tuned defaults of Holzmüller, Grinsztajn, Steinwart (2024),
"Better by default". What they do on the training parts of a few tables was looked at before they were put in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BAGGED = ("lightgbm", "xgboost", "catboost", "et", "rf")  # on the table's own numbers and categories, one a fold
TOP = "top"  # the hyperparameter that names the bag on top of a stack
STACK = "stack"  # a bag that sees besides what the best candidates say, out of fold
FEATURES = "features"  # how a linear model sees a number: as it is, or in pieces
PLAIN, SPLINES, WAVES = "plain", "splines", "waves"  # waves: cosines of random sums of all numbers, a kernel's features
SMALL_LEAVES = 40  # rows for each row that a leaf must have: smaller tables need smaller leaves
FEW_CLASSES = 10
LEAVES_OF_MANY, LEAST_L2_OF_MANY = (
    8,
    1.0,
)  # on 50 classes log loss 3.70 in place of 3.92 (constant 3.89), in half the time
_PLAIN_CATBOOST = {
    "boosting_type": "Plain", "bootstrap_type": "Bernoulli", "leaf_estimation_iterations": 1, "max_ctr_complexity": 2,
    "one_hot_max_size": 15,
}  # fmt: skip

PORTFOLIO: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "lightgbm": (
        {"learning_rate": 0.05, "num_leaves": 31, "feature_fraction": 0.6, "bagging_fraction": 0.8, "bagging_freq": 1},
        {"learning_rate": 0.06, "num_leaves": 31, "feature_fraction": 0.9, "max_bin": 63, "extra_trees": True},
        {"learning_rate": 0.05, "num_leaves": 8, "feature_fraction": 0.8, "lambda_l2": 1.0},
        {"learning_rate": 0.05, "num_leaves": 31, "feature_fraction": 0.8, "min_data_in_leaf": 1},
        {"learning_rate": 0.06, "num_leaves": 31, "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1,
         "min_data_in_leaf": 5, "extra_trees": True},
        {"learning_rate": 0.04, "num_leaves": 16, "feature_fraction": 0.56, "min_data_in_leaf": 48,
         "extra_trees": True},
    ),
    "catboost": (
        {**_PLAIN_CATBOOST, "learning_rate": 0.1, "depth": 6, "subsample": 0.8, "border_count": 128},
        {**_PLAIN_CATBOOST, "learning_rate": 0.08, "depth": 8, "subsample": 0.8, "l2_leaf_reg": 2.8},
        {**_PLAIN_CATBOOST, "learning_rate": 0.12, "depth": 4, "subsample": 0.8, "l2_leaf_reg": 4.6},
        {"learning_rate": 0.069, "depth": 6, "l2_leaf_reg": 2.15, "max_ctr_complexity": 4, "one_hot_max_size": 10},
    ),
    "xgboost": (
        {"learning_rate": 0.08, "max_depth": 5, "min_child_weight": 0.63, "colsample_bytree": 0.66, "subsample": 0.8},
        {"learning_rate": 0.05, "max_depth": 10, "min_child_weight": 0.6, "colsample_bytree": 0.69, "subsample": 0.8},
        {"learning_rate": 0.08, "max_depth": 3, "subsample": 0.8, "reg_lambda": 1.5},
    ),
    "lr": (
        {},
        {FEATURES: SPLINES, "C": 0.3},
        {"C": 0.1},
        {FEATURES: WAVES, "C": 300.0, "max_iter": 100},
    ),
    "et": (
        {"n_estimators": 100, "max_features": 0.7, "criterion": "entropy"},
        {"n_estimators": 100, "min_samples_leaf": 4, "max_features": 0.5, "criterion": "entropy"},
    ),
    "rf": (
        {"n_estimators": 100, "criterion": "entropy"},
        {"n_estimators": 100, "min_samples_leaf": 5, "max_features": 0.5, "criterion": "entropy"},
    ),
}  # fmt: skip

# What a stack has on top: AutoGluon's "LightGBMXT", which draws its splits, and trees that choose theirs, held back:
# the bases have learned already. A forest on top learns by heart what the bases know of single rows.
STACKS: tuple[Mapping[str, Any], ...] = (
    {TOP: "lightgbm", "learning_rate": 0.05, "num_leaves": 31, "extra_trees": True},
    {TOP: "lightgbm", "learning_rate": 0.03, "num_leaves": 8, "feature_fraction": 0.6, "bagging_fraction": 0.8,
     "bagging_freq": 1, "lambda_l2": 5.0},
)  # fmt: skip

# The order of a search over everything: what usually wins, then what differs from it, then more of each.
ORDER = (
    ("lightgbm", 0), ("lr", 0), ("lightgbm", 1), ("et", 0), ("catboost", 0), ("lightgbm", 3), ("rf", 0),
    ("xgboost", 0), ("xgboost", 1), ("lr", 1), ("et", 1), ("lightgbm", 2), ("catboost", 1), ("catboost", 2),
    ("lightgbm", 4), ("xgboost", 2), ("lightgbm", 5), ("catboost", 3), ("lr", 2), ("rf", 1),
)  # fmt: skip

# CatBoost's counts of labels in an order of the rows are what learns from categories of thousands of levels: with eight
# columns of 5,000 levels (20,000 rows) log loss 0.536, LightGBM's 0.614 is the constant answer's.
ORDER_OF_MANY_LEVELS = (("catboost", 2), *(one for one in ORDER if one != ("catboost", 2)))

# Of many numbers and few rows a smooth model of all of them together says what trees do not: on `satellite` a blend
# with it has a log loss of 0.219 in place of 0.224. Where most columns are categories it was of no use.
ORDER_OF_NUMBERS = (*ORDER[:4], ("lr", 3), *ORDER[4:])

# Trees grown to their ends say what no booster does. With such a forest beside three boosters a stack's log loss on
# training rows held out was 0.1978 in place of 0.1982 (`bank`), 0.0621 of 0.0687 (`employee`), 0.1995 of 0.2099
# (`satellite`), though alone it was 4, 11 and 18 % behind the best. Both kinds beside two boosters are as good or
# better (0.1943, 0.0603 of 0.0609, 0.2051 of 0.2064, means of two halvings), for less time than a third booster takes.
ALWAYS_BASES = (("et", 0), ("rf", 0))

_FOREST = {
    "n_estimators": ("choice", (100,)),
    "min_samples_leaf": ("int", 1, 16, True),
    "max_features": ("float", 0.15, 1.0, False),
    "criterion": ("choice", ("gini", "entropy")),
}

# What further candidates are drawn from, as `steps.search.learners.Learner.space`; other learners bring PyCaret's.
SPACES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "lightgbm": {
        "learning_rate": ("float", 0.03, 0.12, True),
        "num_leaves": ("int", 4, 200, True),
        "feature_fraction": ("float", 0.3, 1.0, False),
        "bagging_fraction": ("float", 0.6, 1.0, False),
        "bagging_freq": ("choice", (1,)),
        "min_data_in_leaf": ("int", 1, 100, True),
        "lambda_l1": ("float", 1e-3, 3.0, True),
        "lambda_l2": ("float", 1e-2, 20.0, True),
        "extra_trees": ("choice", (True, False)),
        "cat_smooth": ("float", 0.1, 100.0, True),
        "max_cat_to_onehot": ("int", 4, 64, True),
    },
    "xgboost": {
        "learning_rate": ("float", 0.04, 0.15, True),
        "max_depth": ("int", 2, 10, False),
        "min_child_weight": ("float", 0.05, 20.0, True),
        "subsample": ("float", 0.5, 1.0, False),
        "colsample_bytree": ("float", 0.4, 1.0, False),
        "colsample_bynode": ("float", 0.4, 1.0, False),
        "reg_lambda": ("float", 0.01, 10.0, True),
        "reg_alpha": ("float", 1e-3, 5.0, True),
    },
    "catboost": {
        **{name: ("choice", (value,)) for name, value in _PLAIN_CATBOOST.items() if name != "one_hot_max_size"},
        "learning_rate": ("float", 0.05, 0.15, True),
        "depth": ("int", 3, 8, False),
        "l2_leaf_reg": ("float", 0.3, 20.0, True),
        "random_strength": ("float", 0.1, 3.0, True),
        "subsample": ("float", 0.6, 1.0, False),
        "one_hot_max_size": ("int", 3, 30, True),
    },
    "lr": {"C": ("float", 1e-3, 30.0, True), FEATURES: ("choice", (PLAIN, SPLINES))},
    "et": _FOREST,
    "rf": _FOREST,
}


@dataclass(frozen=True)
class Spec:
    """One candidate to be tried: the `number`th of its learner, with these hyperparameters over the defaults."""

    model: str
    number: int
    hyperparameters: Mapping[str, Any]
    how: str  # portfolio, tuned or stacked
    bases: tuple[str, ...] = ()  # of a stack: files of the candidates' pipelines

    @property
    def file(self) -> str:
        """Name of its pipeline in the scratch folder."""
        return f"{self.model}-{self.number}.pkl"


def first(model: str) -> list[Spec]:
    """What is tried of a learner before anything is drawn: at least its defaults."""
    return [Spec(model, at, given, "portfolio") for at, given in enumerate(PORTFOLIO.get(model, ({},)))]


def fitted_to(model: str, given: Mapping[str, Any], rows: int, classes: int) -> dict[str, Any]:
    """A booster's hyperparameters for a table of so many rows and classes.

    LightGBM's leaves of 20 rows leave small tables whole, and its large trees, a tree a class and nothing that holds
    them back, know less of many classes than a constant does.
    """
    if model != "lightgbm":
        return dict(given)
    most = max(1, rows // SMALL_LEAVES)
    fitted = {**given, "min_data_in_leaf": min(int(given.get("min_data_in_leaf", 20)), most)}
    if classes <= FEW_CLASSES:
        return fitted
    return {
        **fitted,
        "num_leaves": min(int(given.get("num_leaves", 31)), LEAVES_OF_MANY),
        "lambda_l2": max(float(given.get("lambda_l2", 0.0)), LEAST_L2_OF_MANY),
    }
