"""What a worker leaves behind, and how: a worker may be killed at any moment, so its files appear whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TIME_LIMIT = "time limit"  # the error of a candidate that was ended at its deadline, or had no time to begin with
NO_ROOM = errno.ENOSPC  # also the exit code of a worker that could not write what it had made
BEHIND = "fell behind"  # of one that was stopped because the first folds were enough


@dataclass(frozen=True)
class Outcome:
    """What came of a worker's job."""

    error: str | None = None  # the kind of error; never its message, which may quote cells
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    out_of_fold: np.ndarray[Any, Any] | None = None  # float64 (n_rows, n_classes)
    figures: Mapping[str, float] = field(default_factory=dict)
    folds: pd.DataFrame = field(default_factory=pd.DataFrame)  # the same figures in each fold
    latency_ms: float = float("nan")  # of one row
    pipeline_bytes: int = 0
    warnings: Mapping[str, int] = field(default_factory=dict)
    spaces: Mapping[str, Any] = field(default_factory=dict)  # of PyCaret's learners, from a preparation


def write(file: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    part = file.with_suffix(f".part-{os.getpid()}")
    part.write_bytes(content)
    part.replace(file)
