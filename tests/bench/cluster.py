"""What a second worker brings: `python -m tests.bench.cluster FOLDER [--rows N] [--files N] [--out FILE]`.

FOLDER holds `train.csv`, `test.csv` and `target.txt`. The search: the same number of candidates alone on one core, and
on two workers of one thread each; every figure of every candidate has to be the same, and again with one worker killed
in the middle. Scoring: a folder of Parquet files, the test rows again and again, by one process on one core, and by the
two workers, whose memory is watched.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd

from steps import tracking
from tests.bench import commands
from tests.clusters import Cluster, cluster
from tests.conftest import Store

RESULTS = Path(__file__).parent / "results" / "cluster.md"
LIMIT_S = 3600.0
MIB = 1024 * 1024
WORKERS = 2


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--candidates", default=16, show_default=True)
@click.option("--rows", default=10_000_000, show_default=True, help="To score.")
@click.option("--files", default=20, show_default=True, help="That they stand in.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(folder: Path, candidates: int, rows: int, files: int, out: Path) -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        store = Store(home / "store")
        store.artifacts.mkdir(parents=True)
        with cluster(home, WORKERS, store.environment) as found:
            search = searched(folder, candidates, store, home, found)
            parts = written(folder, rows, files, home / "rows")
            score = scored(search["alone"]["model_uri"], parts, store, home, found)
    out.write_text(page(folder.name, candidates, rows, files, search, score))


def searched(folder: Path, candidates: int, store: Store, home: Path, found: Cluster) -> dict[str, Any]:
    """The three searches, and whether they agree."""
    options = {
        "train": str(folder / "train.csv"), "test": str(folder / "test.csv"),
        "target": (folder / "target.txt").read_text().strip(),
    }  # fmt: skip
    dataset = run("ingest", options, store, home)[1]["run_id"]
    wanted = {"dataset": dataset, "candidates": str(candidates), "latency-price": "0"}
    seen: dict[str, Any] = {}
    with on_core_0():
        seen["alone"] = told(run("train", wanted, store, home))
    seen["two workers"] = told(run("train", {**wanted, "scheduler": found.address}, store, home))
    killer = threading.Thread(target=lambda: (time.sleep(seen["two workers"]["s"] / 2), found.workers()[0].kill()))
    killer.start()
    seen["one killed"] = told(run("train", {**wanted, "scheduler": found.address}, store, home))
    killer.join()
    boards = {name: board(store, one["run_id"]) for name, one in seen.items()}
    for name, one in seen.items():
        one["same"] = boards[name].equals(boards["alone"])
        one["candidates"] = len(boards[name])
    return seen


def board(store: Store, run_id: str) -> pd.DataFrame:
    """What must be the same of every candidate."""
    with store.active(), tracking.scratch() as folder:
        read = pd.read_csv(tracking.artifact(run_id, tracking.LEADERBOARD, str(folder)), float_precision="round_trip")
    kept = [name for name in read if name.startswith("cv_") or name in {"model", "number", "how", "chosen", "error"}]
    return read[kept].sort_values(["model", "number"], ignore_index=True)


def written(folder: Path, rows: int, files: int, out: Path) -> Path:
    """A folder of Parquet files with so many rows together."""
    out.mkdir()
    test = pd.read_csv(folder / "test.csv").drop(columns=(folder / "target.txt").read_text().strip())
    each = rows // files
    part = pd.concat([test] * (each // len(test) + 1)).iloc[:each]
    for at in range(files):
        part.to_parquet(out / f"part-{at:03}.parquet", index=False)
    return out


def scored(model: str, rows: Path, store: Store, home: Path, found: Cluster) -> dict[str, Any]:
    """The folder by one process on one core, and by the cluster."""
    wanted = {"data": str(rows), "model": model}
    seen: dict[str, Any] = {}
    with on_core_0():
        one = run("score", {**wanted, "out": str(home / "alone")}, store, home)
    seen["one process"] = {"s": one[0].seconds, "mib": one[0].peak_bytes / MIB, "rows": one[1]["rows"]}
    with watched(found) as peaks:
        two = run("score", {**wanted, "out": str(home / "there"), "scheduler": found.address}, store, home)
    seen["two workers"] = {"s": two[0].seconds, "mib": max(peaks) / MIB, "rows": two[1]["rows"]}
    manifests = [json.loads((home / name / "manifest.json").read_text()) for name in ("alone", "there")]
    seen["same"] = manifests[0] == manifests[1]
    return seen


@contextmanager
def watched(found: Cluster) -> Iterator[list[int]]:
    """The resident bytes of the largest worker, looked at again and again."""
    peaks, is_over = [0], threading.Event()

    def look() -> None:
        while not is_over.wait(0.2):
            peaks.append(max(map(commands.resident, found.workers()), default=0))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peaks
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def on_core_0() -> Iterator[None]:
    """What is started meanwhile has one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(step: str, options: dict[str, str], store: Store, home: Path) -> tuple[commands.Seen, dict[str, Any]]:
    """A step as users start it; what was seen, and its answer."""
    began = time.monotonic()
    seen = commands.watch(commands.start(step, options, store.environment, home), home, began, LIMIT_S)
    if seen.exit_code:
        raise SystemExit(f"{step}: {(home / 'stderr.txt').read_text()[-2000:]}")
    answer = json.loads(seen.said.splitlines()[-1])
    print(step, f"{seen.seconds:.1f} s", answer, flush=True)
    return seen, answer


def told(ran: tuple[commands.Seen, dict[str, Any]]) -> dict[str, Any]:
    """Of a search."""
    return {**ran[1], "s": ran[0].seconds}


def page(name: str, candidates: int, rows: int, files: int, search: dict[str, Any], score: dict[str, Any]) -> str:
    """The results as a page."""
    alone, one = search["alone"]["s"], score["one process"]
    searches = "\n".join(
        f"| {how} | {found['candidates']} | {found['s']:.1f} | {alone / found['s']:.2f} |"
        f" {'yes' if found['same'] else 'NO'} |"
        for how, found in search.items()
    )
    scores = "\n".join(
        f"| {how} | {found['rows']:,} | {found['s']:.1f} | {found['rows'] / found['s']:,.0f} |"
        f" {one['s'] / found['s']:.2f} | {found['mib']:,.0f} |"
        for how, found in score.items()
        if how != "same"
    )
    same = "the same bytes from both" if score["same"] else "DIFFERENT bytes"
    return f"""# A cluster of two workers

{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}; scheduler, workers and the
command itself share the machine:

```sh
python -m tests.bench.cluster {name} --candidates {candidates} --rows {rows} --files {files}
```

## {candidates} candidates on `{name}`

Whole commands (`-e train`: start, candidates, blends, compiling). Alone means one core; in the last line a worker is
killed half-way. The same: every `cv_` figure of every candidate, to the last bit.

| | candidates and blends | s | times as fast | the same |
|---|---:|---:|---:|---|
{searches}

## {rows:,} rows in {files} Parquet files

Whole commands (`-e score` with the model of the search alone); memory is that of the process, or of the larger worker;
{same}.

| | rows | s | rows/s | times as fast | MiB |
|---|---:|---:|---:|---:|---:|
{scores}
"""


if __name__ == "__main__":
    main()
