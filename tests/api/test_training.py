"""`/train`: what it makes of a request, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api import jobs, processes, training
from steps.judging import sorting
from tests.api.served import server
from tests.conftest import Store, make_store

Shop = tuple[httpx.Client, dict[str, str], Store]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, store_template: Path, loans: bytes) -> Iterator[Shop]:
    """A server with an uploaded dataset, and the fields that train on it."""
    lines = loans.splitlines(keepends=True)
    files = {"train": b"".join(lines[:170]), "test": lines[0] + b"".join(lines[170:])}
    with make_store(tmp_path_factory.mktemp("shop") / "store", store_template).active() as store, server() as client:
        answer = client.post("/upload", files=files, data={"target": "approved"})
        assert answer.status_code == 201, answer.text
        yield client, {"dataset_id": answer.json()["dataset_id"]}, store


def test_a_job_is_a_run_like_those_of_mlflow_run(shop: Shop):
    """The run has every parameter of `main` as MLflow logs it, and the tags of a project's run."""
    client, uploaded, store = shop
    asked = {**uploaded, "budget_s": 20, "models": ["lr", "rf"], "experiment": "a b"}
    answer = client.post("/train", json=asked)
    job = answer.json()["job_id"]
    run = store.client.get_run(job)
    client.post(f"/jobs/{job}/cancel")

    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json()["status_url"] == f"/jobs/{job}"
    assert run.data.params == {
        "train": "''", "test": "''", "target": "''", "dataset": uploaded["dataset_id"], "positive": "auto",
        "metric": "auto", "models": "lr,rf", "budget_s": "20", "candidates": "''",
            "max_latency_ms": "''", "latency_price": "0.001", "ignore": "''", "kinds": "''",
        "unseen_category": "''", "accept": "''", "seed": "1", "threshold": "auto", "cost_fp": "''", "cost_fn": "''",
        "promote": "auto", "margin": "0", "sensitive": "''", "name": "crisol", "scheduler": "''",
    }  # fmt: skip
    tags = run.data.tags
    assert (tags["mlflow.project.entryPoint"], tags["mlflow.source.type"]) == ("main", "PROJECT")
    assert tags["mlflow.project.env"] == "local"
    assert store.client.get_experiment(run.info.experiment_id).name == "a b"
    assert processes.of_run(job, {}) == []


@pytest.mark.parametrize(
    ("fields", "status", "codes"),
    [
        ({"dataset_id": "0" * 32}, 404, ["dataset_unknown"]),
        ({"dataset_id": "../../etc"}, 404, ["dataset_unknown"]),
        ({"dataset_id": None}, 422, ["field_missing"]),
        ({"target": "aproved"}, 422, ["target_missing"]),
        ({"ignore": ["nope"]}, 422, ["ignored_unknown"]),
        ({"ignore": "approved"}, 422, ["ignored_unknown"]),
        ({"sensitive": ["aeg", "approved"]}, 422, ["sensitive_unknown"] * 2),
        ({"accept": ["target_leak", "leak"]}, 422, ["accept_unknown"]),
        ({"kinds": {"nope": "number", "approved": "text"}}, 422, ["kinds_unknown"] * 2),
        ({"kinds": ["age:numeric"], "unseen_category": "drop"}, 422, ["kinds_invalid", "unseen_category_invalid"]),
        ({"scheduler": "tcp://x", "name": "y", "train": "/etc/passwd", "test": "z", "shoe": 1}, 422,
         ["field_refused"] * 4 + ["field_unknown"]),
        ({"budget_s": "soon", "metric": "auk", "models": "rv", "promote": "x", "threshold": 7, "seed": -3}, 422,
         ["promote_invalid"] + [f"{name}_invalid" for name in ("metric", "models", "budget_s", "seed", "threshold")]),
        ({"margin": -1, "promote": "x"}, 422, ["promote_invalid", "margin_invalid"]),
        ({"positive": "nobody"}, 422, ["positive_invalid"]),
        ({"threshold": "cost", "cost_fp": -1}, 422, ["cost_fp_invalid", "cost_fn_invalid"]),
        ({"budget_s": True, "target": {"a": 1}}, 422, ["field_invalid"] * 2),
        ({"target": "a\u0000b"}, 422, ["field_invalid"]),
        ({"target": "x" * 5000}, 422, ["field_invalid"]),
        ({"experiment": "x" * 300}, 422, ["experiment_invalid"]),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_with_all_problems(
    shop: Shop, fields: dict[str, object], status: int, codes: list[str]
):
    """Nothing is started, and everything that is wrong is said at once."""
    client, uploaded, _ = shop
    before = len(jobs.search(f"tags.`{jobs.JOB}` != ''"))
    answer = client.post("/train", json={**uploaded, **fields})

    assert (answer.status_code, [problem["code"] for problem in answer.json()["problems"]]) == (status, codes)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(jobs.search(f"tags.`{jobs.JOB}` != ''")) == before


def test_a_lone_surrogate_is_refused(shop: Shop):
    """What cannot be an argument of a process is no option."""
    client, uploaded, _ = shop
    body = b'{"target": "\\ud800", "dataset_id": "%s"}' % uploaded["dataset_id"].encode()
    answer = client.post("/train", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "field_invalid")


def test_a_wrong_target_is_told_the_nearest_names(shop: Shop):
    """The fix names the column that was meant."""
    client, uploaded, _ = shop
    problems = client.post("/train", json={**uploaded, "target": "aproved"}).json()["problems"]

    assert "'approved'" in problems[0]["fix"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"[" * 100_000, b"\xff", b'{"a":' + b"9" * 5000 + b"}"])
def test_a_body_that_is_no_object_is_refused(shop: Shop, body: bytes):
    """Broken JSON is the caller's to mend."""
    answer = shop[0].post("/train", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "json_invalid")


def test_a_body_of_another_type_is_refused(shop: Shop):
    """A form of another site's page cannot start a training."""
    answer = shop[0].post("/train", content=b"{}", headers={"Content-Type": "text/plain"})

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (415, "media_type")


def test_a_dataset_without_a_target_needs_one(shop: Shop):
    """The columns that may be meant are named."""
    client = shop[0]
    files = {"train": b"a,b\n" + b"1,x\n2,y\n" * 20, "test": b"a,b\n" + b"3,x\n4,y\n" * 20}
    made = client.post("/upload", files=files)
    without = client.post("/train", json={"dataset_id": made.json()["dataset_id"]})
    named = client.post("/train", json={"dataset_id": made.json()["dataset_id"], "target": "b"})
    client.post(f"/jobs/{named.json()['job_id']}/cancel")

    assert made.json()["target"] is None
    assert [problem["code"] for problem in without.json()["problems"]] == ["target_missing"]
    assert named.status_code == 202


@pytest.mark.parametrize("path", ["0" * 32, "x", "..%2f..%2fetc", "%00"])
@pytest.mark.parametrize("rest", ["", "/log", "/report"])
def test_an_unknown_job_is_a_404(shop: Shop, path: str, rest: str):
    """Also for ids that are none."""
    answer = shop[0].get(f"/jobs/{path}{rest}")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_only_the_reports_own_script_may_run():
    """The policy names the script by the hash of what a report holds; it can load, send and frame nothing."""
    policy = dict(part.strip().partition(" ")[::2] for part in training.REPORT_POLICY.split(";"))
    digest = base64.b64encode(hashlib.sha256(sorting.SCRIPT.encode()).digest()).decode()

    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["sandbox"] == "allow-scripts"
    assert not {"connect-src", "frame-src", "script-src-attr", "script-src-elem", "worker-src"} & set(policy)
    assert (policy["base-uri"], policy["form-action"]) == ("'none'", "'none'")
