import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from pyfunc.errors import Problem, ProjectError
from steps import ingest, loading, main, promote, tracking, train
from tests.conftest import make_store

ROOT = Path(__file__).resolve().parents[2]
TRAIN_ROWS = 170  # of loans.csv's 240


@pytest.fixture(scope="module")
def files(loans, tmp_path_factory):
    """The loans as two files on disk."""
    folder = tmp_path_factory.mktemp("files")
    lines = loans.decode().splitlines(keepends=True)
    (folder / "train.csv").write_text("".join(lines[: TRAIN_ROWS + 1]))
    (folder / "test.csv").write_text("".join([lines[0], *lines[TRAIN_ROWS + 1 :]]))
    return folder


@pytest.fixture(scope="module")
def trained_store(tmp_path_factory, store_template):
    """A store that the module's trainings share."""
    with make_store(tmp_path_factory.mktemp("trained") / "store", store_template).active() as opened:
        yield opened


def run_main(store, *arguments):
    """`python -m steps.main` as a process, and the JSON line it ends with."""
    command = [sys.executable, "-W", "ignore", "-m", "steps.main", *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=store.environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def done(trained_store, files):
    """One training on the loans: a linear model, one without probabilities of its own, and boosting, by turns.

    A number of candidates, so that no machine is too slow for all of them.
    """
    both = ["--train", str(files / "train.csv"), "--test", str(files / "test.csv"), "--target", "approved"]
    return run_main(trained_store, *both, "--candidates", "7", "--models", "lr,ridge,lightgbm")


@pytest.mark.trains
def test_the_four_steps_are_nested_and_finished(done, trained_store):
    """One parent, four children in the order of the flow, all FINISHED."""
    parent = trained_store.client.get_run(done["run_id"])
    steps = tracking.children(trained_store.client, parent)

    assert [run.data.tags[tracking.STEP] for run in steps] == ["ingest", "train", "evaluate", "promote"]
    assert {run.info.status for run in (parent, *steps)} == {"FINISHED"}
    assert parent.data.tags[tracking.VERSION] == done["version"] == "1"


@pytest.mark.trains
def test_every_candidate_is_a_run_with_hyperparameters_and_figures(done, trained_store):
    """Candidates carry ten figures, their spread over folds, time, size and what they were made with."""
    parent = trained_store.client.get_run(done["train_run_id"])
    candidates = [run for run in tracking.children(trained_store.client, parent) if run.info.status == "FINISHED"]

    assert {run.data.params["model"] for run in candidates} == {"lr", "ridge", "lightgbm"}
    for run in candidates:
        figures = [name for name in run.data.metrics if name.startswith("cv_") and not name.endswith("_std")]
        assert len(figures) == 10
        assert all(f"{name}_std" in run.data.metrics for name in figures)
        assert run.data.metrics["seconds"] > 0
        assert run.data.metrics["size_bytes"] > 0
        assert len(run.data.params) > 1
        assert run.info.start_time < run.info.end_time
    drawn = {run.data.params["C"] for run in candidates if run.data.params["model"] == "lr" and "C" in run.data.params}
    assert len(drawn) > 1


@pytest.mark.trains
def test_the_leaderboard_ranks_by_the_metric_and_names_the_runs(done, tmp_path):
    """The best figure stands first, and the chosen candidate is the one that was logged."""
    table = pd.read_csv(tracking.artifact(done["train_run_id"], tracking.LEADERBOARD, str(tmp_path)))

    assert table["cv_roc_auc"].dropna().is_monotonic_decreasing
    assert table.loc[table["chosen"], "model"].tolist() == [done["model"]]
    assert len(table) == done["candidates"]
    assert {"run_id", "seconds", "size_bytes"} <= set(table)


@pytest.mark.trains
def test_cv_figures_are_those_of_the_logged_out_of_fold_probabilities(done, trained_store, tmp_path):
    """`cv_*` can be computed again from oof.parquet, by scikit-learn."""
    oof = pd.read_parquet(tracking.artifact(done["train_run_id"], tracking.OUT_OF_FOLD, str(tmp_path)))
    data = ingest.load(done["dataset_run_id"])
    metrics = trained_store.client.get_run(done["train_run_id"]).data.metrics

    assert oof["row"].tolist() == list(range(1, TRAIN_ROWS + 1))
    assert metrics["cv_roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(data.y_train, oof["probability_yes"]))
    assert metrics["cv_log_loss"] == pytest.approx(
        sklearn.metrics.log_loss(data.y_train, oof[["probability_no", "probability_yes"]])
    )


@pytest.mark.trains
def test_the_champion_gives_the_figures_that_were_logged(done, trained_store, files):
    """Every test figure is what scikit-learn says of the registered model's own answers."""
    test = pd.read_csv(files / "test.csv", dtype=str, keep_default_na=False)
    answers = mlflow.pyfunc.load_model("models:/crisol@champion").predict(test)
    metrics = trained_store.client.get_run(done["evaluation_run_id"]).data.metrics
    truth = test["approved"] == "yes"
    expected = {
        "test_roc_auc": sklearn.metrics.roc_auc_score(truth, answers["probability_yes"]),
        "test_brier": sklearn.metrics.brier_score_loss(truth, answers["probability_yes"]),
        "test_accuracy": (answers["prediction"] == test["approved"]).mean(),
    }

    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert all(metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"] for name in expected)


@pytest.mark.trains
def test_the_version_says_why_it_was_promoted(done, trained_store):
    """Tags and description of the version tell the decision, the figures and the columns."""
    version = trained_store.client.get_model_version_by_alias("crisol", tracking.CHAMPION)

    assert str(version.version) == "1"
    assert version.tags[tracking.DECISION] == "first_champion"
    assert version.tags["scorer"] == version.tags[tracking.SCORER] == "compiled"
    assert version.run_id == done["train_run_id"]
    assert "`income`: number" in version.description


@pytest.mark.trains
def test_the_same_dataset_is_reused_and_the_champion_stays(done, trained_store):
    """The same model is not better than itself: registered, not promoted; then `always` promotes, and remembers."""
    again = run_main(
        trained_store, "--dataset", done["dataset_run_id"], "--candidates", "7", "--models", "lr,ridge,lightgbm"
    )

    assert again["dataset_run_id"] == done["dataset_run_id"]
    assert (again["version"], again["promoted"], again["decision"]) == ("2", False, "not_better")
    assert str(trained_store.client.get_model_version_by_alias("crisol", tracking.CHAMPION).version) == "1"

    forced = promote.promote(promote.load_evaluation(again["evaluation_run_id"]), "always", "crisol")

    assert (forced.version, forced.promoted) == ("2", True)
    aliases = {
        alias: str(trained_store.client.get_model_version_by_alias("crisol", alias).version)
        for alias in (tracking.CHAMPION, tracking.PREVIOUS)
    }
    assert aliases == {"champion": "2", "previous": "1"}


@pytest.mark.trains
def test_the_test_file_never_reaches_the_model(done, trained_store):
    """Shuffled test rows and labels change nothing in what is learned."""
    data = ingest.load(done["dataset_run_id"])
    order = np.random.default_rng(0).permutation(len(data.test))
    other = replace(data, test=data.test.iloc[order].reset_index(drop=True), y_test=data.y_test)
    options = {"models": "lr", "candidates": "2"}

    models = [mlflow.pyfunc.load_model(train.train(one, options).model_uri) for one in (data, other)]

    first, second = (model.predict(data.test.astype(object)) for model in models)
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.trains
def test_a_number_of_candidates_gives_the_same_model_again(done, tmp_path):
    """Twice the same three candidates over everything: figures of each and the model's probabilities are bit-equal."""
    data = ingest.load(done["dataset_run_id"])
    options = {"candidates": "3", "latency_price": "0"}  # a time that was measured is never the same twice

    runs = [train.train(data, options) for _ in range(2)]

    boards = [
        pd.read_csv(tracking.artifact(run.run_id, tracking.LEADERBOARD, str(tmp_path / str(at))))
        for at, run in enumerate(runs)
    ]
    kept = [name for name in boards[0] if "cv_" in name or name in {"model", "number", "how", "chosen", "threshold"}]
    pd.testing.assert_frame_equal(boards[0][kept], boards[1][kept], check_exact=True)
    assert boards[0]["model"].ne("blend").sum() == 3
    found = [loading.load(run.model_uri).package.pipeline.predict_proba(data.test) for run in runs]
    np.testing.assert_array_equal(*found)


BAD = {
    "no file": (["--train", "absent.csv", "--test", "test.csv", "--target", "approved"], "file_missing"),
    "empty file": (["--train", "empty.csv", "--test", "test.csv", "--target", "approved"], "file_empty"),
    "binary junk": (["--train", "junk.csv", "--test", "test.csv", "--target", "approved"], None),
    "wrong target": (["--train", "train.csv", "--test", "test.csv", "--target", "aproved"], "target_missing"),
    "one class": (["--train", "one.csv", "--test", "test.csv", "--target", "approved"], "one_class"),
    "gaps in the target": (["--train", "gaps.csv", "--test", "test.csv", "--target", "approved"], "target_gaps"),
    "column only in train": (
        ["--train", "train.csv", "--test", "narrow.csv", "--target", "approved"],
        "column_in_one_file",
    ),
    "unknown learner": (["--models", "lightgmb"], "models_invalid"),
    "budget 0": (["--budget-s", "0"], "budget_s_invalid"),
    "budget in words": (["--budget-s", "long"], "budget_s_invalid"),
    "unknown dataset": (["--dataset", "0" * 32], None),
    "both": (["--dataset", "0" * 32, "--train", "train.csv"], "parameters_exclusive"),
    "unknown column to compare": (
        ["--train", "train.csv", "--test", "test.csv", "--target", "approved", "--sensitive", "aeg"],
        "sensitive_unknown",
    ),
    "promote": (["--promote", "perhaps"], "promote_invalid"),
    "name": (["--name", "a/b"], "name_invalid"),
    "margin": (["--margin=-0.1"], "margin_invalid"),
    "unknown check to accept": (["--accept", "target_leak,leak"], "accept_unknown"),
    "target in disguise": (["--train", "told.csv", "--test", "told.csv", "--target", "approved"], "target_leak"),
    "accepted in vain": (
        ["--train", "one.csv", "--test", "test.csv", "--target", "approved", "--accept", "one_class"],
        "one_class",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_what_where_and_fix(case, store, files, tmp_path, monkeypatch):
    """The run is FAILED and says why; nothing is registered, and no run is left RUNNING."""
    table = pd.read_csv(files / "train.csv", dtype=str, keep_default_na=False)
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "junk.csv").write_bytes(bytes(range(256)) * 20)
    table.assign(approved="yes").to_csv(tmp_path / "one.csv", index=False)
    table.assign(approved=table["approved"].where(table.index > 3, "")).to_csv(tmp_path / "gaps.csv", index=False)
    table.assign(told=table["approved"].map({"yes": "1", "no": "0"})).to_csv(tmp_path / "told.csv", index=False)
    test = pd.read_csv(files / "test.csv", dtype=str, keep_default_na=False)
    test.drop(columns="income").to_csv(tmp_path / "narrow.csv", index=False)
    test.to_csv(tmp_path / "test.csv", index=False)
    table.to_csv(tmp_path / "train.csv", index=False)
    monkeypatch.chdir(tmp_path)
    arguments, code = BAD[case]

    with pytest.raises(ProjectError) as refused:
        main.cli.main(arguments, standalone_mode=False)

    assert all(problem.what and problem.where and problem.fix for problem in refused.value.problems)
    codes = [problem.code for problem in refused.value.problems]
    assert code is None or code in codes
    (run,) = [r for r in store.client.search_runs(["0"]) if r.data.tags[tracking.STEP] == "main"]
    assert run.info.status == "FAILED"
    assert run.data.tags[tracking.ERROR_CODE] == codes[0]
    assert run.data.tags[tracking.ERROR_EXIT_CODE] == "3"
    assert tracking.running_runs(store.client) == []
    assert store.client.search_registered_models() == []


def test_an_accepted_refusal_lets_training_begin(store, files, tmp_path, monkeypatch):
    """With `accept` the same files get as far as training; the dataset remembers it, and its id needs it no more."""
    table = pd.read_csv(files / "train.csv", dtype=str, keep_default_na=False)
    table.assign(told=table["approved"].map({"yes": "1", "no": "0"})).to_csv(tmp_path / "told.csv", index=False)
    begun = []

    def begin(data, options, scheduler):
        begun.append((data, options))
        raise ProjectError(Problem("begun", "Training would begin.", "test", "Nothing."))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "train", begin)
    both = ["--train", "told.csv", "--test", "told.csv", "--target", "approved", "--accept", "target_leak"]
    with pytest.raises(ProjectError, match="would begin"):
        main.cli.main(both, standalone_mode=False)
    (data, options), *_ = begun
    with pytest.raises(ProjectError, match="would begin"):
        main.cli.main(["--dataset", data.run_id], standalone_mode=False)

    check = {check.code: check for check in data.checks}["target_leak"]
    assert (check.level, check.columns) == ("warning", ("told",))
    assert check.what.endswith("Accepted on request.")
    assert "accept" not in options
    assert begun[1][0].run_id == data.run_id
    assert ingest.summary(data.run_id).options.accept == ("target_leak",)
