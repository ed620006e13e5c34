import socket
import subprocess
import sys

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from pyfunc.errors import ModelUnavailableError, Problem, TrainingRefusedError
from steps import tracking

TWO_PROBLEMS = (Problem("first", "One.", "here", "Do this."), Problem("second", "Two.", "there", "Do that."))


def test_a_finished_step_leaves_a_finished_run(store):
    """The run is FINISHED and says which step it was."""
    with tracking.step_run("ingest") as run:
        run.params({"target": "y"})

    ended = store.client.get_run(run.run_id)
    assert ended.info.status == "FINISHED"
    assert ended.data.tags[tracking.STEP] == "ingest"
    assert ended.data.params == {"target": "y"}


def test_a_refusal_stands_on_the_run_with_all_its_problems(store):
    """The first problem is in tags, all of them in error.json, and the run is FAILED."""
    with pytest.raises(TrainingRefusedError), tracking.step_run("train") as run:
        raise TrainingRefusedError(*TWO_PROBLEMS)

    ended = store.client.get_run(run.run_id)
    assert ended.info.status == "FAILED"
    assert ended.data.tags["error.code"] == "first"
    assert ended.data.tags["error.count"] == "2"
    assert ended.data.tags["error.exit_code"] == "3"
    assert tracking.problems_of(ended) == [problem.to_dict() for problem in TWO_PROBLEMS]


def test_a_bug_never_puts_its_message_on_the_run(store):
    """An unexpected error's text may quote cells; its kind is enough."""
    with pytest.raises(ValueError, match="secret"), tracking.step_run("train") as run:
        raise ValueError("secret cell")

    tags = store.client.get_run(run.run_id).data.tags
    assert tags["error.code"] == "bug"
    assert "secret" not in str(tags)


@pytest.mark.parametrize("gone", ["log_text", "set_tag"])
def test_a_failed_step_fails_also_where_the_store_does_not_take_its_reason(store, monkeypatch, gone):
    """Inner and outer run end as FAILED, none as FINISHED by MLflow at the end, and the error is the step's own."""

    def broken(*_: object, **__: object) -> None:
        raise OSError("503 Slow Down")

    def refuse() -> None:
        with tracking.step_run("main") as outer, tracking.step_run("train") as inner:
            opened.extend([outer.run_id, inner.run_id])
            monkeypatch.setattr(f"mlflow.tracking.MlflowClient.{gone}", broken)
            raise TrainingRefusedError(*TWO_PROBLEMS)

    opened: list[str] = []
    with pytest.raises(TrainingRefusedError):
        refuse()

    assert mlflow.active_run() is None
    ended = [store.client.get_run(run_id) for run_id in opened]
    assert [each.info.status for each in ended] == ["FAILED", "FAILED"]
    assert [tracking.ERROR_CODE in each.data.tags for each in ended] == 2 * [gone == "log_text"]


def test_nested_steps_hang_under_the_open_one(store):
    """A step inside another is its child, and a refusal of the child fails both."""
    with pytest.raises(TrainingRefusedError), tracking.step_run("main") as parent, tracking.step_run("ingest") as child:
        raise TrainingRefusedError(*TWO_PROBLEMS)

    assert [run.info.run_id for run in tracking.children(store.client, store.client.get_run(parent.run_id))] == [
        child.run_id
    ]
    assert {store.client.get_run(one.run_id).info.status for one in (parent, child)} == {"FAILED"}


def test_the_run_that_mlflow_made_is_used(store, monkeypatch):
    """MLFLOW_RUN_ID names the run a step stands on, and its parameters are not logged again."""
    made = store.client.create_run("0")
    store.client.log_param(made.info.run_id, "target", "'y'")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)

    with tracking.step_run("train") as run:
        run.params({"target": "y", "budget_s": "60"})

    assert run.run_id == made.info.run_id
    assert store.client.get_run(run.run_id).data.params == {"target": "'y'", "budget_s": "60"}


def test_a_run_that_is_not_in_the_store_stops_the_step(store, monkeypatch):
    """Two directories and a relative sqlite URI give two databases: the fix says how to write it."""
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)

    with pytest.raises(ModelUnavailableError, match="absolute path"), tracking.step_run("train"):
        pass


def test_runs_of_ended_processes_are_ended_with_the_reason(store):
    """A RUNNING run whose process is gone becomes FAILED; one whose process lives stays."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = store.client.create_run(
        "0", tags={tracking.PID: str(gone.pid), tracking.HOST: socket.gethostname(), tracking.STARTED: "1.0"}
    )
    reused = store.client.create_run("0", tags={**tracking.process_tags(), tracking.STARTED: "1.0"})
    alive = store.client.create_run("0", tags=tracking.process_tags())
    elsewhere = store.client.create_run("0", tags={**tracking.process_tags(), tracking.HOST: "another"})
    foreign = store.client.create_run("0")

    ended = tracking.end_orphans()

    assert set(ended) == {dead.info.run_id, reused.info.run_id}
    left = {run.info.run_id for run in tracking.running_runs(MlflowClient())}
    assert left == {alive.info.run_id, elsewhere.info.run_id, foreign.info.run_id}
    assert tracking.problems_of(store.client.get_run(dead.info.run_id))[0]["code"] == "process_gone"


def test_a_run_that_never_got_a_process_is_an_orphan_after_a_while(store):
    """`mlflow run` makes its run before Python starts, which may take minutes, but not for ever."""
    tags = {"mlflow.project.entryPoint": "main"}
    old = store.client.create_run("0", start_time=1, tags=tags)
    new = store.client.create_run("0", tags=tags)

    assert tracking.end_orphans() == [old.info.run_id]
    assert store.client.get_run(new.info.run_id).info.status == "RUNNING"


def test_an_artifact_that_is_not_there_is_a_problem_and_no_crash(store, tmp_path):
    """A wrong run id is answered with what to give."""
    with tracking.step_run("train") as run:
        pass

    with pytest.raises(ModelUnavailableError, match=r"no artifact 'schema\.json'"):
        tracking.artifact(run.run_id, "schema.json", str(tmp_path))


def test_usage_errors_reach_the_run_that_mlflow_made(store, monkeypatch):
    """A command line that is not understood is told on the run too."""
    made = store.client.create_run("0")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)

    tracking.tag_usage_error("No such option: --who", 2)

    tags = store.client.get_run(made.info.run_id).data.tags
    assert (tags["error.code"], tags["error.exit_code"]) == ("usage", "2")


def test_scratch_folders_are_private_and_removed():
    """Nobody else reads what lies in them, and nothing stays."""
    with tracking.scratch() as folder:
        (folder / "x").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0

    assert not folder.exists()
    assert mlflow.active_run() is None


def test_scratch_folders_of_killed_processes_are_swept(tmp_path):
    """What a killed process left goes; that of a living one, of another host and of others stays."""
    here = tracking.process_tags()
    host, pid, started = (here[key] for key in tracking.OWNER)
    kept = [f"crisol-{host}-{pid}-{started}-abcdefgh", f"crisol-else-{host}-1-5.00-abcdefgh", "crisol-abcdefgh"]
    gone = f"crisol-{host}-{pid}-5.00-abcdefgh"
    for name in (*kept, gone):
        (tmp_path / name).mkdir()
        (tmp_path / name / "native.npy").touch()

    assert tracking.sweep(tmp_path) == [tmp_path / gone]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_scratch_folders_can_be_swept_by_their_name(tmp_path, monkeypatch):
    """The name of a scratch folder says whose it is: a living process's is never taken away."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with tracking.scratch() as folder:
        assert tracking.SCRATCH_NAME.fullmatch(folder.name)
        assert tracking.sweep() == []
        assert folder.exists()
