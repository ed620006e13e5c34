"""Faults of `score`: killed on its way, and a file that may not grow."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.api.served import ROW
from tests.conftest import Store
from tests.faults.trials import codes_in, require

PROJECT = Path(__file__).parents[2]
ROWS, LIMIT = 100_000, 2_000_000  # bytes; the answers take several times as much


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

    def start(self, limit: int | None = None, out: Path | None = None, uri: str | None = None) -> subprocess.Popen[str]:
        """The process.

        Args:
            limit: bytes of the largest file that it may write.
            out: in place of the usual one.
            uri: of another store.
        """

        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        words = ["-W", "ignore", "-m", "steps.score", f"--data={self.rows}", f"--out={out or self.out}"]
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.store.folder,  # where MLflow makes folders for an address that it takes for a path
            env=self.store.environment | {"PYTHONPATH": str(PROJECT)} | ({"MLFLOW_TRACKING_URI": uri} if uri else {}),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=limited,  # noqa: PLW1509 (no threads run here)
        )

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

    def limited(self) -> str:
        """No byte more: the kernel answers EFBIG."""
        return self._refused(self.start(LIMIT), self.out)

    def full(self) -> str:
        """The disk of the output is full: ENOSPC."""
        with small_disk(self.folder.parent / "small") as disk:
            told = self._refused(self.start(out=disk / "answers.csv"), disk / "answers.csv")
            require(not [*disk.iterdir()], "left behind on the full disk")
        return told

    def read_only(self) -> str:
        """The store takes no writes."""
        uri = f"sqlite:///file:{self.store.folder / 'mlflow.db'}?mode=ro&uri=true"
        return self._refused(self.start(uri=uri), self.out)

    def _refused(self, process: subprocess.Popen[str], out: Path) -> str:
        """It ends with a reason and without an output; the code of the reason."""
        said, errors = process.communicate()
        require(process.returncode not in (0, None), "it says that all was well")
        require(not out.exists(), "half an output")
        self.again()
        codes = codes_in(errors + said)
        require(codes, f"no reason: {(errors + said)[-200:]}")
        return codes[0]


@contextmanager
def small_disk(place: Path, size: int = LIMIT) -> Iterator[Path]:
    """A disk of so many bytes in memory; it takes the right to mount."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # MLflow keeps its database open


def may_mount(place: Path) -> bool:
    """Whether this process may."""
    try:
        with small_disk(place):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
