"""A model of every format that was ever written still loads, and answers what it answered then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pyfunc import package
from pyfunc.model import Scorer
from tests.conftest import DATA

MODELS = DATA / "models"
TRAIN_ROWS = 170  # of loans.csv; the models were evaluated on the others
FORMATS = sorted(path.name for path in MODELS.iterdir() if path.is_dir())


def test_there_is_a_model_of_each_format():
    """Whoever raises the number leaves one of the format before: see `tests/data/README.md`."""
    assert [f"format-{number}" for number in package.READABLE] == FORMATS
    assert [package.load(MODELS / name).manifest["format"] for name in FORMATS] == list(package.READABLE)


@pytest.mark.parametrize("name", FORMATS)
def test_it_answers_as_it_did(name):
    """The probabilities are those that its own program has logged for the test rows."""
    rows = pd.read_csv(DATA / "loans.csv", dtype=str, keep_default_na=False).iloc[TRAIN_ROWS:].reset_index(drop=True)
    expected = pd.read_csv(MODELS / f"{name}.csv", float_precision="round_trip")["probability_yes"]

    answers, _ = Scorer(package.load(MODELS / name)).answer(rows, "rows")

    np.testing.assert_allclose(answers["probability_yes"], expected, rtol=0, atol=1e-9)
    assert answers["prediction"].tolist() == np.where(expected >= 0.5, "yes", "no").tolist()


def test_its_pipeline_answers_too():
    """Of compiled ones, the pickle can still be read, and gives what the plan gives."""
    loaded = package.load(MODELS / "format-3")
    rows = pd.read_csv(DATA / "loans.csv", dtype=str, keep_default_na=False).iloc[TRAIN_ROWS:].reset_index(drop=True)
    frame, _ = loaded.schema.enforce(rows, "rows")
    assert loaded.plan is not None

    compiled, _ = Scorer(loaded).answer(rows, "rows")

    np.testing.assert_allclose(loaded.pipeline.predict_proba(frame)[:, 1], compiled["probability_yes"], atol=1e-9)
