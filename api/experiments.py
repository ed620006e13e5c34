"""MLflow experiments: where the runs of uploads and trainings go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from api import store
from api.problems import RequestRefusedError
from pyfunc.errors import Problem

DEFAULT = "0"  # MLflow's own
MAX_NAME = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def own() -> str:
    """The id of the experiment that the server itself was started in."""
    return os.environ.get("MLFLOW_EXPERIMENT_ID") or DEFAULT


def problems_with(name: str) -> list[Problem]:
    """What is wrong with an experiment's name; empty means the server's own."""
    if len(name) <= MAX_NAME and not CONTROL.search(name):
        return []
    what = f"'experiment' is longer than {MAX_NAME} characters or has control characters."
    return [Problem("experiment_invalid", what, "experiment", "Choose another name.")]


def id_of(name: str, default: str) -> str:
    """The id of an experiment, made where there is none of that name.

    Args:
        name: of the experiment; empty for the default.
        default: an experiment's id.

    Raises:
        RequestRefusedError: MLflow does not take the name, or it belongs to a deleted experiment.
        NotReadyError: the store does not answer.
    """
    if not name:
        return default
    client = MlflowClient()
    try:
        found = client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == LifecycleStage.ACTIVE:
            return str(found.experiment_id)
        return str(client.create_experiment(name))
    except MlflowException as error:
        store.require_answer(error)
        what = "MLflow does not take the experiment's name, or an experiment of that name was deleted."
        raise RequestRefusedError(Problem("experiment_invalid", what, "experiment", "Choose another name.")) from error


@contextmanager
def current(experiment_id: str, default: str) -> Iterator[None]:
    """Let runs that are made without an experiment go to this one. It belongs to the process: hold a lock."""
    if experiment_id != default:
        mlflow.set_experiment(experiment_id=experiment_id)
    try:
        yield
    finally:
        if experiment_id != default:
            mlflow.set_experiment(experiment_id=default)
