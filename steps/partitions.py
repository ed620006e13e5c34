"""A folder of files becomes a folder of answers: one file for each, and a manifest that says so.

The files are scored one after the other here, or by the workers of a cluster, which see both folders under the same
paths. Each file of answers appears whole, whoever writes it and however often: a worker that is lost has its file
written again, to the same bytes. The folder appears when all of them are there.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from mlflow.models.model import MLMODEL_FILE_NAME

from pyfunc.errors import FileRefusedError, Problem, ProjectError
from pyfunc.model import Scorer
from pyfunc.schema import Notice
from steps import tracking
from steps.cluster import NotWantedError, connect
from steps.complete import complete, complete_folder, writing
from steps.file_scoring import Told, score_file
from steps.loading import load
from steps.parts import Limits
from steps.scoring import Wanted

MANIFEST = "manifest.json"
FORMAT = 1  # of the manifest
PARQUET = ".parquet"
MOST_REFUSED = 10  # files, after which the others are not looked at
MODEL = "model.zip"


@dataclass(frozen=True)
class Part:
    """A file of answers.

    Attributes:
        data: path of its rows, from their folder on.
        file: its own, from the folder of answers on.
        rows: how many.
        size: in bytes.
        sha256: of its bytes.
        of_file, of_rows: what the reader and the model noticed.
    """

    data: str
    file: str
    rows: int
    size: int
    sha256: str
    of_file: Sequence[Notice]
    of_rows: Sequence[Notice]

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        noticed = [notice.to_dict() for notice in (*self.of_file, *self.of_rows)]
        return {
            "data": self.data, "file": self.file, "rows": self.rows, "bytes": self.size, "sha256": self.sha256,
            "warnings": noticed,
        }  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A file to be scored: its rows, their name for messages, and where its answers go in the end."""

    path: Path
    data: str
    file: str


def score_folder(folder: Path, wanted: Wanted, model: str, scheduler: str, limits: Limits, fix: str) -> list[Part]:
    """Score all files of a folder into the folder `wanted.out`.

    Args:
        folder: the files, also in folders below it; what begins with a dot or an underscore is passed over.
        wanted: what of the answers.
        model: URI.
        scheduler: address of a Dask cluster; empty for this machine.
        limits: of tables that have to be held in memory.
        fix: what to do where the model cannot be loaded.

    Raises:
        FileRefusedError: no files, or some that cannot be read: all that is wrong with the first of them.
        SchemaMismatchError: the same, where rows do not fit the model.
        ModelUnavailableError: no such model.
        ClusterError: the cluster cannot be worked with.
    """
    tasks = _tasks(folder)
    with complete_folder(wanted.out) as made:
        for place in {made / Path(task.file).parent for task in tasks}:
            place.mkdir(parents=True, exist_ok=True)
        with _hands(model, scheduler, limits, fix) as (score, at_once):
            done = _all(tasks, lambda task, look: score(task, replace(wanted, out=made / task.file), look), at_once)
        _check(made, done)
        with complete(made / MANIFEST) as file, writing(wanted.out):
            file.write(_manifest(model, done))
    return done


def out_problems(out: Path, folder: Path) -> list[Problem]:
    """What is wrong with the place of a folder's answers, beside what is wrong with any place."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = f"'{out}' is there already, and not an empty folder."
        return [Problem("out_not_empty", what, "out", "Remove it, or give another path.")]
    if folder.resolve() in out.resolve().parents:
        what = f"'{out}' lies in the folder that is scored."
        return [Problem("out_in_data", what, "out", "Give a path outside: its answers would be rows the next time.")]
    return []


Look = Callable[[], None]
Score = Callable[[Task, Wanted, Look], Part]


@contextmanager
def _hands(model: str, scheduler: str, limits: Limits, fix: str) -> Iterator[tuple[Score, int]]:
    """What scores a file, and how many at the same time; 0 where this thread does it."""
    if not scheduler:
        scorer = load(model, fix)
        yield lambda task, wanted, _: _scored(task, scorer, wanted, limits), 0
        return
    with tracking.scratch() as scratch:
        load(model, fix, scratch)  # what is wrong with it is said here, by the words of here
        packed = _packed(next(scratch.rglob(MLMODEL_FILE_NAME)).parent, scratch / MODEL)
        name = f"{hashlib.sha256(packed.read_bytes()).hexdigest()}.zip"
        connection = connect(scheduler)
        try:
            yield (
                lambda task, wanted, look: connection.call(away, {name: packed}, task, wanted, limits, look=look),
                connection.threads(),
            )
        finally:
            connection.close()


def _all(tasks: Sequence[Task], score: Callable[[Task, Look], Part], at_once: int) -> list[Part]:
    """Score all files; their parts in the order of the tasks."""
    found: dict[Task, Part] = {}
    refused: dict[Task, ProjectError] = {}
    told = Told()
    with closing(_ended(tasks, score, at_once)) as ended:
        for task, outcome in ended:
            try:
                found[task] = outcome()
            except ProjectError as error:
                refused[task] = error
                if len(refused) >= MOST_REFUSED:
                    break
            rows = sum(part.rows for part in found.values())
            told.tell(f"{len(found)} of {len(tasks)} files, {rows} rows", rows, len(found) / len(tasks))
    if refused:
        first = next(iter(refused.values()))
        problems = [problem for task in tasks if task in refused for problem in refused[task].problems]
        raise type(first)(*problems) from first
    return [found[task] for task in tasks]


def _ended(
    tasks: Sequence[Task], score: Callable[[Task, Look], Part], at_once: int
) -> Generator[tuple[Task, Callable[[], Part]]]:
    """Tasks with what gives their parts or raises, some at a time in threads; closing it stops those under way."""
    is_over = threading.Event()

    def look() -> None:
        if is_over.is_set():
            raise NotWantedError

    if not at_once:
        for task in tasks:
            yield task, partial(score, task, look)
        return
    with ThreadPoolExecutor(at_once, "files") as threads:
        futures = {threads.submit(score, task, look): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result
        finally:
            is_over.set()
            threads.shutdown(cancel_futures=True)


def _tasks(folder: Path) -> list[Task]:
    """The files of a folder, in order."""
    tasks = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith((".", "_")) for part in inside.parts):
            data = inside.as_posix()
            tasks.append(Task(path.absolute(), data, data if data.endswith(PARQUET) else data + PARQUET))
    if not tasks:
        what = f"There are no files in '{folder}'."
        fix = "Give a folder of tables; names that begin with a dot or an underscore are passed over."
        raise FileRefusedError(Problem("folder_empty", what, "data", fix))
    same = sorted({task.file for task in tasks if sum(task.file == other.file for other in tasks) > 1})
    if same:
        what = f"Answers of several files would have one name: {', '.join(same)}."
        raise FileRefusedError(Problem("names_alike", what, "data", "Rename one of each."))
    return tasks


def _scored(task: Task, scorer: Scorer, wanted: Wanted, limits: Limits) -> Part:
    """Score one file, here."""
    done = score_file(task.path, task.data, scorer, wanted, limits)
    with wanted.out.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = wanted.out.stat().st_size
    return Part(task.data, task.file, done.rows, size, sha256, done.of_file, done.of_rows)


def _check(folder: Path, done: Sequence[Part]) -> None:
    """See that every file is there, and nothing else: what a lost worker has left half-written goes."""
    for left in folder.rglob(".*"):
        left.unlink(missing_ok=True)
    absent = [part.file for part in done if not _has(folder / part.file, part.size)]
    if absent:
        what = f"Files of answers are gone, or not those that were written: {', '.join(absent[:5])}."
        raise FileRefusedError(Problem("answers_lost", what, "out", "Score the folder again."))


def _has(path: Path, size: int) -> bool:
    """Whether a file is there and has its size."""
    return path.is_file() and path.stat().st_size == size


def _manifest(model: str, done: Sequence[Part]) -> bytes:
    """What stands in the folder of answers."""
    said = {
        "format": FORMAT, "model": model, "rows": sum(part.rows for part in done),
        "files": [part.to_dict() for part in done],
    }  # fmt: skip
    return json.dumps(said, indent=1, ensure_ascii=False).encode()


def _packed(files: Path, packed: Path) -> Path:
    """A model's files as one; the same files give the same bytes."""
    with ZipFile(packed, "w") as archive:
        for path in sorted(files.rglob("*")):
            if path.is_file():
                archive.writestr(ZipInfo(path.relative_to(files).as_posix()), path.read_bytes())  # without its time
    return packed


# What follows runs on a cluster's workers.

_loaded: dict[str, tuple[Scorer, Any]] = {}  # the last model that this worker was sent, and the folder of its files
_loading = threading.Lock()


def away(contents: Mapping[str, bytes], task: Task, wanted: Wanted, limits: Limits) -> Part:
    """Score one file on this worker.

    Args:
        contents: the packed model, under a name that no other model has.
        task: the file.
        wanted: with the path of the answers.
        limits: of tables that have to be held in memory.
    """
    for place in (task.path.parent, wanted.out.parent):
        if not place.is_dir():
            what = f"A worker of the cluster does not see the folder '{place}'."
            fix = "Put the data and the answers where all workers see them under the same path."
            raise FileRefusedError(Problem("folder_not_shared", what, "parameter scheduler", fix))
    return _scored(task, _model(contents), wanted, limits)


def _model(contents: Mapping[str, bytes]) -> Scorer:
    """The model that this worker was sent, loaded once."""
    ((name, packed),) = contents.items()
    with _loading:
        if name not in _loaded:
            _loaded.clear()
            tracking.sweep()
            folder = tracking.scratch_folder()
            with ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(folder.name)
            _loaded[name] = load(folder.name), folder
        return _loaded[name][0]
