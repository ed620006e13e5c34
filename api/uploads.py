"""`/upload` and `/datasets`: two files become a dataset run, checked here and now; nothing is trained.

The step that checks them is imported when it is first needed: it brings scikit-learn and SciPy, half of the time and
the memory that a server would take to start, and predictions do without them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from mlflow.entities import Run
from starlette.datastructures import FormData, UploadFile

from api import experiments, jobs
from api.problems import MediaTypeError, RequestRefusedError, json_answer
from api.serving import Served, Serving
from pyfunc.cells import text_of
from pyfunc.errors import ModelUnavailableError, Problem
from pyfunc.schema import Target
from steps import tracking
from steps.data import kinds, options
from steps.data.lists import entries
from steps.data.options import Options, options_of
from steps.data.targets import nearest, not_beside
from steps.settings import Settings

if TYPE_CHECKING:
    from steps.ingest import Source, Summary

FILES, TEXTS = ("train", "test"), ("target", *options.TEXTS, "experiment")
MAX_FIELD_BYTES = 64 * 1024
LISTED = 100
PREVIEWED, PREVIEWED_TEXT = 5, 60  # rows, and characters of a cell
WHERE = "form"
FORM = "multipart/form-data"
FIX_FORM = "Send the files as multipart/form-data: curl -F train=@train.csv -F test=@test.csv -F target=label"
router = APIRouter(tags=["training"])
_ingesting = threading.Lock()  # MLflow's current experiment belongs to the process


@dataclass(frozen=True)
class Upload:
    """What a caller has sent."""

    train: Source
    test: Source
    target: str
    experiment: str
    options: Options


@router.post("/upload", summary="Upload a training file and a test file", status_code=201)
async def upload(request: Request, serving: Served) -> Response:
    """Read both files, check them against each other, keep them. The same bytes and options give the same id."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise MediaTypeError(
            Problem("media_type", "The body is not a form with files.", "header Content-Type", FIX_FORM)
        )
    async with request.form(max_files=len(FILES), max_fields=len(TEXTS), max_part_size=MAX_FIELD_BYTES) as form:
        sent = await anyio.to_thread.run_sync(_sent, form)
    made = await anyio.to_thread.run_sync(partial(_ingest, sent, serving))
    return json_answer(answer_of(made), 201, {"Location": f"/datasets/{made.run_id}"})


@router.get("/datasets", summary="Datasets")
async def listed() -> Response:
    """The newest datasets first."""

    def look() -> list[dict[str, Any]]:
        query = f"tags.`{tracking.DATASET_KEY}` != '' and attributes.status = 'FINISHED'"
        return [_brief(run) for run in jobs.search(query, most=LISTED)]

    return json_answer({"datasets": await anyio.to_thread.run_sync(look)})


@router.get("/datasets/{dataset_id}", summary="One dataset")
async def dataset(dataset_id: str) -> Response:
    """Rows, columns, checks and guesses for the target, as /upload has answered them."""
    return json_answer(await anyio.to_thread.run_sync(lambda: answer_of(find(dataset_id))))


@router.get("/datasets/{dataset_id}/preview", summary="The first rows of a dataset")
async def preview(dataset_id: str, serving: Served) -> Response:
    """The first rows of the training file, as they were sent: cells as text, null for a gap."""
    return json_answer(await anyio.to_thread.run_sync(_preview, dataset_id, serving.settings))


def _preview(dataset_id: str, settings: Settings) -> dict[str, Any]:
    """Reads the file, so in a thread."""
    from steps.data import datasets, readers  # noqa: PLC0415 (see the module)

    found = find(dataset_id)
    train, _ = datasets.raw(found.run_id)
    read = readers.read(train.content, train.name, max_mib=settings.max_mib, max_columns=settings.max_columns)
    first = read.frame.head(PREVIEWED)
    cells = {str(name): [_shown(cell) for cell in first[name]] for name in first.columns}
    return {
        "dataset_id": found.run_id,
        "rows": [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)],
    }


def _shown(cell: Any) -> str | None:
    """A cell as text, not more of it than is looked at."""
    text = text_of(cell)
    return None if text is None else text[:PREVIEWED_TEXT]


def find(dataset_id: str) -> Summary:
    """What is known about a dataset.

    Raises:
        ModelUnavailableError: there is no such dataset.
    """
    if not jobs.RUN_ID.fullmatch(dataset_id):
        what, fix = "There is no such dataset.", "Send the dataset_id that /upload has answered; see /datasets."
        raise ModelUnavailableError(Problem("dataset_unknown", what, "dataset_id", fix))
    from steps import ingest  # noqa: PLC0415 (see the module)

    return ingest.summary(dataset_id)


def option_problems(found: Summary, target: str, given: Mapping[str, str]) -> list[Problem]:
    """What is wrong with a target and with options, for these files."""
    names = [str(column["name"]) for column in found.columns]
    names += [found.target] if found.target and found.target not in names else []
    problems = []
    if not target and found.target is None:
        guesses = found.target_guesses or names
        what = "The dataset was made without a target, and none is named."
        problems.append(
            Problem("target_missing", what, "target", f"Name the column to predict: {nearest('', guesses)}")
        )
    if target and target not in names:
        what = "The target is not a column of the training file."
        problems.append(Problem("target_missing", what, "target", nearest(target, names)))
    goal = target or found.target
    ignored, asked = entries(given.get("ignore", "")), kinds.kinds_in(given.get("kinds", ""))
    problems += not_beside(goal, names, ignored, "ignore", "ignored_unknown", "is to be ignored")
    problems += not_beside(goal, names, asked, "kinds", "kinds_unknown", "has a kind on request")
    return [*problems, *options.problems_with(given)]


def sensitive_problems(found: Summary, target: str, text: str) -> list[Problem]:
    """What is wrong with the columns whose groups are to be compared, for these files."""
    from steps.judging import sensitive  # noqa: PLC0415

    names = [str(column["name"]) for column in found.columns]
    return sensitive.problems_with(text, names, target or found.target or "")


def target_of(found: Summary, target: str) -> Target | None:
    """The target with its classes, where the dataset was made for it."""
    if found.target is None or target not in ("", found.target):
        return None
    from steps import ingest  # noqa: PLC0415

    return ingest.load_schema(found.run_id).target


def answer_of(found: Summary) -> dict[str, Any]:
    """A dataset as the API shows it."""
    return {
        "dataset_id": found.run_id,
        "target": found.target,
        "rows": dict(found.rows),
        "columns": [dict(column) for column in found.columns],
        "targets": list(found.target_guesses),
        "formats": {part: dict(found.formats[part]) for part in found.formats},
        "options": found.options.texts(),
        "checks": [{**asdict(check), "columns": list(check.columns)} for check in found.checks],
    }


def _sent(form: FormData) -> Upload:
    """The form's parts: in a thread, because large files stand on disk.

    Raises:
        RequestRefusedError: all that is wrong with them at once.
    """
    from steps.ingest import Source  # noqa: PLC0415

    problems = [
        Problem("field_unknown", f"There is no field '{name[:80]}'.", WHERE, f"Known are {', '.join(FILES + TEXTS)}.")
        for name in form
        if name not in FILES + TEXTS
    ]
    files: dict[str, Source] = {}
    texts: dict[str, str] = {}
    for name in FILES:
        part = form.get(name)
        if isinstance(part, UploadFile):
            files[name] = Source(part.file.read(), part.filename or name)
        else:
            problems.append(Problem("file_missing", f"The form has no file '{name}'.", WHERE, FIX_FORM))
    for name in TEXTS:
        part = form.get(name, "")
        texts[name] = part.strip() if isinstance(part, str) else ""
        if not isinstance(part, str):
            problems.append(Problem("field_invalid", f"'{name}' is a file, not a text.", WHERE, FIX_FORM))
    problems += experiments.problems_with(texts["experiment"])
    given = {name: texts[name] for name in options.TEXTS}
    problems += options.problems_with(given)
    if problems:
        raise RequestRefusedError(*problems)
    return Upload(files["train"], files["test"], texts["target"], texts["experiment"], options_of(given))


def _ingest(sent: Upload, serving: Serving) -> Summary:
    """Make the dataset, or find it: in a thread."""
    from steps import ingest  # noqa: PLC0415

    limits: dict[str, Any] = {"max_mib": serving.settings.max_mib, "max_columns": serving.settings.max_columns}
    experiment_id = experiments.id_of(sent.experiment, serving.experiment_id)
    with _ingesting, experiments.current(experiment_id, serving.experiment_id):
        if not sent.target:
            return ingest.ingest_without_target(sent.train, sent.test, options=sent.options, **limits)
        made = ingest.ingest(sent.train, sent.test, sent.target, options=sent.options, **limits)
        return ingest.summary(made.run_id)


def _brief(run: Run) -> dict[str, Any]:
    """What one run alone says about a dataset."""
    tags, metrics = run.data.tags, run.data.metrics
    target = tags.get(tracking.DATASET_TARGET, tracking.NO_TARGET)
    return {
        "dataset_id": run.info.run_id,
        "target": None if target == tracking.NO_TARGET else target,
        "rows": {part: int(metrics.get(f"{part}_rows", 0)) for part in ("train", "test")},
        "created_at_ms": run.info.start_time,
    }
