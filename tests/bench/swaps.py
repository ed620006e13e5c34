"""The champion changes under load: `python -m tests.bench.swaps [--seconds 60] [--rate 500] [--workers 2]`.

A server as users start it (`steps.serve --workers`), two compiled versions whose answers differ, so many requests a
second over a few connections that stay open, each for one row, and the alias `champion` moved to and fro meanwhile.
Every answer is held against what the version that it names says of that row. A connection waits for its answer before
it asks again, and then for its next turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx

from pyfunc.compiled.extract import extract
from pyfunc.model import Scorer
from pyfunc.package import Package
from tests.api.served import register
from tests.api.test_serve import free_port
from tests.conftest import Store
from tests.pyfunc.compiled.test_compiled import SCHEMA, bagged, labels, piped
from tests.pyfunc.test_gate import KNOWN, ROW

CONNECTIONS = 16
ROWS = 50
SAME = 1e-12
PATIENCE_S = 120.0
PROJECT = Path(__file__).parents[2]
NAME = "crisol"


@dataclass
class Seen:
    """What came back."""

    took: list[float] = field(default_factory=list)  # s
    problems: Counter[str] = field(default_factory=Counter)
    versions: list[tuple[float, str]] = field(default_factory=list)  # time.monotonic(), version


def rows() -> list[dict[str, Any]]:
    """Rows that differ in a number."""
    return [{**ROW, "one": at / ROWS * 3 - 1.5} for at in range(ROWS)]


def two_versions() -> dict[str, list[float]]:
    """Register both in the active store; what each says of the rows."""
    said = {}
    for turned in (False, True):
        y = labels(2)
        pipeline = piped(bagged("lightgbm", 1 - y if turned else y))
        plan = extract(pipeline, SCHEMA)
        version = register(NAME, None if turned else "champion", schema=KNOWN, pipeline=pipeline, plan=plan)
        scorer = Scorer(Package(pipeline, KNOWN, 0.5, {}, plan))
        said[version] = [answers[0][0]["probability_1"] for row in rows() if (answers := scorer.answer_records([row]))]
    return said


async def ask(port: int, rate: float, until: float, expected: dict[str, list[float]], seen: Seen) -> None:
    """So many requests a second over several connections."""
    bodies = [json.dumps([row]).encode() for row in rows()]
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        at, pause = number, CONNECTIONS / rate
        due = time.monotonic() + pause * number / CONNECTIONS
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            place = at % ROWS
            began = time.monotonic()
            try:
                writer.write(requests[place])
                headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(headers.partition("content-length: ")[2].partition("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
            except (OSError, asyncio.IncompleteReadError) as error:
                seen.problems[type(error).__name__] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            else:
                seen.took.append(time.monotonic() - began)
                judge(headers, body, place, expected, seen)
            at, due = at + 1, due + pause
        writer.close()

    await asyncio.gather(*map(one, range(CONNECTIONS)))


def judge(headers: str, body: dict[str, Any], place: int, expected: dict[str, list[float]], seen: Seen) -> None:
    """Whether an answer is that of the version that it names."""
    status = headers.split(" ", 2)[1]
    if status != "200":
        seen.problems[f"status {status}"] += 1
        return
    version = body["model"]["version"]
    seen.versions.append((time.monotonic(), version))
    if f"x-crisol-model-version: {version}\r" not in headers:
        seen.problems["header of another version"] += 1
    if abs(body["predictions"][0]["probability_1"] - expected[version][place]) > SAME:
        seen.problems["answer of another version"] += 1


async def change(store: Store, swaps: int, seconds: float, moved: list[tuple[float, str]]) -> None:
    """Move the alias to and fro, evenly over the time."""
    for number in range(swaps):
        await asyncio.sleep(seconds / (swaps + 1))
        version = str(2 - number % 2)
        await asyncio.to_thread(store.client.set_registered_model_alias, NAME, "champion", version)
        moved.append((time.monotonic(), version))


def followed(moved: list[tuple[float, str]], seen: Seen) -> list[float]:
    """Seconds from each move to the last answer of the version before it."""
    found = []
    for place, (at, version) in enumerate(moved):
        end = moved[place + 1][0] if place + 1 < len(moved) else float("inf")
        found.append(max((when - at for when, of in seen.versions if at < when < end and of != version), default=0.0))
    return found


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--rate", default=500.0, show_default=True)
@click.option("--swaps", default=5, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path))
def main(seconds: float, rate: float, swaps: int, workers: int, out: Path | None) -> None:
    """Start, ask, change, tell."""
    seen, moved = Seen(), list[tuple[float, str]]()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)).active() as store:
        expected = two_versions()
        port = free_port()
        words = [sys.executable, "-W", "ignore", "-m", "steps.serve", f"--port={port}", f"--workers={workers}"]
        log = (Path(folder) / "log").open("w")
        server = subprocess.Popen(words, cwd=PROJECT, env=store.environment, stdout=log, stderr=log)
        try:
            wait(port, workers)

            async def run() -> None:
                asking = ask(port, rate, time.monotonic() + seconds, expected, seen)
                await asyncio.gather(asking, change(store, swaps, seconds, moved))

            asyncio.run(run())
        finally:
            server.terminate()
            server.wait(30)
    text = page(seen, followed(moved, seen), seconds, rate, workers)
    print(text)
    if out:
        out.write_text(text)
    sys.exit(bool(seen.problems))


def wait(port: int, workers: int) -> None:
    """Until every worker has loaded the champion."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        except httpx.TransportError:
            text = ""
        if f'crisol_champion_swaps_total{{version="1"}} {workers}.0' in text:
            return
        time.sleep(0.2)
    raise TimeoutError("the server is not ready")


def page(seen: Seen, followed_s: list[float], seconds: float, rate: float, workers: int) -> str:
    """The results as Markdown."""
    took = sorted(seen.took)
    share = [1000 * took[min(len(took) - 1, int(len(took) * part))] for part in (0.5, 0.99, 0.999)]
    told = ", ".join(f"{count} x {what}" for what, count in seen.problems.items()) or "none"
    command = f"python -m tests.bench.swaps --seconds {seconds:g} --rate {rate:g} --swaps {len(followed_s)}"
    command += f" --workers {workers}"
    after = f"{statistics.median(followed_s):.1f}, {max(followed_s):.1f}"
    counted = sorted(Counter(version for _, version in seen.versions).items())
    each = ", ".join(f"{version}: {count:,}" for version, count in counted)
    return f"""# The champion changes under load

{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}:

```sh
{command}
```

A server with {workers} workers, its client on the same cores, {rate:g} requests a second over {CONNECTIONS}
connections, {len(followed_s)} changes of the champion between two compiled versions whose answers differ.

| | |
|---|---:|
| requests answered | {len(took):,} |
| a second | {len(took) / seconds:.0f} |
| by version | {each} |
| failed, or not what the version named says | {told} |
| ms: half, 99 %, 99.9 %, all within | {share[0]:.2f}, {share[1]:.1f}, {share[2]:.0f}, {1000 * took[-1]:.0f} |
| seconds from a change to the last answer of the version before: median, longest | {after} |
"""


if __name__ == "__main__":
    main()
