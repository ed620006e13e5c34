"""The model that the matrix asks: one column of every kind, and a probability that moves with each of them.

The schema is not written down here: it is what the product's own reader and profile make of a training file, so that
the matrix follows them.
"""

from __future__ import annotations

import sys
from typing import Any, Self

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from pyfunc.schema import InputSchema
from pyfunc.texts import TextFeatures
from steps.data.profile import encode, profile
from steps.data.readers import read
from tests.api import served

NAME, TARGET = "crisol", "paid"
ROWS = 300
NS_PER_YEAR = 3.2e16
BASE_DAY = pd.Timestamp("2020-01-01T06:00:00")


def training_file() -> bytes:
    """A CSV file with a column of every kind, in which every column says something about the target."""
    random = np.random.default_rng(4)
    parts = {
        "income": random.integers(2000, 16000, ROWS) / 8,
        "children": random.integers(0, 6, ROWS),
        "city": random.choice(["Bonn", "Köln", "Aachen, West"], ROWS),
        "plan": random.choice(["basic", "30", "true"], ROWS),
        "employed": random.choice(["true", "false"], ROWS),
        "member": random.choice(["Yes", "No"], ROWS),
        "since": random.integers(0, 24 * 1400, ROWS),
        "seen": random.integers(0, 24 * 1400, ROWS),
        "joined": random.integers(0, 18, ROWS),
        "rent": random.integers(0, 18, ROWS),
        "note": random.integers(0, 900, ROWS),
    }
    z = (parts["income"] - 1100) / 500 + (parts["children"] - 2.5) / 2 + (parts["city"] == "Köln")
    z = z + (parts["plan"] == "30") - (parts["plan"] == "true") + (parts["employed"] == "true")
    z = z - (parts["member"] == "Yes") + (parts["since"] - parts["seen"]) / 15000
    z = z - (parts["note"] % 2) * 2 + parts["note"] / 450
    z = z + (parts["joined"] + parts["rent"] - 18) / 9
    zones = np.array(["Z", "+02:00", "-05:30"])[random.integers(0, 3, ROWS)]
    joined = pd.Timestamp("2016-05-17") + pd.to_timedelta(parts["joined"] * 101, unit="D")
    frame = pd.DataFrame(parts).assign(
        since=(BASE_DAY + pd.to_timedelta(parts["since"], unit="h")).strftime("%Y-%m-%dT%H:%M:%S"),
        seen=(BASE_DAY + pd.to_timedelta(parts["seen"], unit="h")).strftime("%Y-%m-%dT%H:%M:%S") + zones,
        joined=joined.strftime("%d.%m.%Y"),
        rent=[f"{at * 137 + 450.5:,.2f} €".translate(str.maketrans(",.", ".,")) for at in parts["rent"]],
        note=[f"{'late' if at % 2 else 'prompt'} payment of {at}" for at in parts["note"]],
        **{TARGET: np.where(z + random.logistic(0, 1, ROWS) > 0, "yes", "no")},
    )
    return frame.to_csv(index=False).encode()


class Features(BaseEstimator, TransformerMixin):
    """An enforced frame as a matrix: numbers and times as they are, a column for each category, features of texts.

    A gap is no category, or the mean, which no cell of the matrix is: it cannot pass for anything else. The usual
    encoders would do the same in five times the time, and the matrix asks thousands of times.
    """

    def __init__(self, texts: tuple[str, ...] = ()) -> None:
        self.texts = texts

    def fit(self, frame: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Remember the categories, and what texts share."""
        self.texts_ = {name: TextFeatures().fit(frame[name]) for name in self.texts}
        categories = [name for name in frame if frame[name].dtype.kind == "O" and name not in self.texts]
        self.categories_ = {name: sorted(frame[name].dropna().unique()) for name in categories}
        return self

    def transform(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The matrix (n_rows, n_features) with NaN for a gap that is no category."""
        parts = []
        for name in frame:
            cells = frame[name].to_numpy()
            if name in self.texts_:
                parts += [*self.texts_[name].transform(frame[name])[0].T]
            elif name in self.categories_:
                parts += [np.array([cell == known for cell in cells], float) for known in self.categories_[name]]
            elif frame[name].dtype.kind == "M":
                moments = frame[name].to_numpy(dtype="datetime64[ns]")
                parts.append(np.where(np.isnat(moments), np.nan, moments.view(np.int64) / NS_PER_YEAR))
            else:
                parts.append(cells)
        return np.column_stack(parts)


def trained() -> tuple[InputSchema, Pipeline]:
    """The schema of the training file, and a pipeline fitted on its rows."""
    frame = read(training_file(), "train.csv").frame
    schema = profile(frame, TARGET)
    rows, _ = schema.enforce(frame, "training rows")
    pipeline = make_pipeline(
        Features(tuple(schema.names[at] for at in schema.texts)),
        SimpleImputer(),
        StandardScaler(),
        LogisticRegression(),
    )
    return schema, pipeline.fit(rows, encode(frame[TARGET], schema))


def pickled(pipeline: Pipeline) -> bytes:
    """The pipeline with `Features` inside: the server of MLflow cannot import the tests."""
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    try:
        return cloudpickle.dumps(pipeline)
    finally:
        cloudpickle.unregister_pickle_by_value(here)


def register() -> str:
    """Train, log and register the model as champion in the active store; its URI."""
    schema, pipeline = trained()
    served.register(NAME, schema=schema, pipeline=pickled(pipeline))
    return f"models:/{NAME}@champion"
