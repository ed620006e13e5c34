"""The whole way over real processes: server, upload, `mlflow run`, champion, and every door that answers."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest

from steps import tracking
from tests.conftest import Store, make_store
from tests.journeys.servers import BIN, free_port, served, wait_for

TRAIN_ROWS = 170  # of loans.csv's 240
TOLERANCE = 1e-9
pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def journey_store(tmp_path_factory: pytest.TempPathFactory, store_template: Path) -> Iterator[Store]:
    """One store for the whole journey."""
    with make_store(tmp_path_factory.mktemp("journey") / "store", store_template).active() as opened:
        yield opened


@pytest.fixture(scope="module")
def files(loans: bytes) -> tuple[bytes, bytes]:
    """The loans as a training file and a test file."""
    lines = loans.decode().splitlines(keepends=True)
    return "".join(lines[: TRAIN_ROWS + 1]).encode(), "".join([lines[0], *lines[TRAIN_ROWS + 1 :]]).encode()


@pytest.fixture(scope="module")
def api(journey_store: Store) -> Iterator[httpx.Client]:
    """The API over the journey's store."""
    port = free_port()
    with served([sys.executable, "-m", "steps.serve", "--port", str(port)], journey_store, port, "/health") as client:
        yield client


@pytest.fixture(scope="module")
def trained(api: httpx.Client, files: tuple[bytes, bytes]) -> dict:
    """Upload and train over HTTP; the finished job."""
    form = {"train": ("train.csv", files[0], "text/csv"), "test": ("test.csv", files[1], "text/csv")}
    uploaded = api.post("/upload", files=form, data={"target": "approved"})
    assert uploaded.status_code == 201, uploaded.text
    again = api.post("/upload", files=form, data={"target": "approved"})
    assert again.json()["dataset_id"] == uploaded.json()["dataset_id"]
    wish = {"target": "approved", "budget_s": 60, "models": "lr,lightgbm", "seed": 3}
    wish["dataset_id"] = uploaded.json()["dataset_id"]
    started = api.post("/train", json=wish)
    assert started.status_code == 202, started.text
    job = f"/jobs/{started.json()['job_id']}"
    assert started.headers["location"] == job
    wait_for(lambda: api.get(job).json()["status"] in ("FINISHED", "FAILED", "KILLED"), 240, "the job")
    return api.get(job).json()


def test_a_job_ends_with_a_champion(trained):
    """The job is FINISHED, with candidates, a report and a version."""
    assert trained["status"] == "FINISHED", trained
    assert {one["model"] for one in trained["candidates"]} == {"lr", "lightgbm"}
    assert trained["version"] == "1"
    assert trained["progress"] == 1


def test_train_forwards_the_uploaded_files_to_mlflow_run(trained, files, journey_store):
    """The job's run is a run of entry point `main`, with the parameters asked for, over the bytes that were sent."""
    run = journey_store.client.get_run(trained["job_id"])
    dataset = journey_store.client.get_run(run.data.tags[tracking.DATASET_RUN])

    assert run.data.tags["mlflow.project.entryPoint"] == "main"
    assert {key: run.data.params[key] for key in ("budget_s", "models", "seed")} == {
        "budget_s": "60",
        "models": "lr,lightgbm",
        "seed": "3",
    }
    digests = {one.dataset.digest for one in dataset.inputs.dataset_inputs}
    assert digests == {hashlib.sha256(content).hexdigest()[:36] for content in files}


def test_no_run_is_left_open(trained, journey_store):
    """All that ran has ended."""
    assert [run.data.tags.get(tracking.STEP) for run in tracking.running_runs(journey_store.client)] == []


@pytest.fixture(scope="module")
def models_serve(trained: dict, journey_store: Store) -> Iterator[httpx.Client]:
    """`mlflow models serve` of the champion."""
    port = free_port()
    command = [str(BIN / "mlflow"), "models", "serve", "-m", "models:/crisol@champion"]
    with served([*command, "--env-manager", "local", "-p", str(port)], journey_store, port, "/ping") as client:
        yield client


def assert_same(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Identical labels, probabilities to 1e-9."""
    assert list(got.columns) == list(expected.columns)
    assert got["prediction"].tolist() == expected["prediction"].tolist()
    numbers = [name for name in expected if name != "prediction"]
    assert np.abs(got[numbers].to_numpy() - expected[numbers].to_numpy()).max() < TOLERANCE


def test_every_door_gives_the_same_answers(trained, api, models_serve, files):
    """Pyfunc, `mlflow models serve`, /predict in JSON and CSV, /invocations: one model, one answer."""
    wait_for(lambda: api.get("/ready").status_code == 200, 5, "the champion")
    text = pd.read_csv(io.BytesIO(files[1]), dtype=str, keep_default_na=False)
    rows = [{key: value or None for key, value in row.items()} for row in text.to_dict("records")]
    expected = mlflow.pyfunc.load_model("models:/crisol@champion").predict(pd.DataFrame(rows))

    json_answer = api.post("/predict", json=rows)
    csv_answer = api.post("/predict", content=files[1], headers={"Content-Type": "text/csv", "Accept": "text/csv"})
    invoked = api.post("/invocations", json={"dataframe_records": rows})
    server_answer = models_serve.post("/invocations", json={"dataframe_records": rows})

    assert [one.status_code for one in (json_answer, csv_answer, invoked, server_answer)] == [200] * 4
    assert csv_answer.headers["x-crisol-model-version"] == "1"
    assert json_answer.json()["model"]["version"] == "1"
    assert_same(pd.DataFrame(json_answer.json()["predictions"]), expected)
    assert_same(pd.read_csv(io.StringIO(csv_answer.text)), expected)
    assert_same(pd.DataFrame(invoked.json()["predictions"]), expected)
    assert_same(pd.DataFrame(server_answer.json()["predictions"]), expected)


def test_frames_of_any_type_and_order_get_the_same_answers(trained, api, models_serve, files):
    """int64, bool, category and datetime columns, in another order, with an extra one and nulls."""
    text = pd.read_csv(io.BytesIO(files[1]), dtype=str, keep_default_na=False).drop(columns="approved")
    model = mlflow.pyfunc.load_model("models:/crisol@champion")
    expected = model.predict(text)
    typed = text.assign(
        income=pd.to_numeric(text["income"]),
        age=text["age"].astype("int64"),
        children=pd.to_numeric(text["children"]).astype("Int64"),
        amount=text["amount"].astype(float),
        city=text["city"].astype("category"),
        since=pd.to_datetime(text["since"]),
        employed=text["employed"] == "true",
        extra=[[1]] * len(text),
    )[["extra", *reversed(list(text))]]
    records = json.loads(typed.to_json(orient="records", date_format="iso", double_precision=15))

    assert typed.dtypes.astype(str).value_counts().to_dict().keys() >= {"int64", "bool", "category", "datetime64[ns]"}
    assert any(cell is None for record in records for cell in record.values())
    assert_same(model.predict(typed), expected)
    assert_same(pd.DataFrame(api.post("/predict", json=records).json()["predictions"]), expected)
    assert_same(
        pd.DataFrame(models_serve.post("/invocations", json={"dataframe_records": records}).json()["predictions"]),
        expected,
    )


def test_rows_that_do_not_fit_get_the_same_problems_everywhere(trained, api, journey_store):
    """Missing columns and a word in a number column are named at once, by the API and by MLflow's own route."""
    row = dict.fromkeys(mlflow.pyfunc.load_model("models:/crisol@champion").metadata.get_input_schema().input_names())
    row.pop("income")
    row["age"] = "thirty"

    refused = api.post("/predict", json=[row])
    invoked = api.post("/invocations", json={"dataframe_records": [row]})

    assert refused.status_code == 422
    assert refused.headers["content-type"].startswith("application/problem+json")
    codes = sorted(problem["code"] for problem in refused.json()["problems"])
    assert codes == ["missing_column", "not_a_number"]
    assert invoked.status_code == 400
    assert sorted(problem["code"] for problem in json.loads(invoked.json()["message"])) == codes
    assert "thirty" not in refused.text + invoked.text
