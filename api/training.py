"""`/train` and `/jobs`: what a training may be asked for, and the routes around its run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio.to_thread
import mlflow.artifacts
from fastapi import APIRouter, Request, Response
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from api import bodies, endings, experiments, jobs, progress, uploads
from api.problems import MediaTypeError, RequestRefusedError, TooLargeError, json_answer
from api.serving import Served, Serving
from pyfunc.cells import text_of
from pyfunc.errors import ModelUnavailableError, Problem, ProjectError, TrainingRefusedError
from steps import tracking
from steps.data import options
from steps.judging import sorting
from steps.judging.margins import DEFAULT_MARGIN, margin_problems
from steps.search.plan import DEFAULTS, PROMOTE_MODES, plan_of

SEARCH = tuple(vars(DEFAULTS))
TAKEN = ("dataset_id", "target", "experiment", *options.TEXTS, "promote", "margin", "sensitive", *SEARCH)
NEVER = {
    "scheduler": "It is an address that exchanges pickles.",
    "name": "The server trains for the model that it serves (CRISOL_NAME).",
    "train": "Clients send files to /upload and give the dataset_id.",
    "test": "Clients send files to /upload and give the dataset_id.",
    "dataset": "Clients give the dataset_id.",
}
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # nothing of this can be an argument of a process
MAX_BODY_BYTES = 1024 * 1024
MAX_TEXT = 4000  # characters; MLflow logs at most 6000, quotes included
MAX_TITLE = 200
LOG_TAIL_BYTES = 256 * 1024
LISTED = 100
WHERE = "request body"
REPORT_POLICY = (  # its own script only, which sorts tables, in an origin of its own: it can neither ask nor send
    f"sandbox allow-scripts; default-src 'none'; script-src {sorting.source()}; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)
router = APIRouter(tags=["training"])


@router.post("/train", summary="Train", status_code=202)
async def train(request: Request, serving: Served) -> Response:
    """Start a training on an uploaded dataset. The answer's `job_id` is the MLflow run's id."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != bodies.JSON:
        raise MediaTypeError(
            Problem("media_type", "The body is not JSON.", "header Content-Type", f"Send {bodies.JSON}.")
        )
    asked = _fields(await bodies.read(request, serving.settings))
    run = await anyio.to_thread.run_sync(partial(_submit, serving, asked))
    serving.supervisor.wake()
    url = f"/jobs/{run.info.run_id}"
    answer = {"job_id": run.info.run_id, "status": jobs.SCHEDULED, "status_url": url}
    return json_answer(answer, 202, {"Location": url})


@router.get("/jobs", summary="Jobs")
async def listed() -> Response:
    """The newest jobs first."""

    def look() -> list[dict[str, Any]]:
        found = jobs.search(f"tags.`{jobs.JOB}` != ''", most=LISTED)
        return [progress.summary(run) for run in found]

    return json_answer({"jobs": await anyio.to_thread.run_sync(look)})


@router.get("/jobs/{job_id}", summary="One job")
async def job(job_id: str) -> Response:
    """Status, step, progress, candidates so far, and what went wrong."""
    return json_answer(await anyio.to_thread.run_sync(_described, job_id))


@router.get("/jobs/{job_id}/log", summary="A job's output")
async def log(job_id: str) -> Response:
    """The end of what the training has written."""
    text = await anyio.to_thread.run_sync(_log, job_id)
    return Response(text.encode("utf-8", "replace"), media_type="text/plain; charset=utf-8")


@router.get("/jobs/{job_id}/report", summary="A job's report")
async def report(job_id: str) -> Response:
    """The evaluation's report.html."""
    html = await anyio.to_thread.run_sync(_report, job_id)
    return Response(html, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": REPORT_POLICY})


@router.post("/jobs/{job_id}/cancel", summary="Cancel")
async def cancel(job_id: str, serving: Served) -> Response:
    """End a job; answers when its processes are gone."""

    def end() -> dict[str, Any]:
        return progress.described(MlflowClient(), serving.supervisor.cancel(job_id))

    return json_answer(await anyio.to_thread.run_sync(end))


def _fields(body: bytes) -> dict[str, Any]:
    """The request's fields, each known and text.

    Raises:
        RequestRefusedError: all that is wrong with them at once.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(
            Problem("body_too_large", "The body is larger than 1 MiB.", WHERE, "Send the options only.")
        )
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(
            Problem("json_invalid", "The body is not valid JSON.", WHERE, "Send an object.")
        ) from error
    if not isinstance(given, dict):
        raise RequestRefusedError(Problem("json_invalid", "The body is not a JSON object.", WHERE, "Send an object."))
    problems, fields = [], {}
    for name, value in given.items():
        if name in NEVER:
            problems.append(Problem("field_refused", f"'{name}' cannot be set over HTTP.", WHERE, NEVER[name]))
        elif name not in TAKEN:
            fix = f"Known are {', '.join(TAKEN)}."
            problems.append(Problem("field_unknown", f"There is no field '{name[:80]}'.", WHERE, fix))
        elif value is not None:
            fields[name] = _text(name, value, problems)
    if not fields.get("dataset_id") and not any(p.what.startswith("'dataset_id'") for p in problems):
        fix = "Send the dataset_id that /upload has answered."
        problems.append(Problem("field_missing", "'dataset_id' is missing.", WHERE, fix))
    if problems:
        raise RequestRefusedError(*problems)
    return fields


def _text(name: str, value: Any, problems: list[Problem]) -> str:
    """A field's value as the command line takes it."""
    parts = [value]
    if isinstance(value, list) and name in ("models", "ignore", "kinds", "accept", "sensitive"):
        parts = value
    elif isinstance(value, dict) and name == "kinds":  # {"zip": "category"}
        parts = [f"{column}:{kind}" if isinstance(kind, str) else None for column, kind in value.items()]
    texts = [None if isinstance(part, bool) else text_of(part) for part in parts]
    said = [part for part in texts if part is not None]
    text = said[0] if parts == [value] and said else options.list_text(name, said)
    if None in texts:
        problems.append(Problem("field_invalid", f"'{name}' is neither text nor a number.", WHERE, "Send text."))
    elif CONTROL.search(text):
        problems.append(Problem("field_invalid", f"'{name}' has control characters.", WHERE, "Leave them out."))
    elif len(text) > MAX_TEXT:
        problems.append(
            Problem("field_invalid", f"'{name}' is longer than {MAX_TEXT} characters.", WHERE, "Shorten it.")
        )
    return text


def _submit(serving: Serving, asked: Mapping[str, str]) -> Any:
    """Check what can be checked without training, and make the job's run: in a thread."""
    dataset = uploads.find(asked["dataset_id"])
    target, experiment = asked.get("target", ""), asked.get("experiment", "")
    reading = {key: asked.get(key, "") for key in options.TEXTS}
    problems = [*uploads.option_problems(dataset, target, reading), *experiments.problems_with(experiment)]
    search = {key: asked[key] for key in SEARCH if key in asked}
    problems += uploads.sensitive_problems(dataset, target, asked.get("sensitive", ""))
    promote = asked.get("promote", PROMOTE_MODES[0])
    if promote not in PROMOTE_MODES:
        fix = f"Choose {', '.join(PROMOTE_MODES)}."
        problems.append(Problem("promote_invalid", "'promote' is not known.", WHERE, fix))
    margin = asked.get("margin", DEFAULT_MARGIN)
    problems += margin_problems(margin)
    try:
        plan_of(search, uploads.target_of(dataset, target))
    except TrainingRefusedError as error:
        problems += error.problems
    if problems:
        raise TrainingRefusedError(*problems)
    parameters = {
        **search,
        **reading,
        "dataset": dataset.run_id,
        "target": target,
        "promote": promote,
        "margin": margin,
        "sensitive": asked.get("sensitive", ""),
        "name": serving.settings.name,
    }
    title = f"train for {target or dataset.target}"[:MAX_TITLE]
    return jobs.submit(parameters, experiments.id_of(experiment, serving.experiment_id), title)


def _described(job_id: str) -> dict[str, Any]:
    """One job."""
    return progress.described(MlflowClient(), jobs.find(job_id))


def _log(job_id: str) -> str:
    """The end of a job's output: the file while it runs, the artifact afterwards."""
    run = jobs.find(job_id)
    file = jobs.log_file(job_id)
    if file.exists():
        with file.open("rb") as content:
            content.seek(max(0, file.stat().st_size - LOG_TAIL_BYTES - 1))
            return endings.tail(content.read(), LOG_TAIL_BYTES)
    if not jobs.has_ended(run):
        return ""
    try:
        text = mlflow.artifacts.load_text(f"runs:/{job_id}/{tracking.LOG_FILE}")
    except (MlflowException, OSError):  # ended before it was started
        return ""
    return endings.tail(text.encode(), LOG_TAIL_BYTES)


def _report(job_id: str) -> bytes:
    """The report of the job's evaluation."""
    seen = progress.picture(MlflowClient(), jobs.find(job_id))
    evaluated = seen.step("evaluate")
    refusal = Problem(
        "report_missing", "The job has no report yet.", "path", "Ask again when its evaluation has ended."
    )
    if evaluated is None:
        raise ModelUnavailableError(refusal)
    try:
        with tracking.scratch() as folder:
            return tracking.artifact(evaluated.info.run_id, tracking.REPORT, str(folder)).read_bytes()
    except ProjectError as error:
        raise ModelUnavailableError(refusal) from error
