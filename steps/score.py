"""A file of rows becomes a file of answers.

Reads   a file (path or URI) and a model (URI).
Writes  the answers as CSV, packed CSV or Parquet, complete or not at all; a score run with counts.
"""

from __future__ import annotations

import gzip
import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from pyfunc.errors import FileRefusedError, Problem
from pyfunc.schema import Notice
from steps import process, tracking
from steps.data.files import fetch
from steps.data.formats import FileFormat
from steps.data.readers import MAX_COLUMNS, MAX_MIB, read
from steps.loading import load
from steps.settings import Settings
from steps.tracking import StepRun

DEFAULT_MODEL = "models:/crisol@champion"
ENDINGS = (".csv", ".csv.gz", ".parquet")
NOTICED = ("extra_columns", "unseen_category", "out_of_range", "missing_value")  # counted on the run
OF_ROWS = ("unseen_category", "out_of_range", "missing_value")  # notices about single rows
YES_NO = ("false", "true")
FIX_MODEL = "Name a model such as models:/crisol@champion, models:/crisol/3 or runs:/<id>/model."
log = logging.getLogger(__name__)


def score(
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    *,
    max_mib: float = MAX_MIB,
    max_columns: int = MAX_COLUMNS,
) -> dict[str, Any]:
    """Score a file, in a run of its own.

    Args:
        data: the rows: a path, or a URI such as runs:/<id>/<path>.
        out: path of the answers; ends in .csv, .csv.gz or .parquet.
        model: URI of one of our models.
        threshold: 0 to 1, for two classes; the stored one where empty.
        warnings: "true" adds a column `warning_<code>` for each of `OF_ROWS`: the names of the columns in which a row
            is unlike training, separated by semicolons; empty where it is not.
        max_mib: largest accepted file in MiB.
        max_columns: most columns.

    Returns:
        The ids and counts that the command answers.

    Raises:
        FileRefusedError: `data` cannot be read, or `out` cannot be written.
        ModelUnavailableError: no such model, or one of another program.
        SchemaMismatchError: rows or threshold that do not fit the model.
    """
    with tracking.step_run("score") as run:
        return score_into(run, data, out, model, threshold, warnings, max_mib=max_mib, max_columns=max_columns)


def score_into(
    run: StepRun,
    data: str,
    out: str,
    model: str,
    threshold: str = "",
    warnings: str = YES_NO[0],
    *,
    max_mib: float = MAX_MIB,
    max_columns: int = MAX_COLUMNS,
) -> dict[str, Any]:
    """`score` on an open run."""
    run.params({"data": data, "out": out, "model": model, "threshold": threshold, "warnings": warnings})
    target = Path(out).expanduser()
    cut = _checked(target, threshold, warnings)
    content, name = fetch(data, "data", max_mib)
    scorer = load(model, FIX_MODEL)
    commas, like = scorer.schema.decimal_comma_names, FileFormat.of_model(scorer.read_as)
    table = read(content, name, max_mib=max_mib, max_columns=max_columns, decimal_comma=commas, like=like)
    answers, notices = scorer.answer(table.frame, name, cut)
    write(answers.assign(**_of_rows(notices, len(answers))) if warnings == YES_NO[1] else answers, target)
    counts = _counts(notices)
    run.metrics({"rows": len(answers), **counts})
    run.tags({tracking.MODEL_URI: model})
    for notice in (*table.notices, *notices):
        log.warning("%s: %s", notice.code, notice.what)
    log.info("scored rows=%d into %s", len(answers), target)
    return {
        "run_id": run.run_id,
        "out": str(target.resolve()),
        "model": model,
        "rows": len(answers),
        "warnings": [notice.to_dict() for notice in (*table.notices, *notices)],
    }


def write(answers: pd.DataFrame, out: Path) -> None:
    """Write answers so that the file is complete or absent.

    Args:
        answers: (n_rows, n_columns) as `Scorer.answer` returns them; the index is not written.
        out: ends in one of `ENDINGS`; its folder exists.

    Raises:
        FileRefusedError: the folder does not take the file.
    """
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name[:50]}.", delete=False) as file:
            part = Path(file.name)
            if out.name.endswith(".parquet"):
                answers.to_parquet(file, index=False)
            elif out.name.endswith(".gz"):
                with gzip.open(file, "wt", encoding="utf-8", newline="") as packed:
                    answers.to_csv(packed, index=False, lineterminator="\n")
            else:
                file.write(answers.to_csv(index=False, lineterminator="\n").encode())
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(out)
    except OSError as error:
        what = f"'{out}' cannot be written ({error.strerror or type(error).__name__})."
        raise FileRefusedError(Problem("out_not_writable", what, "out", "Choose another place.")) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _of_rows(notices: Iterable[Notice], n_rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """For each code (n_rows,) texts: the columns in which the row is unlike training."""
    found = {code: np.full(n_rows, "", dtype=object) for code in OF_ROWS}
    for notice in notices:
        if notice.code in found:
            at = np.array(notice.rows, dtype=np.int64) - 1
            before = found[notice.code][at]
            found[notice.code][at] = np.where(before == "", "", before + "; ") + "; ".join(notice.columns)
    return {f"warning_{code}": texts for code, texts in found.items()}


def _checked(out: Path, threshold: str, warnings: str) -> float | None:
    """The threshold, after everything that can be known before a file is read."""
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
    return cut


def _counts(notices: Iterable[Notice]) -> dict[str, float]:
    """Cells or columns by notice code, zero where there was none."""
    counts = dict.fromkeys(NOTICED, 0.0)
    for notice in notices:
        counts[notice.code] = counts.get(notice.code, 0.0) + notice.count
    return counts


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@click.command()
@click.option("--data", required=True, help="File to score: a path, or a URI such as runs:/<id>/<path>.")
@click.option("--out", required=True, help="File of the answers: .csv, .csv.gz or .parquet.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="URI of the model.")
@click.option("--threshold", default="", help="0 to 1, for two classes; the stored one by default.")
@click.option(
    "--warnings", default=YES_NO[0], show_default=True, help="true: columns that say what is unlike training."
)
def cli(data: str, out: str, model: str, threshold: str, warnings: str) -> dict[str, Any]:
    """Entry point `score` of MLproject."""
    settings = Settings()
    return score(data, out, model, threshold, warnings, max_mib=settings.max_mib, max_columns=settings.max_columns)


if __name__ == "__main__":
    process.command(cli)
