"""`/invocations`: MLflow's protocol, without the rows and traces that its errors hold."""

from __future__ import annotations

import json
from typing import Any

import httpx
import mlflow
import pytest

from tests.api.served import ROW

JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"dataframe_records": [{**ROW, "age": "SECRET"}]}, "INVALID_PARAMETER_VALUE"),
        ({"dataframe_records": [ROW], "params": {"threshold": "SECRET"}}, "INVALID_PARAMETER_VALUE"),
        ({"dataframe_records": [ROW], "params": {"threshold": 7}}, "INVALID_PARAMETER_VALUE"),
        ({"dataframe_records": "SECRET"}, "BAD_REQUEST"),
        ({"dataframe_split": {"columns": ["a"], "data": [["SECRET", 1]]}}, "BAD_REQUEST"),
        ({"SECRET": 1}, "BAD_REQUEST"),
        (["SECRET"], "BAD_REQUEST"),
        ({"instances": {"SECRET": [[1], 2]}}, None),
        ({"inputs": "SECRET"}, None),
        ({"messages": "SECRET"}, None),
    ],
)
def test_errors_are_mlflows_without_rows_and_traces(client: httpx.Client, body: Any, code: str | None):
    """400 with `error_code` and `message`; nothing of the body is in it."""
    answer = client.post("/invocations", json=body)
    said = answer.json()

    assert (answer.status_code, set(said)) == (400, {"error_code", "message"})
    assert said["error_code"] == (code or said["error_code"])
    assert "SECRET" not in answer.text
    assert "Traceback" not in answer.text


def test_our_own_refusal_is_the_problems(client: httpx.Client):
    """The message is the list of problems, as `mlflow models serve` gives it."""
    message = client.post("/invocations", json={"dataframe_records": [{**ROW, "age": "x"}]}).json()["message"]

    assert [problem["code"] for problem in json.loads(message)] == ["not_a_number"]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'{"dataframe_records": ' + b"9" * 5000 + b"}"])
def test_broken_bodies_are_the_callers(client: httpx.Client, body: bytes):
    """Never a 500."""
    answer = client.post("/invocations", content=body, headers={"Content-Type": JSON})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("kind", ["", "text/plain"])
def test_other_types_are_answered_as_mlflow_answers(client: httpx.Client, kind: str):
    """415 in plain text, also where no type is named (MLflow itself breaks there)."""
    answer = client.post("/invocations", content=b"x", headers={"Content-Type": kind} if kind else {})

    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (415, "text/plain")


def test_the_threshold_is_a_param(client: httpx.Client):
    """`params` reaches the model."""
    answer = client.post("/invocations", json={"dataframe_records": [ROW], "params": {"threshold": 0.0}})

    assert answer.json()["predictions"][0]["prediction"] == "yes"


def test_ping_and_version_are_mlflows(client: httpx.Client):
    """What monitors of `mlflow models serve` look at."""
    assert (client.get("/ping").status_code, client.get("/ping").text) == (200, "\n")
    assert client.get("/version").text == mlflow.__version__
