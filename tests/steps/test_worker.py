"""Workers of a cluster: what their command refuses; `tests/steps/search/test_cluster.py` has them work."""

from __future__ import annotations

import signal

import pytest
from click.testing import CliRunner

from pyfunc.compiled.plan import processors
from steps import worker
from steps.cluster import ClusterError
from tests.clusters import cluster


@pytest.mark.parametrize(("text", "expected"), [("", processors()), ("1", 1), ("1024", 1024)])
def test_numbers_of_workers(text, expected):
    """One a processor where none is given."""
    assert worker.number_of(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1025", "1 2"])
def test_what_is_no_number_of_workers(text):
    """Is said, with what may be given."""
    with pytest.raises(ClusterError) as refused:
        worker.number_of(text)

    assert [problem.code for problem in refused.value.problems] == ["workers_invalid"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--scheduler=host"], "scheduler_invalid"),
        (["--scheduler=tcp://127.0.0.1:9", "--workers=x"], "workers_invalid"),
    ],
)
def test_a_refused_command_has_a_failed_run(store, arguments, code):
    """Before anything is started."""
    result = CliRunner().invoke(worker.cli, arguments)

    assert isinstance(result.exception, ClusterError)
    (run,) = store.client.search_runs(["0"])
    assert (run.info.status, run.data.tags["error.code"]) == ("FAILED", code)


def test_no_scheduler_is_said(store, monkeypatch):
    """In place of waiting for ever; the run has ended before."""
    monkeypatch.setattr(worker, "REACHED_S", 1.0)
    result = CliRunner().invoke(worker.cli, ["--scheduler=tcp://127.0.0.1:9", "--workers=1"])

    assert isinstance(result.exception, ClusterError)
    assert [problem.code for problem in result.exception.problems] == ["scheduler_unreachable"]
    (run,) = store.client.search_runs(["0"])
    assert run.info.status == "FINISHED"


@pytest.mark.trains
def test_a_worker_that_is_told_to_end_ends_well(tmp_path, store):
    """Its processes are gone, and nothing went wrong."""
    with cluster(tmp_path, 1, store.environment) as found:
        (working,) = found.workers()
        assert found.started is not None

        found.started.send_signal(signal.SIGTERM)

        assert found.started.wait(60) == 0
        assert not working.is_running()
        assert "Traceback" not in (tmp_path / "worker.log").read_text()
