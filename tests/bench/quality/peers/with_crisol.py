"""Crisol: `python -m steps.main` as a user starts it, with a store of its own; the model is loaded by `mlflow.pyfunc`.

Runs in the project's environment, in the folder that gets its files. `seconds` are those of the whole command: the test
file is read, judged and reported on within them, which no peer does; `search_seconds` are those of its training step.
"""

# ruff: noqa: ARG002, D102 (`common.Peer` says what each method takes and does)

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
from common import run

PREFIX = "probability_"
ROOT = Path(__file__).parents[4]


class Crisol:
    """The repository itself."""

    packages = ("mlflow", "pycaret", "lightgbm", "xgboost-cpu", "catboost", "scikit-learn", "pandas")

    def fit(self, train, target, given):
        store = f"sqlite:///{given.out.resolve()}/store.db"
        os.environ["MLFLOW_TRACKING_URI"] = store
        os.environ["PYTHONPATH"] = str(ROOT)
        table = given.table.resolve()
        command = [sys.executable, "-m", "steps.main", "--train", table / "train.csv", "--test", table / "test.csv"]
        command += ["--target", target, "--budget-s", str(given.budget), "--seed", str(given.seed)]
        done = subprocess.run(command, cwd=given.out, check=True, stdout=subprocess.PIPE, text=True)
        self.said = json.loads(done.stdout.splitlines()[-1])
        mlflow.set_tracking_uri(store)
        training = mlflow.get_run(self.said["train_run_id"]).info
        self.search_seconds = (training.end_time - training.start_time) / 1000
        self.model = mlflow.pyfunc.load_model(self.said["model_uri"])

    def probabilities(self, rows):
        found = self.model.predict(rows)
        names = [name for name in found.columns if name.startswith(PREFIX)]
        return [name.removeprefix(PREFIX) for name in names], found[names].to_numpy()

    def save(self, folder):
        return Path(mlflow.artifacts.download_artifacts(self.said["model_uri"], dst_path=str(folder)))

    def chosen(self):
        return self.said["model"]


if __name__ == "__main__":
    run(Crisol())
