"""One file of rows becomes one file of answers, complete or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from pyfunc.model import Scorer
from steps import answer_files, screen
from steps.complete import complete, writing
from steps.parts import Limits, Rows, Source
from steps.scoring import Scored, Wanted, score_table

TOLD_EVERY_S = 10.0  # where there is no screen
log = logging.getLogger(__name__)


def score_file(path: Path, name: str, scorer: Scorer, wanted: Wanted, limits: Limits) -> Scored:
    """Score a file of this machine into `wanted.out`.

    Args:
        path: of the rows.
        name: of the file, for messages; its ending says its format.
        scorer: the model.
        wanted: what of it, and where.
        limits: of tables that have to be held in memory.

    Raises:
        FileRefusedError: it cannot be read, or the answers cannot be written.
        SchemaMismatchError: rows or threshold that do not fit the model.
    """
    with complete(wanted.out) as file:
        made = _Written(wanted.out, file)
        done = score_table(Source(path, name, name), scorer, wanted, limits, made.begin)
        made.end()
    return done


class _Written:
    """Answers on their way into a file; how far it has come is told on the screen, or now and then in the log.

    Args:
        out: where the file will stand.
        file: open, and empty.
    """

    def __init__(self, out: Path, file: BinaryIO) -> None:
        self._out, self._file = out, file
        self._writer = answer_files.writer(out, file)
        self._told = Told()
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
        self._told.tell(f"{self._done} rows", self._done, self._rows.share)


class Told:
    """How far scoring has come, told on the screen, or now and then in the log."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def tell(self, count: str, rows: int, done: float | None) -> None:
        """Say how far it has come.

        Args:
            count: what is done, in words.
            rows: how many of them, for their number a second.
            done: 0 to 1; None where nobody knows.
        """
        now = time.monotonic()
        said = f"{count}, {rows / max(now - self._began, 1e-9):.0f} rows/s"
        shown = screen.current()
        if shown is not None:
            shown.tell(said, done=done)
        elif now - self._told >= TOLD_EVERY_S:
            self._told = now
            log.info("scored %s%s", said, f" ({done:.0%})" if done is not None else "")
