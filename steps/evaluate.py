"""Judge a model on the test file: once, as it was trained, beside the champion and the constant answer.

Reads   a logged model and a dataset run; the champion of the name, if there is one.
Writes  an evaluate run: `test_*` figures with bounds (`unshared_*`: without the rows that stand in the training file
        too), `plots/`, `report.html`, `card.md`, `evaluation.json`,
        `predictions.parquet` (row, `probability_<class>`, position of the prediction; no cell of the file).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from pyfunc.compiled.checking import SAME
from pyfunc.errors import ArtifactMismatchError, Problem, SchemaMismatchError
from pyfunc.model import Scorer, decide
from steps import compare, ingest, loading, process, tracking
from steps.data.lists import joined
from steps.judging import answers, card, comparing, contest, fairness, looking, plots, plots_frontier, report, sensitive
from steps.judging.answers import Answers, Judgement
from steps.judging.canvas import Plot
from steps.judging.document import document, finite, plots_of
from steps.judging.intervals import Figure
from steps.judging.metrics import METRICS, Floats, Ints
from steps.records import Dataset, Evaluation
from steps.tracking import StepRun

DEFAULT_NAME = "crisol"
log = logging.getLogger(__name__)


def evaluate(model_uri: str, dataset: Dataset, name: str, compared: str = "") -> Evaluation:
    """Judge a logged model on a dataset's test rows.

    Args:
        model_uri: `runs:/`, `models:/`: as MLflow loads it.
        dataset: whose test rows judge.
        name: the registered model whose champion it is compared with.
        compared: columns whose groups are compared, as `steps.judging.sensitive` reads them.

    Raises:
        ModelUnavailableError: the model cannot be loaded, or is none of ours.
        TrainingRefusedError: columns to compare that the dataset does not have.
        ArtifactMismatchError: its files are not those that were saved.
        SchemaMismatchError: it predicts something else than the dataset's target, or the test rows do not fit it.
    """
    with tracking.step_run("evaluate") as run:
        return evaluate_into(run, model_uri, dataset, name, compared)


def evaluate_into(run: StepRun, model_uri: str, dataset: Dataset, name: str, compared: str = "") -> Evaluation:
    """`evaluate` on an open run."""
    run.params({"model": model_uri, "dataset": dataset.run_id, "name": name, "sensitive": compared})
    run.tags(
        {
            tracking.MODEL_URI: model_uri,
            tracking.DATASET_RUN: dataset.run_id,
            tracking.TEST_SHA256: dataset.test_sha256,
        }
    )
    scorer = loading.load(model_uri)
    problem = contest.mismatch(scorer.schema.target, dataset.schema.target)
    if problem:
        raise SchemaMismatchError(problem)
    at = contest.positive_at(scorer.schema.target, dataset.y_train)
    origin = contest.origin(model_uri, scorer, at)
    groups = sensitive.columns(compared, dataset, scorer.schema)
    judgement = _judgement(scorer, dataset, origin.metric, at)
    answered = (judgement.y, judgement.candidate.scores, judgement.candidate.predicted)
    judgement = replace(judgement, treated=fairness.compare(groups, answered, at))
    rival = contest.rival(name, dataset, at)
    if rival is not None:
        judgement = replace(judgement, champion=rival.answers)
    before = contest.judged_before(dataset.test_sha256, model_uri)
    found = document(judgement, dataset, origin, rival, before)
    drawn = [*plots.all_of(judgement), *plots_frontier.plots(found["frontier"])]
    made = {"run_id": run.run_id, "name": name, "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
    whole = finite({**made, **found, "plots": plots_of(drawn)})
    _log(run, whole, drawn, judgement)
    evaluation = from_json(whole)
    log.info("evaluated rows=%d %s=%.4f (%.4f to %.4f)", len(dataset.y_test), evaluation.metric,
             *evaluation.figures[evaluation.metric])  # fmt: skip
    return evaluation


def from_json(stored: Mapping[str, Any]) -> Evaluation:
    """The record that `evaluation.json` holds; figures that are not defined are NaN."""
    champion = stored["champion"]
    comparable = champion is not None and champion["comparable"]
    checks = stored["dataset"]["checks"]
    return Evaluation(
        run_id=stored["run_id"],
        dataset_run_id=stored["dataset"]["run_id"],
        model_uri=stored["model"]["uri"],
        metric=stored["metric"],
        figures={name: _triple(stored["figures"][name]) for name in METRICS},
        beats_constant=stored["constant"]["beaten"],
        champion_version=champion["version"] if champion else None,
        champion_comparable=comparable,
        difference=_triple(champion["differences"][stored["metric"]]) if comparable else None,
        refused_checks=tuple(check["code"] for check in checks if check["level"] == "refused"),
        champion_reason=(champion.get("reason") or "") if champion else "",
        sensitive=joined(each["column"] for each in stored.get("sensitive") or ()),
        fewest_rows=min(one["rows"] for one in stored["per_class"]) if stored.get("per_class") else None,
        gate=comparing.of_json(champion["gate"]) if comparable and champion.get("gate") else None,
        rows=stored["dataset"]["rows"],
        rows_needed=champion.get("rows_needed") if comparable else None,
    )


def _triple(stored: Mapping[str, Any]) -> tuple[float, float, float]:
    """Value, low, high."""
    figure = Figure.from_dict(stored)
    return figure.value, figure.low, figure.high


def _judgement(scorer: Scorer, dataset: Dataset, metric: str, at: int | None) -> Judgement:
    """The candidate and the constant answer on the test rows, and what drives the candidate."""
    frame, _ = scorer.schema.enforce(dataset.test, "test file")
    scorer.warm()
    candidate = contest.judged(scorer, frame, dataset.y_test, at)
    _require_pipeline(scorer, frame, candidate.scores)
    none = answers.constant(dataset.y_train, dataset.y_test, len(scorer.schema.target.classes), at)

    def answer(rows: pd.DataFrame) -> tuple[Floats, Ints]:
        scores = scorer.scores(rows)
        return scores, decide(scores, scorer.schema, scorer.package.threshold)

    looked = looking.look(answer, scorer.schema, dataset, frame, candidate, (at, metric))
    threshold = scorer.package.threshold
    labels = scorer.schema.target.classes
    return Judgement(dataset.y_test, labels, at, threshold, metric, candidate, none, None, **vars(looked))


def _require_pipeline(scorer: Scorer, frame: pd.DataFrame, scores: Floats) -> None:
    """The compiled model answers every test row as its pipeline does.

    Raises:
        ArtifactMismatchError: it does not.
    """
    if scorer.package.plan is None:
        return
    far = float(np.abs(scorer.package.pipeline.predict_proba(frame) - scores).max())
    if not far <= SAME:
        what = f"The compiled model and its pipeline differ by up to {far:.1g} in the probabilities of the test file."
        fix = "Train again; if it stays so, report it with the output of both runs."
        raise ArtifactMismatchError(Problem("compiled_differs", what, "model", fix))


def _log(run: StepRun, found: Mapping[str, Any], drawn: Sequence[Plot], judgement: Judgement) -> None:
    """Everything onto the run: figures as metrics, the rest as files."""
    run.metrics(_metrics(judgement.candidate) | _metrics_without(found["shared_rows"]))
    with tracking.scratch() as folder:
        pictures = folder / tracking.PLOTS
        pictures.mkdir()
        for plot in drawn:
            (pictures / f"{plot.name}.svg").write_text(plot.standalone(), encoding="utf-8")
        (folder / tracking.REPORT).write_text(report.render(found, drawn), encoding="utf-8")
        (folder / tracking.CARD).write_text(card.render(found), encoding="utf-8")
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / tracking.EVALUATION).write_text(text, encoding="utf-8")
        _write_predictions(folder / tracking.PREDICTIONS, judgement)
        run.files(folder)


def _metrics(judged: Answers) -> dict[str, float]:
    """Figures and bounds under their MLflow names; those that are not defined are left out."""
    named: dict[str, float] = {}
    for name, figure in judged.figures.items():
        named |= {f"test_{name}": figure.value, f"test_{name}_low": figure.low, f"test_{name}_high": figure.high}
    return {name: value for name, value in named.items() if math.isfinite(value)}


def _metrics_without(shared: Mapping[str, Any] | None) -> dict[str, float]:
    """How many test rows stand in the training file, and the figures on the others, under a prefix of their own."""
    if shared is None:
        return {}
    named: dict[str, float] = {"shared_rows": shared["count"]}
    for name, stored in (shared["figures_without"] or {}).items():
        named |= {
            f"{tracking.UNSHARED}{name}{end}": stored[key]
            for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))
            if stored[key] is not None
        }
    return named


def _write_predictions(file: Path, judgement: Judgement) -> None:
    """The answers by row of the test file (from 1); no cell of it."""
    columns: dict[str, Any] = {"row": np.arange(1, len(judgement.y) + 1)}
    for at, label in enumerate(judgement.labels):
        columns[f"probability_{label}"] = judgement.candidate.scores[:, at]
    columns["prediction"] = judgement.candidate.predicted
    pd.DataFrame(columns).to_parquet(file, index=False)


@click.command()
@click.option("--model", required=True, help="URI of a logged model, or `all`: every version of `name`.")
@click.option("--dataset", required=True, help="Id of a dataset run.")
@click.option(
    "--name", default=DEFAULT_NAME, show_default=True, help="Registered model whose champion it is compared with."
)
@click.option("--sensitive", "compared", default="", help="Columns whose groups are compared, separated by commas.")
def cli(model: str, dataset: str, name: str, compared: str) -> dict[str, Any]:
    """Entry point `evaluate` of MLproject."""
    with tracking.step_run("evaluate") as run:
        if model == compare.ALL:
            return compare.summary(compare.compare_into(run, ingest.load(dataset), name))
        evaluation = evaluate_into(run, model, ingest.load(dataset), name, compared)
    value, low, high = (x if math.isfinite(x) else None for x in evaluation.figures[evaluation.metric])
    return {
        "run_id": evaluation.run_id,
        "dataset_run_id": evaluation.dataset_run_id,
        "model_uri": evaluation.model_uri,
        "metric": evaluation.metric,
        f"test_{evaluation.metric}": value,
        f"test_{evaluation.metric}_low": low,
        f"test_{evaluation.metric}_high": high,
        "beats_constant": evaluation.beats_constant,
        "champion_version": evaluation.champion_version,
        "champion_comparable": evaluation.champion_comparable,
    }


if __name__ == "__main__":
    process.command(cli)
