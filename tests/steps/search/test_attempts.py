"""One candidate after the other in this process, with a stand-in for PyCaret's matrix."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pyfunc import bags
from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps.judging.metrics import log_losses
from steps.search import attempts, workers
from steps.search.attempts import FEWEST_ROWS, attempt
from steps.search.budget import Pool
from steps.search.learners import NATIVE, Learner
from steps.search.outcome import BEHIND, TIME_LIMIT
from steps.search.portfolio import Spec, fitted_to
from steps.search.table import Table, folds_for, lay_out, read
from tests.steps.judging import models

BOOSTED = Spec("lightgbm", 0, {"learning_rate": 0.3, "num_leaves": 4}, "portfolio")
LINEAR = Spec("lr", 2, {"C": 0.5}, "tuned")
PLAIN = "plain"


@dataclass
class Log:
    """What the stand-ins have seen, and a clock that they move."""

    now: float = 0.0
    second_a_row: float = 0.0
    fits: list[tuple[int, float]] = field(default_factory=list)  # rows, and the first value

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


log = Log()


class Slow(LogisticRegression):
    """A linear model that says what it was fitted on."""

    def fit(self, matrix, y):
        """Count, and let time go by."""
        log.fits.append((len(matrix), matrix[0, -1]))
        log.now += log.second_a_row * len(matrix)
        return super().fit(matrix, y)


def laid_out(folder: Path, rows: int = 160, per_fold: bool = False) -> Table:  # noqa: FBT001, FBT002 (a fixture's switch)
    """A table as workers find it, and a matrix whose last column tells for which fold it was made."""
    data = models.dataset(rows=rows)
    table = Table(data.y_train, folds_for(data.y_train), 1, data.schema, 0.5, data.train.head(1))
    lay_out(folder, data.train, table)
    prepared = SimpleNamespace(learners={"lr": Learner("lr", Slow, {"max_iter": 200}, {})}, per_fold=per_fold)
    (folder / f"{PLAIN}.pkl").write_bytes(cloudpickle.dumps(prepared))
    filled = data.train.fillna(0.0).to_numpy()
    for number in range(table.folds + 1) if per_fold else ["all"]:
        last = np.full(len(filled), 0 if number == "all" else number)
        np.save(folder / f"{PLAIN}-{number}.npy", np.column_stack([filled, last]))
    steps = make_pipeline(FunctionTransformer(_as_matrix)).fit(data.train)
    (folder / f"{PLAIN}-steps.pkl").write_bytes(cloudpickle.dumps(steps))
    log.fits, log.now, log.second_a_row = [], 0.0, 0.0
    return table


def _as_matrix(frame: pd.DataFrame) -> np.ndarray:
    """The frame as the stand-in's matrix."""
    return np.column_stack([frame.fillna(0.0).to_numpy(), np.zeros(len(frame))])


@pytest.mark.parametrize(("spec", "variant"), [(BOOSTED, NATIVE), (LINEAR, PLAIN)], ids=["boosted", "linear"])
def test_a_candidate_leaves_a_pipeline_and_honest_figures(tmp_path, spec, variant):
    """Figures are those of its out-of-fold probabilities, and the pipeline in the folder answers the enforced frame."""
    table = laid_out(tmp_path)

    outcome = attempt(tmp_path, spec, variant, None, None)

    assert outcome.error is None
    assert outcome.figures["log_loss"] == pytest.approx(log_losses(table.y, outcome.out_of_fold).mean())
    assert len(outcome.folds) == table.folds
    assert outcome.latency_ms > 0
    assert outcome.pipeline_bytes == (tmp_path / spec.file).stat().st_size
    pipeline = read(tmp_path, spec.file)
    np.testing.assert_allclose(pipeline.predict_proba(table.row).sum(axis=1), 1, atol=1e-9)
    assert set(spec.hyperparameters) <= set(outcome.hyperparameters)


def test_a_candidate_far_behind_is_stopped_after_the_first_fold(tmp_path, monkeypatch):
    """The best one is nearly right in every row: one member is grown, and nothing is left in the folder."""
    table, grown = laid_out(tmp_path, rows=400), []
    lightgbm = bags.BOOSTERS["lightgbm"]
    monkeypatch.setitem(bags.BOOSTERS, "lightgbm", lambda *given: grown.append(1) or lightgbm(*given))
    np.save(tmp_path / "best.npy", np.full(len(table.y), 0.01))

    outcome = attempt(tmp_path, BOOSTED, NATIVE, None, "best.npy")

    assert outcome.error == BEHIND
    assert outcome.out_of_fold is None
    assert outcome.hyperparameters["num_leaves"] == "4"
    assert len(grown) == 1
    assert not (tmp_path / BOOSTED.file).exists()


def test_a_linear_model_far_behind_is_stopped_too(tmp_path):
    """PyCaret's learners are looked at after each fold as well."""
    table = laid_out(tmp_path, rows=400)
    np.save(tmp_path / "best.npy", np.full(len(table.y), 0.01))

    assert attempt(tmp_path, LINEAR, PLAIN, None, "best.npy").error == BEHIND
    assert len(log.fits) == 1


def test_a_candidate_as_good_as_the_best_is_not_stopped(tmp_path):
    """Held against its own losses, a candidate goes on to the end."""
    table = laid_out(tmp_path)
    first = attempt(tmp_path, LINEAR, PLAIN, None, None)
    np.save(tmp_path / "best.npy", log_losses(table.y, first.out_of_fold))

    again = attempt(tmp_path, LINEAR, PLAIN, None, "best.npy")

    assert again.error is None
    np.testing.assert_array_equal(again.out_of_fold, first.out_of_fold)


def test_each_fold_learns_on_its_own_matrix_where_labels_were_looked_at(tmp_path):
    """With a matrix a fold, the fits see them in turn and the last fit that of all rows; else all see the same."""
    table = laid_out(tmp_path, per_fold=True)
    attempt(tmp_path, LINEAR, PLAIN, None, None)
    assert [first for _, first in log.fits] == list(range(table.folds + 1))

    laid_out(tmp_path)
    attempt(tmp_path, LINEAR, PLAIN, None, None)
    assert [first for _, first in log.fits] == [0] * (table.folds + 1)


def test_short_time_thins_the_rows_and_says_so(tmp_path, monkeypatch):
    """A pilot on few rows tells what all rows cost; every fit then learns from as many as there is time for."""
    table = laid_out(tmp_path, rows=2600)
    monkeypatch.setattr(attempts, "time", log)
    log.second_a_row = 1e-3  # 2 s for the pilot

    outcome = attempt(tmp_path, LINEAR, PLAIN, 2 + 1.0 * (table.folds + 1), None)

    rows = int(outcome.hyperparameters["rows"])
    assert FEWEST_ROWS < rows < 2000
    assert {count for count, _ in log.fits[1:]} <= {rows - 1, rows, rows + 1}
    assert len(log.fits) == 1 + table.folds + 1


def test_with_time_enough_all_rows_are_learned_from(tmp_path, monkeypatch):
    """The pilot is the only small fit, and nothing about rows is told."""
    table = laid_out(tmp_path, rows=2600)
    monkeypatch.setattr(attempts, "time", log)
    log.second_a_row = 1e-3

    outcome = attempt(tmp_path, LINEAR, PLAIN, 1000.0, None)

    assert "rows" not in outcome.hyperparameters
    assert log.fits[-1][0] == len(table.y)


def test_without_time_for_the_fewest_rows_it_is_not_begun(tmp_path, monkeypatch):
    """The pilot alone shows that nothing could be learned: cut off by the limit, with its hyperparameters."""
    laid_out(tmp_path, rows=2600)
    monkeypatch.setattr(attempts, "time", log)
    log.second_a_row = 1e-3

    outcome = attempt(tmp_path, LINEAR, PLAIN, 2.1, None)

    assert (outcome.error, outcome.hyperparameters, outcome.out_of_fold) == (TIME_LIMIT, {"C": "0.5"}, None)
    assert len(log.fits) == 1


def test_small_tables_have_small_leaves():
    """LightGBM's leaves are at most a fortieth of the rows, never larger than asked for; others are left alone."""
    assert fitted_to("lightgbm", {"num_leaves": 8}, 80, 2) == {"num_leaves": 8, "min_data_in_leaf": 2}
    assert fitted_to("lightgbm", {"min_data_in_leaf": 3}, 10_000, 2)["min_data_in_leaf"] == 3
    assert fitted_to("xgboost", {"max_depth": 3}, 80, 2) == {"max_depth": 3}


@pytest.mark.trains
@pytest.mark.parametrize(("levels", "files"), [(40, ["0", "1", "2", "3"]), (4, ["all"])])
def test_preprocessing_that_looks_at_labels_is_fitted_in_every_fold(tmp_path, levels, files):
    """More than 25 levels are encoded by the target: a matrix for each fold and one for all; few levels need one."""
    y = np.arange(120) % 2
    y[:3] = 0
    frame = pd.DataFrame({"a": np.linspace(0, 1, 120), "c": [f"v{at % levels}" for at in range(120)]})
    schema = InputSchema((Column("a", Kind.NUMBER), Column("c", Kind.CATEGORY)), Target("y", ("n", "y"), positive="y"))
    lay_out(tmp_path, frame, Table(y, 3, 1, schema, 0.5, frame.head(1)))

    with Pool(tmp_path, 1) as pool:
        pool.start(workers.prepare, PLAIN, limit_s=200)
        (finished,) = pool.next(time.monotonic() + 200)

    assert finished.outcome.error is None
    assert sorted(file.stem.removeprefix(f"{PLAIN}-") for file in tmp_path.glob(f"{PLAIN}-*.npy")) == files
