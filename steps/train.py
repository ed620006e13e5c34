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
from dataclasses import dataclass, replace
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
from pyfunc.model import PACKAGE_ARTIFACT, decide, signature
from pyfunc.schema import InputSchema
from steps import ingest, process, tracking
from steps.judging.metrics import better, figures, gain
from steps.records import Candidate, Dataset, SearchPlan
from steps.search import budget
from steps.search.plan import DEFAULTS, plan_of
from steps.search.race import BLEND, Tried, blend, race, splits_of
from steps.search.settling import Settled, settle
from steps.tracking import StepRun

PROJECT = Path(pyfunc.__file__).resolve().parent.parent
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ranked:
    """A candidate with its figures and the run it was logged as."""

    tried: Tried
    run_id: str
    figures: Mapping[str, float]
    folds: pd.DataFrame  # the same figures in each fold


def train(dataset: Dataset, options: Mapping[str, str]) -> Candidate:
    """Search, and log the best candidate's model.

    Args:
        dataset: with the frames loaded.
        options: the search parameters as text; see `steps.search.plan.Defaults`.

    Raises:
        TrainingRefusedError: parameters that are wrong, or no candidate within the budget.
    """
    with tracking.step_run("train") as run:
        return train_into(run, dataset, options)


def train_into(run: StepRun, dataset: Dataset, options: Mapping[str, str]) -> Candidate:
    """`train` on an open run."""
    plan = plan_of(options, dataset.schema.target)
    schema = _with_positive(dataset.schema, options.get("positive", DEFAULTS.positive))
    run.params({"dataset": dataset.run_id, **vars(DEFAULTS), **options})
    run.tags({tracking.METRIC: plan.metric, tracking.DATASET_RUN: dataset.run_id})
    log.info(
        "training rows=%d columns=%d budget=%g s by %s",
        len(dataset.train),
        len(schema.columns),
        plan.budget_s,
        plan.metric,
    )
    with tracking.scratch() as folder:
        ranked = _search(run, dataset, schema, plan, folder)
        best = _choose(ranked, plan)
        splits = splits_of(dataset.y_train, plan.seed)
        settled = settle(best.tried, dataset.y_train, schema.target, plan, splits, folder)
        assert settled.tried.out_of_fold is not None
        stored = _prefixed(_figures(dataset.y_train, settled.tried.out_of_fold, schema, settled.threshold))
        _log_leaderboard(run, ranked, best, plan, _as_stored(settled, stored))
        _log_out_of_fold(run, settled.tried.out_of_fold, schema)
        model_uri = _log_model(settled, schema, plan, dataset.read_as, folder)
    run.metrics({**stored, "candidates": len(ranked)})
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


def _search(run: StepRun, dataset: Dataset, schema: InputSchema, plan: SearchPlan, folder: Path) -> list[Ranked]:
    """Run the race and log each candidate as it comes out."""
    ranked: list[Ranked] = []
    best = np.nan
    splits = splits_of(dataset.y_train, plan.seed)
    for tried in race(dataset.train, dataset.y_train, plan, folder, schema.texts):
        one = _judge_and_log(run, tried, dataset.y_train, schema, plan, splits)
        ranked.append(one)
        if tried.error:
            how = "cut off by the budget" if tried.error == budget.TIME_LIMIT else f"failed: {tried.error}"
            log.info("candidate %-9s #%d %s after %.1f s", tried.model, tried.number, how, tried.seconds)
            continue
        figure = one.figures[plan.metric]
        if np.isnan(best) or better(plan.metric, figure, best):
            best = figure
            mlflow.log_metric(f"best_cv_{plan.metric}", best, step=len(ranked), run_id=run.run_id)
        log.info(
            "candidate %-9s #%d %s=%.4f (best %.4f) in %.1f s",
            tried.model, tried.number, plan.metric, figure, best, tried.seconds,
        )  # fmt: skip
    parts = _in_order([one for one in ranked if not one.tried.error], plan)
    made = blend([one.tried for one in parts], dataset.y_train, folder) if plan.blend else None
    if made is not None:
        ranked.append(_judge_and_log(run, made, dataset.y_train, schema, plan, splits))
        log.info(
            "candidate %-9s of %d %s=%.4f",
            BLEND,
            len(made.hyperparameters),
            plan.metric,
            ranked[-1].figures[plan.metric],
        )
    return ranked


def _judge_and_log(
    run: StepRun,
    tried: Tried,
    y: np.ndarray[Any, Any],
    schema: InputSchema,
    plan: SearchPlan,
    splits: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]],
) -> Ranked:
    """Figures of one candidate, and its run: made when it has ended, so that it is never left RUNNING."""
    client = MlflowClient()
    alone = tried.model if tried.model == BLEND else f"{tried.model} defaults"
    tags = {
        MLFLOW_PARENT_RUN_ID: run.run_id,
        MLFLOW_RUN_NAME: f"{tried.model} #{tried.number}" if tried.number else alone,
        tracking.STEP: "candidate",
        tracking.MODEL: tried.model,
        **{f"warnings.{kind}": str(count) for kind, count in tried.warnings.items()},
    }
    found: dict[str, float] = {}
    logged = {"seconds": tried.seconds}
    folds = pd.DataFrame()
    if tried.out_of_fold is not None:
        found = _figures(y, tried.out_of_fold, schema, plan.threshold)
        folds = pd.DataFrame(
            [_figures(y[judge], tried.out_of_fold[judge], schema, plan.threshold) for _, judge in splits]
        )
        spread = {f"cv_{name}_std": float(value) for name, value in folds.std(ddof=1).items()}
        logged |= {**_prefixed(found), **spread, "size_bytes": tried.pipeline_bytes}
    created = client.create_run(run.experiment_id, start_time=tried.started_at_ms, tags=tags)
    run_id = created.info.run_id
    metrics = [Metric(key, value, tried.ended_at_ms, 0) for key, value in logged.items() if np.isfinite(value)]
    params = [
        Param("model", tried.model),
        *(Param(key, value[: tracking.MAX_PARAM]) for key, value in tried.hyperparameters.items()),
    ]
    client.log_batch(run_id, metrics, params, [RunTag(tracking.METRIC, plan.metric)])
    if tried.error:
        what, code = f"The candidate ended with: {tried.error}.", "candidate_failed"
        if tried.error == budget.TIME_LIMIT:
            what, code = f"The budget cut the candidate off after {tried.seconds:.1f} s.", "candidate_cut_off"
        problem = Problem(code, what, tried.model, "Raise budget_s, or leave it out of models=.")
        tracking.record_problems(run_id, (problem,), tracking.BUG)
    else:
        client.log_text(run_id, folds.rename_axis("fold").to_csv(), tracking.FOLDS)
    status = RunStatus.FAILED if tried.error else RunStatus.FINISHED
    client.set_terminated(run_id, RunStatus.to_string(status), end_time=tried.ended_at_ms)
    return Ranked(tried, run_id, found, folds)


def _figures(
    y: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], schema: InputSchema, threshold: float
) -> dict[str, float]:
    """All figures of out-of-fold probabilities (n_rows, n_classes)."""
    positive = schema.target.positive
    positive_at = None if positive is None else schema.target.classes.index(positive)
    return figures(y, scores, decide(scores, schema, threshold), positive_at)


def _prefixed(found: Mapping[str, float]) -> dict[str, float]:
    """Figures under the names they are logged by."""
    return {f"cv_{name}": value for name, value in found.items() if np.isfinite(value)}


def _choose(ranked: list[Ranked], plan: SearchPlan) -> Ranked:
    """The candidate that is logged as the model.

    The best figure wins, but figures differ by luck: of those that fall short of the best by no more than one standard
    error of their paired differences over the folds, the one with the lowest log loss is taken, because a good ranking
    with wrong probabilities is not a good classifier. The earlier one wins what ties are left. The blend is taken if
    no single candidate is as good in log loss, within the same noise, and it is as good in the metric.
    """
    usable = [one for one in ranked if not one.tried.error and np.isfinite(one.figures[plan.metric])]
    if not usable:
        failures = sorted({one.tried.error for one in ranked if one.tried.error}) or ["none was done in time"]
        what = f"No candidate of {', '.join(plan.models)} finished within {plan.budget_s:g} s ({', '.join(failures)})."
        fix = "Raise budget_s, send fewer rows, or name faster learners such as models=lr,lightgbm."
        raise TrainingRefusedError(Problem("no_candidate", what, "search", fix))
    singles = _in_order([one for one in usable if one.tried.model != BLEND], plan)
    best = min(singles, key=lambda one: gain(plan.metric, 0.0, one.figures[plan.metric]))
    equals = [one for one in singles if _is_as_good(one, best, plan.metric)]
    single = best if plan.metric == "log_loss" else min(equals, key=lambda one: one.figures["log_loss"])
    for blended in usable:
        is_simple_enough = _is_as_good(single, blended, "log_loss")
        if blended.tried.model == BLEND and not is_simple_enough and _is_as_good(blended, single, plan.metric):
            return blended
    return single


def _in_order(ranked: list[Ranked], plan: SearchPlan) -> list[Ranked]:
    """Candidates in the order of the plan, not by who was done first: that depends on the machine's load."""
    return sorted(ranked, key=lambda one: (one.tried.number, plan.models.index(one.tried.model)))


def _is_as_good(one: Ranked, best: Ranked, metric: str) -> bool:
    """Whether a candidate falls short of the best by no more than the noise of the folds."""
    short = gain(metric, best.folds[metric], one.folds[metric]).dropna()
    return one is best or bool(short.mean() <= short.std(ddof=1) / np.sqrt(len(short)))


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


def _log_leaderboard(
    run: StepRun, ranked: list[Ranked], best: Ranked, plan: SearchPlan, as_stored: Mapping[str, Any]
) -> None:
    """All candidates, best first, the failed ones last."""
    rows = [
        {
            "run_id": one.run_id,
            "model": one.tried.model,
            "number": one.tried.number,
            "chosen": one is best,
            "error": one.tried.error or "",
            **_prefixed(one.figures),
            "seconds": round(one.tried.seconds, 3),
            "size_bytes": one.tried.pipeline_bytes,
            **(as_stored if one is best else {}),
        }
        for one in ranked
    ]
    table = pd.DataFrame(rows).sort_values(
        f"cv_{plan.metric}", ascending=better(plan.metric, 0, 1), na_position="last", kind="stable"
    )
    run.text(table.to_csv(index=False), tracking.LEADERBOARD)


def _log_out_of_fold(run: StepRun, scores: np.ndarray[Any, Any], schema: InputSchema) -> None:
    """The stored model's out-of-fold probabilities, by 1-based training row."""
    table = pd.DataFrame(scores, columns=[f"probability_{label}" for label in schema.target.classes])
    table.insert(0, "row", np.arange(1, len(table) + 1))
    with tracking.scratch() as folder:
        table.to_parquet(folder / tracking.OUT_OF_FOLD)
        run.files(folder)


def _log_model(
    settled: Settled, schema: InputSchema, plan: SearchPlan, read_as: Mapping[str, Any], folder: Path
) -> str:
    """Write the package and log it as an MLflow model; its URI."""
    packaged = folder / "package"
    packaged.mkdir()
    facts = {"model": settled.tried.model, "metric": plan.metric, "read_as": dict(read_as), **settled.facts()}
    package.save(packaged, settled.tried.pipeline.read_bytes(), schema, settled.threshold, **facts)
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
def cli(dataset: str, **options: str) -> dict[str, Any]:
    """Entry point `train` of MLproject."""
    with tracking.step_run("train") as run:
        plan_of(options)  # what is wrong without the dataset is said before it is read
        budget.warm_up()
        candidate = train_into(run, ingest.load(dataset), options)
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
