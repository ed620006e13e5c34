"""A training that is killed just when one of its steps is over and the next has hardly begun."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from steps import tracking, versions
from steps.promote import DEFAULT_NAME
from tests.bench import commands
from tests.bench.cancel import runs_of, whole
from tests.conftest import Store
from tests.faults.trials import codes_in, require

PARAMETERS = {"models": "lr", "candidates": "2", "promote": "always"}
PATIENCE_S, LOOK_S = 180.0, 0.01
ROOM, LITTLE = 40_000, 300_000  # bytes; a training of the sample needs more in its store's file, and in all


class Training:
    """`main` on the sample, in a store that has a champion.

    Args:
        store: an empty one, and the one that MLflow is set to.
        said: where what it says is written; the store's folder when None.
    """

    def __init__(self, store: Store, said: Path | None = None) -> None:
        self.store, self.said = store, said or store.folder
        self.scratch = store.folder / "tmp"
        self.scratch.mkdir()
        self.again()

    def again(self) -> str:
        """One that nobody disturbs: it registers a version, and all is whole."""
        before = len(self._versions())
        require(self._start().wait() == 0, "a training that nobody disturbs failed")
        self._is_whole()
        require(len(self._versions()) == before + 1, "a training that nobody disturbs registered no version")
        return "a version more"

    def without_room(self, draw: np.random.Generator) -> str:
        """One whose files may not grow beyond a size that the store's own will soon have."""
        size = (self.store.folder / "mlflow.db").stat().st_size
        limit = size + int(draw.integers(ROOM))
        return self.refused(lambda process: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit)))

    def on_a_full_disk(self, draw: np.random.Generator) -> str:
        """One whose store is on a disk with little room left, which is made again afterwards."""
        filler = self.store.folder / "filler"
        left = shutil.disk_usage(self.store.folder).free - int(draw.integers(LITTLE))
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, left)
        try:
            return self.refused(mend=filler.unlink)
        finally:
            filler.unlink(missing_ok=True)

    def refused(
        self,
        hinder: Callable[[subprocess.Popen[str]], object] = lambda _: None,
        mend: Callable[[], object] = lambda: None,
    ) -> str:
        """One that cannot succeed: it ends with a reason, all is whole, and the champion of before is one still.

        Args:
            hinder: what is done to its process as soon as it is there.
            mend: what is done when it has ended.

        Returns:
            The codes of the problems that users are shown.
        """
        champion = self._champion()
        process = self._start()
        hinder(process)
        code = process.wait()
        mend()
        require(code != 0, "it took no notice")
        told = (self.said / "stderr.txt").read_text()
        require("Traceback" not in told, "a stack trace")
        codes = sorted({*codes_in(told)})
        require(codes, "no reason")
        tracking.end_orphans()  # what any step does first: a full store could not be told that a run has failed
        self._is_whole()
        require(self._champion() == champion, "the champion is gone")
        return ", ".join(codes)

    def killed_at(self, border: str) -> str:
        """SIGKILL to all its processes at a border; then everything is whole, and the champion of before is one still.

        Returns:
            Whether a version of the killed training is there.
        """
        runs = {run.info.run_id for run in runs_of(self.store)}
        before = set(self._versions())
        champion = self._champion()
        process = self._start()
        until = time.monotonic() + PATIENCE_S
        while not BORDERS[border](self, runs, before) and process.poll() is None and time.monotonic() < until:
            time.sleep(LOOK_S)
        is_over = process.poll() is not None
        if not is_over:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        tracking.end_orphans()  # this and the next are the first things that any step does
        tracking.sweep(self.scratch)
        self._is_whole()
        new = [version for version in self._versions() if version not in before]
        require(self._champion() in (champion, *new), "the champion is gone")
        if is_over:
            return "it was over before it could be killed"
        return "a version more" if new else "no version"

    def step_is(self, status: str, step: str, runs: set[str]) -> bool:
        """Whether a new run of the step has this status."""
        return any(
            run.info.run_id not in runs and run.data.tags.get(tracking.STEP) == step and run.info.status == status
            for run in runs_of(self.store)
        )

    def is_registered(self, before: set[str]) -> bool:
        """Whether there is a new version."""
        return any(version not in before for version in self._versions())

    def is_promoted(self, before: set[str]) -> bool:
        """Whether the champion is a new version."""
        return self._champion() not in (None, *before)

    def _is_whole(self) -> None:
        found = whole(self.store)
        require(not found, "; ".join(found))

    def _versions(self) -> list[str]:
        return [str(one.version) for one in versions.versions_of(DEFAULT_NAME)]

    def _champion(self) -> str | None:
        found = versions.with_alias(versions.versions_of(DEFAULT_NAME), tracking.CHAMPION)
        return None if found is None else str(found.version)

    def _start(self) -> subprocess.Popen[str]:
        environment = {**self.store.environment, "TMPDIR": str(self.scratch)}
        return commands.start("main", PARAMETERS, environment, self.said)


BORDERS: Mapping[str, Callable[[Training, set[str], set[str]], bool]] = {
    "train has begun": lambda one, runs, _: one.step_is("RUNNING", "train", runs),
    "train is over": lambda one, runs, _: one.step_is("FINISHED", "train", runs),
    "evaluate is over": lambda one, runs, _: one.step_is("FINISHED", "evaluate", runs),
    "its version is registered": lambda one, _, before: one.is_registered(before),
    "its version is the champion": lambda one, _, before: one.is_promoted(before),
}
