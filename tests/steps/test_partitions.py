"""A folder of files becomes a folder of answers, here and on a cluster, complete or not at all."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from pyfunc.errors import FileRefusedError, ModelUnavailableError, ProjectError, SchemaMismatchError
from steps import partitions, score
from steps.complete import complete_folder
from tests.clusters import ROOT, cluster
from tests.conftest import make_store
from tests.steps.test_score import saved  # noqa: F401 (a fixture)


@pytest.fixture
def model(store, saved) -> str:  # noqa: F811
    """URI of the model, with a store for the runs."""
    return saved


@pytest.fixture
def data(tmp_path) -> Path:
    """Files of three formats, one in a folder below, and what is passed over."""
    folder = tmp_path / "data"
    (folder / "day=2").mkdir(parents=True)
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / ".hidden.csv").write_bytes(b"no table")
    (folder / "a.csv").write_bytes(b"id,x,c\n1,0.2,a\n2,0.8,a\n")
    pd.DataFrame({"id": [3, 4], "x": [0.5, 2.0], "c": ["a", "b"]}).to_parquet(folder / "day=2" / "part.parquet")
    pd.DataFrame({"id": [5], "x": [0.1], "c": ["a"]}).to_json(folder / "b.jsonl", orient="records", lines=True)
    return folder


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory, store_template):
    """A cluster of one worker."""
    environment = make_store(tmp_path_factory.mktemp("store") / "store", store_template).environment
    with cluster(tmp_path_factory.mktemp("cluster"), 1, environment) as found:
        yield found


def codes(error: ProjectError) -> list[str]:
    """What is wrong."""
    return [problem.code for problem in error.problems]


def test_each_file_has_its_answers_and_the_manifest_says_so(model, data, tmp_path, store):
    """Names, rows, sizes and hashes; kept columns; what is unlike training by file; nothing else in the folder."""
    said = score.score(str(data), str(tmp_path / "out"), model, keep="id")

    out = tmp_path / "out"
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == ["a.csv.parquet", "b.jsonl.parquet", "day=2/part.parquet", "manifest.json"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["format"], manifest["model"], manifest["rows"]) == (1, model, 5)
    assert [(one["data"], one["file"], one["rows"]) for one in manifest["files"]] == [
        ("a.csv", "a.csv.parquet", 2),
        ("b.jsonl", "b.jsonl.parquet", 1),
        ("day=2/part.parquet", "day=2/part.parquet", 2),
    ]
    for one in manifest["files"]:
        content = (out / one["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
    noticed = [[notice["code"] for notice in one["warnings"]] for one in manifest["files"]]
    assert noticed == [["extra_columns"], ["extra_columns"], ["extra_columns", "out_of_range", "unseen_category"]]
    answers = pd.concat([pd.read_parquet(out / one["file"]) for one in manifest["files"]])
    assert answers["id"].astype(int).tolist() == [1, 2, 5, 3, 4]
    assert answers["probability_yes"].tolist() == [0.2, 0.8, 0.1, 0.5, 2.0]
    assert (said["files"], said["rows"]) == (3, 5)
    assert said["warnings"] == [
        {"code": "extra_columns", "count": 3},
        {"code": "unseen_category", "count": 1},
        {"code": "out_of_range", "count": 1},
    ]
    run = store.client.get_run(said["run_id"])
    assert (run.data.metrics["rows"], run.data.metrics["files"], run.data.metrics["out_of_range"]) == (5, 3, 1)


@pytest.mark.trains
def test_a_cluster_writes_the_same_bytes(model, data, tmp_path, one_worker):
    """File by file, and so does a second time."""
    manifests = []
    for name, scheduler in (("here", ""), ("there", one_worker.address), ("again", one_worker.address)):
        score.score(str(data), str(tmp_path / name), model, keep="*", scheduler=scheduler)
        manifests.append((tmp_path / name / "manifest.json").read_bytes())

    assert manifests[0] == manifests[1] == manifests[2]


@pytest.mark.trains
def test_a_worker_that_is_killed_has_its_file_written_again(model, tmp_path, store_template):
    """Once: the answers are those of one machine, and nothing half-written is left."""
    folder = tmp_path / "data"
    folder.mkdir()
    for at in range(4):
        rows = pd.DataFrame({"x": [0.25, 0.5] * 200_000, "c": ["a"] * 400_000})
        rows.to_csv(folder / f"part-{at}.csv", index=False)
    score.score(str(folder), str(tmp_path / "here"), model)
    environment = make_store(tmp_path / "other", store_template).environment
    (tmp_path / "cluster").mkdir()
    with cluster(tmp_path / "cluster", 1, environment) as found:
        killed = []

        def kill() -> None:
            while not list(tmp_path.glob(".there.crisol-*/.*")):  # a worker has begun to write
                time.sleep(0.005)
            killed.extend(found.workers())
            killed[0].kill()

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        score.score(str(folder), str(tmp_path / "there"), model, scheduler=found.address)
        killer.join()

    assert len(killed) == 1
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert here == there


@pytest.mark.parametrize("where", ["here", pytest.param("there", marks=pytest.mark.trains)])
def test_all_files_that_do_not_fit_are_named_at_once(model, data, tmp_path, where, request):
    """With their rows and columns; there is no folder of answers, and nothing is left beside it."""
    scheduler = request.getfixturevalue("one_worker").address if where == "there" else ""
    (data / "bad.csv").write_bytes(b"x\n1\n")
    (data / "worse.csv").write_bytes(b"x,c\nmuch,a\n")

    with pytest.raises(SchemaMismatchError) as refused:
        score.score(str(data), str(tmp_path / "out"), model, scheduler=scheduler)

    assert [(problem.code, problem.where.split(",")[0]) for problem in refused.value.problems] == [
        ("missing_column", "bad.csv"),
        ("not_a_number", "worse.csv"),
    ]
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_after_ten_files_that_do_not_fit_no_more_are_looked_at(model, tmp_path):
    """Thousands of files that lack the same column would say the same thousands of times."""
    folder = tmp_path / "data"
    folder.mkdir()
    for at in range(partitions.MOST_REFUSED + 5):
        (folder / f"{at:02}.csv").write_bytes(b"x\n1\n")

    with pytest.raises(SchemaMismatchError) as refused:
        score.score(str(folder), str(tmp_path / "out"), model)

    assert len(refused.value.problems) == partitions.MOST_REFUSED


@pytest.mark.trains
def test_a_folder_that_workers_do_not_see(model, data, tmp_path, one_worker, monkeypatch):
    """It is said which, and what to do."""
    task = partitions.Task(Path("/nowhere/a.csv"), "a.csv", "a.csv.parquet")
    monkeypatch.setattr(partitions, "_tasks", lambda _: [task])

    with pytest.raises(FileRefusedError) as refused:
        score.score(str(data), str(tmp_path / "out"), model, scheduler=one_worker.address)

    (problem,) = refused.value.problems
    assert problem.code == "folder_not_shared"
    assert "/nowhere" in problem.what


def test_places_that_cannot_be_had(model, data, tmp_path):
    """A folder with something in it, a file, a place inside of the data, one whose folder is not there."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    found = {}
    for name in ("full", "file", "data/out", "absent/out"):
        with pytest.raises(FileRefusedError) as refused:
            score.score(str(data), str(tmp_path / name), model)
        found[name] = codes(refused.value)

    assert found == {
        "full": ["out_not_empty"],
        "file": ["out_not_empty"],
        "data/out": ["out_in_data"],
        "absent/out": ["out_folder_missing"],
    }
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_an_empty_folder_takes_the_answers(model, data, tmp_path):
    """As `mkdir` has left it."""
    (tmp_path / "out").mkdir()

    assert score.score(str(data), str(tmp_path / "out"), model)["files"] == 3
    assert (tmp_path / "out" / "manifest.json").exists()


def test_folders_without_tables_and_names_alike(model, tmp_path):
    """Nothing to score, and two files whose answers would have one name."""
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(FileRefusedError) as empty:
        score.score(str(folder), str(tmp_path / "out"), model)
    (folder / "a.csv").write_bytes(b"x,c\n1,a\n")
    pd.DataFrame({"x": [1.0], "c": ["a"]}).to_parquet(folder / "a.csv.parquet")
    with pytest.raises(FileRefusedError) as alike:
        score.score(str(folder), str(tmp_path / "out"), model)

    assert (codes(empty.value), codes(alike.value)) == (["folder_empty"], ["names_alike"])
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_is_said_before_a_file_is_read(model, data, tmp_path):
    """Parameters, the address, the place."""
    with pytest.raises(FileRefusedError) as refused:
        score.score(str(data), str(data / "out"), model, "much", "perhaps", scheduler="host")

    assert codes(refused.value) == ["scheduler_invalid", "warnings_invalid", "out_in_data", "threshold_invalid"]


def test_one_file_is_not_for_a_cluster(model, data, tmp_path):
    """The address would be of no use."""
    with pytest.raises(FileRefusedError) as refused:
        score.score(str(data / "a.csv"), str(tmp_path / "out.csv"), model, scheduler="tcp://127.0.0.1:9")

    assert codes(refused.value) == ["scheduler_unused"]


def test_a_model_that_is_not_there(model, data, tmp_path):
    """Is said before anything is written."""
    with pytest.raises(ModelUnavailableError):
        score.score(str(data), str(tmp_path / "out"), "models:/absent/1")

    assert not (tmp_path / "out").exists()


def test_a_killed_run_leaves_nothing_and_the_next_one_clears_up(model, data, tmp_path, store):
    """Killed between two files; the hidden folder that it has left goes with the next run into the same place."""
    left = tmp_path / ".out.crisol-"
    program = (
        "import os, signal\n"
        "from steps import partitions, score\n"
        "real = partitions._scored\n"
        "def dying(task, *more):\n"
        "    if task.data != 'a.csv':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(task, *more)\n"
        "partitions._scored = dying\n"
        f"score.score({str(data)!r}, {str(tmp_path / 'out')!r}, {model!r})\n"
    )
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, env=store.environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert [path.name.startswith(left.name) for path in tmp_path.glob(".out*")] == [True]

    score.score(str(data), str(tmp_path / "out"), model)

    assert not list(tmp_path.glob(".out*"))
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]) == 3


def test_a_folder_that_is_complete_has_usual_rights(tmp_path):
    """Those of any new folder, and not of a temporary one; where the work fails there is none."""
    with complete_folder(tmp_path / "out") as folder:
        (folder / "a").write_bytes(b"1")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode
    with pytest.raises(KeyError), complete_folder(tmp_path / "other"):
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "usual"]
