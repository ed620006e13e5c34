"""How a job ended: the reasons, in its own words or in ours, and what is written down."""

from __future__ import annotations

import contextlib

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from api import jobs
from pyfunc.errors import Problem
from steps import tracking

MAX_LOG_BYTES = 5 * 1024 * 1024
GONE = Problem(
    "process_gone",
    "The training's process is gone: it was killed, or the machine was restarted.",
    "job",
    "Start it again; nothing was registered. Its last words are in the log.",
)
WORDLESS = Problem(
    "training_broke_off",
    "The training broke off without giving a reason: its process was killed, or could not start.",
    "job",
    "See the job's log, then start it again.",
)
CANCELLED = Problem("cancelled", "The job was cancelled.", "job", "Start it again if it is wanted after all.")
STOPPED_CODES = {"", "stopped", GONE.code}  # what a process that was told to end leaves behind


def reasons(client: MlflowClient, run: Run) -> list[dict[str, str]]:
    """Why a run failed: its own problems, or those of the nested run that failed last."""
    own = tracking.problems_of(run)
    if own:
        return own
    for child in reversed(tracking.children(client, run)):
        if child.info.status == jobs.FAILED and child.data.tags.get(tracking.STEP) != "candidate":
            found = reasons(client, child)
            if found:
                return found
    return []


def end_nested(client: MlflowClient, run: Run) -> None:
    """End the nested runs that a killed process has left RUNNING."""
    for child in tracking.children(client, run):
        end_nested(client, child)
        if child.info.status == jobs.RUNNING:
            end(client, child.info.run_id, jobs.FAILED, GONE)


def end(client: MlflowClient, run_id: str, status: str, problem: Problem | None) -> None:
    """Give a run its final status, the reason first."""
    if problem is not None:
        tracking.record_problems(run_id, (problem,), tracking.BUG)
    client.set_terminated(run_id, status)


def keep_log(client: MlflowClient, run_id: str) -> None:
    """The output of a job that has ended becomes an artifact."""
    file = jobs.log_file(run_id)
    if not file.exists():
        return
    with contextlib.suppress(MlflowException):
        client.log_text(run_id, tail(file.read_bytes(), MAX_LOG_BYTES), tracking.LOG_FILE)
        file.unlink(missing_ok=True)


def tail(content: bytes, most: int) -> str:
    """The end of an output as text, from the start of a line on."""
    if len(content) > most:
        content = content[-most:].partition(b"\n")[2]
    return content.decode("utf-8", "replace")
