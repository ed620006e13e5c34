"""`/metrics`: what was asked and answered is what is counted, and nothing of a caller's text becomes a label."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
from mlflow.exceptions import MlflowException
from prometheus_client.parser import text_string_to_metric_families

from api import jobs
from steps import tracking
from tests.api.served import ROW, register, server, until
from tests.api.test_serve import free_port, is_alive, serving
from tests.conftest import Store

Sample = tuple[str, tuple[tuple[str, str], ...]]


def figures(client: httpx.Client) -> dict[Sample, float]:
    """All samples by name and labels."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_jobs_are_counted_as_the_store_has_them(store: Store, loans: bytes):
    """One runs and one waits; when the one is cancelled it has ended, and the other runs.

    It is the first test here: the server of the others would look after the same store, and count too.
    """
    lines = loans.splitlines(keepends=True)
    files = {"train": b"".join(lines[:170]), "test": lines[0] + b"".join(lines[170:])}
    with server() as client:
        asked = {"dataset_id": client.post("/upload", files=files, data={"target": "approved"}).json()["dataset_id"]}
        first, _ = (client.post("/train", json=asked).json()["job_id"] for _ in range(2))
        until(lambda: client.get(f"/jobs/{first}").json()["status"] == "RUNNING")
        ended = "crisol_jobs_ended_total", (("status", "KILLED"),)
        before = figures(client)
        client.post(f"/jobs/{first}/cancel")
        after = figures(client)

    waiting, running = (("crisol_jobs", (("status", status),)) for status in ("SCHEDULED", "RUNNING"))
    assert (before[waiting], before[running]) == (1, 1)
    assert after[waiting] + after[running] == 1
    assert after[ended] - before.get(ended, 0) == 1


def test_requests_rows_refusals_and_odd_cells_are_counted(client: httpx.Client):
    """By how much each sample grows over a few requests."""
    before = figures(client)
    rows = [ROW, {**ROW, "city": "Ulm"}, {**ROW, "city": "Rom", "age": 300}]
    assert client.post("/predict", json=rows).status_code == 200
    table = b"age,city,since\n40,Bonn,2022-05-01\n"
    assert client.post("/predict", content=table, headers={"Content-Type": "text/csv"}).status_code == 200
    assert client.post("/predict", json=[{"age": "x"}]).status_code == 422
    assert client.get("/secret-of-a-caller").status_code == 404
    assert client.delete("/health").status_code == 405
    after = figures(client)
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}

    assert grown["crisol_rows_total", (("version", "1"),)] == 4
    odd = {
        dict(labels)["code"]: value for (name, labels), value in grown.items() if name == "crisol_unusual_cells_total"
    }
    assert odd == {"unseen_category": 2, "out_of_range": 1}
    predicted = ("method", "POST"), ("route", "/predict")
    assert grown["crisol_requests_total", (*predicted, ("status", "200"))] == 2
    assert grown["crisol_requests_total", (*predicted, ("status", "422"))] == 1
    assert grown["crisol_request_seconds_count", (("route", "/predict"),)] == 3
    unknown = ("method", "GET"), ("route", "unknown"), ("status", "404")
    assert grown["crisol_requests_total", unknown] == 1
    refused = {dict(labels)["code"] for (name, labels) in grown if name == "crisol_refusals_total"}
    assert {"missing_column", "not_found"} <= refused
    assert "secret" not in str(after).lower()
    assert after["crisol_champion_version", ()] == 1
    assert after["crisol_store_up", ()] == 1


def test_a_store_that_does_not_answer_is_said_and_the_rest_is_there(client: httpx.Client, monkeypatch):
    """A scrape never fails for it."""

    def unreachable():
        raise MlflowException("no store")

    monkeypatch.setattr(jobs, "open_jobs", unreachable)
    found = figures(client)

    assert found["crisol_store_up", ()] == 0
    assert not [name for name, _ in found if name == "crisol_jobs"]
    assert found["crisol_champion_version", ()] == 1


def test_several_workers_answer_count_together_and_end_together(store: Store, tmp_path: Path):
    """Whichever process is asked knows what all have answered; with the parent all are gone, also by SIGKILL.

    Where they have counted goes with whatever starts next.
    """
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    register("crisol")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with serving(store, port, workers=2, TMPDIR=str(scratch)) as process:
        until(lambda: is_alive(port) and httpx.get(f"{base}/ready").status_code == 200, 120)
        with httpx.Client(base_url=base, timeout=60) as client:
            until(lambda: figures(client).get(("crisol_champion_swaps_total", (("version", "1"),))) == 2, 60)
        for _ in range(20):  # a connection each, so that both get some
            until(lambda: httpx.post(f"{base}/predict", json=[ROW], timeout=60).status_code == 200)
        with httpx.Client(base_url=base, timeout=60) as client:
            counted = {figures(client)["crisol_rows_total", (("version", "1"),)] for _ in range(5)}
        process.send_signal(signal.SIGKILL)
        until(lambda: not is_alive(port))

    assert counted == {20}
    assert len(tracking.sweep(scratch)) == 1
    assert not [*scratch.glob("crisol-*")]
