"""Jobs over HTTP, with a trainer that only pretends: the queue, the end of a job in every way, and restarts."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest
from mlflow.entities import Run, RunData, RunInfo, RunTag

from api import jobs, processes, progress
from api.app import create_app
from api.supervisor import Supervisor
from steps import tracking
from steps.progress import Event
from steps.settings import Settings
from tests.api.served import running, server, until
from tests.conftest import Store

IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(30)"
)


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test(store: Store) -> Iterator[None]:
    """Whatever a test has started is ended."""
    yield
    for run in jobs.search(f"tags.`{jobs.JOB}` != ''"):
        processes.stop(run.info.run_id, jobs.owner_of(run), 0)


def asked() -> str:
    """A job that waits; its id."""
    return str(jobs.submit({"dataset": "0" * 32}, "0", "a job").info.run_id)


def seen(client: httpx.Client, job: str, status: str) -> dict[str, object]:
    """Wait until a job has a status; the job."""
    return dict(until(lambda: (found := client.get(f"/jobs/{job}").json())["status"] == status and found, 15))


def at_work(job: str) -> list[psutil.Process]:
    """Wait until a job's process has started; its processes."""
    return list(until(lambda: processes.of_run(job, {}), 15))


def test_the_command_is_mlflow_run_on_that_run(store: Store):
    """A job is worked by `mlflow run` in this Python, on its own run, with a store that means the same everywhere."""
    run = store.client.get_run(asked())
    words = jobs.command(run, {"target": "it's; $(x)"})

    assert words[:5] == [sys.executable, "-m", "mlflow", "run", str(jobs.PROJECT)]
    assert ("--run-id", run.info.run_id) in pairwise(words)
    assert words[-2:] == ["-P", "target=it's; $(x)"]
    environment = jobs.environment()
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert not {"MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "CRISOL_API_KEY"} & set(environment)


def test_a_relative_store_is_made_absolute(monkeypatch: pytest.MonkeyPatch):
    """A job in another directory finds the database that the server has."""
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "sqlite:///mlflow.db")

    assert jobs.absolute_store() == f"sqlite:///{Path('mlflow.db').resolve()}"


def test_jobs_wait_for_their_turn_in_order(store: Store):
    """One trains at a time; the next begins when it has ended."""
    with server() as client:
        first, second, third = (asked() for _ in range(3))
        at_work(first)
        assert client.get(f"/jobs/{second}").json()["status"] == "SCHEDULED"
        assert client.get(f"/jobs/{second}").json()["progress"] == 0
        client.post(f"/jobs/{first}/cancel")
        at_work(second)
        assert client.get(f"/jobs/{third}").json()["status"] == "SCHEDULED"
        listed = client.get("/jobs").json()["jobs"]

    assert [job["job_id"] for job in listed] == [third, second, first]


def test_a_job_whose_process_is_gone_is_failed_with_a_reason(store: Store):
    """SIGKILL of a trainer leaves no run RUNNING, nested ones neither, and says what happened."""
    with server() as client:
        job = asked()
        (process,) = at_work(job)
        experiment = store.client.get_run(job).info.experiment_id
        nested = store.client.create_run(experiment, tags={"mlflow.parentRunId": job, tracking.STEP: "train"})
        process.send_signal(signal.SIGKILL)
        found = seen(client, job, "FAILED")

    assert [problem["code"] for problem in found["problems"]] == ["process_gone"]
    assert found["step"] == "train"
    assert store.client.get_run(nested.info.run_id).info.status == "FAILED"


def test_a_failure_without_a_word_still_has_a_reason(store: Store):
    """`mlflow run` sets FAILED and says nothing; the job says where to look."""
    with server("pass") as client:
        run = jobs.submit({"dataset": "x"}, "0", "a job")
        store.client.set_terminated(run.info.run_id, "FAILED")
        found = seen(client, run.info.run_id, "FAILED")
        settled = until(lambda: (r := store.client.get_run(run.info.run_id)).data.tags[jobs.JOB] == jobs.ENDED and r)

    assert [problem["code"] for problem in found["problems"]] == ["training_broke_off"]
    assert settled.data.tags[tracking.ERROR_CODE] == "training_broke_off"


def test_a_process_that_cannot_be_started_is_a_reason(store: Store):
    """The queue does not stand still because of it."""
    supervisor = Supervisor(1, 60, lambda *_: ["/no/such/program"], look_s=0.05)
    with running(create_app(Settings(name="crisol", poll_s=60), supervisor)) as client:
        jobs_asked = [asked(), asked()]
        found = [seen(client, job, "FAILED") for job in jobs_asked]

    assert [[problem["code"] for problem in job["problems"]] for job in found] == [["training_not_started"]] * 2


def test_a_job_that_its_server_lost_while_starting_it_is_settled(store: Store):
    """RUNNING without a process: the server was interrupted between the two."""
    job = asked()
    store.client.update_run(job, status="RUNNING")
    with server() as client:
        assert [problem["code"] for problem in seen(client, job, "FAILED")["problems"]] == ["process_gone"]


def test_the_reason_of_a_failed_step_is_the_jobs(store: Store):
    """What a nested run refused is what the job shows."""
    with server() as client:
        job = asked()
        (process,) = at_work(job)
        experiment = store.client.get_run(job).info.experiment_id
        nested = store.client.create_run(experiment, tags={"mlflow.parentRunId": job, tracking.STEP: "ingest"})
        tracking.record_problems(nested.info.run_id, (tracking.Problem("one_class", "a", "b", "c"),), tracking.REFUSED)
        for run_id in (nested.info.run_id, job):
            store.client.set_terminated(run_id, "FAILED")
        process.kill()
        found = seen(client, job, "FAILED")

    assert found["problems"] == [{"code": "one_class", "what": "a", "where": "b", "fix": "c"}]


def test_cancel_ends_the_processes_then_says_killed(store: Store):
    """Also a process that ignores SIGTERM is gone when cancel answers."""
    with server(IGNORES_SIGTERM) as client:
        job = asked()
        until(lambda: "deaf" in client.get(f"/jobs/{job}/log").text)
        answer = client.post(f"/jobs/{job}/cancel")
        again = client.post(f"/jobs/{job}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "KILLED")
    assert answer.json()["problems"][0]["code"] == "cancelled"
    assert processes.of_run(job, {}) == []
    assert (again.status_code, again.json()["problems"][0]["code"]) == (409, "job_ended")


def test_a_waiting_job_is_cancelled_at_once(store: Store):
    """A job that has not begun never does."""
    with server() as client:
        first, second = (asked() for _ in range(2))
        at_work(first)
        began = time.monotonic()
        answer = client.post(f"/jobs/{second}/cancel").json()
        client.post(f"/jobs/{first}/cancel")
        time.sleep(0.3)

        assert (answer["status"], answer["version"]) == ("KILLED", None)
        assert time.monotonic() - began < 5
        assert processes.of_run(second, {}) == []


def test_a_job_that_finished_while_it_was_cancelled_stays_finished(store: Store):
    """What was registered in the last moment is not called KILLED."""
    with server() as client:
        job = asked()
        at_work(job)
        store.client.set_tag(job, jobs.CANCELLED, "1")
        store.client.set_terminated(job, "FINISHED")
        for process in processes.of_run(job, {}):
            process.kill()
        until(lambda: store.client.get_run(job).data.tags[jobs.JOB] == jobs.ENDED)

        assert client.get(f"/jobs/{job}").json()["status"] == "FINISHED"
        assert client.get(f"/jobs/{job}").json()["progress"] == 1


def test_the_next_server_goes_on_with_the_jobs(store: Store):
    """A running job is found again, its end is noticed, and the queue goes on in order."""
    with server() as client:
        first, second = (asked() for _ in range(2))
        (process,) = at_work(first)
    with server() as client:
        time.sleep(0.3)
        assert client.get(f"/jobs/{first}").json()["status"] == "RUNNING"
        assert client.get(f"/jobs/{second}").json()["status"] == "SCHEDULED"
        process.kill()
        process.wait()
        seen(client, first, "FAILED")
        seen(client, second, "RUNNING")


def test_a_cancel_that_a_killed_server_began_is_finished_by_the_next(store: Store):
    """The wish to cancel stands on the run."""
    with server() as client:
        job = asked()
        at_work(job)
    store.client.set_tag(job, jobs.CANCELLED, "1")
    with server() as client:
        seen(client, job, "KILLED")

    assert processes.of_run(job, {}) == []


def test_two_servers_start_a_job_once(store: Store):
    """Two servers on one store do not both start a job."""
    with server(), server():
        job = asked()
        at_work(job)
        time.sleep(0.6)

        assert len(processes.of_run(job, {})) == 1


def test_a_job_that_takes_too_long_is_ended(store: Store):
    """CRISOL_JOB_LIMIT_S is kept, and the reason is said."""
    with server(limit_s=0.5) as client:
        found = seen(client, asked(), "FAILED")

    assert [problem["code"] for problem in found["problems"]] == ["time_limit"]


def test_the_output_is_readable_while_and_after(store: Store):
    """The log is a file while the job runs and an artifact afterwards."""
    with server() as client:
        job = asked()
        until(lambda: "at work" in client.get(f"/jobs/{job}/log").text)
        client.post(f"/jobs/{job}/cancel")
        after = client.get(f"/jobs/{job}/log")

    assert after.text == "at work\n"
    assert after.headers["content-type"].startswith("text/plain")
    assert [file.path for file in store.client.list_artifacts(job) if "log" in file.path] == ["log.txt"]
    assert not jobs.log_file(job).exists()


def test_progress_never_goes_back(store: Store):
    """Each step begins where the one before has come to at most."""
    with server() as client:
        job = asked()
        at_work(job)
        experiment = store.client.get_run(job).info.experiment_id
        came_to = [client.get(f"/jobs/{job}").json()["progress"]]
        for step in ("ingest", "train", "evaluate", "promote"):
            run = store.client.create_run(experiment, tags={"mlflow.parentRunId": job, tracking.STEP: step})
            came_to.append(client.get(f"/jobs/{job}").json()["progress"])
            store.client.set_terminated(run.info.run_id)
            came_to.append(client.get(f"/jobs/{job}").json()["progress"])

    assert came_to == sorted(came_to)
    assert came_to[0] == 0
    assert came_to[-1] < 1


def test_candidates_and_report_are_shown(store: Store):
    """Candidates carry figures, time of a row, size, and why they were stopped; the report comes in a sandbox."""
    with server() as client:
        job = asked()
        at_work(job)
        experiment = store.client.get_run(job).info.experiment_id
        train, evaluate = (
            store.client.create_run(experiment, tags={"mlflow.parentRunId": job, tracking.STEP: step})
            for step in ("train", "evaluate")
        )
        tags = {"mlflow.parentRunId": train.info.run_id, tracking.STEP: "candidate", tracking.MODEL: "lr"}
        candidate = store.client.create_run(experiment, tags=tags)
        store.client.log_metric(candidate.info.run_id, "cv_roc_auc", 0.8)
        store.client.log_metric(candidate.info.run_id, "cv_log_loss", float("nan"))
        store.client.log_metric(candidate.info.run_id, "seconds", 3)
        store.client.log_metric(candidate.info.run_id, "latency_ms", 1.25)
        store.client.log_metric(candidate.info.run_id, "size_bytes", 2048)
        behind = store.client.create_run(experiment, tags={**tags, tracking.STOPPED: "It fell behind."})
        store.client.set_terminated(behind.info.run_id, "KILLED")
        store.client.log_text(evaluate.info.run_id, "<h1>Report</h1>", tracking.REPORT)
        assert client.get(f"/jobs/{job}/report").status_code == 200
        assert client.get(f"/jobs/{job}").json()["report_url"] is None
        for run in (candidate, train, evaluate):
            store.client.set_terminated(run.info.run_id)
        store.client.set_tag(job, tracking.VERSION, "7")
        found = client.get(f"/jobs/{job}").json()
        report = client.get(found["report_url"])

    shown, stopped = sorted(found["candidates"], key=lambda one: one["status"])
    assert (shown["model"], shown["status"], shown["run_id"]) == ("lr", "FINISHED", candidate.info.run_id)
    assert shown["metrics"] == {"cv_roc_auc": 0.8, "cv_log_loss": None}
    assert shown["seconds"] >= 0
    assert (shown["latency_ms"], shown["size_bytes"], shown["stopped"]) == (1.25, 2048, None)
    assert (stopped["latency_ms"], stopped["size_bytes"], stopped["stopped"]) == (None, None, "It fell behind.")
    assert found["version"] == "7"
    assert report.text == "<h1>Report</h1>"
    assert "sandbox" in report.headers["content-security-policy"]


def test_a_job_says_how_its_search_gets_on(store: Store):
    """Nothing before the search; then last and best candidate and the seconds left, which no run has that is over."""
    event = Event("train", "lr #0", 2, None, "roc_auc", 0.8, "lightgbm #0", 300.0, 400.0, int(time.time() * 1000))
    with server() as client:
        job = asked()
        at_work(job)
        before = client.get(f"/jobs/{job}").json()
        experiment = store.client.get_run(job).info.experiment_id
        train = store.client.create_run(experiment, tags={"mlflow.parentRunId": job, tracking.STEP: "train"})
        preparing = client.get(f"/jobs/{job}").json()
        store.client.set_tag(train.info.run_id, tracking.PROGRESS, event.text())
        during = client.get(f"/jobs/{job}").json()
        store.client.set_tag(train.info.run_id, tracking.PROGRESS, "<b>")
        broken = client.get(f"/jobs/{job}")
        store.client.set_tag(train.info.run_id, tracking.PROGRESS, event.text())
        store.client.set_terminated(train.info.run_id, "FAILED")
        after = client.get(f"/jobs/{job}").json()

    assert (before["search"], preparing["search"]) == (None, None)
    left = during["search"].pop("seconds_left")
    assert 200 < left <= 300
    assert during["search"] == {
        "candidate": "lr #0", "done": 2, "of": None, "metric": "roc_auc", "best": 0.8, "best_candidate": "lightgbm #0",
    }  # fmt: skip
    assert preparing["progress"] < during["progress"]
    assert (broken.status_code, broken.json()["search"]) == (200, None)
    assert after["search"] == {**during["search"], "seconds_left": None}


@pytest.mark.parametrize(("of", "left", "came_to"), [(None, 60.0, 0.12), (None, 30.0, 0.48), (4, None, 0.30)])
def test_progress_is_what_the_search_says(of, left, came_to):
    """By the seconds that are left of its own budget, or by its count; a search that is over leaves the rest."""

    def seen_with(event: Event) -> progress.Picture:
        tags = [RunTag(tracking.STEP, "train"), RunTag(tracking.PROGRESS, event.text())]
        info = RunInfo("r", "0", "me", "RUNNING", 1_000_000, None, "active")
        return progress.Picture(Run(info, None), [Run(info, RunData(tags=tags))], [])

    event = Event("train", "lr #0", 1, of, "roc_auc", 0.8, "lr #0", left, None if of else 60.0, 1_005_000)

    assert progress.progress_of(seen_with(event), 1005.0) == pytest.approx(came_to, abs=0.01)
    assert progress.progress_of(seen_with(replace(event, seconds_left=0.0)), 1070.0) == pytest.approx(0.83, abs=0.01)


def test_a_run_that_is_no_job_is_a_404(store: Store):
    """Runs that were started elsewhere cannot be cancelled here."""
    with server() as client:
        answer = client.post(f"/jobs/{store.client.create_run('0').info.run_id}/cancel")

    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (404, "job_unknown")
