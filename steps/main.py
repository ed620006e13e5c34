"""From two files to a champion: ingest, train, evaluate, promote, in one process.

Reads   a training file and a test file, or a dataset run; without any, the sample.
Writes  one parent run with four nested step runs, a registered version, the alias if deserved.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping
from typing import Any

import click
import mlflow
from mlflow.utils.file_utils import local_file_uri_to_path

from pyfunc.errors import Problem, TrainingRefusedError
from steps import evaluate, ingest, process, promote, tracking, train
from steps.data import options
from steps.data.kinds import EXAMPLE
from steps.judging import sensitive
from steps.judging.margins import DEFAULT_MARGIN
from steps.records import Candidate, Dataset, Evaluation, ModelVersion
from steps.search import budget
from steps.search.plan import DEFAULTS
from steps.settings import Settings
from steps.tracking import StepRun

log = logging.getLogger(__name__)


@click.command()
@click.option("--train", "train_file", default="", help="Training file: path or URI; with --test.")
@click.option("--test", "test_file", default="", help="Test file: path or URI; with --train.")
@click.option("--target", default="", help="Column to predict.")
@click.option("--dataset", default="", help="Id of a dataset run, in place of the two files.")
@click.option("--positive", default=DEFAULTS.positive, show_default=True)
@click.option("--metric", default=DEFAULTS.metric, show_default=True)
@click.option("--models", default=DEFAULTS.models, show_default=True)
@click.option("--budget-s", default=DEFAULTS.budget_s, show_default=True)
@click.option("--ignore", default="", help="Columns to leave out, separated by commas.")
@click.option("--kinds", default="", help=f"Kinds of columns, in place of those found: {EXAMPLE}.")
@click.option("--unseen-category", default="", help=f"{', '.join(options.POLICIES)}; the first where empty.")
@click.option("--accept", default="", help="Codes of refused checks to go on with, separated by commas.")
@click.option("--seed", default=DEFAULTS.seed, show_default=True)
@click.option("--threshold", default=DEFAULTS.threshold, show_default=True)
@click.option("--cost-fp", default=DEFAULTS.cost_fp, help="Cost of a false alarm; with --cost-fn.")
@click.option("--cost-fn", default=DEFAULTS.cost_fn, help="Cost of a miss; with --cost-fp.")
@click.option("--candidates", default=DEFAULTS.candidates, help="How many, in place of the budget: reproducible.")
@click.option("--max-latency-ms", default=DEFAULTS.max_latency_ms, help="For one row, as it is served.")
@click.option("--latency-price", default=DEFAULTS.latency_price, show_default=True, help="See the README.")
@click.option("--promote", "mode", default=promote.DEFAULT_MODE, show_default=True)
@click.option("--sensitive", "compared", default="", help="Columns whose groups are compared, separated by commas.")
@click.option("--name", default=promote.DEFAULT_NAME, show_default=True)
@click.option("--scheduler", default="", help="Address of a Dask cluster whose workers try the candidates.")
@click.option("--margin", default=DEFAULT_MARGIN, show_default=True, help="For promotion against a champion.")
def cli(
    train_file: str,
    test_file: str,
    target: str,
    dataset: str,
    mode: str,
    name: str,
    margin: str,
    compared: str,
    scheduler: str,
    **rest: str,
) -> dict[str, Any]:
    """Entry point `main` of MLproject."""
    with tracking.step_run("main", name=f"train for {name}") as run:
        given = {"train": train_file, "test": test_file, "target": target, "dataset": dataset}
        asked = {"promote": mode, "name": name, "margin": margin, "sensitive": compared, "scheduler": scheduler}
        run.params({**given, **rest, **asked})
        reading = {key: rest.pop(key) for key in options.TEXTS}
        _check(train_file, test_file, dataset, reading, promote.problems_with(mode, name, margin), rest, scheduler)
        budget.warm_up()  # PyCaret is imported while the files are read
        data = _dataset(run, train_file, test_file, target, dataset, reading)
        sensitive.check(compared, data.schema)
        candidate = train.train(data, rest, scheduler)
        evaluation = evaluate.evaluate(candidate.model_uri, data, name, compared)
        version = promote.promote(evaluation, mode, name, margin)
        if version.evaluation_run_id != evaluation.run_id:  # the champion had changed, and it was judged again
            evaluation = promote.load_evaluation(version.evaluation_run_id)
        _record(run, version, evaluation)
        _say_where(evaluation)
    return _answer(run, data, candidate, evaluation, version)


def _check(
    train_file: str,
    test_file: str,
    dataset: str,
    reading: Mapping[str, str],
    found: list[Problem],
    search: Mapping[str, str],
    scheduler: str,
) -> None:
    """Say everything that is wrong with the parameters before any file is read."""
    problems = [*found, *options.problems_with(reading)]
    if dataset and (train_file or test_file):
        what = "'dataset' is given together with 'train' or 'test'."
        problems.append(Problem("parameters_exclusive", what, "parameters", "Give a dataset run, or the two files."))
    try:
        train.check(search, scheduler)
    except TrainingRefusedError as error:
        problems += error.problems
    if problems:
        raise TrainingRefusedError(*problems)


def _dataset(
    run: StepRun, train_file: str, test_file: str, target: str, dataset: str, reading: Mapping[str, str]
) -> Dataset:
    """The dataset: read from a run, or ingested (once for the same bytes and options)."""
    if not dataset:
        limits = Settings()
        data = ingest.ingest(
            train_file,
            test_file,
            target,
            options=options.options_of(reading),
            max_mib=limits.max_mib,
            max_columns=limits.max_columns,
        )
    else:
        data = ingest.from_run(dataset, target, given=reading)
    run.tags({tracking.DATASET_RUN: data.run_id})
    return data


def _record(run: StepRun, version: ModelVersion, evaluation: Evaluation) -> None:
    """What came of it, on the parent run, where people and the API look first."""
    run.tags(
        {
            tracking.VERSION: version.version,
            tracking.DECISION: version.decision,
            tracking.PROMOTED: str(version.promoted).lower(),
            tracking.MODEL_URI: evaluation.model_uri,
            tracking.EVALUATION_RUN: evaluation.run_id,
        }
    )


def _say_where(evaluation: Evaluation) -> None:
    """Where people find the report, and how they get into this environment."""
    uri = mlflow.get_run(evaluation.run_id).info.artifact_uri
    here = uri.startswith(("/", "file:"))
    log.info("report: %s", local_file_uri_to_path(f"{uri}/{tracking.REPORT}") if here else f"{uri}/{tracking.REPORT}")
    log.info("python with this model's environment: %s", sys.executable)


def _answer(
    run: StepRun, data: Dataset, candidate: Candidate, evaluation: Evaluation, version: ModelVersion
) -> dict[str, Any]:
    """The JSON line: ids and headline figures."""
    value, low, high = (one if math.isfinite(one) else None for one in evaluation.figures[evaluation.metric])
    return {
        "run_id": run.run_id,
        "dataset_run_id": data.run_id,
        "train_run_id": candidate.run_id,
        "evaluation_run_id": evaluation.run_id,
        "report": f"runs:/{evaluation.run_id}/{tracking.REPORT}",
        "model": candidate.model,
        "model_uri": candidate.model_uri,
        "candidates": candidate.candidates,
        "metric": evaluation.metric,
        f"test_{evaluation.metric}": value,
        f"test_{evaluation.metric}_low": low,
        f"test_{evaluation.metric}_high": high,
        "name": version.name,
        "version": version.version,
        "promoted": version.promoted,
        "decision": version.decision,
        "reason": version.reason,
    }


if __name__ == "__main__":
    process.command(cli)
