"""The model on disk: `pipeline.pkl`, `schema.json`, where it is compiled its plan, and the manifest for all of them.

Order of loading: manifest, format, hashes, and only then the pickle, because a pickle runs code when it is read. Where
there is a plan (`pyfunc.compiled`), that answers, and the pickle is not read before somebody asks for the pipeline.

`PACKAGE_FORMAT` goes up when an older reader would misread the directory. The procedure: raise the number, keep a
reader for the old one (or let it be refused with the command that helps), keep a small model of each format for the
tests, and name the change in CHANGELOG.md. The number is needed because the first `pyfunc` package that a process
imports serves every model in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import numpy as np
import pandas as pd

from pyfunc.compiled.files import load as load_plan
from pyfunc.compiled.plan import Plan
from pyfunc.errors import ArtifactMismatchError, Problem
from pyfunc.schema import InputSchema

# 2: schema format 2, and pipelines that may be recalibrated; 3: a plan beside the pipeline; 4: counts beside its trees
PACKAGE_FORMAT = 4
READABLE = (1, 2, 3, 4)
COMPILED, BY_PIPELINE = "compiled", "pipeline"  # who answers: `scorer` of the manifest
MANIFEST, SCHEMA, PIPELINE = "manifest.json", "schema.json", "pipeline.pkl"
ITSELF = "sha256"  # of what else the manifest says; models saved before 2026-11-28 have none
# What a model needs to answer; their exact versions are read from our lock when it is saved.
NEEDED_LIBRARIES = (
    "catboost", "category-encoders", "cloudpickle", "imbalanced-learn", "joblib", "lightgbm", "mlflow", "numpy",
    "pandas", "pyarrow", "pycaret", "scikit-learn", "scipy", "xgboost-cpu",
)  # fmt: skip


class Classifier(Protocol):
    """What the pickle holds: a fitted pipeline from an enforced frame to probabilities."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Probabilities (n_rows, n_classes) in the order of the schema's classes."""


@dataclass(frozen=True)
class Package:
    """A model as loaded: the fitted pipeline, the schema, the stored threshold (two classes only), and the plan."""

    pipeline: Classifier
    schema: InputSchema
    threshold: float
    manifest: dict[str, Any]
    plan: Plan | None = None


class Unread:
    """A pickled pipeline that is read when it is first asked: a server never does, and pickles are large.

    Args:
        file: with the pickle; it may be gone by then.
        sha256: of its bytes.
    """

    def __init__(self, file: Path, sha256: str) -> None:
        self._file, self._known = file, sha256

    @cached_property
    def pipeline(self) -> Classifier:
        """What the file holds.

        Raises:
            ArtifactMismatchError: it is gone, or has other bytes than when the model was saved.
        """
        try:
            pickled = self._file.read_bytes()
        except OSError as error:
            raise _mismatch("file_damaged", f"{PIPELINE} is not there any more.") from error
        if hashlib.sha256(pickled).hexdigest() != self._known:
            raise _mismatch("file_damaged", f"{PIPELINE} changed after the model was saved.")
        return read_pipeline(pickled)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Probabilities (n_rows, n_classes)."""
        return self.pipeline.predict_proba(frame)


def save(
    folder: Path,
    pipeline: Classifier | bytes,
    schema: InputSchema,
    threshold: float,
    plan_files: Iterable[str] = (),
    **facts: Any,
) -> None:
    """Write a package into a folder that holds nothing but the files of a plan.

    Args:
        folder: exists.
        pipeline: fitted, or the bytes that cloudpickle made of it; this package is pickled by reference.
        schema: what the rows must be.
        threshold: from which probability of the positive class on it is predicted; 0 to 1.
        plan_files: names of the plan's files in the folder; none where the pipeline answers.
        facts: JSON values for the manifest, such as the learner's id.
    """
    pickled = pipeline if isinstance(pipeline, bytes) else cloudpickle.dumps(pipeline)
    (folder / PIPELINE).write_bytes(pickled)
    (folder / SCHEMA).write_text(json.dumps(schema.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
    manifest = {
        "format": PACKAGE_FORMAT,
        "threshold": threshold,
        "scorer": COMPILED if (listed := list(plan_files)) else BY_PIPELINE,
        "files": {name: _sha256(folder / name) for name in (PIPELINE, SCHEMA, *listed)},
        "libraries": {name: version(name) for name in NEEDED_LIBRARIES},
        **facts,
    }
    manifest[ITSELF] = _digest(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def load(folder: Path) -> Package:
    """Read a package after checking that it is what its manifest says.

    Raises:
        ArtifactMismatchError: an unknown format, a missing file or one with other bytes than when it was saved.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
        number = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"The manifest cannot be read ({type(error).__name__})."
        raise _mismatch("manifest_unreadable", what) from error
    if number not in READABLE:
        what = f"The model has format {number}; this program reads format {' and '.join(map(str, READABLE))}."
        raise _mismatch("format_unknown", what)
    if manifest.get(ITSELF) not in (None, _digest(manifest)):
        raise _mismatch("file_damaged", f"{MANIFEST} changed after the model was saved.")
    names = dict.fromkeys((PIPELINE, SCHEMA, *files))
    damaged = [name for name in names if not _is_intact(folder / name, files.get(name))]
    if damaged:
        raise _mismatch(
            "file_damaged", f"{' and '.join(damaged)} changed after the model was saved, or cannot be read."
        )
    try:
        schema = InputSchema.from_dict(json.loads((folder / SCHEMA).read_text(encoding="utf-8")))
    except ValueError as error:
        raise _mismatch("format_unknown", f"The schema is that of another program ({error}).") from error
    unread, threshold = Unread(folder / PIPELINE, files[PIPELINE]), float(manifest["threshold"])
    if manifest.get("scorer") != COMPILED:
        return Package(unread.pipeline, schema, threshold, manifest)
    try:
        plan = load_plan(folder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _mismatch("plan_unreadable", f"The compiled model cannot be read ({type(error).__name__}).") from error
    return Package(unread, schema, threshold, manifest, plan)


def read_pipeline(pickled: bytes) -> Classifier:
    """A fitted pipeline from bytes that were checked: reading them runs code."""
    os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)  # else it writes logs.log where we stand
    pipeline: Classifier = cloudpickle.loads(pickled)
    return pipeline


def requirements(lock: Path) -> list[str]:
    """The exact requirements of a model, read from the lock (`requirements.txt`, made by `uv pip compile`).

    Raises:
        ValueError: the lock lacks one of `NEEDED_LIBRARIES`.
    """
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    absent = [name for name in NEEDED_LIBRARIES if name not in pinned]
    if absent:
        raise ValueError(f"{lock.name} does not pin {', '.join(absent)}")
    return [f"{name}=={pinned[name]}" for name in NEEDED_LIBRARIES]


def _mismatch(code: str, what: str) -> ArtifactMismatchError:
    """Everything that is wrong with a stored model has the same way out."""
    return ArtifactMismatchError(
        Problem(code, what, "model package", "Train the model again, or promote another version.")
    )


def _is_intact(file: Path, sha256: str | None) -> bool:
    """Whether the file is there with the bytes that were saved."""
    return file.is_file() and _sha256(file) == sha256


def _digest(manifest: dict[str, Any]) -> str:
    """Hash of all that a manifest says, but for the hash itself."""
    said = {key: value for key, value in manifest.items() if key != ITSELF}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _sha256(file: Path) -> str:
    """Hash of a file's bytes, which are not held."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
