"""Two first starts of the project at once, which have MLflow make its environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.conftest import Store
from tests.faults.long import LABEL, halves
from tests.faults.trials import require
from tests.journeys.servers import ROOT

APART_S = 20.0  # at most: as long as it takes to make the environment from packages that are at hand


class Starts:
    """`mlflow run` from a folder of its own for environments; it takes `uv`.

    Args:
        store: that exists already: two starts on a new one meet in MLflow's migration of its database.
        folder: for environments and logs.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.environments = store, folder, folder / "environments"
        self.train, self.test = halves(folder)

    def at_once(self, draw: np.random.Generator) -> str:
        """Both succeed, whichever comes first; so does a third one."""
        shutil.rmtree(self.environments, ignore_errors=True)
        first = self._start("first")
        time.sleep(float(draw.uniform(0, APART_S)))
        second = self._start("second")
        codes = first.wait(), second.wait()
        require(codes == (0, 0), f"they ended with {codes}")
        require(self._start("third").wait() == 0, "a third start failed")
        said = "".join((self.folder / f"{name}.log").read_text() for name in ("first", "second"))
        return "one has waited" if "another start is filling" in said else "none had to wait"

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        words = [
            sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "uv", "-e", "ingest",
            "-P", f"train={self.train}", "-P", f"test={self.test}", "-P", f"target={LABEL}",
        ]  # fmt: skip
        environment = {**self.store.environment, "MLFLOW_ENV_ROOT": str(self.environments)}
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
