"""The nouns of Crisol, in the order of the flow. A step takes the one before and returns the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from pyfunc.schema import InputSchema

Level = Literal["ok", "warning", "refused"]


@dataclass(frozen=True)
class GateBound:
    """What the gate asks: the lower bound of the difference (NaN: none) at a level, and why at that one."""

    low: float
    level: float
    judged_before: int


@dataclass(frozen=True)
class Check:
    """One question about the two files, and its answer."""

    code: str
    level: Level
    what: str
    columns: tuple[str, ...] = ()
    fix: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    where: str = ""  # training file, test file or both files


@dataclass(frozen=True)
class SharedRows:
    """Test rows (from 1, ascending, the header not counted) that also stand in the training file."""

    same_label: tuple[int, ...]  # with the label that they have in the test file
    any_label: tuple[int, ...]  # whatever their label there; holds the others


@dataclass(frozen=True)
class Dataset:
    """Two checked files as the model sees them.

    `train` and `test` are enforced frames (n_rows, n_columns of the schema) with a fresh index; `y_train` and `y_test`
    are int64 (n_rows,) positions in `schema.target.classes`.
    """

    run_id: str
    schema: InputSchema
    train: pd.DataFrame
    y_train: np.ndarray[Any, np.dtype[np.int64]]
    test: pd.DataFrame
    y_test: np.ndarray[Any, np.dtype[np.int64]]
    checks: tuple[Check, ...]
    train_sha256: str
    test_sha256: str
    shared: SharedRows | None = None  # None where nobody has counted them
    read_as: Mapping[str, Any] = field(default_factory=dict)  # the format of the training file


@dataclass(frozen=True)
class CutRule:
    """How the stored threshold of two classes is found: a name of `steps.judging.thresholds.RULES`, and its numbers."""

    name: str = "default"
    share: float | None = None  # the wanted recall or precision, or the given cut; 0 to 1
    cost_fp: float | None = None  # of a false alarm
    cost_fn: float | None = None  # of a miss


@dataclass(frozen=True)
class SearchPlan:
    """What to learn, and how long it may take. Defaults and validation: `steps/search/plan.py`."""

    metric: str
    models: tuple[str, ...]
    budget_s: float
    seed: int
    threshold: float  # that candidates are compared at: the given one, else 0.5
    blend: bool = False  # whether a weighted mean of the candidates is a candidate too
    rule: CutRule = CutRule()  # for the threshold that is stored
    candidates: int | None = None  # how many, in place of the budget: the same ones whatever the machine's load
    max_latency_ms: float | None = None  # of one row, as it is served
    latency_price: float = 0.001  # share of the log loss that must be won for each doubling of the time a row takes


@dataclass(frozen=True)
class Candidate:
    """The model that a search has chosen, logged and ready to be judged."""

    run_id: str  # the train run
    dataset_run_id: str
    model_uri: str
    model: str  # PyCaret's id, such as `lightgbm`
    metric: str
    cv_metrics: Mapping[str, float]
    candidates: int


@dataclass(frozen=True)
class Evaluation:
    """What the test file says of one model. `figures` are on the evaluate run with the prefix `test_`."""

    run_id: str
    dataset_run_id: str
    model_uri: str
    metric: str
    figures: Mapping[str, tuple[float, float, float]]  # name -> value, low, high
    beats_constant: bool
    champion_version: str | None  # the version it was compared with
    champion_comparable: bool
    difference: tuple[float, float, float] | None  # primary metric, better is positive: value, low, high
    refused_checks: tuple[str, ...]
    champion_reason: str = ""  # why it cannot be compared
    fewest_rows: int | None = None  # test rows of the rarest class
    gate: GateBound | None = None  # the bound that decides against the champion
    rows: int = 0  # test rows
    rows_needed: int | None = None  # that would tell the difference, where these do not
    sensitive: str = ""  # columns whose groups were compared


@dataclass(frozen=True)
class ModelVersion:
    """A registered version and what the gate decided."""

    name: str
    version: str
    run_id: str
    promoted: bool
    decision: str  # code, such as `first_champion`, `better`, `not_better`
    reason: str  # one sentence
    evaluation_run_id: str  # the evaluation that decided: another than was given, where the champion had changed
