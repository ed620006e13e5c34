"""Load a logged model in a process of its own and score a dataset's test rows.

`promote` runs this before it registers anything: what is registered must answer as it was evaluated, also where
nothing of the training process is in memory.

Reads   a model URI and a dataset run.
Writes  one Parquet file with the probabilities (n_rows, n_classes).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from pyfunc.errors import GateNotPassedError, Problem
from pyfunc.model import Scorer
from steps import ingest, tracking

LIMIT_S = 600.0  # loading takes seconds, scoring a large test file somewhat longer
RELOAD_ATOL = 1e-9  # float64 sums in another order; anything larger is another model


def probabilities(model_uri: str, dataset_run_id: str) -> pd.DataFrame:
    """Probabilities (n_rows, n_classes) that a fresh process gets from a logged model on the dataset's test rows.

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
            raise GateNotPassedError(
                Problem("reload_failed", what, "model", "See this run's output; nothing was registered. Train again.")
            )
        return pd.read_parquet(out)


@click.command()
@click.option("--model", required=True)
@click.option("--dataset", required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def cli(model: str, dataset: str, out: Path) -> None:
    """Score a dataset's test rows with a logged model; started by `promote`, no entry point."""
    loaded = ingest.load(dataset)
    scorer: Scorer = mlflow.pyfunc.load_model(model).unwrap_python_model().scorer
    answers, _ = scorer.answer(loaded.test, "test file")
    answers.filter(like="probability_").to_parquet(out)


if __name__ == "__main__":
    try:
        cli()
    except MlflowException as error:
        raise SystemExit(f"reload: {type(error).__name__} {error.error_code}") from error
