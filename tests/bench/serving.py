"""One row, many rows, start and memory of every way to serve: `python -m tests.bench.serving FOLDER [--out FILE]`.

FOLDER holds `train.csv`, `test.csv` and `target.txt`. Two champions of ours are trained first (`models=lightgbm`, and
the default search), and a stock PyCaret pipeline with LightGBM's default 100 trees for the others. Then all servers run
at the same time on one core, with one worker each, and `wrk` (Debian) asks them in turn from another core: they share
whatever the machine does besides. p50 and p99 are of one connection; requests a second of eight.
"""

from __future__ import annotations

import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx

from tests.bench.commands import end, resident, tree

ROUNDS, SECONDS = 3, 4
BODIES, MANY = 400, 1000
PATIENCE_S = 180.0
SETTLE_S = 5.0  # after which what a server makes ready aside is ready, and the next one has the core for itself
PROJECT = Path(__file__).parents[2]
PREDICT, INVOCATIONS = "/predict", "/invocations"
LUA = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local at = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  at = at %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[at])
end
"""


@dataclass
class Server:
    """A way to serve, and what was measured of it."""

    name: str
    command: list[str]
    path: str
    environment: dict[str, str]
    ready: str = "/ready"
    port: int = 0
    pid: int = 0
    ready_s: float = 0.0
    mib: float = 0.0
    p50: list[float] = field(default_factory=list)  # ms
    p99: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)  # requests a second
    many: list[float] = field(default_factory=list)  # ms for `MANY` rows


def records(folder: Path) -> list[dict[str, Any]]:
    """The test file's rows without the target, numbers as numbers."""
    target = (folder / "target.txt").read_text().strip()
    with (folder / "test.csv").open(newline="") as file:
        rows = [{name: cell for name, cell in row.items() if name != target} for row in csv.DictReader(file)]
    for name in rows[0]:
        try:
            numbers = [float(row[name]) if row[name] else None for row in rows]
        except ValueError:
            numbers = [row[name] or None for row in rows]  # type: ignore[misc]  # texts
        for row, cell in zip(rows, numbers, strict=True):
            row[name] = cell  # type: ignore[assignment]
    return rows


def train(folder: Path, environment: dict[str, str], budget_s: int) -> None:
    """Our two champions."""
    target = (folder / "target.txt").read_text().strip()
    for name, models in (("single", "lightgbm"), ("default", "auto")):
        options = {"train": folder / "train.csv", "test": folder / "test.csv", "target": target, "models": models}
        given = [f"--{key}={value}" for key, value in {**options, "name": name, "budget-s": budget_s}.items()]
        subprocess.run(
            [sys.executable, "-m", "steps.main", *given], cwd=PROJECT, env=environment, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def stock(folder: Path, place: Path) -> None:
    """PyCaret's own pipeline: as a pickle, and as an MLflow model."""
    import mlflow.sklearn  # noqa: PLC0415 (each of these takes seconds)
    import pandas as pd  # noqa: PLC0415

    with warnings.catch_warnings(action="ignore"):
        from pycaret.classification import ClassificationExperiment  # noqa: PLC0415

        target = (folder / "target.txt").read_text().strip()
        experiment = ClassificationExperiment()
        frame = pd.read_csv(folder / "train.csv")
        experiment.setup(frame, target=target, session_id=1, html=False, verbose=False, n_jobs=1, system_log=False)
        made = experiment.create_model("lightgbm", cross_validation=False, verbose=False)
        saved, _ = experiment.save_model(made, str(place / "stock"), verbose=False)
        mlflow.sklearn.save_model(
            saved, str(place / "pyfunc"), pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
        )


def servers(place: Path, environment: dict[str, str]) -> list[Server]:
    """All ways, each with what it needs."""
    ours = [sys.executable, "-m", "steps.serve", "--port={port}"]
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with_model = {**environment, "BENCH_MODEL": str(place / "stock"), "BENCH_PYFUNC": str(place / "pyfunc")}

    def app(name: str) -> list[str]:
        factory = ["--factory", f"tests.bench.serving_apps:{name}", "--port", "{port}"]
        return [sys.executable, "-W", "ignore", "-m", "uvicorn", *factory, *options]

    served = ["mlflow", "models", "serve", "-m", str(place / "pyfunc"), "--env-manager", "local", "-p", "{port}"]
    command = [str(Path(sys.executable).parent / served[0]), *served[1:]]
    return [
        Server("empty route", app("empty"), PREDICT, environment),
        Server("Crisol, one learner", ours, PREDICT, {**environment, "CRISOL_NAME": "single"}),
        Server("Crisol, default search", ours, PREDICT, {**environment, "CRISOL_NAME": "default"}),
        Server("PyCaret pipeline in FastAPI", app("pipeline"), PREDICT, with_model),
        Server("pyfunc in FastAPI", app("pyfunc"), PREDICT, with_model),
        Server("mlflow models serve", command, INVOCATIONS, with_model, "/ping"),
        Server("PyCaret predict_model in FastAPI", app("predict_model"), PREDICT, with_model),
    ]


@contextmanager
def running(server: Server, port: int, core: int, log: Path) -> Iterator[None]:
    """A server on a core, ready; its time to ready is measured with the others already idle."""
    server.port = port
    command = ["taskset", "-c", str(core), *(part.format(port=port) for part in server.command)]
    began = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=server.environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        while not _answers(port, server.ready):
            if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                raise click.ClickException(f"{server.name} does not start; see {log}")
            time.sleep(0.02)
        server.ready_s, server.pid = time.monotonic() - began, process.pid
        yield
    finally:
        end(tree(process.pid))


def _answers(port: int, path: str) -> bool:
    """Whether a path answers 200."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=1).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def measure(server: Server, place: Path, rows: list[dict[str, Any]], core: int) -> None:
    """One turn."""
    is_mlflow = server.path == INVOCATIONS
    bodies = place / f"{'mlflow' if is_mlflow else 'records'}.txt"
    if not bodies.exists():
        listed = [{"dataframe_records": [row]} if is_mlflow else [row] for row in rows[:BODIES]]
        bodies.write_text("\n".join(json.dumps(body) for body in listed))
        bodies.with_suffix(".lua").write_text(LUA % bodies)
    one, eight = (_wrk(server, bodies.with_suffix(".lua"), connections, core) for connections in (1, 8))
    server.p50.append(one["50%"])
    server.p99.append(one["99%"])
    server.rate.append(eight["rate"])
    many = rows[:MANY]
    body = json.dumps({"dataframe_records": many} if is_mlflow else many).encode()
    plain = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=plain, timeout=60) as client:
        for _ in range(5):
            began = time.perf_counter()
            client.post(server.path, content=body).raise_for_status()
            server.many.append((time.perf_counter() - began) * 1000)


def _wrk(server: Server, script: Path, connections: int, core: int) -> dict[str, float]:
    """`wrk`'s p50 and p99 in ms and requests a second; any answer but 2xx is an error."""
    command = [
        "taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "30s", "--latency",
        "-s", str(script), f"http://127.0.0.1:{server.port}{server.path}",
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise click.ClickException(f"{server.name}: {said}")
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    found = {
        share: float(number) * scale[unit]
        for share, number, unit in re.findall(r"(50%|99%)\s+([\d.]+)(us|ms|s)\b", said)
    }
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate is not None
    return {**found, "rate": float(rate[1])}


def page(measured: list[Server], folder: Path, command: str, budget_s: int) -> str:
    """The table, with ratios to the empty route."""
    middle = statistics.median
    floor = middle(measured[0].p50)
    theirs = next(middle(each.p50) for each in measured if each.path == INVOCATIONS)
    how = (
        f"All servers run at the same time on one core, one worker each; `wrk` asks them in turn from another core, in"
        f" {ROUNDS} rounds of {SECONDS} s. Ours are champions of a search of {budget_s} s; the others serve a stock"
        " PyCaret pipeline with LightGBM's 100 trees. Times are medians over the rounds, p50 and p99 of one"
        " connection, requests a second of eight. Ready is from the start of the process to the first 200, with the"
        " other servers idle, the second time that it is started (the first time Python compiles all libraries);"
        " memory is resident, of all the server's processes, after the load (before it in brackets)."
    )
    when = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    names = (
        "server", "p50 ms", "p99 ms", "p50 / empty route", "`mlflow models serve` / p50", "requests/s",
        "1,000 rows ms", "rows/s", "ready s", "MiB",
    )  # fmt: skip
    lines = [
        "# One row, many rows, start and memory", "", f"{when}, table `{folder.name}`:", "", f"```sh\n{command}\n```",
        "", how, "", f"| {' | '.join(names)} |", f"|---|{'---:|' * (len(names) - 1)}",
    ]  # fmt: skip
    for each in measured:
        p50, many = middle(each.p50), middle(each.many)
        after = sum(map(resident, tree(each.pid))) / 2**20
        lines.append(
            f"| {each.name} | {p50:.2f} | {middle(each.p99):.2f} | {p50 / floor:.2f} | {theirs / p50:.0f} |"
            f" {middle(each.rate):.0f} | {many:.1f} | {MANY / many * 1000:.0f} | {each.ready_s:.1f} |"
            f" {after:.0f} ({each.mib:.0f}) |"
        )
    return "\n".join([*lines, ""])


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--budget", default=60, show_default=True, help="Seconds of each of our two searches.")
@click.option("--server-core", default=0, show_default=True)
@click.option("--client-core", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where the table is written as well.")
def main(folder: Path, budget: int, server_core: int, client_core: int, out: Path | None) -> None:
    """Measure and print."""
    rows = records(folder)
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        place = Path(made)
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        train(folder, environment, budget)
        stock(folder, place)
        listed = servers(place, environment)
        for at, server in enumerate(listed):
            with running(server, 8200 + at, server_core, place / f"{at}.first.log"):
                time.sleep(SETTLE_S)
            stack.enter_context(running(server, 8200 + at, server_core, place / f"{at}.log"))
            time.sleep(SETTLE_S)
        for server in listed:
            server.mib = sum(map(resident, tree(server.pid))) / 2**20
        for _ in range(ROUNDS):
            for server in listed:
                measure(server, place, rows, client_core)
        said = page(listed, folder, f"python -m tests.bench.serving {folder.name} --budget {budget}", budget)
    click.echo(said)
    if out:
        out.write_text(said)


if __name__ == "__main__":
    main()
