"""All versions on one test file, on small real models."""

import csv
import io
import json
import re
from dataclasses import replace

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from pyfunc.errors import ModelUnavailableError
from steps import compare, evaluate, ingest, loading, promote, reload, tracking, versions
from steps.judging import contest, resampling
from steps.judging.metrics import METRICS
from tests.steps.judging import models

FILES = {tracking.COMPARISON, tracking.COMPARISON_PAGE, tracking.COMPARISON_TABLE, tracking.PLOTS}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Few resamples, and the fresh process stood in for by this one."""

    def here(model_uri: str, dataset_run_id: str):
        scorer = loading.load(model_uri)
        return scorer.answer(ingest.load(dataset_run_id).test, "rows")[0].filter(like="probability_")

    monkeypatch.setattr(resampling, "RESAMPLES", 200)
    monkeypatch.setattr(resampling, "FEWEST_RESAMPLES", 100)
    monkeypatch.setattr(reload, "probabilities", here)


def ingested(data):
    """A made-up dataset, through files."""
    files = []
    for name, frame, y in (("train.csv", data.train, data.y_train), ("test.csv", data.test, data.y_test)):
        table = frame.assign(loan=np.array(data.schema.target.classes)[y])
        files.append(ingest.Source(table.to_csv(index=False).encode(), name))
    return ingest.ingest(*files, "loan")


@pytest.fixture
def data(store):
    """A dataset of its own for each store."""
    return ingested(models.dataset())


def register(uri: str, alias: str = "", **tags: str) -> str:
    """Make a version of a logged model."""
    client = MlflowClient()
    if not client.search_registered_models("name='crisol'"):
        client.create_registered_model("crisol")
    version = str(client.create_model_version("crisol", source=uri, tags=tags).version)
    if alias:
        client.set_registered_model_alias("crisol", alias, version)
    return version


def rows(run_id: str) -> dict[str, dict[str, str]]:
    """`comparison.csv` by version."""
    text = mlflow.artifacts.load_text(f"runs:/{run_id}/{tracking.COMPARISON_TABLE}")
    return {row["version"]: row for row in csv.DictReader(io.StringIO(text))}


def test_every_version_is_judged_and_one_is_brought_back(data, store, tmp_path):
    """Two versions that fit and one that does not, all on a new file; then the better one is made champion again.

    The figures are those of an ordinary evaluation, the difference is paired, only the rollback changes the registry.
    """
    for columns in (None, 1):
        uri = models.log_model(data, tmp_path, columns=columns)
        promote.promote(evaluate.evaluate(uri, data, "crisol"), "always", "crisol")
    other = replace(data.schema, target=replace(data.schema.target, name="<b>other"))
    register(models.log_model(data, tmp_path, schema=other))
    fresh = ingested(models.dataset(seed=1))
    before = [(each.version, each.aliases, each.tags) for each in versions.versions_of("crisol")]

    said = evaluate.cli.main(["--model", "all", "--dataset", fresh.run_id], standalone_mode=False)

    assert before == [(each.version, each.aliases, each.tags) for each in versions.versions_of("crisol")]
    json.dumps(said)
    assert (said["best_version"], said["champion_version"], said["better"]) == ("1", "2", ["1"])
    assert (said["versions"], said["not_judged"]) == (3, ["3"])
    run = store.client.get_run(said["run_id"])
    assert {file.path for file in store.client.list_artifacts(run.info.run_id)} == FILES
    assert run.data.params == {"model": "all", "dataset": fresh.run_id, "name": "crisol"}
    assert {f"v{v}_test_{name}{end}" for v in (1, 2) for name in METRICS for end in ("", "_low", "_high")} == set(
        run.data.metrics
    )
    found = rows(run.info.run_id)
    assert list(found) == ["1", "2", "3"]
    assert float(found["1"]["difference_low"]) > 0
    assert (found["2"]["difference"], found["2"]["aliases"], found["1"]["aliases"]) == ("", "champion", "previous")
    assert found["1"]["before_test_sha256"] == data.test_sha256 != fresh.test_sha256
    assert int(found["1"]["size_bytes"]) > 0
    assert "predicts '<b>other'" in found["3"]["reason"]
    page = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{tracking.COMPARISON_PAGE}")
    assert "Version 1 is better than the champion, version 2" in page
    assert "&lt;b&gt;other" in page
    assert "<b>other" not in page

    alone = evaluate.evaluate(versions.versions_of("crisol")[0].uri, fresh, "crisol")
    assert said["best_test_roc_auc"] == pytest.approx(alone.figures["roc_auc"][0], abs=1e-12)
    assert float(found["1"]["difference"]) == pytest.approx(alone.difference[0], abs=1e-12)
    assert float(found["1"]["difference_low"]) == pytest.approx(alone.difference[1], abs=1e-12)

    assert promote.roll_back(said["best_version"], "crisol").champion_before == "2"
    assert promote.roll_back("previous", "crisol").champion_before == "1"


def test_what_cannot_be_judged_is_listed_with_its_reason(data, store, tmp_path):
    """Damaged, of an unknown format, without its files or its column: none of them ends the comparison."""
    good = models.log_model(data, tmp_path)
    kept = set(store.folder.rglob("MLmodel"))
    damaged, unknown, gone, broken = (models.log_model(data, tmp_path) for _ in range(4))
    wide = replace(data.schema, columns=(*data.schema.columns, replace(data.schema.columns[0], name="absent")))
    expected = {
        register(damaged): "changed after the model was saved",
        register(unknown): "has format 99",
        register(gone): "cannot be loaded",
        register(broken): "cannot be loaded",
        register(models.log_model(data, tmp_path, schema=wide)): "'absent' is missing",
    }
    folders = {uri: next(f for f in store.folder.rglob("MLmodel") if f not in kept and uri[8:] in str(f)).parent
               for uri in (damaged, unknown, gone, broken)}  # fmt: skip
    next(folders[damaged].rglob("pipeline.pkl")).write_bytes(b"other bytes")
    manifest = next(folders[unknown].rglob("manifest.json"))
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    (folders[gone] / "MLmodel").unlink()
    (folders[broken] / "MLmodel").write_text(": no: yaml: [")
    last = register(good)

    doc = compare.compare(data, "crisol")

    reasons = {each["version"]: each["reason"] for each in doc["versions"] if each["figures"] is None}
    assert reasons.keys() == expected.keys()
    assert [v for v, part in expected.items() if part not in reasons[v]] == []
    assert (doc["best"], doc["champion"], doc["versions"][0]["differences"]) == (last, None, None)


def test_a_comparison_of_nothing_is_a_table_of_reasons(data, store, tmp_path):
    """Where no version fits there is no best, no plot and no crash; an unknown name is refused."""
    with pytest.raises(ModelUnavailableError, match="no registered versions"):
        compare.compare(data, "nobody")
    other = replace(data.schema, target=replace(data.schema.target, name="other"))
    register(models.log_model(data, tmp_path, schema=other), tracking.CHAMPION)

    doc = compare.compare(data, "crisol")

    assert (doc["best"], doc["champion"], doc["better"]) == (None, "1", [])
    assert compare.summary(doc)["champion_test_roc_auc"] is None
    assert {f.path for f in store.client.list_artifacts(doc["run_id"])} == FILES - {tracking.PLOTS}
    assert "None of 1 version can be judged" in mlflow.artifacts.load_text(
        f"runs:/{doc['run_id']}/{tracking.COMPARISON_PAGE}"
    )


def test_a_version_is_not_judged_on_the_file_it_has_learned_from(data, store, tmp_path):
    """The training file of one version as the test file of a comparison flatters nobody."""
    promote.promote(evaluate.evaluate(models.log_model(data, tmp_path), data, "crisol"), "always", "crisol")

    doc = compare.compare(replace(data, test_sha256=data.train_sha256), "crisol")

    assert "trained on this very file" in doc["versions"][0]["reason"]


def test_the_judged_models_count_for_the_test_file(data, store, tmp_path):
    """A comparison has shown the test file to every version; later evaluations say so."""
    uris = [models.log_model(data, tmp_path) for _ in range(3)]
    for uri in uris[:2]:
        register(uri, **{tracking.MODEL_URI: uri})

    compare.compare(data, "crisol")
    store.client.create_registered_model("a name with spaces")
    store.client.create_model_version("a name with spaces", source=uris[0])
    spaced = evaluate.evaluate("models:/a name with spaces/1", data, "crisol").model_uri

    assert contest.judged_before(data.test_sha256, spaced) == 2
    assert contest.judged_before(data.test_sha256, uris[2]) == 3
    assert contest.judged_before(data.test_sha256, uris[0]) == 2


@pytest.mark.parametrize("classes", [("a", "b", "c", "d"), models.HOSTILE[:2], models.HOSTILE])
def test_many_classes_and_hostile_names_have_their_page(store, tmp_path, classes):
    """Labels and column names are escaped, and no metric is named by them."""
    table = models.dataset(classes, names=models.HOSTILE, target=models.HOSTILE[0], rows=60)
    register(models.log_model(table, tmp_path), tracking.CHAMPION)

    doc = compare.compare(table, "crisol")

    page = mlflow.artifacts.load_text(f"runs:/{doc['run_id']}/{tracking.COMPARISON_PAGE}")
    assert "<script>alert" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    keys = mlflow.get_run(doc["run_id"]).data.metrics
    assert all(re.fullmatch(r"v1_test_[a-z_0-9]+", key) for key in keys)
    assert len(keys) == 3 * len(METRICS)
