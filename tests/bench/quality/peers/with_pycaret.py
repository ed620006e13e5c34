"""Stock PyCaret: `setup`, `compare_models` with a time budget, `predict_model`.

Sorted by AUC, without the two learners that give no probabilities: both figures here are of probabilities, which the
default, accuracy, does not ask for.
"""

# ruff: noqa: D102 (`common.Peer` says what each method does)

from __future__ import annotations

from common import run
from pycaret.classification import ClassificationExperiment

PREFIX = "prediction_score_"
DIGITS = 15  # its own default rounds to 4


class PyCaret:
    """`pip install pycaret`, with XGBoost and CatBoost."""

    packages = ("pycaret", "lightgbm", "xgboost-cpu", "catboost", "scikit-learn", "pandas")

    def fit(self, train, target, given):
        self.experiment = ClassificationExperiment()
        self.experiment.setup(
            train, target=target, session_id=given.seed, n_jobs=given.threads, verbose=False, html=False
        )
        self.model = self.experiment.compare_models(
            budget_time=given.budget / 60, sort="AUC", exclude=["ridge", "svm"], verbose=False
        )

    def probabilities(self, rows):
        found = self.experiment.predict_model(self.model, data=rows, raw_score=True, round=DIGITS, verbose=False)
        names = [name for name in found.columns if name.startswith(PREFIX)]
        return [name.removeprefix(PREFIX) for name in names], found[names].to_numpy()

    def save(self, folder):
        self.experiment.save_model(self.model, str(folder), verbose=False)
        return folder.with_suffix(".pkl")

    def chosen(self):
        return type(self.model).__name__


if __name__ == "__main__":
    run(PyCaret())
