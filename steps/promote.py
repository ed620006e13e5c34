"""Register an evaluated model, and make it the champion if it deserves it. Nothing else writes to the registry.

Reads   an evaluation run; or, with `to`, the versions that there are: then one of them becomes the champion again.
Writes  a version with tags, a description and its evaluation beside it; the aliases `champion` and `previous`.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from typing import Any, cast

import click
import mlflow
from mlflow.entities.model_registry import ModelVersion as RegisteredVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pyfunc import package
from pyfunc.errors import Problem, TrainingRefusedError
from steps import evaluate, ingest, kept, process, reload, rollback, tracking
from steps.judging import gate
from steps.judging.contest import champion_version
from steps.judging.margins import DEFAULT_MARGIN, margin_of, margin_problems
from steps.records import Evaluation, ModelVersion
from steps.rollback import Rollback
from steps.search.plan import PROMOTE_MODES
from steps.tracking import StepRun
from steps.versions import versions_of

DEFAULT_MODE = "auto"
DEFAULT_NAME = "crisol"
FORBIDDEN_IN_NAMES = set("/:.%\"'")
UNSEEN = {"missing": "counts as missing", "warn": "is known as unknown", "reject": "is refused"}
log = logging.getLogger(__name__)


def problems_with(promote: str, name: str, margin: str = DEFAULT_MARGIN) -> list[Problem]:
    """What is wrong with these options."""
    problems = []
    if promote not in PROMOTE_MODES:
        problems.append(
            Problem("promote_invalid", "'promote' is not known.", "parameters", f"Choose {', '.join(PROMOTE_MODES)}.")
        )
    if not name.strip() or FORBIDDEN_IN_NAMES & set(name):
        what = "'name' is empty or has a character that MLflow's registry refuses in names."
        problems.append(Problem("name_invalid", what, "parameters", "Use letters, digits, spaces, - and _."))
    return [*problems, *margin_problems(margin)]


def promote(evaluation: Evaluation, mode: str, name: str, margin: str = DEFAULT_MARGIN) -> ModelVersion:
    """Register the evaluated model and decide on the alias.

    Args:
        evaluation: of the model, against today's champion.
        mode: `auto`, `never` or `always`.
        name: the registered model.
        margin: how much worse than the champion it may be, in units of the primary figure, as text.

    Raises:
        GateNotPassedError: a fresh process does not get the probabilities that were evaluated; nothing is registered.
    """
    with tracking.step_run("promote") as run:
        return promote_into(run, evaluation, mode, name, margin)


def promote_into(
    run: StepRun, evaluation: Evaluation, mode: str, name: str, margin: str = DEFAULT_MARGIN
) -> ModelVersion:
    """`promote` on an open run."""
    problems = problems_with(mode, name, margin)
    if problems:
        raise TrainingRefusedError(*problems)
    run.params({"evaluation": evaluation.run_id, "promote": mode, "name": name, "margin": margin})
    stored = tracking.frame(evaluation.run_id, tracking.PREDICTIONS)
    reload.require_same(evaluation.model_uri, stored.filter(like="probability_"), evaluation.dataset_run_id)
    client = MlflowClient()
    if champion_version(name) != evaluation.champion_version:
        log.info("the champion has changed since the evaluation; comparing again")
        data = ingest.load(evaluation.dataset_run_id)
        evaluation = evaluate.evaluate(evaluation.model_uri, data, name, evaluation.sensitive)
    decision = gate.decide(evaluation, cast("gate.Mode", mode), margin_of(margin))
    version = _register(client, evaluation, decision, name)
    if decision.promoted:
        _move_aliases(client, name, version, evaluation.champion_version)
    run.tags(
        {tracking.VERSION: version, tracking.DECISION: decision.code, tracking.PROMOTED: str(decision.promoted).lower()}
    )
    log.info("version %s of %s: %s", version, name, decision.reason)
    return ModelVersion(name, version, run.run_id, decision.promoted, decision.code, decision.reason, evaluation.run_id)


def roll_back(to: str, name: str) -> Rollback:
    """Make a version that there is already the champion.

    Args:
        to: `previous` or the number of a version.
        name: the registered model.

    Raises:
        ModelUnavailableError: no such version, no champion, or the version is none of ours or does not load.
        GateNotPassedError: it is the champion already, was refused by the checks, or does not answer as it did.
    """
    with tracking.step_run("promote") as run:
        return roll_back_into(run, to, name)


def roll_back_into(run: StepRun, to: str, name: str) -> Rollback:
    """`roll_back` on an open run."""
    problems = [*problems_with(DEFAULT_MODE, name), *rollback.problems_with(to)]
    if problems:
        raise TrainingRefusedError(*problems)
    run.params({"to": to, "name": name})
    found = rollback.planned(run.run_id, to, name)
    client = MlflowClient()
    _move_aliases(client, name, found.version, found.champion_before)
    for key, value in {tracking.PROMOTED: "true", tracking.ROLLBACK_RUN: run.run_id}.items():
        client.set_model_version_tag(name, found.version, key, value)
    run.tags(
        {
            tracking.VERSION: found.version,
            tracking.DECISION: found.decision,
            tracking.PROMOTED: "true",
            tracking.CHAMPION_BEFORE: found.champion_before,
            tracking.CHAMPION_AFTER: found.version,
            tracking.TAG_REASON: " ".join([found.reason, *found.warnings]),
        }
    )
    log.info("version %s of %s: %s", found.version, name, found.reason)
    for warning in found.warnings:
        log.warning("%s", warning)
    return found


def _register(client: MlflowClient, evaluation: Evaluation, decision: gate.Decision, name: str) -> str:
    """Make the version, with all its tags at once; or find the one that this model has already."""
    decided = _decided_in_training(client, evaluation.model_uri)
    tags = {
        tracking.EVALUATION_RUN: evaluation.run_id,
        tracking.DATASET_RUN: evaluation.dataset_run_id,
        tracking.MODEL_URI: evaluation.model_uri,
        tracking.DECISION: decision.code,
        tracking.PROMOTED: str(decision.promoted).lower(),
        tracking.TAG_REASON: decision.reason,
        tracking.TAG_SCORER: decided.get(tracking.SCORER, package.BY_PIPELINE),
        **{f"test_{key}": _bounded(figure) for key, figure in evaluation.figures.items()},
        **decided,
    }
    info = mlflow.models.get_model_info(evaluation.model_uri)
    kept.keep(client, evaluation.run_id, info.model_id)
    description = _description(evaluation, decision)
    known = _version_of(evaluation.model_uri, name)
    if known is not None:
        for key, value in tags.items():
            client.set_model_version_tag(name, known, key, value)
        client.update_model_version(name, known, description)
        return known
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made: RegisteredVersion = client.create_model_version(
        name,
        source=evaluation.model_uri,
        run_id=info.run_id,
        tags=tags,
        description=description,
        model_id=info.model_id,
    )
    return str(made.version)


def _decided_in_training(client: MlflowClient, model_uri: str) -> dict[str, str]:
    """Threshold and recalibration, as the train run's tags say; nothing where that run is not in this store."""
    try:
        tags = client.get_run(mlflow.models.get_model_info(model_uri).run_id or "").data.tags
    except MlflowException:
        return {}
    names = (
        tracking.THRESHOLD, tracking.THRESHOLD_RULE, tracking.CALIBRATION, tracking.SCORER, tracking.SCORER_REASON,
    )  # fmt: skip
    return {name: tags[name] for name in names if name in tags}


def _version_of(model_uri: str, name: str) -> str | None:
    """The version that already stands for a logged model, so that promoting twice registers once."""
    registered = versions_of(name)
    return next((each.version for each in registered if each.tags.get(tracking.MODEL_URI) == model_uri), None)


def _move_aliases(client: MlflowClient, name: str, version: str, champion: str | None) -> None:
    """`previous` first: at every moment `champion` answers, and the way back is known."""
    if champion is not None and champion != version:
        client.set_registered_model_alias(name, tracking.PREVIOUS, champion)
        client.set_model_version_tag(name, version, tracking.TAG_PREVIOUS, champion)
    client.set_registered_model_alias(name, tracking.CHAMPION, version)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    client.set_model_version_tag(name, version, tracking.CHAMPION_AT, now)


def _bounded(figure: tuple[float, float, float]) -> str:
    """A figure with its bounds as text."""
    value, low, high = figure
    return f"{value:.4g} ({low:.4g} to {high:.4g})"


def _description(evaluation: Evaluation, decision: gate.Decision) -> str:
    """The version in words: the decision, the headline figure, and what its rows must be."""
    schema = ingest.load_schema(evaluation.dataset_run_id)
    target, policy = schema.target, schema.unseen_category
    lines = [
        f"Predicts `{target.name}`: {', '.join(target.classes)}.",
        f"{evaluation.metric} on the test file: {_bounded(evaluation.figures[evaluation.metric])}. {decision.reason}",
        kept.links(evaluation.run_id),
        "",
        f"Rows need these columns (empty for a missing value; a category unseen in training {UNSEEN[policy]}):",
        *(f"- `{column.name}`: {column.kind}" for column in schema.columns),
    ]
    return "\n".join(lines)[: tracking.MAX_TAG]


def load_evaluation(run_id: str) -> Evaluation:
    """Read an evaluation back from its run."""
    with tracking.scratch() as folder:
        file = tracking.artifact(run_id, tracking.EVALUATION, str(folder))
        stored: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return evaluate.from_json(stored)


@click.command()
@click.option("--evaluation", default="", help="Id of an evaluation run.")
@click.option("--promote", "mode", default=DEFAULT_MODE, show_default=True)
@click.option("--name", default=DEFAULT_NAME, show_default=True)
@click.option("--margin", default=DEFAULT_MARGIN, show_default=True, help="How much worse it may be than the champion.")
@click.option("--to", default="", help="In place of an evaluation: `previous` or a version, to be champion again.")
def cli(evaluation: str, mode: str, name: str, margin: str, to: str) -> dict[str, Any]:
    """Entry point `promote` of MLproject."""
    with tracking.step_run("promote") as run:
        rollback.require_one(evaluation, to, mode)
        if to:
            return roll_back_into(run, to, name).to_dict()
        version = promote_into(run, load_evaluation(evaluation), mode, name, margin)
    return vars(version)


if __name__ == "__main__":
    process.command(cli)
