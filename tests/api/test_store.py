"""A store that does not answer is no fault of a request."""

from __future__ import annotations

import os

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST, UNAUTHENTICATED
from mlflow.tracking import MlflowClient

from api import jobs, store
from api.app import create_app
from steps.settings import Settings
from tests.api.served import register, running
from tests.conftest import Store

JOB = 32 * "a"


@pytest.mark.parametrize(
    ("says", "code"),
    [(INTERNAL_ERROR, "store_unreachable"), (UNAUTHENTICATED, "store_denied"), (PERMISSION_DENIED, "store_denied")],
)
@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/models", "search_model_versions"),
        ("GET", "/model", "get_model_version"),
        ("GET", "/jobs", "search_experiments"),
        ("GET", f"/jobs/{JOB}", "get_run"),
        ("POST", "/predict?version=7", "get_model_version"),
        ("POST", "/models/1/promote", "get_registered_model"),
    ],
)
def test_whoever_needs_it_is_told(store: Store, monkeypatch, method, path, asked, says, code):
    """503 and what to look at, rather than a bug, an unknown job or an unknown version; rows are answered."""
    register("crisol")
    with running(create_app(Settings(name="crisol", poll_s=60)), "/ready") as client:
        row = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"][
            "application/json"
        ]["example"]

        def fail(*_: object, **__: object) -> None:
            raise MlflowException("no", error_code=says)

        monkeypatch.setattr(MlflowClient, asked, fail)
        answer = client.request(method, path, json=row)

        assert answer.status_code == 503, answer.text
        assert answer.json()["problems"][0]["code"] == code
        assert client.post("/predict", json=row).status_code == 200


def test_what_the_store_denies_is_no_trouble():
    """It has answered."""
    assert store.require_answer(MlflowException("no", error_code=RESOURCE_DOES_NOT_EXIST)) is None


def test_jobs_keep_their_patience(monkeypatch: pytest.MonkeyPatch):
    """The server gives up within seconds; what the environment says counts for both."""
    monkeypatch.setattr(store, "_hastened", set())
    tries, limit = store.HASTE
    monkeypatch.setenv(limit, "77")
    monkeypatch.setenv(tries, "1")
    monkeypatch.delenv(tries)
    store.hasten()

    assert os.environ[tries] == store.HASTE[tries]
    assert os.environ[limit] == jobs.environment()[limit] == "77"
    assert tries not in jobs.environment()
