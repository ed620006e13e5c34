"""A file of rows becomes a file of answers.

Reads   a file (path or URI) and a model (URI); text and Parquet in parts, so that their size is of no account.
Writes  the answers as CSV, packed CSV, Parquet or JSON lines, complete or not at all; a score run with counts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click
import pyarrow as pa

from pyfunc.errors import FileRefusedError, Problem
from pyfunc.schema import Notice
from steps import answer_files, process, screen, tracking
from steps.adding_up import OF_ROWS
from steps.answer_files import ENDINGS
from steps.complete import complete, writing
from steps.data.files import located
from steps.loading import load
from steps.parts import Limits, Rows, Source
from steps.scoring import Wanted, explained, score_table
from steps.settings import Settings
from steps.tracking import StepRun

DEFAULT_MODEL = "models:/crisol@champion"
NOTICED = ("extra_columns", *OF_ROWS)  # counted on the run
YES_NO = ("false", "true")
FIX_MODEL = "Name a model such as models:/crisol@champion, models:/crisol/3 or runs:/<id>/model."
TOLD_EVERY_S = 10.0  # where there is no screen
log = logging.getLogger(__name__)


def score(
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    keep: str = "",
    explain: str = "",
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
        explain: how many columns are named that contribute most to a prediction, with what they contribute; none where
            empty.
        limits: of tables that have to be held in memory.

    Returns:
        The ids and counts that the command answers.

    Raises:
        FileRefusedError: `data` cannot be read, or `out` cannot be written.
        ModelUnavailableError: no such model, or one of another program.
        SchemaMismatchError: rows or threshold that do not fit the model.
    """
    with tracking.step_run("score") as run:
        return score_into(run, data, out, model, threshold, warnings, keep, explain, limits=limits)


def score_into(
    run: StepRun,
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    keep: str = "",
    explain: str = "",
    *,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """`score` on an open run."""
    asked = {"threshold": threshold, "warnings": warnings, "keep": keep, "explain": explain}
    run.params({"data": data, "out": out, "model": model, **asked})
    wanted = _checked(Path(out).expanduser(), threshold, warnings, keep, explain)
    with located(data, "data") as path:
        scorer = load(model, FIX_MODEL)
        with complete(wanted.out) as file:
            made = _Written(wanted.out, file)
            done = score_table(Source(path, path.name, path.name), scorer, wanted, limits or Limits(), made.begin)
            made.end()
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


class _Written:
    """Answers on their way into a file; how far it has come is told on the screen, or now and then in the log.

    Args:
        out: where the file will stand.
        file: open, and empty.
    """

    def __init__(self, out: Path, file: BinaryIO) -> None:
        self._out, self._file = out, file
        self._writer = answer_files.writer(out, file)
        self._began = self._told = time.monotonic()
        self._done = 0

    def begin(self, rows: Rows) -> Callable[[pa.RecordBatch], None]:
        """What takes the answers to some rows, from the first on."""
        with writing(self._out):
            answer_files.start_over(self._writer, self._file)
        self._rows, self._done, self._writer = rows, 0, answer_files.writer(self._out, self._file)
        return self._take

    def end(self) -> None:
        """Write what is left."""
        with writing(self._out):
            self._writer.close()

    def _take(self, answers: pa.RecordBatch) -> None:
        """Some answers more."""
        with writing(self._out):
            self._writer.write(answers)
        self._done += answers.num_rows
        now = time.monotonic()
        said = f"{self._done} rows, {self._done / max(now - self._began, 1e-9):.0f} rows/s"
        shown = screen.current()
        if shown is not None:
            shown.tell(said, done=self._rows.share)
        elif now - self._told >= TOLD_EVERY_S:
            self._told = now
            share = self._rows.share
            log.info("scored %s%s", said, f" ({share:.0%})" if share is not None else "")


def _checked(out: Path, threshold: str, warnings: str, keep: str, explain: str) -> Wanted:
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
    largest, wrong = explained(explain)
    problems += wrong
    if problems:
        raise FileRefusedError(*problems)
    return Wanted(out, cut, keep, warnings == YES_NO[1], largest)


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
@click.option("--explain", default="", help="How many columns to name that contribute most to each prediction.")
def cli(data: str, out: str, model: str, threshold: str, warnings: str, keep: str, explain: str) -> dict[str, Any]:
    """Entry point `score` of MLproject."""
    settings = Settings()
    limits = Limits(settings.max_mib, settings.max_columns)
    return score(data, out, model, threshold, warnings, keep, explain, limits=limits)


if __name__ == "__main__":
    process.command(cli)
