"""What MLflow's errors say of its store."""

from __future__ import annotations

import errno

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)
from sqlalchemy.exc import OperationalError

from steps.stores import trouble, trouble_of_step


def caused(error: Exception, cause: Exception) -> Exception:
    """An error that was raised from another."""
    error.__cause__ = cause
    return error


def absent() -> requests.Response:
    """An answer that there is no such file."""
    made = requests.Response()
    made.status_code = 404
    return made


NO_ANSWER = "API request to http://host failed with exception"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (INTERNAL_ERROR, "store_unreachable"),
        (TEMPORARILY_UNAVAILABLE, "store_unreachable"),
        (UNAUTHENTICATED, "store_denied"),
        (PERMISSION_DENIED, "store_denied"),
        (RESOURCE_DOES_NOT_EXIST, None),
    ],
)
def test_trouble(code, expected):
    """A store that fails, one that lets nobody in, and one that has answered."""
    problem = trouble(MlflowException("a secret text", error_code=code))

    assert (problem.code if problem else None) == expected
    assert "secret" not in repr(problem)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MlflowException(f"{NO_ANSWER} a"), "store_unreachable"),
        (MlflowException("too many 500 error responses", error_code=UNAUTHENTICATED), "store_denied"),
        (OperationalError("select", {}, Exception("connection refused")), "store_unreachable"),
        (MlflowException("an assertion of MLflow's own"), None),
        (MlflowException(f"{NO_ANSWER} a", error_code=RESOURCE_DOES_NOT_EXIST), None),
        (ValueError("a"), None),
        (OperationalError("insert", {}, Exception("attempt to write a readonly database")), "store_read_only"),
        (MlflowException("cannot execute INSERT in a read-only transaction"), "store_read_only"),
        (
            MlflowException("API request to http://host/api/2.0/mlflow-artifacts/artifacts/1 failed"),
            "artifacts_unreachable",
        ),
        (requests.exceptions.HTTPError("503 Server Error: Slow Down"), "artifacts_unreachable"),
        (caused(MlflowException("failed"), BotoCoreError()), "artifacts_unreachable"),
        (
            MlflowException("2 failures: API request to http://host/api/2.0/mlflow-artifacts/1 failed"),
            "artifacts_unreachable",
        ),
        (caused(MlflowException("a"), requests.exceptions.HTTPError("404", response=absent())), None),
        (caused(MlflowException("a"), ClientError({"ResponseMetadata": {"HTTPStatusCode": 404}}, "get")), None),
        (
            caused(MlflowException("a"), ClientError({"ResponseMetadata": {"HTTPStatusCode": 503}}, "get")),
            "artifacts_unreachable",
        ),
        (
            caused(MlflowException(f"{NO_ANSWER} a"), requests.exceptions.ConnectionError("refused")),
            "store_unreachable",
        ),
        (caused(RuntimeError("a"), MlflowException(f"{NO_ANSWER} a")), "store_unreachable"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (
            caused(MlflowException("a"), OperationalError("insert", {}, Exception("database or disk is full"))),
            "disk_full",
        ),
        (
            caused(MlflowException("a"), OperationalError("insert", {}, Exception("disk I/O error"))),
            "store_unreachable",
        ),
        (OSError(errno.ENOENT, "No such file"), None),
    ],
)
def test_what_has_ended_a_step(error, expected):
    """Only what a request has met is the store's: the rest is shown whole, as a bug."""
    problem = trouble_of_step(error)

    assert (problem.code if problem else None) == expected
