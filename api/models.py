"""What is served: `/schema`, `/model`, `/models`. Looks things up in the registry, writes nothing there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Response
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from api import store
from api.champion import Loaded
from api.problems import json_answer
from api.progress import finite
from api.serving import Served
from steps import tracking

LISTED = 100  # newest versions
router = APIRouter(tags=["models"])


@router.get("/schema", summary="What the champion's rows must be")
async def schema(serving: Served) -> Response:
    """The champion's `schema.json`: columns with kinds, categories and ranges, the target and its classes."""
    loaded = serving.champion.require()
    return json_answer(loaded.scorer.schema.to_dict(), headers=loaded.headers)


@router.get("/model", summary="The champion")
async def model(serving: Served) -> Response:
    """Version, run, figures on the test file, threshold, libraries and the gate's decision."""
    loaded = serving.champion.require()
    return json_answer(await anyio.to_thread.run_sync(_champion, loaded))


@router.get("/models", summary="All versions")
async def models(serving: Served) -> Response:
    """The newest versions with aliases, decisions and figures."""
    return json_answer(await anyio.to_thread.run_sync(_versions, serving.settings.name))


def _champion(loaded: Loaded) -> dict[str, Any]:
    """The champion's version with what its package says of itself."""
    client = MlflowClient()
    try:
        found = client.get_model_version(loaded.name, loaded.version)
        aliases = _aliases(client, loaded.name)
        described = _described(client, found, aliases)
    except MlflowException as error:
        raise store.refusal(error) from error
    manifest = loaded.scorer.package.manifest
    target = loaded.scorer.schema.target
    kept = ("format", "threshold", "threshold_rule", "calibration", "scorer", "libraries")
    return {
        **described,
        "target": {"name": target.name, "classes": list(target.classes), "positive": target.positive},
        "manifest": {key: manifest[key] for key in kept if key in manifest},
    }


def _versions(name: str) -> dict[str, Any]:
    """All versions of the registered model, the newest first."""
    client = MlflowClient()
    quoted = name.replace("'", "''")
    try:
        found = client.search_model_versions(f"name='{quoted}'", max_results=LISTED, order_by=["version_number DESC"])
        aliases = _aliases(client, name) if found else {}
        versions = [_described(client, version, aliases) for version in found]
    except MlflowException as error:
        raise store.refusal(error) from error
    return {"name": name, "models": versions}


def _described(client: MlflowClient, version: ModelVersion, aliases: dict[str, list[str]]) -> dict[str, Any]:
    """One version."""
    tags = dict(version.tags)
    number = str(version.version)
    metrics = {}
    for run_id in filter(None, (version.run_id, tags.get(tracking.EVALUATION_RUN))):
        try:
            metrics.update(client.get_run(run_id).data.metrics)
        except MlflowException:  # deleted: the version stays without figures
            continue
    return {
        "name": version.name,
        "version": number,
        "run_id": version.run_id,
        "evaluation_run_id": tags.get(tracking.EVALUATION_RUN),
        "dataset_id": tags.get(tracking.DATASET_RUN),
        "aliases": aliases.get(number, []),
        "decision": tags.get(tracking.DECISION),
        "reason": _reason(client, tags),
        "description": version.description or "",
        "created_at_ms": version.creation_timestamp,
        "latency_ms": finite(metrics).get("latency_ms"),
        "metrics": finite({key: value for key, value in metrics.items() if key.startswith(("test_", "cv_"))}),
        "tags": tags,
    }


def _reason(client: MlflowClient, tags: Mapping[str, str]) -> str | None:
    """Why the version is what it is: since it was made champion by hand, or since it was registered."""
    if tracking.ROLLBACK_RUN in tags:
        try:
            return str(client.get_run(tags[tracking.ROLLBACK_RUN]).data.tags[tracking.TAG_REASON])
        except (MlflowException, KeyError):  # deleted
            pass
    return tags.get(tracking.TAG_REASON)


def _aliases(client: MlflowClient, name: str) -> dict[str, list[str]]:
    """Aliases by version number."""
    found: dict[str, list[str]] = {}
    for alias, number in client.get_registered_model(name).aliases.items():
        found.setdefault(str(number), []).append(alias)
    return {number: sorted(names) for number, names in found.items()}
