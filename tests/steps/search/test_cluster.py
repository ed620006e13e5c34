"""The search on a Dask cluster: the same candidates to the last bit, also where a worker is killed under them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from distributed.utils import LoopRunner, sync

from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps import cluster as door
from steps.cluster import ClusterError, address_problems, connect
from steps.search import workers
from steps.search.cluster import Cluster
from steps.search.outcome import TIME_LIMIT, Outcome
from steps.search.plan import AUTO, plan_of
from steps.search.portfolio import Spec
from steps.search.race import Search, Tried
from steps.search.table import folds_for, lay_out
from tests.clusters import cluster
from tests.conftest import make_store

ROWS = 300
PLAN = replace(plan_of({"models": ",".join(AUTO), "candidates": "8"}), blend=True, metric="roc_auc")
SCHEMA = InputSchema(
    (
        *(Column(f"x{at}", Kind.NUMBER, minimum=-5.0, maximum=5.0) for at in range(8)),
        Column("c", Kind.CATEGORY, categories=("a", "b", "c")),
    ),
    Target("y", ("no", "yes"), positive="yes"),
)


@pytest.fixture(scope="module")
def started(tmp_path_factory, module_environment):
    """A cluster of two workers."""
    with cluster(tmp_path_factory.mktemp("cluster"), 2, module_environment) as found:
        yield found


@pytest.fixture
def two_workers(started):
    """The same, with both at work again where a test has killed them."""
    with Client(started.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    return started


@pytest.fixture(scope="module")
def module_environment(tmp_path_factory, store_template):
    """Of the workers' command, whose run goes to a store of the tests'."""
    return make_store(tmp_path_factory.mktemp("store") / "store", store_template).environment


def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers and a category, and what can be learned of them."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{at}": random.normal(size=ROWS) for at in range(8)})
    frame["c"] = random.choice(["a", "b", "c"], ROWS)
    y = (frame["x0"] + (frame["c"] == "a") + random.normal(size=ROWS) > 0).to_numpy(np.int64)
    return frame, y


def raced(folder: Path, scheduler: str, then=len) -> dict[str, Tried]:
    """A search's candidates by their names; `then` gets all of them so far after each."""
    folder.mkdir()
    frame, y = table()
    found = {}
    for tried in Search(frame, y, SCHEMA, PLAN, folder, scheduler).race(id):
        found[tried.name] = tried
        then(found)
    return found


def assert_same(ours: dict[str, Tried], theirs: dict[str, Tried]) -> None:
    """Every candidate ended alike, with the same figures and probabilities to the last bit."""
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        other = theirs[name]
        assert one.error == other.error
        assert one.outcome.hyperparameters == other.outcome.hyperparameters
        assert one.outcome.figures == other.outcome.figures
        if one.error is None:
            np.testing.assert_array_equal(one.outcome.out_of_fold, other.outcome.out_of_fold)
            assert one.pipeline.exists()
            assert other.pipeline.exists()


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, Tried]:
    """What this machine finds by itself."""
    return raced(tmp_path_factory.mktemp("alone") / "search", "")


@pytest.mark.trains
def test_a_cluster_finds_what_one_machine_finds(two_workers, alone, tmp_path):
    """Figures, probabilities and hyperparameters are equal; what workers were sent is gone from them afterwards."""
    assert len(alone) == 8
    assert sum(one.error is None for one in alone.values()) >= 4

    assert_same(alone, raced(tmp_path / "search", two_workers.address))

    assert no_folder_left(two_workers.address)


@pytest.mark.trains
@pytest.mark.parametrize("n_killed", [1, 2])
def test_a_killed_worker_takes_no_candidate_along(alone, tmp_path, two_workers, n_killed):
    """One or all are killed with candidates in their hands, and all that was sent: the result is the same."""
    killed = []

    def kill(tried: dict[str, Tried]) -> None:
        if len(tried) == 1:
            killed.extend(two_workers.workers()[:n_killed])
            for victim in killed:
                victim.kill()

    assert_same(alone, raced(tmp_path / "search", two_workers.address, kill))
    assert len(killed) == n_killed


@pytest.mark.trains
def test_a_candidate_ends_with_its_time(two_workers, tmp_path):
    """At the deadline the race goes on here, and on the worker the candidate's process is ended."""
    frame, y = table()
    search = Search(frame, y, SCHEMA, PLAN, tmp_path)
    lay_out(tmp_path, frame, search.table)
    slow = Spec("lightgbm", 0, {"learning_rate": 1e-6, "num_leaves": 200, "min_data_in_leaf": 1}, "portfolio")
    with Cluster(tmp_path, two_workers.address) as hands:
        hands.start(workers.attempt, slow, "native", None, None, limit_s=600)
        (finished,) = hands.next(time.monotonic() + 3)
        assert finished.outcome.error == TIME_LIMIT
        assert finished.seconds < 60
        assert not hands.jobs
        quick = Spec("lightgbm", 1, {"learning_rate": 0.3}, "portfolio")
    with Cluster(tmp_path, two_workers.address) as hands:  # both workers are free again
        for _ in range(2):
            hands.start(workers.attempt, quick, "native", None, None, limit_s=600)
        ended: list = []
        while len(ended) < 2:
            ended += hands.next(time.monotonic() + 300)
    assert [one.outcome.error for one in ended] == [None, None]


@pytest.mark.trains
def test_what_a_worker_cannot_do_fails_alone(two_workers, tmp_path, monkeypatch):
    """The kind of error comes out, and never its message."""
    frame, y = table()
    lay_out(tmp_path, frame, Search(frame, y, SCHEMA, PLAN, tmp_path).table)
    monkeypatch.setattr("steps.search.cluster.tried", broken)
    with Cluster(tmp_path, two_workers.address) as hands:
        hands.start(workers.attempt, Spec("lightgbm", 0, {}, "portfolio"), "native", None, None, limit_s=600)
        (finished,) = hands.next(time.monotonic() + 300)

    assert finished.outcome.error == "OSError"
    assert "secret" not in repr(finished)


def broken(*_: object) -> tuple[Outcome, dict[str, bytes]]:
    """A worker without room on its disk."""
    raise OSError("no room for the secret cell")


def test_a_wait_that_is_cancelled_is_told_from_an_error_of_the_work():
    """Dask then fails with an unbound variable of its own."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def wrong() -> int:
        if asyncio is None:
            found = 1
        return found

    runner = LoopRunner()
    runner.start()
    try:
        told = []
        for work in (cancelled, wrong):
            with pytest.raises(UnboundLocalError) as failed:
                sync(runner.loop, work)
            told.append(door.has_no_result(failed.value))
    finally:
        runner.stop()

    assert told == [True, False]


@pytest.mark.trains
def test_workers_of_another_program_are_refused(two_workers, monkeypatch):
    """One byte of another source, or another version of what figures hang on, and nothing is begun."""
    monkeypatch.setattr(door, "program", lambda: "another")

    with pytest.raises(ClusterError) as refused:
        connect(two_workers.address)

    (problem,) = refused.value.problems
    assert problem.code == "cluster_differs"
    assert problem.what.count("tcp://127.0.0.1") == 2
    assert "mlflow run . -e worker" in problem.fix


def test_a_cluster_without_workers_says_so(tmp_path, module_environment, monkeypatch):
    """And how to start some."""
    monkeypatch.setattr(door, "WORKERS_S", 1)
    with cluster(tmp_path, 0, module_environment) as found, pytest.raises(ClusterError) as refused:
        connect(found.address)

    (problem,) = refused.value.problems
    assert problem.code == "cluster_empty"
    assert f"-P scheduler={found.address}" in problem.fix


def test_no_scheduler_is_said_soon(monkeypatch):
    """At an address where nobody listens."""
    monkeypatch.setattr(door, "REACHED_S", 1)

    with pytest.raises(ClusterError) as refused:
        connect("tcp://127.0.0.1:9")

    assert [problem.code for problem in refused.value.problems] == ["scheduler_unreachable"]


@pytest.mark.parametrize(
    ("text", "n_problems"),
    [("", 0), ("tcp://10.0.0.5:8786", 0), ("tls://host:1", 0), ("10.0.0.5:8786", 1), ("http://host", 1), ("tcp://", 1)],
)
def test_addresses(text, n_problems):
    """A scheme and a host, or nothing."""
    problems = address_problems(text)

    assert [problem.code for problem in problems] == ["scheduler_invalid"] * n_problems


def test_few_rows_still_make_folds():
    """The table of these tests is what the search is for."""
    assert folds_for(table()[1]) == 8


def no_folder_left(address: str) -> bool:
    """Whether the workers have forgotten every search."""
    with Client(address, set_as_default=False) as client:
        return all(count == 0 for count in client.run(folders_here).values())


def folders_here() -> int:
    """On a worker: searches that it has laid files aside for."""
    from steps.search import cluster as there  # noqa: PLC0415

    return len(there._folders)
