"""The door to PyCaret: its preprocessing pipeline and its classifiers, as unfitted parts.

PyCaret never sees the test file. Without `test_data` its `setup` would set 30 % of the training rows aside, so it gets
a few training rows in that place. What is fitted in the end are clones of these parts, on the enforced frame: `setup`
shrinks its own copy to float32 and int8, which would shift a linear model's probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from category_encoders import OneHotEncoder, OrdinalEncoder
from pycaret.classification import ClassificationExperiment
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pyfunc.estimators import Columns, Matrix
from steps.search.learners import Learner, space_of

STANDING_IN = 4  # training rows in the place of test rows; measured: the same model as with all of them
LABEL = "label"
LABEL_FREE = (SimpleImputer, OrdinalEncoder, OneHotEncoder, StandardScaler)  # steps that never look at labels
QUIET = {"lightgbm": {"verbose": -1}}  # else thousands of lines about splits that gain nothing


@dataclass(frozen=True)
class Prepared:
    """An unfitted preprocessing pipeline, from an enforced frame to a matrix, and the learners behind it."""

    preprocessing: Pipeline
    learners: dict[str, Learner]
    per_fold: bool  # whether a step is fitted with labels, so that every fold needs its own


def prepare(
    frame: pd.DataFrame, y: np.ndarray[Any, Any], variant: str, seed: int, texts: tuple[int, ...] = ()
) -> Prepared:
    """Let PyCaret set up an experiment and take its parts.

    Args:
        frame: enforced training frame (n_rows, n_columns).
        y: int64 (n_rows,) positions of the classes.
        variant: `plain`, or `scaled` for learners that need standardised features.
        seed: PyCaret's session id, and the learners' random state.
        texts: positions of the text columns.
    """
    features = Columns(texts).fit_transform(frame)
    categories = [name for name in features if features[name].dtype == object]
    table = features.assign(**{LABEL: y})
    experiment = ClassificationExperiment()
    experiment.setup(
        table,
        target=LABEL,
        test_data=table.head(STANDING_IN),
        index=False,
        numeric_features=[name for name in features if name not in categories],
        categorical_features=categories,
        keep_features=list(features),  # nothing is dropped for its type: the schema has decided already
        normalize=variant == "scaled",
        session_id=seed,
        n_jobs=1,  # candidates run side by side
        memory=False,  # the default is one pickle cache in the shared temporary folder
        system_log=False,
        html=False,
        verbose=False,
    )
    steps = [(name, clone(step)) for name, step in experiment.pipeline.steps]
    preprocessing = Pipeline([("columns", Columns(texts)), *steps, ("matrix", Matrix())])
    per_fold = any(_learns_labels(step) for _, step in steps)
    return Prepared(preprocessing, _learners(experiment), per_fold)


def _learns_labels(step: Any) -> bool:
    """Whether fitting a step looks at the labels: category encoders by target do, inside of PyCaret's wrapper too."""
    inner = getattr(step, "transformer", step)
    return not isinstance(inner, LABEL_FREE)


def _learners(experiment: Any) -> dict[str, Learner]:
    """PyCaret's classifiers with their arguments and tuning spaces."""
    listed = experiment.models(internal=True)
    found = {}
    for name, row in listed[~listed["Special"].astype(bool)].iterrows():
        factory = row["Tunable Class"] or row["Class"]
        arguments = {**row["Args"], **QUIET.get(str(name), {})}
        found[str(name)] = Learner(str(name), factory, arguments, space_of(row["Tune Distributions"]))
    return found
