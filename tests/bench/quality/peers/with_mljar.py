"""mljar-supervised: `AutoML` in mode Perform, ranked by log loss."""

# ruff: noqa: ARG002, D102 (`common.Peer` says what each method takes and does)

from __future__ import annotations

from common import run
from supervised import AutoML

PREFIX = "prediction_"


class Mljar:
    """`pip install mljar-supervised`."""

    packages = ("mljar-supervised", "lightgbm", "xgboost", "catboost", "scikit-learn", "pandas")

    def fit(self, train, target, given):
        self.folder = given.out / "work"
        kind = "binary_classification" if train[target].nunique() == 2 else "multiclass_classification"
        self.model = AutoML(
            results_path=str(self.folder),
            mode="Perform",
            ml_task=kind,
            eval_metric="logloss",
            total_time_limit=given.budget,
            random_state=given.seed,
            n_jobs=given.threads,
            verbose=0,
        )
        self.model.fit(train.drop(columns=target), train[target])

    def probabilities(self, rows):
        found = self.model.predict_all(rows).drop(columns="label")
        return [str(name).removeprefix(PREFIX) for name in found.columns], found.to_numpy()

    def save(self, folder):
        return self.folder

    def chosen(self):
        best = self.model._best_model
        return best.get_name() if best is not None else ""


if __name__ == "__main__":
    run(Mljar())
