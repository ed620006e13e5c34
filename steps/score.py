"""A file of rows becomes a file of answers, and a folder of files a folder of answers.

Reads   a file (path or URI) or a folder, and a model (URI); text and Parquet in parts, so that size is of no account.
Writes  the answers as CSV, packed CSV, Parquet or JSON lines, complete or not at all; a score run with counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from pyfunc.errors import FileRefusedError, Problem
from pyfunc.schema import Notice
from steps import cluster, partitions, process, tracking
from steps.adding_up import OF_ROWS
from steps.answer_files import ENDINGS
from steps.data.files import is_folder, located
from steps.file_scoring import score_file
from steps.loading import load
from steps.parts import Limits
from steps.scoring import Wanted, explained
from steps.settings import Settings
from steps.tracking import StepRun

DEFAULT_MODEL = "models:/crisol@champion"
NOTICED = ("extra_columns", *OF_ROWS)  # counted on the run
YES_NO = ("false", "true")
FIX_MODEL = "Name a model such as models:/crisol@champion, models:/crisol/3 or runs:/<id>/model."
log = logging.getLogger(__name__)


def score(
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    keep: str = "",
    explain: str = "",
    scheduler: str = "",
    *,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Score a file, or all files of a folder, in a run of its own.

    Args:
        data: the rows: a path, or a URI such as runs:/<id>/<path>; or the path of a folder.
        out: path of the answers; ends in one of `ENDINGS`. Of a folder's, a folder that is not there yet, or empty.
        model: URI of one of our models.
        threshold: 0 to 1, for two classes; the stored one where empty.
        warnings: "true" adds a column `warning_<code>` for each of `OF_ROWS`: the names of the columns in which a row
            is unlike training, separated by semicolons; empty where it is not.
        keep: columns of the file to write in front of the answers, separated by commas; `*` for all of them.
        explain: how many columns are named that contribute most to a prediction, with what they contribute; none where
            empty.
        scheduler: address of the Dask cluster whose workers score the files of a folder, which they see under the same
            path; empty for this machine.
        limits: of tables that have to be held in memory.

    Returns:
        The ids and counts that the command answers.

    Raises:
        FileRefusedError: `data` cannot be read, or `out` cannot be written.
        ModelUnavailableError: no such model, or one of another program.
        SchemaMismatchError: rows or threshold that do not fit the model.
        ClusterError: the cluster cannot be worked with.
    """
    with tracking.step_run("score") as run:
        return score_into(run, data, out, model, threshold, warnings, keep, explain, scheduler, limits=limits)


def score_into(
    run: StepRun,
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    keep: str = "",
    explain: str = "",
    scheduler: str = "",
    *,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """`score` on an open run."""
    asked = {"threshold": threshold, "warnings": warnings, "keep": keep, "explain": explain, "scheduler": scheduler}
    run.params({"data": data, "out": out, "model": model, **asked})
    folder = Path(data).expanduser() if is_folder(data) else None
    wanted = _checked(Path(out).expanduser(), folder, threshold, warnings, keep, explain, scheduler)
    run.tags({tracking.MODEL_URI: model})
    if folder is not None:
        return _score_folder(run, folder, wanted, model, scheduler, limits or Limits())
    with located(data, "data") as path:
        done = score_file(path, path.name, load(model, FIX_MODEL), wanted, limits or Limits())
    run.metrics({"rows": done.rows, **_counts(done.of_rows)})
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


def _score_folder(
    run: StepRun, folder: Path, wanted: Wanted, model: str, scheduler: str, limits: Limits
) -> dict[str, Any]:
    """Score all files of a folder."""
    done = partitions.score_folder(folder, wanted, model, scheduler, limits, FIX_MODEL)
    notices = [notice for part in done for notice in part.of_rows]
    counts = _counts(notices)
    rows = sum(part.rows for part in done)
    run.metrics({"rows": rows, "files": len(done), **counts})
    for code, count in counts.items():
        if count:
            log.warning("%s: %d in all files; %s has them by file", code, count, partitions.MANIFEST)
    log.info("scored files=%d rows=%d into %s", len(done), rows, wanted.out)
    return {
        "run_id": run.run_id,
        "out": str(wanted.out.resolve()),
        "model": model,
        "files": len(done),
        "rows": rows,
        "warnings": [{"code": code, "count": int(count)} for code, count in counts.items() if count],
    }


def _checked(
    out: Path, folder: Path | None, threshold: str, warnings: str, keep: str, explain: str, scheduler: str
) -> Wanted:
    """What is wanted, after everything that can be known before a file is read."""
    problems = cluster.address_problems(scheduler)
    if warnings not in YES_NO:
        fix = f"Choose {' or '.join(YES_NO)}."
        problems.append(Problem("warnings_invalid", "'warnings' is neither true nor false.", "warnings", fix))
    problems += _file_problems(out, scheduler) if folder is None else partitions.out_problems(out, folder)
    if not out.parent.is_dir():
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


def _file_problems(out: Path, scheduler: str) -> list[Problem]:
    """What is wrong with the place of a file's answers, and with who is to give them."""
    problems = []
    if scheduler:
        fix = "Give a folder of files as 'data', or leave 'scheduler' empty."
        problems.append(Problem("scheduler_unused", "One file is scored by one machine.", "scheduler", fix))
    if not out.name.endswith(ENDINGS):
        fix = f"Let it end in {', '.join(ENDINGS)}."
        problems.append(Problem("out_format_unknown", f"'{out}' does not say its format.", "out", fix))
    if out.is_dir():
        problems.append(Problem("out_is_folder", f"'{out}' is a folder.", "out", "Give the path of a file."))
    return problems


def _counts(notices: Iterable[Notice]) -> dict[str, float]:
    """Cells or columns by notice code, zero where there was none."""
    counts = dict.fromkeys(NOTICED, 0.0)
    for notice in notices:
        counts[notice.code] = counts.get(notice.code, 0.0) + notice.count
    return counts


@click.command()
@click.option("--data", required=True, help="File or folder to score: a path, or a URI such as runs:/<id>/<path>.")
@click.option("--out", required=True, help=f"File of the answers: {', '.join(ENDINGS)}; or a folder, of a folder's.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="URI of the model.")
@click.option("--threshold", default="", help="0 to 1, for two classes; the stored one by default.")
@click.option(
    "--warnings", default=YES_NO[0], show_default=True, help="true: columns that say what is unlike training."
)
@click.option("--keep", default="", help="Columns of the file to write in front of the answers; * for all.")
@click.option("--explain", default="", help="How many columns to name that contribute most to each prediction.")
@click.option("--scheduler", default="", help="Address of a Dask cluster whose workers score a folder's files.")
def cli(
    data: str, out: str, model: str, threshold: str, warnings: str, keep: str, explain: str, scheduler: str
) -> dict[str, Any]:
    """Entry point `score` of MLproject."""
    settings = Settings()
    limits = Limits(settings.max_mib, settings.max_columns)
    return score(data, out, model, threshold, warnings, keep, explain, scheduler, limits=limits)


if __name__ == "__main__":
    process.command(cli)
