"""Rows of a table become answers, part by part: what `score` and `/predict` share."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from pyfunc import explaining
from pyfunc.compiled.plan import scoring_threads
from pyfunc.errors import FileRefusedError, Problem, SchemaMismatchError
from pyfunc.model import Scorer, answer_names, threshold_problems
from pyfunc.schema import Notice
from steps import answer_files, parts
from steps.adding_up import OF_ROWS, Faults, Noticed
from steps.data.keep import kept
from steps.data.stream import NotPlainError
from steps.parts import Limits, Part, Rows, Source

MOST_EXPLAINED = 100  # columns named for a row
AHEAD = 4  # parts that are read before the oldest is asked for
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scored:
    """What was done: how many rows, what the reader and the model noticed."""

    rows: int
    of_file: list[Notice]
    of_rows: list[Notice]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of the rows.

    Attributes:
        out: path, or only a name, of the answers; one of `answer_files.ENDINGS` says their format.
        cut: threshold for two classes; the stored one when None.
        keep: columns to carry along, as `steps.data.keep` reads them.
        with_warnings: whether columns say in which columns a row is unlike training.
        explain: how many of the columns are named that contribute most; 0 for none.
        look: gets how many rows have been read, and of how many columns, before they are scored; it may refuse them.
    """

    out: Path
    cut: float | None = None
    keep: str = ""
    with_warnings: bool = False
    explain: int = 0
    look: Callable[[int, int], None] | None = None


def explained(text: str) -> tuple[int, list[Problem]]:
    """How many columns are to be named, 0 where the text is empty, and what is wrong with it."""
    if not text.strip():
        return 0, []
    if text.strip().isascii() and text.strip().isdigit() and 0 < int(text) <= MOST_EXPLAINED:
        return int(text), []
    what = f"'explain' is not a whole number from 1 to {MOST_EXPLAINED}."
    return 0, [Problem("explain_invalid", what, "explain", "Send how many columns are to be named, such as 5.")]


def score_table(
    source: Source,
    scorer: Scorer,
    wanted: Wanted,
    limits: Limits,
    began: Callable[[Rows], Callable[[pa.RecordBatch], None]],
) -> Scored:
    """Score a table: in batches where that is possible, else as a whole.

    Args:
        source: the table.
        scorer: the model.
        wanted: what of it.
        limits: of tables that have to be held in memory.
        began: gets the rows and gives what takes the answers, some at a time. It may be asked a second time, where only
            the end of the table has shown that it has to be read as a whole: then what was taken before counts nothing.

    Raises:
        FileRefusedError: it cannot be read.
        SchemaMismatchError: rows or threshold that do not fit the model.
    """
    try:
        with parts.in_batches(source, scorer, limits) as rows:
            return _score(rows, source.where, scorer, wanted, began(rows))
    except NotPlainError as why:
        log.info("read as a whole: %s", why)
    with parts.from_whole(source, scorer, limits) as rows:
        return _score(rows, source.where, scorer, wanted, began(rows))


def _score(rows: Rows, where: str, scorer: Scorer, wanted: Wanted, take: Callable[[pa.RecordBatch], None]) -> Scored:
    """Score the rows part by part, some parts at the same time."""
    noticed, n_read, n_done = Noticed(scorer.schema), 0, 0
    carried = _carried(rows, where, scorer, wanted)
    left = iter(rows)
    begin = [*islice(left, 2)]
    if len(begin) > 1:
        scorer.warm()  # else the first parts would have each learner's library load the trees as well
    left = chain(begin, left)
    with ThreadPoolExecutor(scoring_threads(), "score") as threads:
        waiting: deque[tuple[Part, Future[tuple[pa.RecordBatch, list[Notice]]]]] = deque()
        for part in chain(left, [None] * AHEAD):  # so many more turns at the end, for those that wait
            if part is not None:
                n_read += len(part)
                if wanted.look is not None:
                    wanted.look(n_read, len(rows.header))
                waiting.append((part, threads.submit(_answer, scorer, part, where, wanted)))
                if len(waiting) < AHEAD:
                    continue
            if not waiting:
                break
            oldest, answered = waiting.popleft()
            try:
                answers, notices = answered.result()
            except SchemaMismatchError as error:
                faults = Faults(scorer.schema, where, n_done)
                for other in chain([oldest], (waited for waited, _ in waiting), left):
                    faults.add(parts.frame_of(other))
                problems = threshold_problems(scorer.schema, wanted.cut)
                raise SchemaMismatchError(*faults.problems(error.problems), *problems) from error
            columns = {name: _column(oldest, name, where, wanted.out) for name in carried}
            columns |= dict(zip(answers.schema.names, answers.columns, strict=True))
            if wanted.with_warnings:
                columns |= _of_rows(notices, answers.num_rows)
            take(pa.RecordBatch.from_pydict(columns))
            noticed.add(notices, n_done)
            n_done += answers.num_rows
    return Scored(n_done, rows.notices, noticed.all())


def _answer(scorer: Scorer, part: Part, where: str, wanted: Wanted) -> tuple[pa.RecordBatch, list[Notice]]:
    """The answers (n_rows, 2 + n_classes) to a part, and what was noticed in it."""
    if isinstance(part, pa.RecordBatch) and not wanted.explain:
        found = scorer.answer_batch(part, wanted.cut)
        if found is not None:
            return found
    frame = parts.frame_of(part)
    if wanted.explain:
        answers, notices = scorer.answer_explained(frame, where, wanted.cut, wanted.explain)
    else:
        answers, notices = scorer.answer(frame, where, wanted.cut)
    return pa.RecordBatch.from_pandas(answers, preserve_index=False), notices


def _carried(rows: Rows, where: str, scorer: Scorer, wanted: Wanted) -> list[str]:
    """Names of the columns that stand in front of the answers."""
    own = answer_names(scorer.schema)
    own += explaining.names_of(min(wanted.explain, len(scorer.schema.columns))) if wanted.explain else []
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


def _of_rows(notices: Iterable[Notice], n_rows: int) -> dict[str, pa.Array]:
    """For each code (n_rows,) texts: the columns in which the row is unlike training."""
    found = {code: np.full(n_rows, "", dtype=object) for code in OF_ROWS}
    for notice in notices:
        if notice.code in found:
            at = np.array(notice.rows, dtype=np.int64) - 1
            before = found[notice.code][at]
            found[notice.code][at] = np.where(before == "", "", before + "; ") + "; ".join(notice.columns)
    return {f"warning_{code}": pa.array(texts, pa.string()) for code, texts in found.items()}
