"""Faults of `score`: killed on its way, and a file that may not grow."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.api.served import ROW
from tests.conftest import Store
from tests.faults.trials import require

PROJECT = Path(__file__).parents[2]
ROWS, LIMIT = 100_000, 2_000_000  # bytes; the answers take several times as much
KNOWN = re.compile(r"\[([a-z][a-z_]+)\]")


def write_rows(file: Path) -> None:
    """Rows that a model of `tests.api.served` takes."""
    line = ",".join(str(value) for value in ROW.values()) + "\n"
    file.write_text(",".join(ROW) + "\n" + line * ROWS)


class Scored:
    """`score` from the file to one of its own, in a process; whole, or not there.

    Args:
        store: with a champion.
        folder: for the files.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.rows, self.out = folder / "rows.csv", folder / "answers.csv"
        write_rows(self.rows)
        began = time.monotonic()
        self.start().wait()
        self.whole_s = time.monotonic() - began
        self.known = self.out.read_bytes()
        require(self.known.count(b"\n") == ROWS + 1, "not all rows were answered")
        self.out.unlink()

    def start(self, limit: int | None = None) -> subprocess.Popen[str]:
        """The process, which may write files of so many bytes."""

        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        words = [
            sys.executable, "-W", "ignore", "-m", "steps.score", f"--data={self.rows}", f"--out={self.out}",
        ]  # fmt: skip
        return subprocess.Popen(
            words, cwd=PROJECT, env=self.store.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=limited,  # noqa: PLW1509 (no threads run here)
        )  # fmt: skip

    def again(self) -> None:
        """A second try is whole, and nothing else is left."""
        process = self.start()
        process.communicate()
        require(process.returncode == 0, "the second try failed")
        require(self.out.read_bytes() == self.known, "other answers than before")
        self.out.unlink()
        left = sorted(each.name for each in self.folder.iterdir() if each != self.rows)
        require(not left, f"left behind: {left}")

    def killed(self, draw: np.random.Generator) -> str:
        """SIGKILL at any moment."""
        process = self.start()
        time.sleep(float(draw.uniform(0, self.whole_s)))
        process.kill()
        process.communicate()
        is_there = self.out.exists()
        require(not is_there or self.out.read_bytes() == self.known, "half an output")
        self.out.unlink(missing_ok=True)
        self.again()
        return "whole output" if is_there else "no output"

    def full(self) -> str:
        """No byte more: the kernel answers EFBIG, as a full disk answers ENOSPC."""
        process = self.start(LIMIT)
        out, errors = process.communicate()
        require(process.returncode not in (0, None), "it says that all was well")
        require(not self.out.exists(), "half an output")
        self.again()
        codes = KNOWN.findall(errors + out)
        require(codes, f"no reason: {(errors + out)[-200:]}")
        return codes[0]
