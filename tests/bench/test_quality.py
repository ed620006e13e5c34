"""The benchmark of model quality: its figures, its standings and its page; no peer is needed."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from steps.judging import resampling
from tests.bench.quality import figures, page, report, running, standing
from tests.bench.quality.report import Measured
from tests.bench.quality.running import Outcome, Terms

FACTS = {"seconds": 61.2, "latency_ms": 1.234, "bytes": 2_500_000, "chosen": "blend", "versions": {"flaml": "2"}}


@pytest.fixture
def scores():
    """Truth of 60 rows and probabilities of three classes that know something of it."""
    source = np.random.default_rng(3)
    y = source.integers(0, 3, 60)
    raw = source.random((60, 3)) + np.eye(3)[y] * 0.5
    return y, raw / raw.sum(axis=1, keepdims=True)


def outcome(auc, loss):
    """As the cache holds it."""
    return {"error": "", "wall": 70.0, "facts": FACTS, "roc_auc": auc, "log_loss": loss}


def around(auc, loss):
    """Resamples that vary little around a value, together for all systems."""
    noise = np.random.default_rng(1).normal(scale=0.001, size=300)
    return {"roc_auc": auc + noise, "log_loss": loss + noise}


@pytest.fixture
def measured():
    """Crisol wins on `small` and loses on `large`, where the second peer fails."""
    found = {
        "small/crisol": outcome(0.90, 0.30),
        "small/flaml": outcome(0.85, 0.40),
        "small/h2o": outcome(0.85, 0.50),
        "large/crisol": outcome(0.80, 0.50),
        "large/flaml": outcome(0.82, 0.45),
        "large/h2o": {"error": "MemoryError", "wall": 3.0, "facts": {}},
    }
    resamples = {key: around(one["roc_auc"], one["log_loss"]) for key, one in found.items() if not one["error"]}
    return Measured(["crisol", "flaml", "h2o"], {"small": 200, "large": 5000}, found, resamples)


def test_equal_values_share_a_rank_and_failing_comes_last(measured):
    """Ranks are means over tables: a tie counts half for both, a failure as the last place."""
    ranks = standing.mean_ranks("roc_auc", measured.values("roc_auc"), measured.systems)
    assert ranks == {"crisol": (1 + 2) / 2, "flaml": (2.5 + 1) / 2, "h2o": (2.5 + 3) / 2}
    assert standing.mean_ranks("log_loss", measured.values("log_loss"), measured.systems)["crisol"] == 1.5


def test_a_smaller_log_loss_is_a_gain(measured):
    """Differences are positive where ours is better, whichever way the figure points."""
    for figure, gain in (("roc_auc", 0.05), ("log_loss", 0.10)):
        ours, theirs = measured.of("crisol", figure)["small"], measured.of("flaml", figure)["small"]
        found = standing.difference(figure, "small", "flaml", ours, theirs)
        assert found.value == pytest.approx(gain)
        assert found.low <= found.value <= found.high
        assert found.is_clear


def test_only_tables_that_both_answered_are_compared(measured):
    """A peer's failure is no win of ours; wins and losses are counted where both have figures."""
    flaml = standing.against("log_loss", "flaml", measured.of("crisol", "log_loss"), measured.of("flaml", "log_loss"))
    assert (flaml.better, flaml.equal, flaml.worse, flaml.clearly_better, flaml.clearly_worse) == (1, 0, 1, 1, 1)
    assert flaml.mean == pytest.approx((0.10 - 0.05) / 2)
    h2o = standing.against("log_loss", "h2o", measured.of("crisol", "log_loss"), measured.of("h2o", "log_loss"))
    assert (h2o.better, h2o.worse) == (1, 0)


def test_a_difference_within_the_noise_is_not_clear():
    """Bounds on both sides of 0 make no clear win."""
    source = np.random.default_rng(2)
    ours, theirs = source.normal(0.8, 0.01, 300), source.normal(0.8, 0.01, 300)
    assert not standing.difference("roc_auc", "t", "flaml", (0.801, ours), (0.8, theirs)).is_clear


def test_the_page_says_where_ours_is_behind(measured):
    """Losses are listed with their bounds, failures with their kind, the best value of a table is in bold."""
    text = page.text(measured, Terms())
    behind = text.split("## Where crisol is behind")[1]
    assert "In 2 of 6 comparisons, in 2 of them clearly." in behind
    assert "| flaml | large | AUC | -0.0200 (-0.0200 to -0.0200) |" in behind
    assert "- large/h2o: MemoryError" in text
    assert "| crisol | **0.9000** / **0.3000** | 0.8000 / 0.5000 |" in text
    assert "| large | flaml 0.8200 |" in text
    assert "flaml 2" in text


def test_the_page_is_written_without_ours(measured):
    """Peers alone are reported too, and a system without an outcome leaves its cell empty."""
    outcomes = {key: one for key, one in measured.outcomes.items() if "crisol" not in key and key != "small/h2o"}
    text = "\n".join(report.lines(Measured(["flaml", "h2o"], measured.rows, outcomes, measured.resamples)))
    assert "behind" not in text
    assert "| h2o |  | failed |" in text


def test_a_resample_is_scikit_learns_figure_of_the_drawn_rows(scores):
    """The bounds belong to the same definition as the figures, with three classes."""
    y, probabilities = scores
    weights = next(iter(resampling.weights(60, resampling.number(60, 3))))[0].astype(int)
    rows = np.repeat(np.arange(60), weights)
    found = figures.resamples(y, probabilities)
    drawn, given = y[rows], probabilities[rows]
    assert found["roc_auc"][0] == pytest.approx(roc_auc_score(drawn, given, multi_class="ovr"))
    assert found["log_loss"][0] == pytest.approx(log_loss(drawn, given, labels=[0, 1, 2]))
    assert figures.both(y, probabilities)["roc_auc"] == pytest.approx(
        roc_auc_score(y, probabilities, multi_class="ovr")
    )


def test_probabilities_are_put_into_the_fixed_order_of_classes(tmp_path):
    """A script may write its classes in any order; certain ones are clipped."""
    pd.DataFrame({"yes": [1.0, 0.25], "no": [0.0, 0.75]}).to_csv(tmp_path / "p.csv", index=False)
    found = figures.answers(tmp_path / "p.csv", ["no", "yes"])
    assert found[1].tolist() == [0.75, 0.25]
    assert 0 < found[0, 0] < 1e-14


@pytest.mark.parametrize("columns", [{"yes": [1.0], "other": [0.0]}, {"yes": [np.nan], "no": [1.0]}])
def test_what_is_no_probability_of_the_classes_is_refused(tmp_path, columns):
    """Other classes and values that are not finite are a failure of the system, not a figure."""
    pd.DataFrame(columns).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ValueError, match=r"classes|finite"):
        figures.answers(tmp_path / "p.csv", ["no", "yes"])


def test_labels_of_both_files_are_classes_in_one_order(tmp_path):
    """Whole numbers are labels too, in the order of their words."""
    (tmp_path / "target.txt").write_text("y\n")
    pd.DataFrame({"y": [2, 10, 2]}).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"y": [10, 2]}).to_csv(tmp_path / "test.csv", index=False)
    classes, y = figures.truth(tmp_path)
    assert classes == ["10", "2"]
    assert y.tolist() == [0, 1]


def test_an_outcome_replaces_an_older_one_of_the_same_terms(tmp_path):
    """Single systems can be run again; other terms are kept apart."""
    running.keep(tmp_path, Terms(), Outcome("flaml", "juice", error="ValueError"), {})
    running.keep(tmp_path, Terms(seed=2), Outcome("flaml", "juice"), {"roc_auc": 0.7})
    running.keep(tmp_path, Terms(), Outcome("flaml", "juice"), {"roc_auc": 0.9})
    found = running.read(tmp_path)
    assert found["60s-cores0-seed1"]["juice/flaml"]["roc_auc"] == 0.9
    assert found["60s-cores0-seed2"]["juice/flaml"]["roc_auc"] == 0.7


def test_a_failed_script_is_named_by_the_kind_of_its_error(tmp_path):
    """The last line of a traceback tells the kind; what it says of the data is left out."""
    failing = [sys.executable, "-c", "raise KeyError('a value of the table')"]
    assert running._ended(failing, tmp_path, 1, 60) == "KeyError"
    assert running._ended([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path, 1, 60) == "exit code 3"


def test_a_script_that_takes_too_long_is_ended_with_its_children(tmp_path):
    """What a system started itself does not go on computing beside the next one."""
    child = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert running._ended([sys.executable, "-c", parent], tmp_path, 1, 3) == "ended after 3 s"
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(("text", "cores"), [("0", [0]), ("0,2-3", [0, 2, 3])])
def test_cores_are_read_as_taskset_does(text, cores):
    """A list of numbers and ranges."""
    assert running.cores_of(text) == cores
