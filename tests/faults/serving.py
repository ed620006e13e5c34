"""Faults of a server: its model's files, its store, and two promotions at once."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import mlflow
import numpy as np

from api.app import create_app
from pyfunc import package
from pyfunc.compiled import files
from steps.settings import Settings
from steps.tracking import CHAMPION
from tests.api.served import ROW, register, running, until
from tests.conftest import Store
from tests.faults.trials import require
from tests.journeys.servers import free_port
from tests.pyfunc.test_gate import KNOWN, PIPELINE, PLAN

NAME = "crisol"
VERSION = "X-Crisol-Model-Version"
POLL_S = 0.1
FILES = (package.MANIFEST, package.SCHEMA, package.PIPELINE)
COMPILED_FILES = (files.PLAN, files.ARRAYS, "trees-0.bin")
LOCKED_S = 1.0
LONGEST_S = 20.0  # within which whoever needs the store is told that it does not answer
ASKS_THE_STORE = (
    ("GET", "/models"), ("GET", "/jobs/" + 32 * "a"), ("POST", "/models/1/promote"),
)  # fmt: skip
AT_ONCE_S = 5.0  # within which an answer has to come, whatever is broken


class Answers:
    """A server with a champion, which has to give the same answer all the time."""

    def __init__(self, client: httpx.Client, store: Store) -> None:
        self.client, self.store = client, store
        self.known = self.ask()

    def ask(self) -> list[dict[str, object]]:
        """The champion's answer to a row, in time."""
        began = time.monotonic()
        answer = self.client.post("/predict", json=[ROW])
        require(answer.status_code == httpx.codes.OK, f"/predict answered {answer.status_code}")
        require(time.monotonic() - began < AT_ONCE_S, "/predict took seconds")
        predictions: list[dict[str, object]] = answer.json()["predictions"]
        return predictions

    def same(self) -> None:
        """It still is that one."""
        require(self.ask() == self.known, "another answer")

    def problem(self) -> str:
        """The code of what the server says is wrong with its champion; empty where nothing is."""
        said = self.client.get("/ready")
        return "" if said.status_code == httpx.codes.OK else str(said.json()["problems"][0]["code"])

    def follows(self, version: str, patience_s: float = 30) -> None:
        """It comes to answer with a version, and with the same answer."""
        until(lambda: self.client.post("/predict", json=[ROW]).headers.get(VERSION) == version, patience_s)
        self.same()


@contextmanager
def answering(store: Store, uri: str) -> Iterator[Answers]:
    """A real server on a store, with a champion."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        register(NAME)
        with running(create_app(Settings(name=NAME, poll_s=POLL_S)), "/ready") as client:
            yield Answers(client, store)
    finally:
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(before)


def promote(store: Store, version: str) -> None:
    """Move the alias, as somebody with MLflow's client would."""
    store.client.set_registered_model_alias(NAME, CHAMPION, version)


def package_of(store: Store, version: str) -> Path:
    """Where a version's package is."""
    model_id = store.client.get_model_version(NAME, version).source.removeprefix("models:/")
    return next(each.parent for each in store.folder.rglob(package.MANIFEST) if model_id in str(each))


def damaged_byte(served: Answers, draw: np.random.Generator, name: str) -> str:
    """A new champion has one byte changed: the old one answers, and the server says what is wrong."""
    is_compiled = name in COMPILED_FILES
    version = register(NAME, None, schema=KNOWN, pipeline=PIPELINE, plan=PLAN) if is_compiled else register(NAME, None)
    file = package_of(served.store, version) / name
    content = bytearray(file.read_bytes())
    at = int(draw.integers(len(content)))
    content[at] ^= 1 << int(draw.integers(8))
    file.write_bytes(content)
    promote(served.store, version)
    until(lambda: served.problem() or served.client.post("/predict", json=[ROW]).headers[VERSION] == version)
    served.same()
    code = served.problem()
    mended = register(NAME)
    served.follows(mended)
    require(not served.problem(), "the problem stays")
    return code or "harmless: the same answer"


def no_artifacts(served: Answers, _: np.random.Generator) -> str:
    """The new champion's files are not to be had."""
    version = register(NAME, None)
    folder = package_of(served.store, version)
    shutil.rmtree(folder)
    promote(served.store, version)
    until(served.problem)
    served.same()
    code = served.problem()
    served.follows(register(NAME))
    return code


def locked(served: Answers, _: np.random.Generator) -> str:
    """Another process holds the store's lock: answers come, and what needs the store waits or says why it cannot."""
    with closing(sqlite3.connect(served.store.folder / "mlflow.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(1) as pool:
            listed = pool.submit(served.client.get, "/models")
            until_s = time.monotonic() + LOCKED_S
            while time.monotonic() < until_s:
                served.same()
            database.execute("COMMIT")
            status = listed.result().status_code
    require(status in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE), f"/models answered {status}")
    require(served.client.get("/models").status_code == httpx.codes.OK, "/models does not answer afterwards")
    return "waited" if status == httpx.codes.OK else "store_unreachable"


def two_promotions(served: Answers, draw: np.random.Generator) -> str:
    """Two aliases are moved at once, and one of them counts."""
    versions = [register(NAME, None), register(NAME, None)]
    began = threading.Barrier(2)

    def move(version: str) -> None:
        began.wait()
        time.sleep(float(draw.uniform(0, 0.02)))
        promote(served.store, version)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(move, versions))
    champion = str(served.store.client.get_model_version_by_alias(NAME, CHAMPION).version)
    require(champion in versions, "neither is the champion")
    served.follows(champion)
    return "one champion"


class Tracking:
    """`mlflow server` on a store."""

    def __init__(self, store: Store) -> None:
        self.store, self.port = store, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Until it answers."""
        words = [
            sys.executable, "-W", "ignore", "-m", "mlflow", "server", f"--port={self.port}", "--workers=1",
            f"--backend-store-uri={self.store.uri}", f"--artifacts-destination={self.store.artifacts}",
        ]  # fmt: skip
        log = (self.store.folder / "mlflow.log").open("a")
        self.process = subprocess.Popen(
            words, env=self.store.environment, stdout=log, stderr=log, start_new_session=True
        )
        until(self._answers, 90)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.uri}/health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """All of it, without a word."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def store_restarts(served: Answers, tracking: Tracking) -> str:
    """The MLflow server is killed while rows are answered, and comes back."""
    tracking.kill()
    until(served.problem, 60)
    code = served.problem()
    for _ in range(20):
        served.same()
    for method, path in ASKS_THE_STORE:
        began = time.monotonic()
        answer = served.client.request(method, path)
        taken_s = time.monotonic() - began
        require(answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, f"{path} answered {answer.status_code}")
        require(taken_s < LONGEST_S, f"{path} took {taken_s:.0f} s")
    tracking.start()
    until(lambda: not served.problem(), 90)
    require(served.client.get("/models").status_code == httpx.codes.OK, "/models does not answer afterwards")
    return code
