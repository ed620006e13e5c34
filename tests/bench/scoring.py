"""A file of rows to a file of answers: `python -m tests.bench.scoring FOLDER [--rows N]... [--out FILE]`.

FOLDER holds `train.csv`, `test.csv` and `target.txt`; the test rows are repeated. `steps.score` runs as a process of
its own, for a champion of one learner and for that of the default search; beside it the usual way, pandas in chunks
through a stock PyCaret pipeline with LightGBM's 100 trees, which is asked for fewer rows because it takes so long.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.bench.commands import pin, start, watch
from tests.bench.serving import stock, train

USUAL_ROWS, CHUNK = 200_000, 50_000
LIMIT_S = 3600


def repeat(source: Path, rows: int, out: Path) -> int:
    """The rows of a file again and again; how many there are."""
    head, body = source.read_bytes().split(b"\n", 1)
    body = body if body.endswith(b"\n") else body + b"\n"
    count = body.count(b"\n")
    times = -(-rows // count)
    with out.open("wb") as file:
        file.write(head + b"\n")
        for _ in range(times):
            file.write(body)
    return count * times


def usual(model: str, data: str, out: str, target: str) -> None:
    """Chunks of pandas through the pipeline; runs in a process of its own, prints seconds and peak MiB."""
    with warnings.catch_warnings(action="ignore"):
        import pandas as pd  # noqa: PLC0415
        from pycaret.classification import load_model  # noqa: PLC0415

        pipeline = load_model(model, verbose=False)
        began, is_first = time.perf_counter(), True
        for chunk in pd.read_csv(data, chunksize=CHUNK):
            scores = pipeline.predict_proba(chunk.drop(columns=target))
            pd.DataFrame(scores).to_csv(out, mode="w" if is_first else "a", header=is_first, index=False)
            is_first = False
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{time.perf_counter() - began} {peak}\n")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--rows", type=int, multiple=True, default=(1_000_000, 10_000_000), show_default=True)
@click.option("--budget", default=60, show_default=True, help="Seconds of each of our two searches.")
@click.option("--cores", default="", help="Cores to stay on, such as 0; all by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the table is written as well.")
def main(folder: Path, rows: tuple[int, ...], budget: int, cores: str, out: Path | None) -> None:
    """Measure and print."""
    pin(cores)
    when = f"{datetime.now(UTC):%Y-%m-%d}, {f'core {cores}' if cores else f'{os.cpu_count()} cores'}"
    how = (
        "Seconds of `score` are of the whole process, imports and the run in the store included; those of the usual way"
        " begin behind its imports. Memory is the peak of the process."
    )
    lines = [
        "# A file of rows to a file of answers", "", f"{when}, table `{folder.name}`, CSV to CSV:", "",
        f"```sh\npython -m tests.bench.scoring {folder.name} --budget {budget}\n```", "", how, "",
        "| way | rows | s | rows/s | peak MiB |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"}
        train(folder, environment, budget)
        stock(folder, place)
        data, answers = place / "rows.csv", place / "answers.csv"
        n_rows = repeat(folder / "test.csv", USUAL_ROWS, data)
        target = (folder / "target.txt").read_text().strip()
        given = (*map(str, (place / "stock", data, answers)), target)
        code = f"from tests.bench.scoring import usual; usual(*{given!r})"
        said = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
        ).stdout  # fmt: skip
        seconds, peak = map(float, said.split()[-2:])
        lines.append(
            f"| pandas and a PyCaret pipeline | {n_rows} | {seconds:.1f} | {n_rows / seconds:.0f} | {peak:.0f} |"
        )
        for wanted in rows:
            n_rows = repeat(folder / "test.csv", wanted, data)
            for name in ("single", "default"):
                options = {"data": str(data), "out": str(answers), "model": f"models:/{name}@champion"}
                began = time.monotonic()
                seen = watch(start("score", options, environment, place), place, began, LIMIT_S)
                if seen.exit_code:
                    raise click.ClickException((place / "stderr.txt").read_text()[-2000:])
                way = f"`score`, {'one learner' if name == 'single' else 'default search'}"
                lines.append(_line(way, n_rows, seen.seconds, seen.peak_bytes / 2**20))
                answers.unlink()
    said = "\n".join([*lines, ""])
    click.echo(said)
    if out:
        out.write_text(said)


def _line(way: str, rows: int, seconds: float, peak: float) -> str:
    """One of the table."""
    return f"| {way} | {rows} | {seconds:.1f} | {rows / seconds:.0f} | {peak:.0f} |"


if __name__ == "__main__":
    main()
