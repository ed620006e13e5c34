from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from pyfunc.errors import FileRefusedError, ModelUnavailableError, TrainingRefusedError
from steps import ingest, tracking
from steps.data.options import Options, options_of
from steps.data.writing import safe_name
from steps.ingest import Source
from steps.records import SharedRows
from tests.conftest import Store


@pytest.fixture
def files(loans) -> tuple[Source, Source]:
    """The table of the tests, split into two files."""
    header, *rows = loans.splitlines(keepends=True)
    return Source(header + b"".join(rows[:170]), "loans train.csv"), Source(header + b"".join(rows[170:]), "test.csv")


def artifacts(store: Store, run_id: str) -> set[str]:
    """Paths of a run's artifacts."""
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run_id, tracking_uri=store.uri))
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def text(run_id: str, path: str) -> str:
    """A text artifact."""
    return mlflow.artifacts.load_text(f"runs:/{run_id}/{path}")


def test_rows_in_both_files_are_kept_by_number(store):
    """Their numbers come back with the dataset, and are those that the check counts."""
    cells = [f"{at}.5,{('no', 'yes')[at % 2]}" for at in range(80)]
    train, test = ["x,y", *cells[:60]], ["x,y", *cells[60:], cells[3], cells[0].replace("no", "yes"), cells[8]]
    files = (ingest.Source("\n".join(rows).encode(), name) for rows, name in ((train, "a.csv"), (test, "b.csv")))

    made = ingest.ingest(*files, "y")

    checks = {check.code: check for check in made.checks}
    assert ingest.load(made.run_id).shared == made.shared == SharedRows((21, 23), (21, 22, 23))
    assert checks["rows_in_both_files"].figures["rows"] == 2


def test_a_dataset_from_before_shared_rows_were_kept_still_loads(store, files):
    """Nothing is known of its rows then."""
    run_id = ingest.ingest(*files, "approved").run_id
    (kept,) = store.folder.rglob("shared_rows.json")
    kept.unlink()

    assert ingest.load(run_id).shared is None


def test_a_dataset_run_holds_everything(store, files):
    """Files, frames, schema, checks, MLflow's inputs and hashes stand on a FINISHED run."""
    dataset = ingest.ingest(*files, "approved")
    run = store.client.get_run(dataset.run_id)
    assert run.info.status == "FINISHED"
    assert artifacts(store, dataset.run_id) == {
        "raw/train/loans_train.csv", "raw/test/test.csv", "data/train.parquet", "data/test.parquet", "schema.json",
        "checks.json", "checks.html", "summary.json", "shared_rows.json",
    }  # fmt: skip
    assert run.data.tags[tracking.DATASET_RUN] == dataset.run_id
    assert run.data.tags[tracking.DATASET_TARGET] == "approved"
    assert run.data.tags[tracking.TRAIN_SHA256] == files[0].sha256 == dataset.train_sha256
    assert run.data.metrics["train_rows"] == 170
    assert run.data.metrics["test_rows"] == 70
    assert run.data.metrics["columns"] == 9
    inputs = {entry.tags[0].value: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert inputs == {"training": files[0].sha256[:36], "testing": files[1].sha256[:36]}


def test_frames_and_labels(store, files):
    """The record holds enforced frames and positions of labels; Parquet holds the columns and the label as text."""
    dataset = ingest.ingest(*files, "approved")
    assert list(dataset.train.columns) == dataset.schema.names
    assert dataset.train.shape == (170, 9)
    assert dataset.y_train.dtype == np.int64
    assert sorted(set(dataset.y_test)) == [0, 1]
    assert dataset.train["children"].isna().sum() == 1
    with tracking.scratch() as folder:
        stored = pd.read_parquet(tracking.artifact(dataset.run_id, tracking.TEST_FRAME, str(folder)))
    assert list(stored.columns) == [*dataset.schema.names, "approved"]
    assert stored["approved"].tolist() == [("no", "yes")[at] for at in dataset.y_test]


def test_load_gives_the_same_record(store, files):
    """What is read back is what was made, type by type."""
    made = ingest.ingest(*files, "approved")
    loaded = ingest.load(made.run_id)
    pd.testing.assert_frame_equal(loaded.train, made.train)
    pd.testing.assert_frame_equal(loaded.test, made.test)
    assert loaded.y_train.tolist() == made.y_train.tolist()
    assert loaded.y_test.tolist() == made.y_test.tolist()
    assert (loaded.schema, loaded.checks) == (made.schema, made.checks)
    assert (loaded.train_sha256, loaded.test_sha256) == (made.train_sha256, made.test_sha256)
    assert ingest.load_schema(made.run_id) == made.schema


def test_every_kind_survives_the_round_trip(store):
    """Zoned times, empty columns, unseen categories and integer labels are the same after loading."""
    n_rows = 12
    train = pd.DataFrame(
        {
            "t": ["2024-01-01T10:00+02:00", "2024-01-02T10:00Z", None] * 4,
            "c": ["a", "b", None, "a"] * 3,
            "n": [1.5, None, 2.5] * 4,
            "b": [True, False, None] * 4,
            "y": [2, 10] * 6,
        }
    )
    test = train.assign(c="z", n=None).iloc[: n_rows // 2]
    made = ingest.ingest(_json(train), _json(test), "y")
    loaded = ingest.load(made.run_id)
    pd.testing.assert_frame_equal(loaded.train, made.train)
    pd.testing.assert_frame_equal(loaded.test, made.test)
    assert loaded.test["c"].isna().all()
    assert loaded.schema.target.classes == ("2", "10")
    assert loaded.y_train.tolist() == [0, 1] * 6


def test_the_same_bytes_and_options_are_the_same_dataset(store, files):
    """A second ingest finds the run in whatever experiment it stands and makes none; another option makes another."""
    store.client.create_experiment("elsewhere")
    mlflow.set_experiment("elsewhere")
    first = ingest.ingest(*files, "approved")
    mlflow.set_experiment("Default")
    renamed = Source(files[0].content, "other.csv")
    assert ingest.ingest(renamed, files[1], "approved").run_id == first.run_id
    assert ingest.ingest(*files, "approved", positive="yes").run_id == first.run_id
    other = ingest.ingest(*files, "approved", options=options_of({"ignore": " age , city,age"}))
    assert other.run_id != first.run_id
    assert ingest.ingest(*files, "approved", options=Options(("city", "age"))).run_id == other.run_id
    assert "age" not in other.schema.names
    ids = [experiment.experiment_id for experiment in store.client.search_experiments()]
    assert len(store.client.search_runs(ids)) == 2


def test_what_is_accepted_is_part_of_the_dataset(store, files):
    """Codes in any order are the same dataset, others another one; without a target they are remembered."""
    first = ingest.ingest(*files, "approved")
    accepting = ingest.ingest(*files, "approved", options=Options(accept=("target_leak", "drift")))
    assert accepting.run_id != first.run_id
    assert (
        ingest.ingest(*files, "approved", options=options_of({"accept": "drift,target_leak"})).run_id
        == accepting.run_id
    )
    assert ingest.from_run(accepting.run_id).run_id == accepting.run_id
    untargeted = ingest.ingest_without_target(*files, options=Options(accept=("drift", "target_leak")))
    assert ingest.from_run(untargeted.run_id, "approved").run_id == accepting.run_id


def test_positive_is_not_part_of_the_dataset(store, files):
    """Another positive class changes the record, not what is stored; one that is no class leaves the dataset intact."""
    dataset = ingest.ingest(*files, "approved", positive="yes")
    assert dataset.schema.target.positive == "yes"
    assert ingest.load(dataset.run_id).schema.target.positive == "no"
    with pytest.raises(TrainingRefusedError, match="no class"):
        ingest.ingest(*files, "approved", positive="maybe")
    assert store.client.get_run(dataset.run_id).info.status == "FINISHED"


def test_a_dataset_whose_files_are_gone_is_made_again(store, files):
    """A run without its artifacts is no dataset any more."""
    first = ingest.ingest(*files, "approved")
    for file in store.artifacts.rglob("*.parquet"):
        file.unlink()
    second = ingest.ingest(*files, "approved")
    assert second.run_id != first.run_id
    assert len(second.train) == 170


def test_refused_checks_leave_their_traces(store, files):
    """All problems are raised at once, after the files and checks were logged on the FAILED run; it is never reused."""
    rows = files[1].content.splitlines(keepends=True)
    without_age = io.BytesIO()
    pd.read_csv(io.BytesIO(b"".join(rows)), dtype=str).drop(columns="age").to_csv(without_age, index=False)
    test = Source(without_age.getvalue(), "test.csv")
    for _ in range(2):
        with pytest.raises(TrainingRefusedError) as caught:
            ingest.ingest(files[0], test, "aproved", options=Options(("nothing",)))
        codes = [problem.code for problem in caught.value.problems]
        assert codes == ["ignored_unknown", "target_missing", "column_in_one_file"]
    runs = store.client.search_runs(["0"])
    assert [run.info.status for run in runs] == ["FAILED", "FAILED"]
    assert runs[0].data.tags["error.code"] == "ignored_unknown"
    assert runs[0].data.tags["error.count"] == "3"
    run_id = runs[0].info.run_id
    expected = {"raw/train/loans_train.csv", "raw/test/test.csv", "checks.json", "checks.html", "error.json"}
    assert artifacts(store, run_id) == expected
    levels = {check["code"]: check["level"] for check in json.loads(text(run_id, "checks.json"))}
    assert levels["target_missing"] == "refused"


def test_both_unreadable_files_are_named(store):
    """What is wrong with the training and the test file comes in one answer."""
    with pytest.raises(FileRefusedError) as caught:
        ingest.ingest(Source(b"", "a.csv"), Source(b"x,x\n1,2\n", "b.csv"), "y")
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("file_empty", "training file a.csv"),
        ("duplicate_column", "test file b.csv"),
    ]
    assert store.client.search_runs(["0"])[0].info.status == "FAILED"


def test_both_missing_files_are_named(store):
    """Locations are checked together."""
    with pytest.raises(FileRefusedError) as caught:
        ingest.ingest("no.csv", "", "y")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [
        ("file_missing", "train"),
        ("file_missing", "test"),
    ]


def test_the_sample(store):
    """Without files the sample is ingested, with gaps in it and its own target."""
    dataset = ingest.ingest("", "", "")
    assert (len(dataset.train), len(dataset.test), dataset.schema.target.name) == (212, 91, "diameter narrowing")
    assert dataset.schema.target.positive == "1"
    assert dataset.train["major vessels colored"].isna().any()
    assert {check.level for check in dataset.checks} == {"ok"}


def test_without_a_target(store, files):
    """Files can be kept before the target is known; `load` refuses such a run, `from_run` makes a dataset of it."""
    first = ingest.ingest_without_target(*files)
    assert store.client.get_run(first.run_id).data.tags[tracking.DATASET_TARGET] == tracking.NO_TARGET
    assert first.target_guesses[0] == "approved"
    assert "loan_id" not in first.target_guesses
    assert {column["name"]: column["kind"] for column in first.columns}["loan_id"] == "identifier"
    assert first.rows == {"train": 170, "test": 70}
    assert ingest.ingest_without_target(*files) == first
    with pytest.raises(TrainingRefusedError, match="without a target"):
        ingest.load(first.run_id)
    with pytest.raises(TrainingRefusedError, match="without a target"):
        ingest.from_run(first.run_id)
    dataset = ingest.from_run(first.run_id, "approved")
    assert dataset.run_id != first.run_id
    assert dataset.run_id == ingest.ingest(*files, "approved").run_id


def test_from_run_keeps_or_changes_options(store, files):
    """Without options it is the run's dataset; with others its files are ingested again, keeping what was ignored."""
    dataset = ingest.ingest(*files, "approved", options=Options(("age",)))
    assert ingest.from_run(dataset.run_id).run_id == dataset.run_id
    assert ingest.from_run(dataset.run_id, "approved", "yes").schema.target.positive == "yes"
    other = ingest.from_run(dataset.run_id, "city")
    assert other.schema.target.name == "city"
    assert "age" not in other.schema.names
    assert "age" in ingest.from_run(dataset.run_id, given={"ignore": "city"}).schema.names


def test_summary_of_a_dataset(store, files):
    """What /upload answers is known without reading frames, for left-out columns too."""
    dataset = ingest.ingest(*files, "approved", options=Options(("city",)))
    found = ingest.summary(dataset.run_id)
    assert (found.run_id, found.target, found.checks) == (dataset.run_id, "approved", dataset.checks)
    columns = {column["name"]: column for column in found.columns}
    assert list(columns)[:2] == ["loan_id", "income"]
    assert columns["income"]["missing"] > 0
    assert [name for name, column in columns.items() if not column["read"]] == ["loan_id", "city", "currency"]
    assert "approved" not in columns


def test_raw_gives_the_files_back(store, files):
    """The original bytes can be had again, under a name that tells their format."""
    train, test = ingest.raw(ingest.ingest(*files, "approved").run_id)
    assert (train.content, train.name) == (files[0].content, "loans_train.csv")
    assert test.content == files[1].content


def test_unknown_runs(store):
    """No such run, or one without a dataset, is refused."""
    run = store.client.create_run("0")
    for run_id in ("0123456789abcdef0123456789abcdef", run.info.run_id):
        with pytest.raises(ModelUnavailableError) as caught:
            ingest.load(run_id)
        assert caught.value.problems[0].code == "dataset_unknown"


def test_runs_that_used_a_dataset_lead_to_it(store, files):
    """The id of the `mlflow run` that found a dataset works like the dataset's own."""
    dataset = ingest.ingest(*files, "approved")
    user = store.client.create_run("0", tags={tracking.DATASET_RUN: dataset.run_id})
    assert ingest.load(user.info.run_id).run_id == dataset.run_id


def test_a_target_called_none(store, files):
    """A column with the name of the tag for no target is a target like others."""
    renamed = [Source(file.content.replace(b",approved\n", b",none\n"), file.name) for file in files]
    dataset = ingest.ingest(*renamed, "none")
    assert ingest.load(dataset.run_id).schema.target.name == "none"


def test_the_command_tags_and_answers(store, files, tmp_path):
    """The command's run carries the dataset's id; a second one finds it and has no artifacts of its own."""
    names = []
    for name, source in zip(("train.csv", "test.csv"), files, strict=True):
        (tmp_path / name).write_bytes(source.content)
        names.append(str(tmp_path / name))
    options = [f"--train={names[0]}", f"--test={names[1]}", "--target=approved"]
    answers = [CliRunner().invoke(ingest.cli, options, standalone_mode=False).return_value for _ in range(2)]
    assert [answer["reused"] for answer in answers] == [False, True]
    assert answers[0]["run_id"] == answers[0]["dataset_run_id"] == answers[1]["dataset_run_id"]
    assert answers[1]["rows"] == {"train": 170, "test": 70}
    assert answers[1]["checks"]["refused"] == 0
    second = store.client.get_run(answers[1]["run_id"])
    assert second.info.status == "FINISHED"
    assert second.data.tags[tracking.DATASET_RUN] == answers[0]["run_id"]
    assert tracking.DATASET_KEY not in second.data.tags
    assert store.client.list_artifacts(answers[1]["run_id"]) == []


def test_a_refused_command_ends_with_what_to_do(store, tmp_path):
    """`python -m steps.ingest` exits 3, says what, where and fix last, and marks the given run FAILED."""
    run = store.client.create_run("0")
    environment = {**store.environment, "MLFLOW_RUN_ID": run.info.run_id}
    command = [sys.executable, "-m", "steps.ingest", f"--train={tmp_path / 'no.csv'}", "--target=y"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert ended.stderr.strip().splitlines()[-1].startswith("refused [file_missing] No file is given. (in test)")
    failed = store.client.get_run(run.info.run_id)
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error.exit_code"] == "3"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a b.csv", "a_b.csv"), ("../../etc/passwd", "passwd"), ("C:\\data\\x.xlsx", "x.xlsx"), ("", "file"),
        (".hidden", "hidden"), ("é'\"$.csv", "csv"), ("x" * 300 + ".parquet", "x" * 92 + ".parquet"), ("..", "file"),
    ],
)  # fmt: skip
def test_file_names_are_made_safe(name, safe):
    """Names of artifacts have no folders and nothing that a store or a shell might mistake; the ending stays."""
    assert safe_name(name) == safe


def _json(frame: pd.DataFrame) -> Source:
    """A frame as a file of records."""
    return Source(frame.to_json(orient="records").encode(), "x.json")


def test_packed_files_come_back_as_they_were_sent(store, files):
    """They are kept under a name that no artifact store unpacks on the way, and are known by their own."""
    sent = Source(gzip.compress(files[0].content), "train.csv.GZ"), files[1]

    run_id = ingest.ingest(*sent, "approved").run_id

    assert {"raw/train/train.csv.GZ.bin", "raw/test/test.csv"} <= artifacts(store, run_id)
    assert ingest.raw(run_id) == sent
