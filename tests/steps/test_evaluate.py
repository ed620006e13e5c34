from __future__ import annotations

import json
from dataclasses import replace

import mlflow
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from pyfunc.compiled.extract import extract
from pyfunc.errors import ArtifactMismatchError, ModelUnavailableError, SchemaMismatchError, TrainingRefusedError
from steps import evaluate, ingest, tracking
from steps.data.options import options_of
from steps.judging import resampling
from steps.judging.metrics import METRICS
from tests.steps.judging import models

FILES = {tracking.REPORT, tracking.CARD, tracking.EVALUATION, tracking.PREDICTIONS, tracking.PLOTS}


def promote(uri: str, name: str = "crisol") -> str:
    """Make a logged model the champion of a name, as `promote` does; its version."""
    client = MlflowClient()
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    version = str(client.create_model_version(name, source=uri).version)
    client.set_registered_model_alias(name, tracking.CHAMPION, version)
    return version


def stored(run_id: str) -> dict:
    """`evaluation.json` of a run."""
    return json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/{tracking.EVALUATION}"))


def answered(run_id: str) -> list[int]:
    """The predicted positions of `predictions.parquet`."""
    path = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=tracking.PREDICTIONS)
    return pd.read_parquet(path)["prediction"].tolist()


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    """Bounds have tests of their own; here they only have to be there."""
    monkeypatch.setattr(resampling, "RESAMPLES", 200)
    monkeypatch.setattr(resampling, "FEWEST_RESAMPLES", 100)


@pytest.fixture
def data():
    """A small dataset with two classes."""
    return models.dataset()


@pytest.fixture
def uri(store, data, tmp_path):
    """A model of it that knows both informative columns."""
    return models.log_model(data, tmp_path)


def test_an_evaluation_leaves_all_it_promises(data, uri):
    """Figures with bounds, parameters, tags and files stand on a run that has finished."""
    evaluation = evaluate.evaluate(uri, data, "crisol")

    run = mlflow.get_run(evaluation.run_id)
    logged = run.data.metrics
    assert run.info.status == "FINISHED"
    assert {f"test_{name}{end}" for name in METRICS for end in ("", "_low", "_high")} == set(logged)
    for name in METRICS:
        assert logged[f"test_{name}_low"] <= logged[f"test_{name}"] <= logged[f"test_{name}_high"]
    assert {"model": uri, "dataset": data.run_id, "name": "crisol", "sensitive": ""} == run.data.params
    assert (uri, data.run_id) == (run.data.tags[tracking.MODEL_URI], run.data.tags[tracking.DATASET_RUN])
    assert {file.path for file in MlflowClient().list_artifacts(run.info.run_id)} == FILES
    assert len(MlflowClient().list_artifacts(run.info.run_id, tracking.PLOTS)) >= 6


def test_figures_are_those_of_the_served_answers(data, uri):
    """scikit-learn says the same of what the pyfunc answers to the same rows."""
    evaluation = evaluate.evaluate(uri, data, "crisol")

    answers = mlflow.pyfunc.load_model(uri).predict(data.test)
    y = np.array(["no", "yes"])[data.y_test]
    score = answers["probability_yes"]
    expected = {
        "accuracy": reference.accuracy_score(y, answers["prediction"]),
        "f1": reference.f1_score(y, answers["prediction"], pos_label="yes"),
        "roc_auc": reference.roc_auc_score(y == "yes", score),
        "brier": reference.brier_score_loss(y == "yes", score),
        "log_loss": reference.log_loss(y, answers[["probability_no", "probability_yes"]]),
    }
    assert expected == pytest.approx({name: evaluation.figures[name][0] for name in expected}, abs=1e-9)


def test_a_compiled_model_is_judged_as_it_answers(data, uri, tmp_path, monkeypatch):
    """Its pipeline is asked for the test file, once, and for nothing else; the figures are those of the pipeline."""
    asked: list[int] = []
    predict = Pipeline.predict_proba
    plan = extract(models.pipeline(data), data.schema)
    compiled = models.log_model(data, tmp_path / "compiled", plan=plan)
    by_pipeline = evaluate.evaluate(uri, data, "crisol")
    monkeypatch.setattr(Pipeline, "predict_proba", lambda self, frame: asked.append(len(frame)) or predict(self, frame))

    evaluation = evaluate.evaluate(compiled, data, "crisol")

    assert asked == [len(data.test)]
    assert evaluation.figures["log_loss"] == pytest.approx(by_pipeline.figures["log_loss"], abs=1e-9)
    assert stored(evaluation.run_id)["importance"].keys() == stored(by_pipeline.run_id)["importance"].keys()


def test_a_plan_that_answers_otherwise_is_not_judged(store, data, tmp_path):
    """The compiled form is of another pipeline: nothing is made of either."""
    plan = extract(models.pipeline(data, 1), replace(data.schema, columns=data.schema.columns[:1]))
    uri = models.log_model(data, tmp_path, plan=plan)

    with pytest.raises(ArtifactMismatchError) as caught:
        evaluate.evaluate(uri, data, "crisol")

    assert [problem.code for problem in caught.value.problems] == ["compiled_differs"]


def test_predictions_hold_answers_and_no_cells(data, uri):
    """Row, probabilities by class, position of the prediction: nothing that stood in the file."""
    evaluation = evaluate.evaluate(uri, data, "crisol")

    path = mlflow.artifacts.download_artifacts(run_id=evaluation.run_id, artifact_path=tracking.PREDICTIONS)
    table = pd.read_parquet(path)

    assert list(table) == ["row", "probability_no", "probability_yes", "prediction"]
    assert (table["prediction"] == (table["probability_yes"] >= 0.5)).all()
    assert list(table["row"]) == list(range(1, len(data.test) + 1))


def test_the_record_is_what_the_json_says(data, uri):
    """`promote` reads the same evaluation from the run."""
    evaluation = evaluate.evaluate(uri, data, "crisol")

    assert evaluation == evaluate.from_json(stored(evaluation.run_id))
    assert evaluation.beats_constant
    assert (
        evaluation.champion_version,
        evaluation.champion_comparable,
        evaluation.difference,
    ) == (None, False, None)


def test_a_weaker_champion_is_beaten_on_the_same_rows(data, uri, tmp_path):
    """A champion that reads fewer columns is judged on the same rows, and the difference has its bounds."""
    version = promote(models.log_model(data, tmp_path, columns=1))

    evaluation = evaluate.evaluate(uri, data, "crisol")

    assert (version, True) == (evaluation.champion_version, evaluation.champion_comparable)
    value, low, high = evaluation.difference
    assert 0 < low < value < high
    theirs = stored(evaluation.run_id)["champion"]["figures"]["roc_auc"]["value"]
    assert value == pytest.approx(evaluation.figures["roc_auc"][0] - theirs)


def test_the_champion_judged_again_is_no_better_than_itself(data, uri):
    """The same model differs from itself by nothing."""
    promote(uri)

    assert evaluate.evaluate(uri, data, "crisol").difference == (0, 0, 0)


def test_champions_of_another_kind_are_not_comparable(data, uri, tmp_path):
    """Another target or other classes: not comparable, with why."""
    target = data.schema.target
    others = {
        "predicts": replace(data.schema, target=replace(target, name="other")),
        "classes": replace(data.schema, target=replace(target, classes=("no", "oui"), positive="oui")),
    }
    for word, schema in others.items():
        version = promote(models.log_model(data, tmp_path, schema=schema))
        evaluation = evaluate.evaluate(uri, data, "crisol")
        assert (version, False) == (evaluation.champion_version, evaluation.champion_comparable)
        assert word in stored(evaluation.run_id)["champion"]["reason"]


def ingested(data, *, ignore: str = "", drop: str = "", more=None):
    """The dataset's rows through real files; `drop` takes a column out of both, `more` gives both some."""
    files = []
    for name, frame, y in (("train.csv", data.train, data.y_train), ("test.csv", data.test, data.y_test)):
        table = frame.assign(loan=np.array(["no", "yes"])[y], **(more or {})).drop(columns=drop or [])
        files.append(ingest.Source(table.to_csv(index=False).encode(), name))
    return ingest.ingest(*files, "loan", options=options_of({"ignore": ignore}))


def test_a_champion_that_reads_more_columns_is_judged_on_the_file_as_it_was_sent(data, uri, tmp_path):
    """Leaving a column out of the new model does not make the old one, which reads it, incomparable."""
    whole = ingested(data)
    promote(models.log_model(whole, tmp_path))
    narrow = ingested(data, ignore="noise")

    evaluation = evaluate.evaluate(models.log_model(narrow, tmp_path), narrow, "crisol")

    assert narrow.schema.names == ["age", "income"]
    assert evaluation.champion_comparable
    assert stored(evaluation.run_id)["champion"]["figures"]["roc_auc"]["value"] > 0.8


def test_a_champion_whose_column_is_gone_is_not_comparable(data, uri, tmp_path):
    """The file itself lacks what the champion reads."""
    promote(models.log_model(ingested(data), tmp_path))
    without = ingested(data, drop="noise")

    evaluation = evaluate.evaluate(models.log_model(without, tmp_path), without, "crisol")

    assert not evaluation.champion_comparable
    assert "'noise' is missing" in stored(evaluation.run_id)["champion"]["reason"]


def test_where_it_fails_and_what_drives_it_stand_in_the_json(data, uri):
    """Slices with their number, and the curves of the columns that matter most, without any row's own."""
    found = stored(evaluate.evaluate(uri, data, "crisol").run_id)

    assert found["slices"]["asked"] > found["slices"]["asked_pairs"] > 0
    assert {one["column"] for one in found["dependence"]} == {"age", "income", "noise"}
    assert all(len(one["at"]) == len(one["mean"]) for one in found["dependence"])
    assert "curves" not in found["dependence"][0]
    assert found["sensitive"] == []


def test_groups_of_a_column_that_the_model_does_not_read_are_compared(data, tmp_path, store):
    """An ignored column is taken from the file as it was sent, row by row; one that is read is compared too."""
    group = np.where(np.arange(len(data.test)) % 3 == 0, "<b>first</b>", "other")
    narrow = ingested(data, ignore="who", more={"who": group})
    uri = models.log_model(narrow, tmp_path)

    evaluation = evaluate.evaluate(uri, narrow, "crisol", "who, age")

    found = stored(evaluation.run_id)
    who, age = found["sensitive"]
    report = mlflow.artifacts.load_text(f"runs:/{evaluation.run_id}/{tracking.REPORT}")
    assert (who["is_read"], age["is_read"]) == (False, True)
    assert {each["part"]["value"]: each["rows"] for each in who["groups"]} == {"<b>first</b>": 100, "other": 200}
    by_hand = (np.array(answered(evaluation.run_id)) == narrow.y_test)[group == "other"].mean()
    figures = {each["part"]["value"]: each["figures"] for each in who["groups"]}
    assert figures["other"]["accuracy"]["value"] == pytest.approx(by_hand)
    assert "Does it treat groups alike?" in report
    assert "<b>first</b>" not in report
    assert evaluation.sensitive == "who,age"


def test_a_column_of_names_makes_no_groups(data, tmp_path, store):
    """Where nearly every row has a value of its own, none of them stands in the report."""
    names = [f"person {at:04d} of somewhere" for at in range(len(data.test))]
    narrow = ingested(data, ignore="name", more={"name": names})

    evaluation = evaluate.evaluate(models.log_model(narrow, tmp_path), narrow, "crisol", "name")

    assert stored(evaluation.run_id)["sensitive"][0]["groups"] == []
    assert "person 0" not in mlflow.artifacts.load_text(f"runs:/{evaluation.run_id}/{tracking.REPORT}")


def test_columns_to_compare_that_are_none_are_refused(data, uri):
    """With the nearest name, and the run is FAILED like any that is refused."""
    with pytest.raises(TrainingRefusedError) as caught:
        evaluate.evaluate(uri, data, "crisol", "aeg")

    assert caught.value.problems[0].code == "sensitive_unknown"


def test_a_damaged_champion_is_not_comparable(data, uri, store):
    """A champion whose files changed is named, with the reason, and the evaluation goes on."""
    version = promote(uri)
    pickles = list(store.folder.rglob("pipeline.pkl"))
    candidate = models.log_model(data, store.folder)
    for file in pickles:
        file.write_bytes(b"other bytes")

    evaluation = evaluate.evaluate(candidate, data, "crisol")

    assert (version, False) == (evaluation.champion_version, evaluation.champion_comparable)
    assert "changed after the model was saved" in stored(evaluation.run_id)["champion"]["reason"]


def test_the_test_file_counts_the_models_it_has_judged(data, uri, tmp_path):
    """Other models count once each; the same one judged again does not, nor do other test files."""
    second = models.log_model(data, tmp_path)

    counts = [
        stored(evaluate.evaluate(model, judge, "crisol").run_id)["dataset"]["judged_before"]
        for model, judge in ((uri, data), (uri, data), (second, data), (uri, replace(data, test_sha256="1" * 64)))
    ]

    assert counts == [0, 0, 1, 0]


def test_rows_of_the_training_file_are_counted_and_left_out(data, uri):
    """The dataset's own count reaches JSON and run; `test_*` stay those of all rows, `unshared_*` stand beside them."""
    test = pd.DataFrame({"x": data.test["income"].round(6), "loan": np.array(["no", "yes"])[data.y_test]})
    train = pd.concat([test[:60], test[60:].assign(x=test["x"][60:] + 0.1)])
    files = [ingest.Source(frame.to_csv(index=False).encode(), "x.csv") for frame in (train, test)]
    made = ingest.ingest(*files, "loan")
    found = ingest.load(made.run_id)
    shared = replace(data, shared=found.shared)

    evaluation = evaluate.evaluate(uri, shared, "crisol")

    logged = mlflow.get_run(evaluation.run_id).data.metrics
    stated = stored(evaluation.run_id)["shared_rows"]
    assert made.shared == found.shared
    assert found.shared.same_label == tuple(range(1, 61))
    assert (stated["count"], stated["rows_without"], logged["shared_rows"]) == (60, 240, 60)
    assert stored(evaluate.evaluate(uri, data, "crisol").run_id)["figures"] == stored(evaluation.run_id)["figures"]
    for name in METRICS:
        assert logged[f"unshared_{name}"] == stated["figures_without"][name]["value"]
        assert logged[f"unshared_{name}_low"] <= logged[f"unshared_{name}"] <= logged[f"unshared_{name}_high"]


def test_the_primary_figure_is_the_trainings(data, uri):
    """The tag of the run that logged the model decides; without one, ROC AUC for two classes."""
    assert evaluate.evaluate(uri, data, "crisol").metric == "roc_auc"

    run_id = mlflow.models.get_model_info(uri).run_id
    MlflowClient().set_tag(run_id, tracking.METRIC, "f1")

    assert evaluate.evaluate(uri, data, "crisol").metric == "f1"


@pytest.mark.parametrize(
    "table",
    [
        models.dataset([f"c{at}" for at in range(6)], rows=200),
        models.dataset(["a", "b", "c", "d"], rows=10, absent=2),
        models.dataset(rows=10, absent=1),
        models.dataset(models.HOSTILE, names=models.HOSTILE, target=models.HOSTILE[0]),
    ],
    ids=["six classes", "ten rows, absent classes", "one class", "hostile names"],
)
def test_every_kind_of_table_is_judged(store, tmp_path, table):
    """Many classes, tiny files and hostile names get their files, and metrics that are finite and without labels."""
    evaluation = evaluate.evaluate(models.log_model(table, tmp_path), table, "crisol")

    run = mlflow.get_run(evaluation.run_id)
    assert all(np.isfinite(value) for value in run.data.metrics.values())
    assert all(
        key.removeprefix("test_").removesuffix("_low").removesuffix("_high") in METRICS for key in run.data.metrics
    )
    assert {file.path for file in MlflowClient().list_artifacts(run.info.run_id)} == FILES


def test_a_model_of_another_target_is_refused(data, uri):
    """A model cannot be judged on a dataset with another question, and the run says so."""
    other = replace(data, schema=replace(data.schema, target=replace(data.schema.target, name="other")))

    with pytest.raises(SchemaMismatchError) as caught:
        evaluate.evaluate(uri, other, "crisol")

    assert [problem.code for problem in caught.value.problems] == ["target_mismatch"]
    failed = mlflow.search_runs(filter_string="tags.`error.code` = 'target_mismatch'", output_format="list")
    assert [run.info.status for run in failed] == ["FAILED"]


@pytest.mark.parametrize("uri", ["models:/nobody/1", "runs:/" + "0" * 32 + "/model"])
def test_a_model_that_is_not_there_is_refused(store, data, uri):
    """A wrong URI is the caller's to fix."""
    with pytest.raises(ModelUnavailableError) as caught:
        evaluate.evaluate(uri, data, "crisol")

    assert caught.value.problems[0].code == "model_unavailable"


def test_the_command_answers_with_ids_and_the_headline(data, uri, monkeypatch):
    """`python -m steps.evaluate` loads the dataset by its run id and returns what becomes the JSON line."""
    monkeypatch.setattr("steps.evaluate.ingest.load", lambda run_id: replace(data, run_id=run_id))

    said = evaluate.cli.main(["--model", uri, "--dataset", "abc"], standalone_mode=False)

    assert ("abc", uri, "roc_auc") == (said["dataset_run_id"], said["model_uri"], said["metric"])
    assert said["test_roc_auc_low"] <= said["test_roc_auc"] <= said["test_roc_auc_high"]
    json.dumps(said)
    assert CliRunner().invoke(evaluate.cli, ["--dataset", "abc"]).exit_code == 2
