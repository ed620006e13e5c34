"""AutoGluon: `TabularPredictor` with a preset, ranked by log loss (its default, accuracy, pays for it in log loss)."""

# ruff: noqa: D102 (`common.Peer` says what each method does)

from __future__ import annotations

from autogluon.tabular import TabularPredictor
from common import run


class AutoGluon:
    """`pip install autogluon.tabular[lightgbm,catboost,xgboost]`: no neural nets, which need torch."""

    packages = ("autogluon.tabular", "lightgbm", "xgboost-cpu", "catboost", "scikit-learn", "pandas")

    def fit(self, train, target, given):
        kind = "binary" if train[target].nunique() == 2 else "multiclass"
        self.model = TabularPredictor(
            target, problem_type=kind, eval_metric="log_loss", path=str(given.out / "work"), verbosity=1
        ).fit(train, presets=given.preset, time_limit=given.budget, num_cpus=given.threads)
        self.model.persist()  # in memory, as a server would

    def probabilities(self, rows):
        found = self.model.predict_proba(rows)
        return [str(label) for label in found.columns], found.to_numpy()

    def save(self, folder):
        self.model.leaderboard().to_csv(folder.with_name("leaderboard.csv"), index=False)
        self.model.clone_for_deployment(str(folder))
        return folder

    def chosen(self):
        return self.model.model_best


if __name__ == "__main__":
    run(AutoGluon())
