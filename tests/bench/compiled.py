"""Which learners compile: `python -m tests.bench.compiled FOLDER... [--out FILE]`.

Each FOLDER holds `train.csv`, `test.csv` and `target.txt`. For each learner of `models=auto`, and for the default
search, a training of its own with `candidates=`; its run says whether a plan answers, which was compared with the
pipeline on 20,000 training rows, on odd rows, one by one, and after registration in a fresh process on the whole test
file. PyCaret's other learners are asked for on the first folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
from mlflow.tracking import MlflowClient

from tests.bench.commands import pin

PROJECT = Path(__file__).parents[2]
AUTO = ("lightgbm", "xgboost", "catboost", "et", "rf", "lr")
OTHERS = ("lda", "ridge", "nb", "qda", "knn", "dt", "ada", "gbc", "svm", "rbfsvm", "mlp", "gpc", "dummy")
BLEND = 12  # candidates of the default search
LIMIT_S = 600


def trained(folder: Path, models: str, candidates: int, store: str) -> str:
    """Train, and say who answers: `yes`, or the reason why the pipeline does."""
    target = (folder / "target.txt").read_text().strip()
    options = {
        "train": folder / "train.csv", "test": folder / "test.csv", "target": target, "models": models,
        "candidates": candidates, "budget-s": 240, "promote": "never", "name": "bench",
    }  # fmt: skip
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "steps.main",
        *(f"--{key}={each}" for key, each in options.items()),
    ]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}
    try:
        ended = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not trained within {LIMIT_S} s"
    if ended.returncode:
        return f"not trained: {ended.stderr.strip().splitlines()[-1][:100]}"
    run_id = json.loads(ended.stdout.strip().splitlines()[-1])["train_run_id"]
    tags = MlflowClient(store).get_run(run_id).data.tags
    return "yes" if tags["crisol.scorer"] == "compiled" else f"no: {tags['crisol.scorer_reason']}"


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--cores", default="", help="Cores to stay on, such as 0; all by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the table is written as well.")
def main(folders: tuple[Path, ...], cores: str, out: Path | None) -> None:
    """Train and print."""
    pin(cores)
    names = [folder.name for folder in folders]
    command = f"python -m tests.bench.compiled {' '.join(names)}"
    lines = [
        "# Which learners compile", "", f"{datetime.now(UTC):%Y-%m-%d}:", "", f"```sh\n{command}\n```", "",
        f"| `models=` | {' | '.join(names)} |", f"|---|{'---|' * len(names)}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as made:
        store = f"sqlite:///{Path(made) / 'mlflow.db'}"
        for models, candidates in (*((each, 1) for each in AUTO), ("auto", BLEND)):
            found = [trained(folder, models, candidates, store) for folder in folders]
            lines.append(f"| `{models}`{f', candidates={BLEND}' if models == 'auto' else ''} | {' | '.join(found)} |")
            click.echo(lines[-1])
        others = [f"| `{models}` | {trained(folders[0], models, 1, store)} |" for models in OTHERS]
    lines += [
        "",
        f"PyCaret's other learners, on `{names[0]}`:",
        "",
        "| `models=` | compiled |",
        "|---|---|",
        *others,
        "",
    ]
    said = "\n".join(lines)
    click.echo(said)
    if out:
        out.write_text(said)


if __name__ == "__main__":
    main()
