"""Search for a model: every candidate is a nested run as soon as it has ended, the best one is logged.

Reads   a dataset run.
Writes  a train run: `leaderboard.csv`, `oof.parquet` (the stored model's out-of-fold probabilities) and the model;
        one nested run a candidate with its hyperparameters, `cv_*` figures and `folds.csv`.

Candidates are compared as they are, at one threshold. The chosen one is then recalibrated where that helps and given
the threshold that was asked for; the train run's own `cv_*` are those of the model as it is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

import pyfunc
from pyfunc import package
from pyfunc.errors import Problem, TrainingRefusedError
from pyfunc.explaining import usual
from pyfunc.model import PACKAGE_ARTIFACT, signature
from pyfunc.schema import InputSchema
from steps import cluster, ingest, process, tracking
from steps.progress import Watch
from steps.records import Candidate, Dataset, SearchPlan
from steps.search import budget
from steps.search.choosing import Ranked, choose, in_order, is_quick, leaderboard, out_with, too_slow
from steps.search.ensemble import LARGEST, SMALL
from steps.search.outcome import BEHIND, TIME_LIMIT
from steps.search.plan import DEFAULTS, plan_of
from steps.search.race import Compiled, Search, Tried
from steps.search.settling import Settled, settle
from steps.search.table import figures_of, rows_for
from steps.tracking import StepRun

PROJECT = Path(pyfunc.__file__).resolve().parent.parent
log = logging.getLogger(__name__)


def train(dataset: Dataset, options: Mapping[str, str], scheduler: str = "") -> Candidate:
    """Search, and log the best candidate's model.

    Args:
        dataset: with the frames loaded.
        options: the search parameters as text; see `steps.search.plan.Defaults`.
        scheduler: address of the Dask cluster that tries the candidates; empty for this machine.

    Raises:
        TrainingRefusedError: parameters that are wrong, or no candidate within the budget.
        ClusterError: the cluster cannot be worked with.
    """
    with tracking.step_run("train") as run:
        return train_into(run, dataset, options, scheduler)


def check(options: Mapping[str, str], scheduler: str) -> None:
    """Refuse parameters that are wrong whatever the dataset.

    Raises:
        TrainingRefusedError: all that is wrong with them at once.
    """
    problems = cluster.address_problems(scheduler)
    try:
        plan_of(options)
    except TrainingRefusedError as error:
        problems += error.problems
    if problems:
        raise TrainingRefusedError(*problems)


def train_into(run: StepRun, dataset: Dataset, options: Mapping[str, str], scheduler: str = "") -> Candidate:
    """`train` on an open run."""
    plan = plan_of(options, dataset.schema.target)
    schema = _with_positive(dataset.schema, options.get("positive", DEFAULTS.positive))
    run.params({"dataset": dataset.run_id, **vars(DEFAULTS), **options, "scheduler": scheduler})
    run.tags({tracking.METRIC: plan.metric, tracking.DATASET_RUN: dataset.run_id})
    log.info(
        "training rows=%d columns=%d %s by %s",
        len(dataset.train),
        len(schema.columns),
        f"candidates={plan.candidates}" if plan.candidates else f"budget={plan.budget_s:g} s",
        plan.metric,
    )
    rows = rows_for(dataset.y_train, len(schema.columns), plan)
    if len(rows) < len(dataset.y_train):
        log.info("of %d rows %d are learned from: raise budget_s for more", len(dataset.y_train), len(rows))
    y = dataset.y_train[rows]
    with tracking.scratch() as folder:
        search = Search(dataset.train.iloc[rows].reset_index(drop=True), y, schema, plan, folder, scheduler)
        ranked = _search(run, search)
        best, settled, compiled, slow = _fast_enough(ranked, search, schema)
        scores = settled.tried.outcome.out_of_fold
        assert scores is not None
        stored = _prefixed(figures_of(y, scores, schema, settled.threshold))
        table = leaderboard(ranked, best, plan, _as_stored(settled, stored), slow)
        run.text(table.to_csv(index=False), tracking.LEADERBOARD)
        _log_out_of_fold(run, rows, scores, schema)
        _tag_scorer(run, compiled)
        seen = usual(dataset.train, schema)
        model_uri = _log_model(settled, schema, plan, dataset.read_as, folder, compiled, seen)
    stored["latency_ms"] = compiled.latency_ms
    run.metrics({**stored, "candidates": len(ranked), "rows": len(rows)})
    run.tags({tracking.MODEL: best.tried.model, tracking.MODEL_URI: model_uri, **_settled_tags(settled)})
    return Candidate(
        run_id=run.run_id,
        dataset_run_id=dataset.run_id,
        model_uri=model_uri,
        model=best.tried.model,
        metric=plan.metric,
        cv_metrics=stored,
        candidates=len(ranked),
    )


def _with_positive(schema: InputSchema, positive: str) -> InputSchema:
    """The schema with the positive class that the user chose (validated with the plan)."""
    if positive == "auto":
        return schema
    return replace(schema, target=replace(schema.target, positive=positive))


def _search(run: StepRun, search: Search) -> list[Ranked]:
    """Run the race and log each candidate as it comes out; then the blends."""
    plan = search.plan
    ranked: list[Ranked] = []
    with Watch(run, plan.metric, budget_s=None if plan.candidates else plan.budget_s, of=plan.candidates) as watch:
        for tried in search.race(watch.tick):
            ranked.append(_log_candidate(run, tried, plan))
            _tell(watch, ranked[-1], plan.metric)
        parts = [one.tried for one in in_order([one for one in ranked if not one.tried.error], plan)]
        for made in _blends(search, parts) if plan.blend else ():
            ranked.append(_log_candidate(run, made, plan))
            _tell(watch, ranked[-1], plan.metric)
    return ranked


def _tell(watch: Watch, one: Ranked, metric: str) -> None:
    """Say that a candidate has ended, and how."""
    tried = one.tried
    said = {TIME_LIMIT: "cut off by the budget", BEHIND: "fell behind and was stopped"}
    how = said.get(tried.error, f"failed: {tried.error}") if tried.error else None
    watch.candidate(tried.name, one.figures.get(metric), tried.seconds, how, tried.ended_at_ms)


def _blends(search: Search, parts: list[Tried]) -> list[Tried]:
    """The best blend, and a small one where that is large."""
    made = search.blend(parts, LARGEST)
    if made is None:
        return []
    small = search.blend(parts, SMALL) if made.parts > SMALL else None
    return [made] if small is None else [made, small]


def _fast_enough(
    ranked: list[Ranked], search: Search, schema: InputSchema
) -> tuple[Ranked, Settled, Compiled, list[Ranked]]:
    """The chosen candidate as it will be stored and served, and those that take too long for that."""
    left, slow = list(ranked), list[Ranked]()
    times_ms: dict[str, float] = {}
    while True:
        best = choose(left, search.y, search.plan)
        settled = settle(best.tried, search.y, schema.target, search.plan, search)
        compiled = search.compiled(settled.tried.pipeline)
        if is_quick(compiled.latency_ms, search.plan):
            return best, settled, compiled, slow
        log.info("candidate %s takes %.3g ms a row: too long", best.tried.name, compiled.latency_ms)
        times_ms[best.tried.name] = compiled.latency_ms
        slow += out_with(best, left, is_compiled=compiled.plan is not None)
        left = [one for one in left if not any(one is other for other in slow)]
        if all(one.tried.error for one in left):
            raise TrainingRefusedError(too_slow(times_ms, search.plan))


def _log_candidate(run: StepRun, tried: Tried, plan: SearchPlan) -> Ranked:
    """The run of one candidate, made when it has ended."""
    client = MlflowClient()
    outcome = tried.outcome
    tags = {
        MLFLOW_PARENT_RUN_ID: run.run_id,
        MLFLOW_RUN_NAME: tried.name,
        tracking.STEP: "candidate",
        tracking.MODEL: tried.model,
        **tracking.process_tags(),
        **{f"warnings.{kind}": str(count) for kind, count in outcome.warnings.items()},
    }
    logged = {"seconds": tried.seconds}
    if not tried.error:
        spread = {f"cv_{name}_std": float(value) for name, value in outcome.folds.std(ddof=1).items()}
        sizes = {"size_bytes": outcome.pipeline_bytes, "latency_ms": outcome.latency_ms}
        logged |= {**_prefixed(outcome.figures), **spread, **sizes}
    metrics = [Metric(key, value, tried.ended_at_ms, 0) for key, value in logged.items() if np.isfinite(value)]
    params = [
        Param("model", tried.model),
        *(Param(key, value[: tracking.MAX_PARAM]) for key, value in outcome.hyperparameters.items()),
    ]
    created = client.create_run(run.experiment_id, start_time=tried.started_at_ms, tags=tags)
    run_id = created.info.run_id
    status = RunStatus.FAILED
    try:
        client.log_batch(run_id, metrics, params, [RunTag(tracking.METRIC, plan.metric)])
        status = _say_how_it_ended(client, run_id, tried)
    finally:
        client.set_terminated(run_id, RunStatus.to_string(status), end_time=tried.ended_at_ms)
    return Ranked(tried, run_id)


def _say_how_it_ended(client: MlflowClient, run_id: str, tried: Tried) -> RunStatus:
    """Log a candidate's folds, or why it has none, and give the status of its run."""
    if tried.error == BEHIND:
        client.set_tag(run_id, tracking.STOPPED, "The first folds were far behind those of the best candidate.")
        return RunStatus.KILLED
    if tried.error:
        what, code = f"The candidate ended with: {tried.error}.", "candidate_failed"
        if tried.error == TIME_LIMIT:
            what, code = f"The budget cut the candidate off after {tried.seconds:.1f} s.", "candidate_cut_off"
        problem = Problem(code, what, tried.model, "Raise budget_s, or leave it out of models=.")
        tracking.record_problems(run_id, (problem,), tracking.BUG)
        return RunStatus.FAILED
    client.log_text(run_id, tried.outcome.folds.rename_axis("fold").to_csv(), tracking.FOLDS)
    return RunStatus.FINISHED


def _prefixed(found: Mapping[str, float]) -> dict[str, float]:
    """Figures under the names they are logged by."""
    return {f"cv_{name}": value for name, value in found.items() if np.isfinite(value)}


def _as_stored(settled: Settled, stored: Mapping[str, float]) -> dict[str, Any]:
    """The chosen candidate's further columns of the leaderboard; `cv_*` stay those that all were compared by."""
    cut = {"threshold": settled.threshold} if settled.cuts else {}
    return {"calibration": settled.calibration.method, **cut, **{f"stored_{key}": each for key, each in stored.items()}}


def _settled_tags(settled: Settled) -> dict[str, str]:
    """What was decided after the search, on the train run."""
    tags = {tracking.CALIBRATION: settled.calibration.method}
    if settled.cuts:
        tags |= {tracking.THRESHOLD: f"{settled.threshold:.6g}", tracking.THRESHOLD_RULE: settled.rule}
    return tags


def _tag_scorer(run: StepRun, compiled: Compiled) -> None:
    """Say who will answer, and if it is the pipeline, which step was in the way."""
    if compiled.plan is not None:
        run.tags({tracking.SCORER: package.COMPILED})
        return
    log.info("not compiled: %s; the pipeline answers", compiled.reason)
    run.tags({tracking.SCORER: package.BY_PIPELINE, tracking.SCORER_REASON: compiled.reason})


def _log_out_of_fold(
    run: StepRun, rows: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], schema: InputSchema
) -> None:
    """The stored model's out-of-fold probabilities, by 1-based training row."""
    table = pd.DataFrame(scores, columns=[f"probability_{label}" for label in schema.target.classes])
    table.insert(0, "row", rows + 1)
    with tracking.scratch() as folder:
        table.to_parquet(folder / tracking.OUT_OF_FOLD)
        run.files(folder)


def _log_model(
    settled: Settled, schema: InputSchema, plan: SearchPlan, read_as: Mapping[str, Any], folder: Path,
    compiled: Compiled, seen: Mapping[str, Any],
) -> str:  # fmt: skip
    """Write the package and log it as an MLflow model; its URI.

    `compiled` is how it is served; `seen` what its explanations compare rows with.
    """
    packaged = folder / "package"
    if compiled.plan is not None:
        compiled.plan.rename(packaged)
    else:
        packaged.mkdir()
    plan_files = sorted(file.name for file in packaged.iterdir())
    facts = {
        "model": settled.tried.model, "metric": plan.metric, "read_as": dict(read_as), "usual": dict(seen),
        **settled.facts(),
    }  # fmt: skip
    if compiled.reason:
        facts["scorer_reason"] = compiled.reason
    package.save(packaged, settled.tried.pipeline.read_bytes(), schema, settled.threshold, plan_files, **facts)
    info = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(PROJECT / "pyfunc" / "entry.py"),
        artifacts={PACKAGE_ARTIFACT: str(packaged)},
        code_paths=[str(PROJECT / "pyfunc")],
        signature=signature(schema),
        input_example=schema.example(),
        pip_requirements=package.requirements(PROJECT / "requirements.txt"),
    )
    return str(info.model_uri)


@click.command()
@click.option("--dataset", required=True, help="Id of a dataset run.")
@click.option("--positive", default=DEFAULTS.positive, show_default=True)
@click.option("--metric", default=DEFAULTS.metric, show_default=True)
@click.option("--models", default=DEFAULTS.models, show_default=True)
@click.option("--budget-s", default=DEFAULTS.budget_s, show_default=True)
@click.option("--seed", default=DEFAULTS.seed, show_default=True)
@click.option("--threshold", default=DEFAULTS.threshold, show_default=True)
@click.option("--cost-fp", default=DEFAULTS.cost_fp, help="Cost of a false alarm; with --cost-fn.")
@click.option("--cost-fn", default=DEFAULTS.cost_fn, help="Cost of a miss; with --cost-fp.")
@click.option("--candidates", default=DEFAULTS.candidates, help="How many, in place of the budget: reproducible.")
@click.option("--max-latency-ms", default=DEFAULTS.max_latency_ms, help="For one row, as it is served.")
@click.option("--latency-price", default=DEFAULTS.latency_price, show_default=True, help="See the README.")
@click.option("--scheduler", default="", help="Address of a Dask cluster whose workers try the candidates.")
def cli(dataset: str, scheduler: str, **options: str) -> dict[str, Any]:
    """Entry point `train` of MLproject."""
    with tracking.step_run("train") as run:
        check(options, scheduler)  # what is wrong without the dataset is said before it is read
        budget.warm_up()
        candidate = train_into(run, ingest.load(dataset), options, scheduler)
    return {
        "run_id": candidate.run_id,
        "model_uri": candidate.model_uri,
        "model": candidate.model,
        "metric": candidate.metric,
        "candidates": candidate.candidates,
        **candidate.cv_metrics,
    }


if __name__ == "__main__":
    process.command(cli)
