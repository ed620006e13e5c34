"""A long run: `python -m tests.faults.long [--requests 1000000] [--files 20000] [--out FILE]`.

A real server with a champion of the default learners is asked a mixture of good, odd and broken requests, again and
again: no answer may be a 5xx, each has to be the one that the same question got the first time, and no cell may come
back in a refusal or stand in the log. Then the readers are given files that were damaged at random: each is a table or
is refused. The memory of both is watched from beginning to end.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import math
import os
import platform
import re
import signal
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
import numpy as np
import pandas as pd
import psutil

from pyfunc.errors import ProjectError
from steps.data.readers import read
from tests.bench import commands
from tests.conftest import DATA, Store
from tests.journeys.servers import ROOT, free_port

CELL, NAME = "Quetzalcoatl", "Huitzilopochtli"  # the one stands in cells and nowhere else, the other where names stand
QUESTIONS = 2000  # different ones, asked in turn
CONNECTIONS = 6
LOOKS = 200  # at the memory
READY_S = 60.0
MIB = 1024 * 1024
REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: chunked", re.IGNORECASE)
CLOSED = re.compile(rb"\r\nconnection: close", re.IGNORECASE)
LABEL = "approved"


@dataclass
class Long:
    """What was done, and what did not hold.

    Attributes:
        done: how many.
        kinds: of outcomes, counted.
        wrong: what did not hold, counted.
        memory: pairs of how many were done and resident MiB.
        took_s: all of it.
    """

    done: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[int, float]] = field(default_factory=list)
    took_s: float = 0.0

    def look(self, process: psutil.Process) -> None:
        """At the memory."""
        self.memory.append((self.done, commands.resident(process) / MIB))

    def slope(self) -> float:
        """MiB for each 100,000 over the second half, when everything that is kept is there."""
        late = np.array([pair for pair in self.memory if pair[0] >= self.done / 2])
        return float(np.polyfit(late[:, 0], late[:, 1], 1)[0] * 100_000)


@click.command()
@click.option("--requests", default=1_000_000, show_default=True)
@click.option("--limit-s", default=math.inf, help="Seconds after which no further request is sent.")
@click.option("--files", default=20_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path))
def main(requests: int, limit_s: float, files: int, seed: int, out: Path | None) -> None:
    """Run both, and tell."""
    with tempfile.TemporaryDirectory() as place:
        asked = of_a_server(Path(place), requests, limit_s, seed)
    given = of_readers(files, seed)
    text = page(asked, given, requests, files, seed)
    print(text)
    if out:
        out.write_text(text)
    sys.exit(bool(asked.wrong or given.wrong))


def of_a_server(home: Path, requests: int, limit_s: float, seed: int) -> Long:
    """Train a champion, start a server, and ask."""
    store = Store(home)
    store.artifacts.mkdir()
    train, test = halves(home)
    options = {"train": str(train), "test": str(test), "target": LABEL, "candidates": "4"}
    trained = commands.watch(commands.start("main", options, store.environment, home), home, time.monotonic(), 600)
    assert not trained.exit_code, (home / "stderr.txt").read_text()[-2000:]
    port, log = free_port(), home / "serve.log"
    with log.open("w") as said:
        command = [sys.executable, "-m", "steps.serve", f"--port={port}"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=store.environment, stdout=said, stderr=said, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ready")
        found = asyncio.run(ask(questions(test, seed), requests, limit_s, port, psutil.Process(process.pid)))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    if CELL in log.read_text():
        found.wrong["a cell in the log"] += 1
    return found


def halves(home: Path) -> tuple[Path, Path]:
    """The loans as a training file and a test file."""
    lines = (DATA / "loans.csv").read_text().splitlines(keepends=True)
    train, test = home / "train.csv", home / "test.csv"
    train.write_text("".join(lines[:171]))
    test.write_text("".join([lines[0], *lines[171:]]))
    return train, test


def wait_for(url: str) -> None:
    """Until it is answered with 200."""
    end = time.monotonic() + READY_S
    while True:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, f"{url} does not answer"
        time.sleep(0.2)


def questions(test: Path, seed: int) -> list[bytes]:
    """Whole requests, all alike each time."""
    draw = np.random.default_rng(seed)
    rows = pd.read_csv(test).drop(columns=LABEL).astype(object)
    records = json.loads(rows.to_json(orient="records"))
    return [question(records, rows, draw) for _ in range(QUESTIONS)]


def question(records: list[dict[str, Any]], rows: pd.DataFrame, draw: np.random.Generator) -> bytes:
    """One request: of four, two are good, one is odd, one is broken."""
    some = [dict(records[at]) for at in draw.integers(0, len(records), draw.integers(1, 6))]
    kind = draw.integers(0, 8)
    if kind < 3:
        return http("/predict", json.dumps(some if kind else some[0]).encode())
    if kind == 3:
        part = rows.iloc[draw.integers(0, len(rows), 20)]
        return http("/predict?keep=age", part.to_csv(index=False).encode(), "text/csv")
    if kind < 6:
        return http("/predict", json.dumps([odd(row, draw) for row in some]).encode())
    return broken(json.dumps(some).encode(), draw)


def odd(row: dict[str, Any], draw: np.random.Generator) -> dict[str, Any]:
    """A record with cells that nobody expects, or without a column."""
    cells = (
        CELL, f"{CELL}\x00", f"=cmd|'{CELL}'", f"<b>{CELL}</b>", [CELL], {CELL: 1}, None, True, 1e308, -1e308,
        2**60, "", " ", "NaN", "12,5", "99/99/9999", "%s%n", "../../" + CELL, "'; drop table " + CELL, 0.1,
        "é" * 500,
    )  # fmt: skip
    name = str(draw.choice([*row]))
    if draw.integers(0, 10) == 0:
        return {key: value for key, value in row.items() if key != name}
    row[name] = cells[draw.integers(0, len(cells))]
    return row


def broken(body: bytes, draw: np.random.Generator) -> bytes:
    """A request that cannot be answered with predictions, most of the time."""
    cut = int(draw.integers(0, len(body)))
    kinds = [
        http("/predict", body[:cut] + CELL.encode()),
        http("/predict", body, "text/plain"),
        http("/predict", body, "application/octet-stream"),
        http("/predict", b""),
        http("/predict", b"[" * 5000),
        http("/predict", b'"' + CELL.encode() + b'"'),
        http("/predict?threshold=" + NAME, body),
        http("/predict?version=99999", body),
        http("/predict?keep=" + NAME, body),
        http("/predict?explain=0", body),
        http("/predict", gzip.compress(body)[:-5], more="Content-Encoding: gzip\r\n"),
        http("/predict", gzip.compress(b"[" + b" " * 100_000 + b"]"), more="Content-Encoding: gzip\r\n"),
        http("/predict", bytes(draw.integers(0, 256, 200).astype(np.uint8)), "text/csv"),
        http("/predict", b"a,b\n1,2,3\n" + CELL.encode(), "text/csv"),
        http("/invocations", b'{"dataframe_records": ' + body + b"}"),
        http("/invocations", b'{"inputs": "' + CELL.encode() + b'"}'),
        http("/" + NAME, body),
        http("/predict", body, method="DELETE"),
        http("/jobs/" + NAME, b"", method="GET"),
        http("/train", b'{"dataset_id": "' + NAME.encode() + b'"}'),
    ]
    return kinds[draw.integers(0, len(kinds))]


def http(path: str, body: bytes, kind: str = "application/json", method: str = "POST", more: str = "") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


async def ask(asked: list[bytes], requests: int, limit_s: float, port: int, server: psutil.Process) -> Long:
    """All of them over a few connections, in turn."""
    found, known = Long(), {}
    each = max(1, requests // LOOKS)
    began = time.monotonic()

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while found.done < requests and time.monotonic() < began + limit_s:
            at = found.done % len(asked)
            found.done += 1
            if found.done % each == 0:
                found.look(server)
                if found.done % (each * 20) == 0:
                    print(f"{found.done} requests, {time.monotonic() - began:.0f} s", flush=True)
            writer.write(asked[at])
            try:
                head, body = await answer_of(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                found.wrong["a connection that was closed without an answer"] += 1
                head, body = b"HTTP/1.1 000\r\nconnection: close", b""
            status = int(head[9:12])
            found.kinds[str(status)] += 1
            if status >= 500:
                found.wrong[f"{status}"] += 1
            if status >= 400 and CELL.encode() in body:
                found.wrong["a cell in a refusal"] += 1
            told = hashlib.sha256(b"%d" % status + REQUEST_ID.sub(b"", body)).digest()
            if known.setdefault(at, told) != told:
                found.wrong["another answer to the same question"] += 1
            if CLOSED.search(head):
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    found.look(server)
    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    found.took_s = time.monotonic() - began
    return found


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    if CHUNKED.search(head):
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return head, body
    length = LENGTH.search(head)
    return head, await reader.readexactly(int(length[1])) if length else b""


def of_readers(files: int, seed: int) -> Long:
    """Give the readers damaged files, here."""
    draw = np.random.default_rng(seed)
    found, whole = Long(), sources()
    each = max(1, files // LOOKS)
    began = time.monotonic()
    for _ in range(files):
        name, content = whole[draw.integers(0, len(whole))]
        try:
            read(damaged(content, draw), name, "file")
            found.kinds["a table"] += 1
        except ProjectError as error:
            found.kinds["refused"] += 1
            if CELL in repr([problem.to_dict() for problem in error.problems]):
                found.wrong["a cell in a refusal"] += 1
        except Exception as error:  # noqa: BLE001 (that is what is looked for)
            found.wrong[f"{type(error).__name__} from {name}"] += 1
        found.done += 1
        if found.done % each == 0:
            found.look(psutil.Process())
    found.took_s = time.monotonic() - began
    return found


def sources() -> list[tuple[str, bytes]]:
    """One small table in every format that is read."""
    frame = pd.read_csv(DATA / "loans.csv").head(30)
    frame["city"] = CELL
    csv = frame.to_csv(index=False).encode()
    parquet, feather, excel = io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.to_parquet(parquet)
    frame.to_feather(feather)
    frame.to_excel(excel, index=False)
    return [
        ("a.csv", csv),
        ("a.tsv", frame.to_csv(index=False, sep="\t").encode()),
        ("b.csv", csv.decode().encode("utf-16")),
        ("a.csv.gz", gzip.compress(csv)),
        ("a.parquet", parquet.getvalue()),
        ("a.feather", feather.getvalue()),
        ("a.xlsx", excel.getvalue()),
        ("a.json", frame.to_json(orient="records").encode()),
        ("b.json", frame.to_json(orient="split").encode()),
        ("a.jsonl", frame.to_json(orient="records", lines=True).encode()),
    ]


def damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """Some bytes changed, left out, doubled or cut off."""
    found = bytearray(content)
    for _ in range(draw.integers(1, 6)):
        at = int(draw.integers(0, max(1, len(found))))
        how = draw.integers(0, 5)
        if how == 0:
            found[at : at + 1] = bytes([draw.integers(0, 256)])
        elif how == 1:
            del found[at : at + int(draw.integers(1, 20))]
        elif how == 2:
            found[at:at] = found[at : at + int(draw.integers(1, 200))]
        elif how == 3:
            found[at:at] = draw.choice([b'"', b"\n", b",", b"\x00", b"\xff", b"{", b"]", b"1e999", b"\r", b";"])
        elif draw.integers(0, 4) == 0:
            del found[at:]
    return bytes(found)


def page(asked: Long, given: Long, requests: int, files: int, seed: int) -> str:
    """The results as Markdown."""
    lines = "\n".join(
        f"| {name} | {found.done:,} | {told(found.kinds)} | {told(found.wrong) or 'nothing'} | {found.took_s:,.0f} |"
        f" {found.memory[0][1]:.0f} | {at_half(found):.0f} | {found.memory[-1][1]:.0f} | {found.slope():+.2f} |"
        for name, found in (("requests", asked), ("files", given))
    )
    return f"""# A long run

{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}:

```sh
python -m tests.faults.long --requests {requests} --files {files} --seed {seed}
```

{QUESTIONS:,} different requests in turn over {CONNECTIONS} connections to a server of its own: half of them rows as
they should be (JSON, CSV), a quarter with odd cells, a quarter broken. Wrong would be a 5xx, another answer than the
first one to the same question, a cell in a refusal or in the log. Files are one table in ten formats, each damaged in
another way; wrong would be anything but a table or a refusal without cells. Memory is resident, of the server and of
the process that reads; the slope is that of a line through the second half, in MiB for each 100,000.

| | done | outcomes | wrong | s | MiB at first | half-way | at last | slope |
|---|---:|---|---|---:|---:|---:|---:|---:|
{lines}
"""


def at_half(found: Long) -> float:
    """Resident MiB when half was done."""
    return next(mib for done, mib in found.memory if done >= found.done / 2)


def told(counted: Counter[str]) -> str:
    """What was counted."""
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counted.items()))


if __name__ == "__main__":
    main()
