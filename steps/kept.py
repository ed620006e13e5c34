"""The evaluation that a version keeps: written beside the model, named in its description, and read back.

The run of the evaluation is where report, card and figures stand. Runs can be deleted while the versions that rest on
them live on, so the three files are laid beside the model's as well, in the folder `evaluation`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pyfunc.errors import ModelUnavailableError
from steps import tracking
from steps.judging.intervals import Figure
from steps.versions import Registered

FILES = (tracking.EVALUATION, tracking.REPORT, tracking.CARD)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What a version's evaluation said."""

    run_id: str
    created: str  # ISO 8601 in UTC
    dataset_run_id: str
    metric: str
    figures: Mapping[str, Figure]
    target: str
    classes: tuple[str, ...]
    positive: str | None  # of two classes
    train_sha256: str
    test_sha256: str
    refused_checks: tuple[str, ...]


def keep(client: MlflowClient, evaluation_run_id: str, model_id: str | None) -> None:
    """Lay report, card and figures beside a logged model; MLflow 2's models have no place of their own for it.

    Raises:
        ModelUnavailableError: the run has not all of them.
    """
    if model_id is None:
        return
    with tracking.scratch() as folder:
        for name in FILES:
            tracking.artifact(evaluation_run_id, name, str(folder))
        client.log_model_artifacts(model_id, str(folder), tracking.KEPT)


def links(evaluation_run_id: str) -> str:
    """Where report and card are, for a description in Markdown."""
    report, card = (f"`runs:/{evaluation_run_id}/{name}`" for name in (tracking.REPORT, tracking.CARD))
    return f"Report {report}, card {card}; both also beside the model, in `{tracking.KEPT}/`."


def evaluation_of(version: Registered) -> Kept | None:
    """What the version's evaluation said, from its run or from beside the model; None where neither has it."""
    run_id = version.tags.get(tracking.EVALUATION_RUN)
    if run_id is None:  # not registered by `promote`
        return None
    with tracking.scratch() as folder:
        file = _from_run(run_id, folder) or _from_model(version.uri, folder)
        if file is None:
            return None
        try:
            return from_json(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError):
            log.warning("the evaluation of version %s of %s cannot be read", version.version, version.name)
            return None


def from_json(stored: Mapping[str, Any]) -> Kept:
    """Read what `steps.judging.document` describes."""
    data = stored["dataset"]
    return Kept(
        run_id=stored["run_id"],
        created=stored["created"],
        dataset_run_id=data["run_id"],
        metric=stored["metric"],
        figures={name: Figure.from_dict(figure) for name, figure in stored["figures"].items()},
        target=str(data["target"]),
        classes=tuple(data["classes"]),
        positive=stored["model"]["positive"],
        train_sha256=data["train_sha256"],
        test_sha256=data["test_sha256"],
        refused_checks=tuple(check["code"] for check in data["checks"] if check["level"] == "refused"),
    )


def _from_run(run_id: str, folder: Path) -> Path | None:
    """The file of the evaluation's run."""
    try:
        return tracking.artifact(run_id, tracking.EVALUATION, str(folder))
    except ModelUnavailableError:
        return None


def _from_model(uri: str, folder: Path) -> Path | None:
    """The file beside the model."""
    try:
        path = f"{uri}/{tracking.KEPT}/{tracking.EVALUATION}"
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=path, dst_path=str(folder)))
    except (MlflowException, OSError):
        return None
