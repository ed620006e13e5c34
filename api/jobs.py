"""A training job is an MLflow run: made here, waiting as SCHEDULED, then worked by a detached `mlflow run`.

The run is the only record. Whatever is needed after the server was killed stands in its tags, so the next server
finds its jobs again. This is the only door to `mlflow.projects`.

    crisol.job             open | ended: whether somebody still has to look after it
    crisol.job_claim       the server that is about to start it
    crisol.job_pid         the `mlflow run` process, leader of the job's process group; with crisol.job_started
    crisol.job_cancelled   set when a caller wants it to end
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Param, Run, RunStatus, SourceType, ViewType
from mlflow.exceptions import MlflowException
from mlflow.projects.utils import load_project
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags
from mlflow.utils.git_utils import get_git_commit, get_git_repo_url

import pyfunc
from api import store
from pyfunc.errors import ModelUnavailableError, Problem
from steps import owners, tracking
from steps.serve import FIGURES

JOB, OPEN, ENDED = "crisol.job", "open", "ended"
CLAIM = "crisol.job_claim"
JOB_PID, JOB_STARTED, JOB_HOST = "crisol.job_pid", "crisol.job_started", "crisol.job_host"
CANCELLED = "crisol.job_cancelled"
SCHEDULED, RUNNING, FINISHED, FAILED, KILLED = "SCHEDULED", "RUNNING", "FINISHED", "FAILED", "KILLED"
RUN_ID = re.compile(r"[0-9a-f]{32}")
ENTRY_POINT, ENV_MANAGER = "main", "local"
PROJECT = Path(pyfunc.__file__).resolve().parent.parent
NOT_PASSED_ON = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "CRISOL_API_KEY", FIGURES)
SQLITE = "sqlite:///"
PAGE = 1000  # runs a query


def submit(options: Mapping[str, str], experiment_id: str, title: str) -> Run:
    """Make the run of a job that waits for its turn.

    Args:
        options: parameters of `main` as text; the others get their defaults.
        experiment_id: where the run goes.
        title: the run's name.
    """
    client = MlflowClient()
    tags = {
        mlflow_tags.MLFLOW_RUN_NAME: title,
        mlflow_tags.MLFLOW_USER: getpass.getuser(),
        mlflow_tags.MLFLOW_SOURCE_NAME: PROJECT.as_uri(),
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
        mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT: ENTRY_POINT,
        mlflow_tags.MLFLOW_PROJECT_ENV: ENV_MANAGER,
        mlflow_tags.MLFLOW_GIT_COMMIT: get_git_commit(str(PROJECT)),
        mlflow_tags.MLFLOW_GIT_REPO_URL: get_git_repo_url(str(PROJECT)),
        tracking.STEP: ENTRY_POINT,
        **tracking.process_tags(),  # MLflow makes runs RUNNING: until it is SCHEDULED this process answers for it
    }
    run = client.create_run(experiment_id, tags={key: value for key, value in tags.items() if value})
    run_id = run.info.run_id
    entry = load_project(str(PROJECT)).get_entry_point(ENTRY_POINT)
    params, _ = entry.compute_parameters(dict(options), storage_dir=None)  # quoted for a shell, as MLflow logs them
    client.log_batch(run_id, params=[Param(key, value) for key, value in params.items()])
    client.update_run(run_id, status=SCHEDULED)
    client.set_tag(run_id, JOB, OPEN)
    return client.get_run(run_id)


def command(run: Run, options: Mapping[str, str]) -> list[str]:
    """The `mlflow run` that works a job."""
    where = ["--run-id", run.info.run_id, "--experiment-id", run.info.experiment_id]
    how = ["-e", ENTRY_POINT, "--env-manager", ENV_MANAGER]
    given = [text for key, value in options.items() for text in ("-P", f"{key}={value}")]
    return [sys.executable, "-m", "mlflow", "run", str(PROJECT), *how, *where, *given]


def start(run: Run, words: Sequence[str]) -> int:
    """Start a job's process, which outlives this one, and say on the run which it is; its id."""
    run_id = run.info.run_id
    client = MlflowClient()
    with log_file(run_id).open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (no shell; MLflow quotes the values)
            list(words),
            cwd=PROJECT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = f"{owners.began(process.pid):.2f}"
    owner = {JOB_PID: str(process.pid), JOB_STARTED: started, JOB_HOST: socket.gethostname()}
    step = {tracking.PID: owner[JOB_PID], tracking.STARTED: started, tracking.HOST: owner[JOB_HOST]}
    for key, value in {**owner, **step}.items():
        client.set_tag(run_id, key, value)
    # A child that nobody waits for stays in the process table after its end.
    threading.Thread(target=process.wait, name=f"wait {process.pid}", daemon=True).start()
    return process.pid


def environment() -> dict[str, str]:
    """The environment of a job: this project's Python first, an absolute store, nothing of the server's own run."""
    dropped = {*NOT_PASSED_ON, *store.hastened()}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "MLFLOW_TRACKING_URI": absolute_store()}


def absolute_store() -> str:
    """The tracking URI in a form that means the same in every directory."""
    uri = str(mlflow.get_tracking_uri())
    path = uri.removeprefix(SQLITE)
    if uri.startswith(SQLITE) and path and not path.startswith("/"):
        return f"{SQLITE}{Path(path).resolve()}"
    return uri


def log_file(run_id: str) -> Path:
    """Where a job's output goes while it runs; found again by whoever serves next as the same user."""
    folder = Path(tempfile.gettempdir()) / f"crisol-jobs-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder.name} in the temporary folder belongs to somebody else")
    return folder / f"{run_id}.log"


def find(run_id: str) -> Run:
    """A job's run.

    Raises:
        ModelUnavailableError: there is no such job.
        NotReadyError: the store does not answer.
    """
    try:
        run = MlflowClient().get_run(run_id) if RUN_ID.fullmatch(run_id) else None
    except MlflowException as error:
        store.require_answer(error)
        run = None
    if run is None or JOB not in run.data.tags:
        raise ModelUnavailableError(
            Problem("job_unknown", "There is no such job.", "path", "See /jobs for the jobs that there are.")
        )
    return run


def search(query: str, most: int = PAGE, order: str = "attributes.start_time DESC") -> list[Run]:
    """Jobs of every experiment."""
    client = MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    return list(client.search_runs(experiments, query, max_results=most, order_by=[order])) if experiments else []


def open_jobs() -> list[Run]:
    """Jobs that somebody has to look after, in the order in which they were asked for."""
    found = search(f"tags.`{JOB}` = '{OPEN}'", order="attributes.start_time ASC")
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def has_ended(run: Run) -> bool:
    """Whether a run's status is final."""
    return bool(RunStatus.is_terminated(RunStatus.from_string(run.info.status)))


def owner_of(run: Run) -> dict[str, Any]:
    """The tags of the job's leading process, in the form that `tracking.is_process_alive` reads."""
    tags = run.data.tags
    keys = {tracking.HOST: JOB_HOST, tracking.PID: JOB_PID, tracking.STARTED: JOB_STARTED}
    return {key: tags[tag] for key, tag in keys.items() if tag in tags}
