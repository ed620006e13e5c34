"""Who is judged against whom: the model, the champion of a name, and how often these rows have judged already."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pyfunc.errors import ModelUnavailableError, Problem, ProjectError, SchemaMismatchError
from pyfunc.model import TWO_CLASSES, Scorer, decide
from pyfunc.schema import InputSchema, Target
from steps import tracking
from steps.data import datasets
from steps.judging import answers
from steps.judging.answers import Answers
from steps.judging.document import Origin, Rival
from steps.judging.metrics import HIGHER_IS_BETTER, Ints
from steps.loading import load
from steps.records import Dataset
from steps.versions import ABSENT

PAGE = 1000
log = logging.getLogger(__name__)


def judged(scorer: Scorer, frame: pd.DataFrame, y: Ints, at: int | None) -> Answers:
    """A model's answers to an enforced frame, judged; `at` is the position of the class that counts as positive."""
    scores = scorer.scores(frame)
    return answers.judge(y, scores, decide(scores, scorer.schema, scorer.package.threshold), at)


def positive_at(target: Target, y_train: Ints) -> int | None:
    """Position of the positive class: the model's, else the rarer in the training file, on a tie the last."""
    if len(target.classes) != TWO_CLASSES:
        return None
    if target.positive is not None:
        return target.classes.index(target.positive)
    counts = np.bincount(y_train, minlength=TWO_CLASSES)
    return 0 if counts[0] < counts[1] else 1


def mismatch(model: Target, data: Target) -> Problem | None:
    """Why a model cannot be judged on a dataset: it answers another question."""
    if model.name != data.name:
        what = f"The model predicts '{model.name}', the dataset's target is '{data.name}'."
    elif model.classes != data.classes:
        what = f"The model knows {len(model.classes)} classes of '{model.name}', the dataset has other ones."
    else:
        return None
    fix = "Judge the model on a dataset with its own target, or train on this one."
    return Problem("target_mismatch", what, "model and dataset", fix)


def origin(uri: str, scorer: Scorer, at: int | None) -> Origin:
    """Where the model comes from; what cannot be found out is left empty.

    The primary figure is the one that the training ranked its candidates by: its run's tag, else the manifest's word,
    else ROC AUC for two classes and log loss for more.
    """
    manifest, target = scorer.package.manifest, scorer.schema.target
    run_id = str(mlflow.models.get_model_info(uri).run_id or "")
    tags: dict[str, str] = {}
    parameters: dict[str, str] = {}
    measured: dict[str, float] = {}
    try:
        run = MlflowClient().get_run(run_id)
        tags, parameters, measured = run.data.tags, run.data.params, run.data.metrics
    except MlflowException:
        log.info("the run that trained the model is not in this store; the report does without")
    metric = tags.get(tracking.METRIC) or str(manifest.get("metric", ""))
    if metric not in HIGHER_IS_BETTER:
        metric = "roc_auc" if at is not None else "log_loss"
    return Origin(
        uri=uri,
        run_id=run_id,
        metric=metric,
        learner=str(manifest.get("model") or tags.get(tracking.MODEL, "")),
        positive=None if at is None else target.classes[at],
        columns=len(scorer.schema.columns),
        parameters=parameters,
        libraries=manifest.get("libraries", {}),
        tried=_leaderboard(run_id) if tags else (),
        manifest=manifest,
        latency_ms=measured.get("latency_ms"),
    )


def champion_version(name: str) -> str | None:
    """The version behind a registered model's alias `champion`; None where there is none.

    Raises:
        MlflowException: the store does not answer; that is not the same as no champion.
    """
    try:
        return str(MlflowClient().get_model_version_by_alias(name, tracking.CHAMPION).version)
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def rival(name: str, dataset: Dataset, at: int | None) -> Rival | None:
    """The champion of a registered model, judged on the same rows where that can be done; None without one.

    Args:
        name: the registered model.
        dataset: whose test rows judge.
        at: position of the class that counts as positive for the candidate.
    """
    version = champion_version(name)
    if version is None:
        return None
    uri = f"models:/{name}/{version}"
    try:
        scorer, frame = prepared(uri, dataset, lambda: raw_test(dataset))
    except ProjectError as error:
        return Rival(version, uri, reason=" ".join(problem.what for problem in error.problems))
    return Rival(version, uri, judged(scorer, frame, dataset.y_test, at))


def prepared(uri: str, dataset: Dataset, raw: Callable[[], pd.DataFrame]) -> tuple[Scorer, pd.DataFrame]:
    """A registered model, and a dataset's test rows as it reads them.

    Args:
        uri: of the model.
        dataset: whose test rows it is asked.
        raw: gives the test file as it was sent; called where the model reads it otherwise than the dataset.

    Raises:
        ProjectError: it does not load, answers another question, or the rows do not fit it.
    """
    scorer = load(uri)
    problem = mismatch(scorer.schema.target, dataset.schema.target)
    if problem:
        raise SchemaMismatchError(problem)
    rows = dataset.test if _covers(dataset.schema, scorer.schema) else raw()
    return scorer, scorer.schema.enforce(rows, "test file")[0]


def judged_before(test_sha256: str, uri: str) -> int:
    """How many other models this test file has judged, in every experiment of the store."""
    client = MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    query = (
        f"tags.`{tracking.TEST_SHA256}` = '{test_sha256}' and tags.`{tracking.STEP}` = 'evaluate' "
        "and attributes.status = 'FINISHED'"
    )
    models: set[str] = set()
    token = None
    while experiments:
        page = client.search_runs(experiments, query, max_results=PAGE, page_token=token)
        models |= {each for run in page for each in run.data.tags.get(tracking.MODEL_URI, "").splitlines()}
        token = page.token
        if not token:
            break
    return len(models - {uri})


def _covers(data: InputSchema, model: InputSchema) -> bool:
    """Whether the dataset's rows, as converted, hold what a model reads, each column as the same kind."""
    kinds = {column.name: column.kind for column in data.columns}
    return all(kinds.get(column.name) is column.kind for column in model.columns)


def raw_test(dataset: Dataset) -> pd.DataFrame:
    """The test file as it was sent: a champion may read columns that this dataset leaves out, or reads otherwise.

    Raises:
        ModelUnavailableError: the dataset's run does not have the file any more.
    """
    _, test = datasets.raw(dataset.run_id)
    return datasets.as_sent(dataset, test)


def _leaderboard(run_id: str) -> list[dict[str, Any]]:
    """The candidates of a train run, best first; none where it left no list."""
    with tracking.scratch() as folder:
        try:
            table = pd.read_csv(tracking.artifact(run_id, tracking.LEADERBOARD, str(folder)))
        except (ModelUnavailableError, ValueError):
            return []
    return [{str(key): value for key, value in row.items() if not pd.isna(value)} for row in table.to_dict("records")]
