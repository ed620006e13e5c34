"""Jobs whose server or trainer is killed: `python -m tests.bench.kills [--kills 10] [--budget 4] [--out FILE]`.

A server as users start it, with a champion and an uploaded dataset. A job is asked for; at a random moment between that
and its usual end SIGKILL ends the server, which is started again, or all processes of the job. Then the job has to end
FINISHED, or FAILED with a reason, never twice and never left open; the champion has to answer whenever a server is
ready; and everything in the store has to be whole, as `tests.bench.cancel` sees it.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
import psutil

from api import jobs, processes
from steps import tracking
from steps.ingest import SAMPLE, SAMPLE_TARGET
from tests.bench.cancel import whole
from tests.conftest import Store

FINAL = (jobs.FINISHED, jobs.FAILED, jobs.KILLED)
PATIENCE_S = 240.0
GONE_S = 10.0  # within which a job's processes have to be gone when it has ended
LOOK_S = 0.2
PROJECT = Path(__file__).parents[2]
WAYS = ("the server", "the job")


@dataclass(frozen=True)
class Trial:
    """One kill."""

    way: str
    after_s: float
    step: str  # that was at work
    status: str
    reason: str
    ended_s: float  # from the kill
    faults: tuple[str, ...]


class Server:
    """`steps.serve`, started again on the same port."""

    def __init__(self, store: Store, port: int) -> None:
        self.store, self.port = store, port
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self.start()

    def start(self) -> None:
        """Until it answers."""
        words = [sys.executable, "-W", "ignore", "-m", "steps.serve", f"--port={self.port}"]
        log = (self.store.folder / "server.log").open("a")
        self.process = subprocess.Popen(words, cwd=PROJECT, env=self.store.environment, stdout=log, stderr=log)
        wait(lambda: self.client.get("/health").status_code == 200, "the server")

    def kill(self) -> None:
        """Without a word."""
        self.process.kill()
        self.process.wait()


def wait(holds: Any, what: str) -> Any:
    """Until something holds; what it is then."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except httpx.TransportError:
            pass
        time.sleep(LOOK_S)
    raise TimeoutError(what)


def asked(client: httpx.Client, dataset: str, budget: float, seed: int) -> str:
    """A job; its id."""
    fields = {"dataset_id": dataset, "budget_s": budget, "models": "lr,lightgbm", "seed": seed, "promote": "never"}
    return str(client.post("/train", json=fields).json()["job_id"])


def ended(server: Server, job: str, row: dict[str, Any] | None, faults: list[str]) -> dict[str, Any]:
    """The job when it has ended; meanwhile the champion is asked, where there is one."""

    def over() -> dict[str, Any] | None:
        if row is not None and server.client.get("/ready").status_code == 200:
            status = server.client.post("/predict", json=[row]).status_code
            if status != 200:
                faults.append(f"the champion answered {status}")
        found: dict[str, Any] = server.client.get(f"/jobs/{job}").json()
        return found if found["status"] in FINAL else None

    return dict(wait(over, f"the job's end {job}"))


def trial(server: Server, way: str, after_s: float, job: str, row: dict[str, Any]) -> Trial:
    """Kill, and see how the job ends."""
    faults: list[str] = []
    time.sleep(after_s)
    step = str(server.client.get(f"/jobs/{job}").json()["step"])
    killed = time.monotonic()
    if way == WAYS[0]:
        server.kill()
        server.start()
    else:
        for process in processes.of_run(job, jobs.owner_of(server.store.client.get_run(job))):
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
    found = ended(server, job, row, faults)
    taken_s = time.monotonic() - killed
    reason = found["problems"][0]["code"] if found["problems"] else ""
    if found["status"] == jobs.KILLED or (found["status"] == jobs.FAILED) != bool(reason):
        faults.append(f"{found['status']} with the reason {reason or 'none'}")
    client = server.store.client
    trained = [run for run in tracking.children(client, client.get_run(job)) if run.data.tags[tracking.STEP] == "train"]
    if len(trained) > 1:
        faults.append(f"trained {len(trained)} times")
    until = time.monotonic() + GONE_S
    while (left := processes.of_run(job, {})) and time.monotonic() < until:
        time.sleep(LOOK_S)
    faults += [f"{len(left)} processes left"] if left else []
    return Trial(way, after_s, step, found["status"], reason, taken_s, tuple(faults))


@contextmanager
def running(store: Store, port: int) -> Iterator[Server]:
    """A server that is ended whatever happens."""
    server = Server(store, port)
    try:
        yield server
    finally:
        server.kill()


@click.command()
@click.option("--kills", default=10, show_default=True, help="Of each kind.")
@click.option("--budget", default=4.0, show_default=True, help="Seconds of a search.")
@click.option("--port", default=8127, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path))
def main(kills: int, budget: float, port: int, seed: int, out: Path | None) -> None:
    """Run the trials, and tell."""
    draw = np.random.default_rng(seed)
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)).active() as store, running(store, port) as server:
        files = {part: (SAMPLE / f"{part}.csv").read_bytes() for part in ("train", "test")}
        dataset = server.client.post("/upload", files=files, data={"target": SAMPLE_TARGET}).json()["dataset_id"]
        fields = {"dataset_id": dataset, "budget_s": budget, "models": "lr"}
        first = server.client.post("/train", json=fields).json()["job_id"]
        assert ended(server, first, None, [])["version"] == "1"
        wait(lambda: server.client.get("/ready").status_code == 200, "the champion")
        document = server.client.get("/openapi.json").json()
        row = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"][0]
        began = time.monotonic()
        ended(server, asked(server.client, dataset, budget, 99), row, [])
        whole_s = time.monotonic() - began
        for way in WAYS:
            for number in range(kills):
                job = asked(server.client, dataset, budget, number)
                trials.append(trial(server, way, float(draw.uniform(0, whole_s)), job, row))
                print(trials[-1], flush=True)
        faults = whole(store)
    text = page(trials, faults, whole_s, kills, budget)
    print(text)
    if out:
        out.write_text(text)
    sys.exit(bool(faults) or any(one.faults for one in trials))


def page(trials: list[Trial], faults: list[str], whole_s: float, kills: int, budget: float) -> str:
    """The results as Markdown."""
    lines = [
        "| killed | after s | during | the job ended | reason | s from the kill | faults |",
        "|---|---:|---|---|---|---:|---|",
        *(
            f"| {one.way} | {one.after_s:.1f} | {one.step} | {one.status} | {one.reason} | {one.ended_s:.1f} "
            f"| {'; '.join(one.faults) or 'none'} |"
            for one in trials
        ),
    ]
    counted = Counter((one.way, one.status) for one in trials)
    told = "; ".join(f"{way}: {count} {status}" for (way, status), count in sorted(counted.items()))
    table = "\n".join(lines)
    return f"""# Jobs whose server or trainer is killed

{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}:

```sh
python -m tests.bench.kills --kills {kills} --budget {budget:g}
```

SIGKILL at random moments of a job that takes {whole_s:.0f} s undisturbed. Jobs by how they ended: {told}.
In the store afterwards: {"; ".join(faults) or "everything whole, nothing open"}.

{table}
"""


if __name__ == "__main__":
    main()
