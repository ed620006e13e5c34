"""There and back on small real models; the fresh process is real in one test and stood in for in the others."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from pyfunc.errors import GateNotPassedError, ModelUnavailableError, ProjectError, TrainingRefusedError
from steps import evaluate, ingest, kept, loading, promote, reload, tracking, versions
from steps.judging import resampling
from tests.steps.judging import models

REAL = reload.probabilities


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Few resamples, and the fresh process stood in for by this one."""

    def here(model_uri: str, dataset_run_id: str):
        scorer = loading.load(model_uri)
        rows = ingest.load(dataset_run_id).test if dataset_run_id else scorer.schema.example()
        return scorer.answer(rows, "rows")[0].filter(like="probability_")

    monkeypatch.setattr(resampling, "RESAMPLES", 200)
    monkeypatch.setattr(resampling, "FEWEST_RESAMPLES", 100)
    monkeypatch.setattr(reload, "probabilities", here)


def ingested(seed: int = 0):
    """A dataset that went through files."""
    made = models.dataset(seed=seed)
    sources = []
    for name, frame, y in (("train.csv", made.train, made.y_train), ("test.csv", made.test, made.y_test)):
        buffer = io.BytesIO()
        frame.assign(loan=np.array(["no", "yes"])[y]).to_csv(buffer, index=False)
        sources.append(ingest.Source(buffer.getvalue(), name))
    return ingest.ingest(*sources, "loan")


@pytest.fixture
def data(store):
    """The dataset of most versions."""
    return ingested()


@pytest.fixture
def add(data, tmp_path):
    """Registers one more version, by default as the champion."""

    def added(columns: int | None = None, mode: str = "always", dataset=data, **facts) -> str:
        evaluation = evaluate.evaluate(models.log_model(dataset, tmp_path, columns=columns), dataset, "crisol")
        return promote.promote(replace(evaluation, **facts), mode, "crisol").version

    return added


def aliases() -> dict[str, str]:
    """Who is champion, who was."""
    return {alias: each.version for each in versions.versions_of("crisol") for alias in each.aliases}


def codes(error: pytest.ExceptionInfo[ProjectError]) -> list[str]:
    """The codes of a refusal."""
    return [problem.code for problem in error.value.problems]


def test_there_and_back(add, store):
    """`to=previous` swaps champion and previous; the run says who was and who is; twice is as if nothing had been."""
    assert (add(columns=1), add()) == ("1", "2")

    first = promote.roll_back("previous", "crisol")
    swapped = aliases()
    second = promote.roll_back("previous", "crisol")

    assert (swapped, aliases()) == ({"champion": "1", "previous": "2"}, {"champion": "2", "previous": "1"})
    run = store.client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert (run.data.tags[tracking.CHAMPION_BEFORE], run.data.tags[tracking.CHAMPION_AFTER]) == ("2", "1")
    assert run.data.tags[tracking.DECISION] == first.decision == "rolled_back"
    assert "worse by" in first.reason
    assert "better by" in second.reason
    assert "both on the test file" in first.reason
    assert re.search(r"worse by 0\.\d+ \(0\.\d+ to 0\.\d+\)", first.reason)
    assert (first.warnings, second.warnings) == ((), ())
    assert store.client.get_model_version("crisol", "1").tags[tracking.ROLLBACK_RUN] == first.run_id


def test_a_fresh_process_answers_before_the_alias_moves(add, monkeypatch):
    """The real thing: another process loads the version from the registry and gets the evaluated probabilities."""
    add(columns=1)
    add()
    monkeypatch.setattr(reload, "probabilities", REAL)

    assert promote.roll_back("1", "crisol").version == "1"
    assert aliases() == {"champion": "1", "previous": "2"}


def test_champion_answers_at_every_moment(add, store, monkeypatch):
    """A process that dies between the two moves leaves a champion, and the way back on the version."""
    add(columns=1)
    add()
    client = type(store.client)
    move = client.set_registered_model_alias

    def dies(self, name, alias, version):
        if alias == tracking.CHAMPION:
            raise KeyboardInterrupt
        move(self, name, alias, version)

    monkeypatch.setattr(client, "set_registered_model_alias", dies)
    with pytest.raises(KeyboardInterrupt):
        promote.roll_back("previous", "crisol")
    monkeypatch.setattr(client, "set_registered_model_alias", move)

    assert aliases()["champion"] == "2"
    with pytest.raises(GateNotPassedError, match="'1'"):
        promote.roll_back("previous", "crisol")
    assert promote.roll_back("1", "crisol").champion_before == "2"


def test_versions_judged_on_different_files_are_said_to_be(add):
    """Figures of two test files are shown with both hashes and the command that judges both on one."""
    add()
    add(dataset=ingested(seed=1))

    done = promote.roll_back("previous", "crisol")

    assert len(done.warnings) == 1
    assert "different test files" in done.warnings[0]
    assert "model=all" in done.warnings[0]


def test_a_version_that_never_was_champion_may_become_it_unless_its_checks_refuse(add):
    """A number may name any version of ours; one with a refused check only if it was promoted before."""
    add()
    add(mode="never")
    add(refused_checks=("target_leak",))

    assert promote.roll_back("2", "crisol").champion_before == "1"
    with pytest.raises(GateNotPassedError) as refused:
        promote.roll_back("3", "crisol")
    assert codes(refused) == ["check_refused"]
    assert aliases() == {"champion": "2", "previous": "1"}


@pytest.mark.parametrize(
    ("to", "code"),
    [("1", "already_champion"), ("previous", "no_previous"), ("7", "version_missing"), ("last", "to_invalid"),
     ("0", "to_invalid"), ("\u0662", "to_invalid")],
)  # fmt: skip
def test_what_cannot_be_followed_is_said_on_the_run(add, to, code):
    """Every refusal has its code, and the registry stays as it is."""
    add()

    with pytest.raises(ProjectError) as refused:
        promote.roll_back(to, "crisol")

    failed = mlflow.search_runs(filter_string=f"tags.`error.code` = '{code}'", output_format="list")
    assert (codes(refused), len(failed)) == ([code], 1)
    assert aliases() == {"champion": "1"}


@pytest.mark.parametrize("registered", [False, True])
def test_a_name_without_champion_has_nothing_to_go_back_from(add, store, registered):
    """Neither an unknown name nor versions that were never promoted can be rolled back."""
    if registered:
        add(mode="never")

    with pytest.raises(ModelUnavailableError) as refused:
        promote.roll_back("1", "crisol")

    assert codes(refused) == ["no_champion"]


def test_a_deleted_previous_is_none(add, store):
    """An alias whose version is gone leads nowhere."""
    add()
    add()
    store.client.delete_model_version("crisol", "1")

    with pytest.raises(ModelUnavailableError) as refused:
        promote.roll_back("previous", "crisol")

    assert codes(refused) == ["no_previous"]


def test_a_damaged_version_does_not_come_back(add, store):
    """A package with other bytes than were saved is named, and the champion stays."""
    add()
    pickles = set(store.folder.rglob("pipeline.pkl"))
    add()
    for file in pickles:
        file.write_bytes(b"other bytes")

    with pytest.raises(ProjectError) as refused:
        promote.roll_back("previous", "crisol")

    assert codes(refused) == ["file_damaged"]
    assert aliases() == {"champion": "2", "previous": "1"}


def test_a_version_that_answers_otherwise_than_it_was_evaluated_does_not_come_back(add, monkeypatch):
    """A difference above 1e-9 in one probability refuses it."""
    add()
    add()
    here = reload.probabilities
    monkeypatch.setattr(reload, "probabilities", lambda *given: here(*given) + 1e-6)

    with pytest.raises(GateNotPassedError) as refused:
        promote.roll_back("1", "crisol")

    assert codes(refused) == ["reload_differs"]
    assert aliases()["champion"] == "2"


def test_a_version_of_somebody_else_is_refused(add, store):
    """What was registered under the name by other means has no schema and no probabilities."""
    add()
    with mlflow.start_run(), pytest.warns(UserWarning, match="type hints"):
        info = mlflow.pyfunc.log_model(name="other", python_model=lambda model_input: model_input, pip_requirements=[])
    store.client.create_model_version("crisol", source=info.model_uri)

    with pytest.raises(ModelUnavailableError) as refused:
        promote.roll_back("2", "crisol")

    assert codes(refused) == ["model_foreign"]


def test_a_version_keeps_its_evaluation_when_the_run_is_gone(add, store, monkeypatch):
    """Report, card and figures stand beside the model too, where a rollback finds them.

    The rows and probabilities are gone with the runs, so a fresh process lets the version answer a row of its own.
    """
    monkeypatch.setattr(reload, "probabilities", REAL)
    monkeypatch.setattr(reload, "require_same", lambda *_: None)
    add(columns=1)
    add()
    version = versions.versions_of("crisol")[0]
    before = kept.evaluation_of(version)
    described = store.client.get_model_version("crisol", "1").description
    assert f"runs:/{before.run_id}/{tracking.REPORT}" in described
    assert f"runs:/{before.run_id}/{tracking.CARD}" in described

    for run_id in (before.run_id, before.dataset_run_id):
        for file in (store.artifacts / "0" / run_id).rglob("*.*"):
            file.unlink()

    folder = mlflow.artifacts.download_artifacts(artifact_uri=f"{version.uri}/{tracking.KEPT}")
    assert kept.evaluation_of(version) == before
    assert {file.name for file in Path(folder).iterdir()} == set(kept.FILES)
    assert "ROC AUC" in promote.roll_back("previous", "crisol").reason


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], "evaluation_missing"),
        (["--evaluation", "abc", "--to", "previous"], "parameters_exclusive"),
        (["--to", "previous", "--promote", "never"], "parameters_exclusive"),
    ],
)
def test_the_command_takes_an_evaluation_or_a_version(store, given, code):
    """Exactly one of the two, said on the run."""
    answer = CliRunner().invoke(promote.cli, given)

    assert isinstance(answer.exception, TrainingRefusedError)
    assert [problem.code for problem in answer.exception.problems] == [code]
    assert mlflow.search_runs(output_format="list")[0].data.tags[tracking.ERROR_CODE] == code


def test_the_command_answers_with_ids(add):
    """The JSON line has the fields of every promotion, and who was champion before."""
    add()
    add()

    said = promote.cli.main(["--to", "previous"], standalone_mode=False)

    json.dumps(said)
    assert (said["version"], said["promoted"], said["decision"]) == ("1", True, "rolled_back")
    assert (said["champion_before"], said["champion_after"], said["warnings"]) == ("2", "1", [])
    assert said["evaluation_run_id"] == kept.evaluation_of(versions.versions_of("crisol")[0]).run_id
