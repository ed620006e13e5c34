"""`/upload` and `/datasets`: a dataset run, checked and found again; nothing kept by halves."""

from __future__ import annotations

import csv
import errno
import re
import threading
from collections.abc import Iterator

import httpx
import mlflow
import pytest
from botocore.exceptions import EndpointConnectionError
from mlflow.exceptions import MlflowException

from tests.api.served import server
from tests.conftest import Store


@pytest.fixture
def files(loans: bytes) -> dict[str, bytes]:
    """A training file and a test file."""
    lines = loans.splitlines(keepends=True)
    return {"train": b"".join(lines[:170]), "test": lines[0] + b"".join(lines[170:])}


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    """A client of a server on an empty store."""
    with server() as opened:
        yield opened


def test_an_upload_is_described(client: httpx.Client, store: Store, files: dict[str, bytes]):
    """Rows, columns with kinds and reasons, checks with levels, guesses for the target, and the run."""
    answer = client.post("/upload", files=files, data={"target": "approved"})
    said = answer.json()
    columns = {column["name"]: column for column in said["columns"]}

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/datasets/{said['dataset_id']}"
    assert said["rows"] == {"train": 169, "test": 71}
    assert said["target"] == "approved"
    assert (columns["loan_id"]["kind"], columns["age"]["kind"]) == ("identifier", "number")
    assert columns["income"]["missing"] > 0
    assert all({"code", "level", "columns", "what", "fix"} <= set(check) for check in said["checks"])
    assert store.client.get_run(said["dataset_id"]).info.status == "FINISHED"
    assert client.get(answer.headers["location"]).json() == said
    assert [found["dataset_id"] for found in client.get("/datasets").json()["datasets"]] == [said["dataset_id"]]
    assert mlflow.active_run() is None


def test_the_first_rows_are_shown_as_they_were_sent(client: httpx.Client, files: dict[str, bytes]):
    """With and without a target: the file's own columns, also those that no model reads; gaps are null."""
    header, *lines = csv.reader(files["train"].decode().splitlines())
    for data in ({"target": "approved"}, {}):
        made = client.post("/upload", files=files, data=data).json()
        said = client.get(f"/datasets/{made['dataset_id']}/preview").json()
        assert said["dataset_id"] == made["dataset_id"]
        assert [list(row) for row in said["rows"]] == [header] * 5
        assert [[cell or "" for cell in row.values()] for row in said["rows"]] == lines[:5]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (MlflowException("API request to http://host/api/2.0/mlflow-artifacts/x failed"), "artifacts_unreachable"),
        (EndpointConnectionError(endpoint_url="http://s3"), "artifacts_unreachable"),
    ],
)
def test_files_that_cannot_be_kept_are_told(
    client: httpx.Client, store: Store, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, error, code
):
    """503 and the reason, on the run too, which is FAILED; the same upload succeeds when it can."""

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("mlflow.log_artifacts", fail)
        answer = client.post("/upload", files=files, data={"target": "approved"})

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (503, code)
    (run,) = store.client.search_runs([each.experiment_id for each in store.client.search_experiments()])
    assert (run.info.status, run.data.tags["error.code"]) == ("FAILED", code)
    assert client.post("/upload", files=files, data={"target": "approved"}).status_code == 201


def test_the_same_bytes_and_options_are_the_same_dataset(client: httpx.Client, files: dict[str, bytes]):
    """Another target, other columns to ignore, other checks to accept or other bytes are another one."""
    ids = [
        client.post("/upload", files=sent, data=data).json()["dataset_id"]
        for sent, data in (
            (files, {"target": "approved"}),
            (files, {"target": "approved"}),
            (files, {"target": "approved", "ignore": "age"}),
            (files, {"target": "approved", "accept": "target_leak"}),
            (files, {}),
            ({**files, "test": files["test"] + files["test"].splitlines(keepends=True)[-1]}, {"target": "approved"}),
        )
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


def test_without_a_target_the_likely_ones_are_named(client: httpx.Client, files: dict[str, bytes]):
    """A target can be chosen afterwards."""
    said = client.post("/upload", files=files).json()

    assert said["target"] is None
    assert "approved" in said["targets"]


def test_an_experiment_can_be_named(client: httpx.Client, store: Store, files: dict[str, bytes]):
    """The dataset's run goes there, the next one without a name does not."""
    first = client.post("/upload", files=files, data={"experiment": "loans, 2024"}).json()["dataset_id"]
    second = client.post("/upload", files=files, data={"target": "approved"}).json()["dataset_id"]
    experiments = [store.client.get_run(run_id).info.experiment_id for run_id in (first, second)]

    assert [store.client.get_experiment(found).name for found in experiments] == ["loans, 2024", "Default"]


def test_refused_files_are_a_422_with_all_problems(client: httpx.Client, store: Store, files: dict[str, bytes]):
    """Both files' faults at once, no dataset, no run left RUNNING, no cell in the answer."""
    broken = {"train": b"a,b\n1,SECRET,3\n", "test": b"\x00\x01SECRET"}
    answer = client.post("/upload", files=broken, data={"target": "a"})

    assert answer.status_code == 422
    assert [problem["code"] for problem in answer.json()["problems"]] == ["ragged_rows", "file_unreadable"]
    assert "SECRET" not in answer.text
    assert client.get("/datasets").json()["datasets"] == []
    assert {run.info.status for run in store.client.search_runs(["0"])} == {"FAILED"}
    assert mlflow.active_run() is None


def test_a_wrong_target_is_a_422_with_the_nearest_names(client: httpx.Client, files: dict[str, bytes]):
    """As at every other door."""
    (problem,) = client.post("/upload", files=files, data={"target": "aproved"}).json()["problems"]

    assert problem["code"] == "target_missing"
    assert "'approved'" in problem["fix"]


@pytest.mark.parametrize(
    ("sent", "data", "codes"),
    [
        (["train"], {}, ["file_missing"]),
        ([], {"train": "/etc/passwd", "test": "runs:/x"}, ["file_missing", "file_missing"]),
        (["train", "test"], {"scheduler": "x"}, ["field_unknown"]),
        (["train", "test", "target"], {}, ["field_invalid"]),
        (["train", "test"], {"experiment": "x" * 300}, ["experiment_invalid"]),
        (["train", "test"], {"accept": "leak"}, ["accept_unknown"]),
    ],
)
def test_a_wrong_form_is_refused(
    client: httpx.Client, files: dict[str, bytes], sent: list[str], data: dict[str, str], codes: list[str]
):
    """Clients send files, never paths or addresses; unknown fields are not ignored."""
    parts = [(name, ("a.csv", files.get(name, b"x"), "text/csv")) for name in sent]
    fields = [(name, (None, text.encode())) for name, text in data.items()]
    answer = client.post("/upload", files=[*parts, *fields])

    if len(sent) > 2:  # more files than the form takes
        assert answer.status_code == 400
    else:
        assert (answer.status_code, [problem["code"] for problem in answer.json()["problems"]]) == (422, codes)


@pytest.mark.parametrize("kind", ["", "text/csv", "application/x-www-form-urlencoded"])
def test_another_type_is_a_415(client: httpx.Client, kind: str):
    """With the command that works."""
    answer = client.post("/upload", content=b"x", headers={"Content-Type": kind} if kind else {})

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (415, "media_type")
    assert "curl -F" in answer.json()["problems"][0]["fix"]


@pytest.mark.parametrize(
    "body", [b"", b"junk", b"--x\r\n\r\n\r\n--x--\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\ny\r\n--x--"]
)
def test_a_broken_form_is_a_400(client: httpx.Client, body: bytes):
    """Never a 500."""
    answer = client.post("/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_uploads_at_the_same_time_do_not_disturb_each_other(
    client: httpx.Client, store: Store, files: dict[str, bytes]
):
    """Runs of one thread are not nested in those of another."""
    answers: list[httpx.Response] = []

    def send(target: str) -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            answers.append(own.post("/upload", files=files, data={"target": target}))

    senders = [threading.Thread(target=send, args=(target,)) for target in ("approved", "approved", "employed")]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["dataset_id"] for answer in answers}) == 2
    assert all("mlflow.parentRunId" not in run.data.tags for run in store.client.search_runs(["0"]))


@pytest.mark.parametrize("dataset_id", ["0" * 32, "x", "..%2f.."])
def test_an_unknown_dataset_is_a_404(client: httpx.Client, dataset_id: str):
    """Also for ids that are none."""
    answer = client.get(f"/datasets/{dataset_id}")

    assert answer.status_code == 404
    assert re.fullmatch(r"application/problem\+json", answer.headers["content-type"])
