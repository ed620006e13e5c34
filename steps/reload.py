"""Load a logged model in a process of its own and score a dataset's test rows.

`promote` runs this before it registers anything: what is registered must answer as it was evaluated, also where
nothing of the training process is in memory.

Reads   a model URI and a dataset run; without one, the model's own made-up row is scored.
Writes  one Parquet file with the probabilities (n_rows, n_classes).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from pyfunc.errors import GateNotPassedError, Problem
from pyfunc.model import Scorer
from steps import ingest, tracking

LIMIT_S = 600.0  # loading takes seconds, scoring a large test file somewhat longer
RELOAD_ATOL = 1e-9  # float64 sums in another order; anything larger is another model


def probabilities(model_uri: str, dataset_run_id: str) -> pd.DataFrame:
    """Probabilities (n_rows, n_classes) that a fresh process gets from a logged model on the dataset's test rows.

    Args:
        model_uri: of the model.
        dataset_run_id: whose test rows are scored; empty for the one row that the model's schema makes up.

    Raises:
        GateNotPassedError: the model could not be loaded or did not answer there.
    """
    with tracking.scratch() as folder:
        out = folder / "probabilities.parquet"
        command = [
            sys.executable,
            "-m",
            "steps.reload",
            "--model",
            model_uri,
            "--dataset",
            dataset_run_id,
            "--out",
            str(out),
        ]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_RUN_ID")}
        environment["MLFLOW_TRACKING_URI"] = mlflow.get_tracking_uri()
        project = Path(__file__).resolve().parent.parent
        try:
            ended = subprocess.run(  # noqa: S603 (no shell; a URI and ids of ours)
                command, env=environment, cwd=project, timeout=LIMIT_S, stdout=sys.stderr, check=False
            )
            code: int | str = ended.returncode
        except subprocess.TimeoutExpired:
            code = f"time limit of {LIMIT_S:.0f} s"
        if code != 0 or not out.exists():
            what = f"The logged model did not answer in a fresh process ({code})."
            fix = "See this run's output; the registry was not changed. Train again, or take another version."
            raise GateNotPassedError(Problem("reload_failed", what, "model", fix))
        return tracking.read_parquet(out)


def require_same(model_uri: str, expected: pd.DataFrame, dataset_run_id: str) -> None:
    """Make sure that a fresh process answers a dataset's test rows as they were evaluated.

    Args:
        model_uri: of the model.
        expected: the evaluation's probabilities (n_rows, n_classes), columns `probability_<class>`.
        dataset_run_id: whose test rows were evaluated.

    Raises:
        GateNotPassedError: the model does not answer there, or otherwise.
    """
    got = probabilities(model_uri, dataset_run_id)
    same = list(got.columns) == list(expected.columns) and got.shape == expected.shape
    if same:
        same = float(np.abs(got.to_numpy() - expected.to_numpy()).max()) <= RELOAD_ATOL
    if not same:
        what = "The saved model gives other probabilities after loading than those that were evaluated."
        fix = "The registry was not changed. Train again; if it happens again, report it with this run's output."
        raise GateNotPassedError(Problem("reload_differs", what, "model", fix))


@click.command()
@click.option("--model", required=True)
@click.option("--dataset", default="")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def cli(model: str, dataset: str, out: Path) -> None:
    """Score a dataset's test rows with a logged model; started by `promote`, no entry point."""
    scorer: Scorer = mlflow.pyfunc.load_model(model).unwrap_python_model().scorer
    rows = ingest.load(dataset).test if dataset else scorer.schema.example()
    answers, _ = scorer.answer(rows, "test file" if dataset else "example")
    answers.filter(like="probability_").to_parquet(out)


if __name__ == "__main__":
    try:
        cli()
    except MlflowException as error:
        raise SystemExit(f"reload: {type(error).__name__} {error.error_code}") from error
