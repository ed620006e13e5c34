"""A file of rows becomes a file of answers.

Reads   a file (path or URI) and a model (URI); text and Parquet in parts, so that their size is of no account.
Writes  the answers as CSV, packed CSV, Parquet or JSON lines, complete or not at all; a score run with counts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from pyfunc.errors import FileRefusedError, Problem, SchemaMismatchError
from pyfunc.model import Scorer, answer_names, threshold_problems
from pyfunc.schema import Notice
from steps import answer_files, parts, process, screen, tracking
from steps.adding_up import OF_ROWS, Faults, Noticed
from steps.answer_files import ENDINGS
from steps.complete import complete, writing
from steps.data.files import located
from steps.data.keep import kept
from steps.data.stream import NotPlainError
from steps.loading import load
from steps.parts import Limits, Part, Rows
from steps.settings import Settings
from steps.tracking import StepRun

DEFAULT_MODEL = "models:/crisol@champion"
NOTICED = ("extra_columns", *OF_ROWS)  # counted on the run
YES_NO = ("false", "true")
FIX_MODEL = "Name a model such as models:/crisol@champion, models:/crisol/3 or runs:/<id>/model."
TOLD_EVERY_S = 10.0  # where there is no screen
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What is to be done with the rows: `out` and `keep` as given, the threshold as a number."""

    out: Path
    cut: float | None
    keep: str
    with_warnings: bool


@dataclass(frozen=True)
class Scored:
    """What was done: how many rows, what the reader and the model noticed."""

    rows: int
    of_file: list[Notice]
    of_rows: list[Notice]


def score(
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    keep: str = "",
    *,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Score a file, in a run of its own.

    Args:
        data: the rows: a path, or a URI such as runs:/<id>/<path>.
        out: path of the answers; ends in one of `ENDINGS`.
        model: URI of one of our models.
        threshold: 0 to 1, for two classes; the stored one where empty.
        warnings: "true" adds a column `warning_<code>` for each of `OF_ROWS`: the names of the columns in which a row
            is unlike training, separated by semicolons; empty where it is not.
        keep: columns of the file to write in front of the answers, separated by commas; `*` for all of them.
        limits: of tables that have to be held in memory.

    Returns:
        The ids and counts that the command answers.

    Raises:
        FileRefusedError: `data` cannot be read, or `out` cannot be written.
        ModelUnavailableError: no such model, or one of another program.
        SchemaMismatchError: rows or threshold that do not fit the model.
    """
    with tracking.step_run("score") as run:
        return score_into(run, data, out, model, threshold, warnings, keep, limits=limits)


def score_into(
    run: StepRun,
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    keep: str = "",
    *,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """`score` on an open run."""
    given = {"data": data, "out": out, "model": model, "threshold": threshold, "warnings": warnings, "keep": keep}
    run.params(given)
    wanted = _checked(Path(out).expanduser(), threshold, warnings, keep)
    with located(data, "data") as path:
        scorer = load(model, FIX_MODEL)
        try:
            with parts.in_batches(path, scorer, limits or Limits()) as rows:
                done = _score(rows, path.name, scorer, wanted)
        except NotPlainError as why:
            log.info("read as a whole: %s", why)
            with parts.from_whole(path, scorer, limits or Limits()) as rows:
                done = _score(rows, path.name, scorer, wanted)
    run.metrics({"rows": done.rows, **_counts(done.of_rows)})
    run.tags({tracking.MODEL_URI: model})
    notices = [*done.of_file, *done.of_rows]
    for notice in notices:
        log.warning("%s: %s", notice.code, notice.what)
    log.info("scored rows=%d into %s", done.rows, wanted.out)
    return {
        "run_id": run.run_id,
        "out": str(wanted.out.resolve()),
        "model": model,
        "rows": done.rows,
        "warnings": [notice.to_dict() for notice in notices],
    }


def _score(rows: Rows, where: str, scorer: Scorer, wanted: Wanted) -> Scored:
    """Score the rows of a file part by part into another."""
    noticed = Noticed(scorer.schema)
    carried = _carried(rows, where, scorer, wanted)
    shown = _Shown(rows)
    with complete(wanted.out) as file:
        writer = answer_files.writer(wanted.out, file)
        left = iter(rows)
        for part in left:
            try:
                answers, notices = _answer(scorer, part, where, wanted.cut)
            except SchemaMismatchError as error:
                faults = Faults(scorer.schema, where, shown.done)
                for other in chain([part], left):
                    faults.add(parts.frame_of(other))
                problems = threshold_problems(scorer.schema, wanted.cut)
                raise SchemaMismatchError(*faults.problems(error.problems), *problems) from error
            columns = {name: _column(part, name, where, wanted.out) for name in carried}
            columns |= dict(zip(answers.schema.names, answers.columns, strict=True))
            if wanted.with_warnings:
                columns |= _of_rows(notices, answers.num_rows)
            with writing(wanted.out):
                writer.write(pa.RecordBatch.from_pydict(columns))
            noticed.add(notices, shown.done)
            shown.add(answers.num_rows)
        with writing(wanted.out):
            writer.close()
    return Scored(shown.done, rows.notices, noticed.all())


def _answer(scorer: Scorer, part: Part, where: str, cut: float | None) -> tuple[pa.RecordBatch, list[Notice]]:
    """The answers (n_rows, 2 + n_classes) to a part, and what was noticed in it."""
    found = scorer.answer_batch(part, cut) if isinstance(part, pa.RecordBatch) else None
    if found is not None:
        return found
    answers, notices = scorer.answer(parts.frame_of(part), where, cut)
    return pa.RecordBatch.from_pandas(answers, preserve_index=False), notices


def _carried(rows: Rows, where: str, scorer: Scorer, wanted: Wanted) -> list[str]:
    """Names of the columns that stand in front of the answers."""
    own = answer_names(scorer.schema)
    own += [f"warning_{code}" for code in OF_ROWS] if wanted.with_warnings else []
    names, problems = kept(wanted.keep, rows.header, own, where)
    if problems:
        raise FileRefusedError(*problems)
    return names


def _column(part: Part, name: str, where: str, out: Path) -> pa.Array:
    """A column (n_rows,) to carry along."""
    column = parts.column_of(part, name)
    if not answer_files.is_writable(column.type, out):
        what = f"'{name}' is to be kept and holds bytes or lists, for which '{out.name}' has no form."
        raise FileRefusedError(Problem("keep_not_writable", what, where, "Do not keep it, or write Parquet."))
    return column


class _Shown:
    """How far it has come, told on the screen, or now and then in the log."""

    def __init__(self, rows: Rows) -> None:
        self.done = 0
        self._rows = rows
        self._began = self._told = time.monotonic()

    def add(self, n_rows: int) -> None:
        """So many more are scored."""
        self.done += n_rows
        now = time.monotonic()
        said = f"{self.done} rows, {self.done / max(now - self._began, 1e-9):.0f} rows/s"
        shown = screen.current()
        if shown is not None:
            shown.tell(said, done=self._rows.share)
        elif now - self._told >= TOLD_EVERY_S:
            self._told = now
            share = self._rows.share
            log.info("scored %s%s", said, f" ({share:.0%})" if share is not None else "")


def _of_rows(notices: Iterable[Notice], n_rows: int) -> dict[str, pa.Array]:
    """For each code (n_rows,) texts: the columns in which the row is unlike training."""
    found = {code: np.full(n_rows, "", dtype=object) for code in OF_ROWS}
    for notice in notices:
        if notice.code in found:
            at = np.array(notice.rows, dtype=np.int64) - 1
            before = found[notice.code][at]
            found[notice.code][at] = np.where(before == "", "", before + "; ") + "; ".join(notice.columns)
    return {f"warning_{code}": pa.array(texts, pa.string()) for code, texts in found.items()}


def _checked(out: Path, threshold: str, warnings: str, keep: str) -> Wanted:
    """What is wanted, after everything that can be known before a file is read."""
    problems = []
    if warnings not in YES_NO:
        fix = f"Choose {' or '.join(YES_NO)}."
        problems.append(Problem("warnings_invalid", "'warnings' is neither true nor false.", "warnings", fix))
    if not out.name.endswith(ENDINGS):
        fix = f"Let it end in {', '.join(ENDINGS)}."
        problems.append(Problem("out_format_unknown", f"'{out}' does not say its format.", "out", fix))
    if out.is_dir():
        problems.append(Problem("out_is_folder", f"'{out}' is a folder.", "out", "Give the path of a file."))
    elif not out.parent.is_dir():
        what = f"There is no folder '{out.parent}'."
        problems.append(Problem("out_folder_missing", what, "out", f"Make it; paths start at '{Path.cwd()}'."))
    cut = None
    if threshold.strip():
        try:
            cut = float(threshold)
        except ValueError:
            fix = "Give 0 to 1, or leave it out for the stored one."
            problems.append(Problem("threshold_invalid", "The threshold is not a number.", "threshold", fix))
    if problems:
        raise FileRefusedError(*problems)
    return Wanted(out, cut, keep, warnings == YES_NO[1])


def _counts(notices: Iterable[Notice]) -> dict[str, float]:
    """Cells or columns by notice code, zero where there was none."""
    counts = dict.fromkeys(NOTICED, 0.0)
    for notice in notices:
        counts[notice.code] = counts.get(notice.code, 0.0) + notice.count
    return counts


@click.command()
@click.option("--data", required=True, help="File to score: a path, or a URI such as runs:/<id>/<path>.")
@click.option("--out", required=True, help=f"File of the answers: {', '.join(ENDINGS)}.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="URI of the model.")
@click.option("--threshold", default="", help="0 to 1, for two classes; the stored one by default.")
@click.option(
    "--warnings", default=YES_NO[0], show_default=True, help="true: columns that say what is unlike training."
)
@click.option("--keep", default="", help="Columns of the file to write in front of the answers; * for all.")
def cli(data: str, out: str, model: str, threshold: str, warnings: str, keep: str) -> dict[str, Any]:
    """Entry point `score` of MLproject."""
    settings = Settings()
    limits = Limits(settings.max_mib, settings.max_columns)
    return score(data, out, model, threshold, warnings, keep, limits=limits)


if __name__ == "__main__":
    process.command(cli)
