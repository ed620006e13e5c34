"""What becomes of the chosen candidate, without PyCaret: the workers' jobs run in this process."""

from __future__ import annotations

from dataclasses import replace

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from pyfunc.errors import TrainingRefusedError
from pyfunc.estimators import Calibrated
from steps import loading, tracking, train
from steps.judging.metrics import figures
from steps.search import table, workers
from steps.search.outcome import Outcome
from steps.search.race import Compiled, Search, Tried
from steps.search.table import lay_out
from tests.steps.judging import models


class Squashed:
    """A fitted pipeline whose probabilities are too close to a half."""

    def __init__(self, pipeline, by):
        self.pipeline = pipeline
        self.by = by

    def predict_proba(self, frame):
        """Probabilities (n_rows, n_classes) to the power of `by`, brought back to a sum of 1."""
        scores = self.pipeline.predict_proba(frame) ** self.by
        return scores / scores.sum(axis=1, keepdims=True)


def raced(data, search, by):
    """One candidate as a race leaves it, with honest out-of-fold probabilities."""
    out = np.empty((len(data.y_train), len(data.schema.target.classes)))
    for learn, judge in search.splits:
        part = replace(data, train=data.train.iloc[learn], y_train=data.y_train[learn])
        out[judge] = Squashed(models.pipeline(part), by).predict_proba(data.train.iloc[judge])
    file = search.folder / "lr-0.pkl"
    file.write_bytes(cloudpickle.dumps(Squashed(models.pipeline(data), by)))
    found, folds = search.table.judge(out)
    outcome = Outcome(None, {"C": "1"}, out, found, folds, 1.0, file.stat().st_size)
    return Tried("lr", 0, outcome, file, 0, 1000, 1.0)


@pytest.fixture
def trained(store, monkeypatch):
    """Train on a dataset with one made-up candidate; gives candidate, manifest and run."""

    def here(search, tried, recalibration):
        lay_out(search.folder, search.frame, search.table)
        workers.recalibrate(search.folder, tried.pipeline.name, recalibration)
        return search.folder / workers.CALIBRATED

    def run(data, by, **options):
        def race(search, _):
            return iter([raced(replace(data, train=search.frame, y_train=search.y), search, by)])

        monkeypatch.setattr(Search, "race", race)
        monkeypatch.setattr(Search, "recalibrated", here)
        candidate = train.train(data, {"models": "lr", **options})
        package = loading.load(candidate.model_uri).package
        return candidate, package, store.client.get_run(candidate.run_id)

    return run


def test_a_squashed_model_is_stored_recalibrated_with_the_best_cut(trained, tmp_path):
    """Pipeline, threshold, manifest, tags, figures and out-of-fold probabilities all tell of the same model."""
    data = models.dataset(rows=600)

    candidate, package, run = trained(data, 0.3, metric="f1")

    assert isinstance(package.pipeline, Calibrated)
    record, rule = package.manifest["calibration"], package.manifest["threshold_rule"]
    assert record["method"] == package.pipeline.recalibration.method == run.data.tags[tracking.CALIBRATION] != "none"
    assert record["log_loss_after"] < record["log_loss_before"]
    assert (rule["rule"], rule["cut"]) == ("f1", package.threshold)
    assert run.data.tags[tracking.THRESHOLD_RULE] == "f1"
    oof = pd.read_parquet(tracking.artifact(candidate.run_id, tracking.OUT_OF_FOLD, str(tmp_path)))
    scores = oof.filter(like="probability_").to_numpy()
    predicted = (scores[:, 1] >= package.threshold).astype(np.int64)
    expected = figures(data.y_train, scores, predicted, 1)
    assert run.data.metrics["cv_f1"] == pytest.approx(expected["f1"])
    assert (
        run.data.metrics["cv_log_loss"]
        == pytest.approx(expected["log_loss"])
        == pytest.approx(record["log_loss_after"])
    )
    assert rule["value"] == pytest.approx(expected["f1"])


def test_candidates_are_compared_as_they_are(trained, store, tmp_path):
    """The candidate's run and `cv_*` of the leaderboard stay at 0.5 and unmended; `stored_cv_*` is the train run's."""
    data = models.dataset(rows=600)

    candidate, package, run = trained(data, 0.3, metric="f1")

    (row,) = pd.read_csv(tracking.artifact(candidate.run_id, tracking.LEADERBOARD, str(tmp_path))).to_dict("records")
    (child,) = tracking.children(store.client, run)
    assert row["cv_log_loss"] == pytest.approx(child.data.metrics["cv_log_loss"])
    assert row["cv_log_loss"] == pytest.approx(package.manifest["calibration"]["log_loss_before"])
    assert row["stored_cv_log_loss"] == pytest.approx(run.data.metrics["cv_log_loss"])
    assert row["threshold"] == pytest.approx(package.threshold)
    assert row["calibration"] == package.manifest["calibration"]["method"]


def test_good_probabilities_and_a_metric_of_ranks_leave_the_model_as_it_is(trained):
    """Without a reason the stored pipeline is the candidate's own and the threshold 0.5."""
    _, package, run = trained(models.dataset(rows=600), 1.0)

    assert isinstance(package.pipeline, Squashed)
    assert package.threshold == 0.5
    assert package.manifest["threshold_rule"]["rule"] == "default"
    assert run.data.tags[tracking.CALIBRATION] == "none"
    assert {each["rule"] for each in package.manifest["thresholds"]} == {"f1", "balanced_accuracy", "mcc", "accuracy"}


@pytest.mark.parametrize("least", [100, 1000], ids=["thinned", "whole"])
def test_out_of_fold_rows_are_numbered_as_in_the_training_frame(trained, tmp_path, monkeypatch, least):
    """Where a search looked at a part of the rows, each of them keeps its number, and the run says how many."""
    monkeypatch.setattr(table, "LEAST_KEPT", least)
    monkeypatch.setattr(table, "CELLS_A_SECOND", 1)
    data = models.dataset(rows=600)

    candidate, _, run = trained(data, 1.0)

    oof = pd.read_parquet(tracking.artifact(candidate.run_id, tracking.OUT_OF_FOLD, str(tmp_path)))
    at = oof["row"].to_numpy() - 1
    whole = len(data.y_train)
    assert run.data.metrics["rows"] == len(at) == (100 if least < whole else whole)
    assert (np.diff(at) > 0).all()
    assert (at.max() > len(at)) == (least < whole)
    assert at.max() < whole
    right = oof.filter(like="probability_").to_numpy()[np.arange(len(at)), data.y_train[at]]
    assert run.data.metrics["cv_log_loss"] == pytest.approx(-np.log(right).mean())


def test_a_wish_that_cannot_be_kept_is_told(trained, caplog):
    """A precision that no cut has: a warning, the best cut, and a record that says so."""
    _, package, _ = trained(models.dataset(rows=300, names=("noise", "b", "c")), 0.0, threshold="precision=0.99")

    assert package.manifest["threshold_rule"]["reached"] is False
    assert "no threshold has the precision 0.99" in caplog.text


def test_five_classes_are_recalibrated_and_have_no_threshold(trained):
    """The temperature works for any number of classes; there is no cut to choose."""
    data = models.dataset([f"c{at}" for at in range(5)], rows=900)

    _, package, run = trained(data, 0.3)

    assert package.manifest["calibration"]["method"] == "temperature"
    assert package.manifest["threshold_rule"] is None
    assert tracking.THRESHOLD not in run.data.tags
    scores = package.pipeline.predict_proba(data.test)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_the_limit_is_held_against_what_is_served(trained, monkeypatch):
    """The compiled model's time counts, not the pipeline's 1 ms; where it is over the limit, training is refused."""
    data = models.dataset(rows=200)
    monkeypatch.setattr(Search, "compiled", lambda *_: Compiled(None, "a reason", 0.85))

    candidate, package, run = trained(data, 1.0, max_latency_ms="0.9")

    assert run.data.metrics["latency_ms"] == candidate.cv_metrics["latency_ms"] == 0.85
    assert package.manifest["scorer_reason"] == "a reason"
    monkeypatch.setattr(Search, "compiled", lambda *_: Compiled(None, "a reason", 0.95))
    with pytest.raises(TrainingRefusedError, match=r"within 0\.9 ms; the fastest, lr #0, takes 0\.95 ms"):
        trained(data, 1.0, max_latency_ms="0.9")
