"""Promotion on small real models; the reload in a fresh process is real in one test and stood in for in the others."""

import io

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pyfunc.errors import GateNotPassedError, TrainingRefusedError
from steps import evaluate, ingest, promote, reload, tracking
from steps.ingest import Source
from tests.steps.judging import models


def source(frame: pd.DataFrame, y, name: str) -> Source:
    """A CSV file of a frame and its labels."""
    buffer = io.BytesIO()
    frame.assign(loan=np.array(["no", "yes"])[y]).to_csv(buffer, index=False)
    return Source(buffer.getvalue(), name)


@pytest.fixture
def data(store):
    """An ingested dataset, as the fresh process reads it."""
    made = models.dataset()
    return ingest.ingest(
        source(made.train, made.y_train, "train.csv"), source(made.test, made.y_test, "test.csv"), "loan"
    )


@pytest.fixture
def evaluation(data, tmp_path):
    """An evaluation of a good model."""
    return evaluate.evaluate(models.log_model(data, tmp_path), data, "crisol")


@pytest.fixture
def same_answers(monkeypatch):
    """Stand in for the fresh process: it gets what was evaluated."""

    def stored(model_uri: str, dataset_run_id: str) -> pd.DataFrame:
        del model_uri, dataset_run_id
        return tables.pop()

    tables: list[pd.DataFrame] = []
    monkeypatch.setattr(reload, "probabilities", stored)
    return lambda evaluation, folder: tables.append(
        pd.read_parquet(tracking.artifact(evaluation.run_id, tracking.PREDICTIONS, str(folder))).filter(
            like="probability_"
        )
    )


def test_a_fresh_process_gets_the_same_probabilities_before_anything_is_registered(evaluation, store):
    """The real thing: the model is loaded again elsewhere, agrees, and becomes the first champion."""
    version = promote.promote(evaluation, "auto", "crisol")

    assert (version.version, version.promoted, version.decision) == ("1", True, "first_champion")
    registered = store.client.get_model_version_by_alias("crisol", tracking.CHAMPION)
    assert registered.tags[tracking.EVALUATION_RUN] == evaluation.run_id
    assert registered.tags["test_roc_auc"].startswith("0.9")
    assert store.client.get_run(version.run_id).data.tags[tracking.DECISION] == "first_champion"


def test_a_model_that_answers_otherwise_after_loading_is_not_registered(
    evaluation, store, same_answers, tmp_path, monkeypatch
):
    """A difference above 1e-9 in one probability refuses the model."""
    same_answers(evaluation, tmp_path)
    changed = reload.probabilities("", "")
    changed.iloc[0, 0] += 1e-6
    monkeypatch.setattr(reload, "probabilities", lambda *_: changed)

    with pytest.raises(GateNotPassedError, match="other probabilities"):
        promote.promote(evaluation, "always", "crisol")

    assert store.client.search_registered_models() == []


def test_a_model_that_cannot_be_loaded_elsewhere_is_not_registered(evaluation, store, monkeypatch):
    """A fresh process that ends badly refuses the model."""
    monkeypatch.setattr(reload.sys, "executable", "/bin/false")

    with pytest.raises(GateNotPassedError, match="did not answer in a fresh process"):
        promote.promote(evaluation, "auto", "crisol")

    assert store.client.search_registered_models() == []


def test_promoting_the_same_model_twice_registers_it_once(evaluation, store, same_answers, tmp_path):
    """`never` and then `always` is one version that gets its alias later."""
    same_answers(evaluation, tmp_path)
    kept = promote.promote(evaluation, "never", "crisol")
    same_answers(evaluation, tmp_path)
    moved = promote.promote(evaluation, "always", "crisol")

    assert (kept.version, kept.promoted, moved.version, moved.promoted) == ("1", False, "1", True)
    assert len(store.client.search_model_versions("name='crisol'")) == 1


def test_a_champion_that_changed_meanwhile_is_compared_again(data, evaluation, store, same_answers, tmp_path):
    """The evaluation knew of no champion; by now there is one, and the model is no better than it."""
    other = evaluate.evaluate(models.log_model(data, tmp_path), data, "crisol")
    same_answers(other, tmp_path / "other")
    first = promote.promote(other, "auto", "crisol")
    same_answers(evaluation, tmp_path / "own")
    second = promote.promote(evaluation, "auto", "crisol")

    assert (first.decision, second.decision) == ("first_champion", "not_better")
    assert (first.evaluation_run_id == other.run_id, second.evaluation_run_id == evaluation.run_id) == (True, False)
    assert promote.load_evaluation(second.evaluation_run_id).champion_version == first.version
    assert str(store.client.get_model_version_by_alias("crisol", tracking.CHAMPION).version) == first.version


def test_a_store_that_does_not_answer_is_not_taken_for_one_without_a_champion(
    evaluation, same_answers, tmp_path, monkeypatch
):
    """Only MLflow's own word that there is none means that there is none."""
    same_answers(evaluation, tmp_path)

    def fail(*_):
        raise MlflowException("the store is away", error_code="TEMPORARILY_UNAVAILABLE")

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", fail)

    with pytest.raises(MlflowException, match="away"):
        promote.promote(evaluation, "auto", "crisol")


@pytest.mark.parametrize(
    ("mode", "name", "code"), [("maybe", "crisol", "promote_invalid"), ("auto", "a/b", "name_invalid")]
)
def test_options_are_checked_before_anything_is_loaded(evaluation, store, mode, name, code):
    """A wrong mode or name refuses at once, on the run."""
    with pytest.raises(TrainingRefusedError) as refused:
        promote.promote(evaluation, mode, name)

    assert [problem.code for problem in refused.value.problems] == [code]
    assert store.client.search_registered_models() == []


def test_a_margin_promotes_what_is_not_worse(data, evaluation, store, same_answers, tmp_path):
    """The champion's own equal is not better; with a margin it is not worse, and takes its place with a reason."""
    other = evaluate.evaluate(models.log_model(data, tmp_path), data, "crisol")
    same_answers(other, tmp_path / "other")
    promote.promote(other, "auto", "crisol")
    same_answers(evaluation, tmp_path / "own")

    second = promote.promote(evaluation, "auto", "crisol", "0.005")

    assert (second.decision, second.promoted) == ("not_worse", True)
    assert "97.5\u202f% because the test file has judged 1 model before, is above minus the margin" in second.reason
    assert store.client.get_run(second.run_id).data.params["margin"] == "0.005"
    assert str(store.client.get_model_version_by_alias("crisol", tracking.CHAMPION).version) == second.version


@pytest.mark.parametrize("margin", ["-0.1", "wide", "nan", "inf", ""])
def test_a_margin_is_a_number_from_0_on(margin):
    """Anything else is refused with what to give instead."""
    assert [problem.code for problem in promote.problems_with("auto", "crisol", margin)] == ["margin_invalid"]


def test_a_version_says_how_its_threshold_was_found(evaluation, store, same_answers, tmp_path):
    """What training decided about threshold and probabilities stands on the version too."""
    same_answers(evaluation, tmp_path)
    decided = {tracking.THRESHOLD: "0.31", tracking.THRESHOLD_RULE: "f1", tracking.CALIBRATION: "sigmoid"}
    run_id = mlflow.models.get_model_info(evaluation.model_uri).run_id
    for key, value in decided.items():
        store.client.set_tag(run_id, key, value)

    version = promote.promote(evaluation, "auto", "crisol")

    assert decided.items() <= store.client.get_model_version("crisol", version.version).tags.items()
