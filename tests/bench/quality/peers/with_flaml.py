"""FLAML: `AutoML.fit` with a time budget, ranked by log loss."""

# ruff: noqa: D102 (`common.Peer` says what each method does)

from __future__ import annotations

import pickle

from common import run
from flaml import AutoML


class Flaml:
    """`pip install flaml[automl,catboost]`."""

    packages = ("flaml", "lightgbm", "xgboost", "catboost", "scikit-learn", "pandas")

    def fit(self, train, target, given):
        self.model = AutoML()
        self.model.fit(
            dataframe=train,
            label=target,
            task="classification",
            metric="log_loss",
            time_budget=given.budget,
            seed=given.seed,
            n_jobs=given.threads,
            verbose=0,
        )

    def probabilities(self, rows):
        return [str(label) for label in self.model.classes_], self.model.predict_proba(rows)

    def save(self, folder):
        path = folder.with_suffix(".pkl")
        path.write_bytes(pickle.dumps(self.model))
        return path

    def chosen(self):
        return self.model.best_estimator


if __name__ == "__main__":
    run(Flaml())
