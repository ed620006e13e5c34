"""Fixtures for everybody: an MLflow store of a test's own, and the one small table.

Migrating an empty sqlite file takes seconds, so one is migrated a session and copied for each test.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from hypothesis import settings
from mlflow.tracking import MlflowClient
from mlflow.tracking.fluent import _last_active_run_id

# A busy machine is slow, which is no fault, and a run that failed has to fail again. For new examples:
# HYPOTHESIS_PROFILE=search python -m pytest
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
DATA = Path(__file__).parent / "data"
ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"  # MLflow 3.17: where experiments that are made later keep their files
INHERITED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_REGISTRY_URI")


@dataclass(frozen=True)
class Store:
    """A sqlite tracking store with its artifacts, in one folder."""

    folder: Path

    @property
    def uri(self) -> str:
        """The absolute tracking URI."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """Where the experiments keep their files."""
        return self.folder / "artifacts"

    @property
    def client(self) -> MlflowClient:
        """A client that asks this store, whichever is active."""
        return MlflowClient(self.uri, self.uri)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works on this store."""
        kept = {key: value for key, value in os.environ.items() if key not in INHERITED}
        return {**kept, "MLFLOW_TRACKING_URI": self.uri, ARTIFACT_ROOT: str(self.artifacts)}

    @contextmanager
    def active(self) -> Iterator[Store]:
        """Make this the store that `mlflow.…` and child processes talk to, and undo it at the end."""
        with pytest.MonkeyPatch.context() as patch:
            for name in INHERITED:
                patch.delenv(name, raising=False)
            patch.setenv("MLFLOW_TRACKING_URI", self.uri)
            patch.setenv(ARTIFACT_ROOT, str(self.artifacts))
            patch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
            before = mlflow.get_tracking_uri()
            registry_before = mlflow.get_registry_uri()
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            try:
                yield self
            finally:
                while mlflow.active_run() is not None:
                    mlflow.end_run()
                _last_active_run_id.set(None)
                mlflow.set_tracking_uri(before)
                mlflow.set_registry_uri(registry_before)


def make_store(folder: Path, template: Path) -> Store:
    """A fresh store in `folder`, from the migrated `template`."""
    store = Store(folder)
    folder.mkdir(parents=True, exist_ok=True)
    store.artifacts.mkdir()
    shutil.copyfile(template, folder / "mlflow.db")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute(
            "UPDATE experiments SET artifact_location = ? || '/' || experiment_id", (store.artifacts.as_uri(),)
        )
    return store


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty sqlite file with MLflow's tables."""
    template = Store(tmp_path_factory.mktemp("template"))
    with template.active():
        template.client.search_experiments()
    return template.folder / "mlflow.db"


@pytest.fixture
def store(tmp_path: Path, store_template: Path) -> Iterator[Store]:
    """An empty MLflow store of this test's own, active while the test runs."""
    with make_store(tmp_path / "store", store_template).active() as opened:
        yield opened


@pytest.fixture(scope="session")
def loans() -> bytes:
    """The bytes of `tests/data/loans.csv`."""
    return (DATA / "loans.csv").read_bytes()
