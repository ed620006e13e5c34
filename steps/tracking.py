"""Every MLflow name of ours, and the run that a step stands on.

Runs never stay RUNNING: a step's run carries the process it belongs to, and whatever starts next ends those whose
process is gone.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import mlflow.artifacts
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet
from mlflow.entities import Run, RunStatus, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_PROJECT_ENTRY_POINT

from pyfunc.errors import ModelUnavailableError, Problem, ProjectError
from steps import owners, screen
from steps.stores import trouble_of_step

# Tags on runs
STEP = "crisol.step"  # main ingest train candidate evaluate promote score serve
HOST, PID, STARTED = "crisol.host", "crisol.pid", "crisol.started"  # the process that a RUNNING run belongs to
OWNER = (HOST, PID, STARTED)
SCRATCH_NAME = re.compile(r"crisol-(.+)-(\d+)-(\d+\.\d+)-\w+")
DATASET_RUN = "crisol.dataset_run"  # where the dataset stands, also where it was reused
DATASET_KEY = "crisol.dataset_key"  # identity: sha256 over both files, target, options and the reader's format
DATASET_TARGET = "crisol.target"  # name of the target column, or NO_TARGET
NO_TARGET = "none"
TRAIN_SHA256, TEST_SHA256 = "crisol.train_sha256", "crisol.test_sha256"
MODEL = "crisol.model"  # id of the learner, such as lightgbm
MODEL_URI = "crisol.model_uri"
CALIBRATION = "crisol.calibration"  # none, temperature, sigmoid or isotonic
SCORER, SCORER_REASON = "crisol.scorer", "crisol.scorer_reason"  # compiled or pipeline, and what was in the way
THRESHOLD, THRESHOLD_RULE = "crisol.threshold", "crisol.threshold_rule"  # the stored cut and how it was found
METRIC = "crisol.metric"  # the figure that candidates were ranked by
STOPPED = "crisol.stopped"  # why a candidate was ended that had not failed
PROGRESS = "crisol.progress"  # how a search gets on, JSON of `steps.progress.Event`, on train runs
VERSION, DECISION, PROMOTED = "crisol.version", "crisol.decision", "crisol.promoted"
EVALUATION_RUN = "crisol.evaluation_run"
CHAMPION_BEFORE, CHAMPION_AFTER = "crisol.champion_before", "crisol.champion_after"  # versions, on rollback runs
ERROR_CODE, ERROR_WHAT, ERROR_WHERE, ERROR_FIX = "error.code", "error.what", "error.where", "error.fix"
ERROR_COUNT, ERROR_EXIT_CODE = "error.count", "error.exit_code"

# Tags on registered versions
TAG_SCORER, TAG_PREVIOUS, TAG_REASON = "scorer", "previous", "reason"
CHAMPION_AT = "crisol.champion_at"  # when it became champion last, ISO 8601 in UTC
ROLLBACK_RUN = "crisol.rollback_run"  # the run that made it champion again
CHAMPION, PREVIOUS = "champion", "previous"  # aliases

# Prefixes of metrics, beside `cv_` and `test_`
UNSHARED = "unshared_"  # figures on the test rows that do not stand in the training file; never in place of `test_`

# Artifact paths
RAW, TRAIN_FRAME, TEST_FRAME = "raw", "data/train.parquet", "data/test.parquet"
SCHEMA_FILE, CHECKS_FILE, CHECKS_PAGE = "schema.json", "checks.json", "checks.html"
SHARED_ROWS = "shared_rows.json"
LEADERBOARD, OUT_OF_FOLD, FOLDS = "leaderboard.csv", "oof.parquet", "folds.csv"
PLOTS, REPORT, CARD, EVALUATION, PREDICTIONS = (
    "plots",
    "report.html",
    "card.md",
    "evaluation.json",
    "predictions.parquet",
)
KEPT = "evaluation"  # folder beside a registered model's files: the evaluation that it keeps
COMPARISON_TABLE, COMPARISON_PAGE, COMPARISON = "comparison.csv", "comparison.html", "comparison.json"
ERRORS, LOG_FILE = "error.json", "log.txt"

DONE, BUG, USAGE, REFUSED = 0, 1, 2, 3  # exit codes of `python -m steps.<verb>`
ENTRY_POINTS = ("main", "ingest", "train", "evaluate", "promote", "score", "serve", "worker", "test")  # of MLproject
ORPHAN_AFTER_S = 15 * 60  # `mlflow run` creates its run before Python starts: it may be building an environment
MAX_TAG = 4000  # characters; stores differ, all bear this
MAX_PARAM = 500  # characters; MLflow's limit is 6000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepRun:
    """The open run of a step."""

    run_id: str
    experiment_id: str

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, leaving out those that `mlflow run` has logged already (with its own quoting)."""
        known = mlflow.get_run(self.run_id).data.params
        mlflow.log_params({key: str(value)[:MAX_PARAM] for key, value in values.items() if key not in known})

    def text(self, text: str, path: str) -> None:
        """Log a text as an artifact."""
        mlflow.log_text(text, path, run_id=self.run_id)

    def files(self, folder: Path, path: str | None = None) -> None:
        """Log all files of a folder as artifacts."""
        mlflow.log_artifacts(str(folder), path, run_id=self.run_id)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log figures."""
        mlflow.log_metrics({key: float(value) for key, value in values.items()}, run_id=self.run_id)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        mlflow.set_tags({key: value[:MAX_TAG] for key, value in values.items()})


@contextmanager
def step_run(step: str, name: str | None = None) -> Iterator[StepRun]:
    """Open the run of a step, and record on it how it ends.

    The run is the one that `mlflow run` made (MLFLOW_RUN_ID), or nested in the open one, or a new one.

    Args:
        step: name of the step.
        name: run name; the step's by default.

    Raises:
        ModelUnavailableError: MLFLOW_RUN_ID names a run that this tracking store does not have.
    """
    outermost = mlflow.active_run() is None
    if outermost:
        _require_own_run()
        end_orphans()
        sweep()
    given = outermost and bool(os.environ.get("MLFLOW_RUN_ID"))
    run = mlflow.start_run(nested=not outermost, run_name=None if given else name or step)
    opened = StepRun(run.info.run_id, run.info.experiment_id)
    opened.tags({STEP: step, **process_tags()})
    if given and str(run.data.tags.get("mlflow.runName", "")).count("-") > 1:  # MLflow's own made-up names say nothing
        mlflow.set_tag("mlflow.runName", name or step)
    try:
        with screen.step(step):
            yield opened
    except BaseException as error:
        _end_as_failed(opened.run_id, error)
        raise
    mlflow.end_run()


def _end_as_failed(run_id: str, error: BaseException) -> None:
    """End the open run for what has ended its step, which stays the error whatever the store says to this.

    A run left open would be ended as FINISHED by MLflow, at the end of the process.
    """
    try:
        record_problems(run_id, *_as_problems(error))
    except Exception as unheard:  # noqa: BLE001 (stores raise anything)
        log.warning("run %s does not say why it failed (%s)", run_id, type(unheard).__name__)
    try:
        mlflow.end_run(RunStatus.to_string(RunStatus.FAILED))
    except Exception as unheard:  # noqa: BLE001 (stores raise anything; whatever starts next ends the run)
        log.warning("run %s could not be ended (%s)", run_id, type(unheard).__name__)


def process_tags() -> dict[str, str]:
    """Tags that tell which process a run belongs to."""
    return {HOST: socket.gethostname(), PID: str(os.getpid()), STARTED: f"{owners.began(os.getpid()):.2f}"}


def owner() -> str:
    """How a temporary name begins that tells which process it belongs to."""
    tags = process_tags()
    return "".join(f"{tags[key]}-" for key in OWNER)


def record_problems(run_id: str, problems: tuple[Problem, ...], exit_code: int) -> None:
    """Write problems on a run: tags for the first, `error.json` for all."""
    client = MlflowClient()
    first = problems[0]
    tags = {
        ERROR_CODE: first.code,
        ERROR_WHAT: first.what,
        ERROR_WHERE: first.where,
        ERROR_FIX: first.fix,
        ERROR_COUNT: str(len(problems)),
        ERROR_EXIT_CODE: str(exit_code),
    }
    for key, value in tags.items():
        client.set_tag(run_id, key, value[:MAX_TAG])
    try:
        client.log_text(run_id, json.dumps([p.to_dict() for p in problems], indent=1, ensure_ascii=False), ERRORS)
    except Exception as error:  # noqa: BLE001 (stores of files raise anything; the tags tell of the first)
        log.warning("run %s has no %s (%s)", run_id, ERRORS, type(error).__name__)


def problems_of(run: Run) -> list[dict[str, str]]:
    """The problems that a run carries; all of them where `error.json` can be read, else the first."""
    tags = run.data.tags
    if ERROR_CODE not in tags:
        return []
    if int(tags.get(ERROR_COUNT, "1")) > 1:
        try:
            return list(json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{ERRORS}")))
        except (MlflowException, OSError, ValueError):
            log.warning("error.json of run %s cannot be read", run.info.run_id)
    keys = {"code": ERROR_CODE, "what": ERROR_WHAT, "where": ERROR_WHERE, "fix": ERROR_FIX}
    return [{key: tags.get(tag, "") for key, tag in keys.items()}]


def tag_usage_error(message: str, exit_code: int) -> None:
    """Tell the run that `mlflow run` made why its command line was not understood."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if run_id:
        record_problems(run_id, (Problem("usage", message, "command line", "See `--help`."),), exit_code)


def end_orphans() -> list[str]:
    """End RUNNING runs of ours whose process is gone as FAILED, with the reason; their ids."""
    client = MlflowClient()
    ended = []
    for run in running_runs(client):
        reason = _orphan_reason(run)
        if reason:
            problem = Problem(
                "process_gone", reason, f"run {run.info.run_id}", "Start it again; nothing was registered."
            )
            record_problems(run.info.run_id, (problem,), BUG)
            client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FAILED))
            ended.append(run.info.run_id)
    return ended


def running_runs(client: MlflowClient) -> list[Run]:
    """All RUNNING runs, in every experiment."""
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    found: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    return found


def is_process_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that a run's tags name still exists; true for another host, which cannot be asked."""
    if tags.get(HOST) != socket.gethostname():
        return True
    try:
        pid = int(tags[PID])
        return owners.is_same(pid, float(tags[STARTED])) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, KeyError, ValueError):
        return False


def artifact(run_id: str, path: str, folder: str) -> Path:
    """A local copy of a run's artifact, below `folder`.

    Raises:
        ModelUnavailableError: no such run, or the run has no such artifact.
    """
    try:
        return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=folder))
    except (MlflowException, OSError) as error:
        what = f"The run has no artifact '{path}'."
        raise ModelUnavailableError(
            Problem("artifact_missing", what, f"run {run_id}", "Give the id of a run that finished.")
        ) from error


def frame(run_id: str, path: str) -> pd.DataFrame:
    """A Parquet artifact of a run as a frame.

    Raises:
        ModelUnavailableError: as `artifact`.
        OSError, pyarrow.ArrowException: bytes that are no Parquet.
    """
    with scratch() as folder:
        return read_parquet(artifact(run_id, path, str(folder)))


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file of ours, opened by Arrow.

    pandas hands its reader a file of Python's, whose end a thread of Arrow's asks Python for; where Python is ending
    that aborts the process (apache/arrow#34314, #50482), and a step that did its work would count as failed.
    """
    with pa.parquet.ParquetFile(path) as file:
        return file.read().to_pandas()


@contextmanager
def scratch() -> Iterator[Path]:
    """A private temporary folder, removed at the end; after a SIGKILL by `sweep`."""
    with scratch_folder() as folder:
        yield Path(folder)


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """The same, for as long as somebody holds on to it."""
    return tempfile.TemporaryDirectory(prefix=f"crisol-{owner()}")


def sweep(place: Path | None = None) -> list[Path]:
    """Remove the scratch folders whose process is gone: it was killed, and a large table's take gigabytes.

    Args:
        place: where they are looked for; the temporary folder by default.
    """
    found = []
    for folder in (place or Path(tempfile.gettempdir())).glob("crisol-*"):
        owner = SCRATCH_NAME.fullmatch(folder.name)
        if owner is not None and not is_process_alive(dict(zip(OWNER, owner.groups(), strict=True))):
            shutil.rmtree(folder, ignore_errors=True)
            found.append(folder)
    return found


def children(client: MlflowClient, run: Run) -> list[Run]:
    """The runs nested directly in a run, oldest first."""
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'"
    found = client.search_runs([run.info.experiment_id], query, max_results=1000)
    return sorted(found, key=lambda child: child.info.start_time)


def _require_own_run() -> None:
    """Stop where MLFLOW_RUN_ID is not in the store: a relative sqlite URI was resolved in two directories."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return
    try:
        mlflow.get_run(run_id)
    except MlflowException as error:
        what = f"Run {run_id}, made by `mlflow run`, is not in the tracking store."
        fix = "Write MLFLOW_TRACKING_URI with an absolute path, such as sqlite:////home/me/mlflow.db (four slashes)."
        raise ModelUnavailableError(Problem("store_mismatch", what, "tracking store", fix)) from error


def _as_problems(error: BaseException) -> tuple[tuple[Problem, ...], int]:
    """Problems and exit code for whatever ended a step."""
    if isinstance(error, ProjectError):
        return error.problems, REFUSED
    problem = trouble_of_step(error)
    if problem is not None:
        return (problem,), REFUSED
    if isinstance(error, Exception):
        what = f"{type(error).__name__} in the program."
        return (Problem("bug", what, "program", "Please report it with the output of this run."),), BUG
    what = "The run was stopped from outside."
    return (Problem("stopped", what, "process", "Start it again; nothing was registered."),), BUG


def _orphan_reason(run: Run) -> str | None:
    """Why a RUNNING run has nobody left to end it; None where somebody may."""
    tags = run.data.tags
    if PID in tags:
        return None if is_process_alive(tags) else "The process of this run ended without a word."
    if tags.get(MLFLOW_PROJECT_ENTRY_POINT) not in ENTRY_POINTS:
        return None  # not ours
    age_s = time.time() - run.info.start_time / 1000
    return "The run was created, but its process never started." if age_s > ORPHAN_AFTER_S else None
