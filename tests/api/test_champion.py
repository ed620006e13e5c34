"""The champion: followed without a restart, swapped without a lost request, kept where the new one does not load."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import httpx
import mlflow
import pytest
from mlflow.tracking import MlflowClient

from api.app import create_app
from api.champion import KEPT_VERSIONS, Champion, Versions
from pyfunc.errors import ModelUnavailableError
from steps.settings import Settings
from tests.api.served import ROW, register, running, until
from tests.conftest import Store

POLL_S = 0.1


def settings(**values: float) -> Settings:
    """Settings of a server that looks often."""
    return Settings(name="crisol", poll_s=POLL_S, **values)


def version(client: httpx.Client) -> str | None:
    """The version that answers."""
    answer = client.post("/predict", json=ROW)
    return answer.headers.get("x-crisol-model-version")


def test_without_a_champion_the_server_says_what_to_do(store: Store):
    """503 with the fix, on every door, and alive all the same."""
    with running(create_app(settings())) as client:
        until(lambda: client.get("/ready").json()["problems"][0]["code"] == "no_champion")
        for method, path in (("POST", "/predict"), ("GET", "/model"), ("GET", "/schema"), ("GET", "/ready")):
            answer = client.request(method, path, json=ROW)
            assert (answer.status_code, answer.json()["problems"][0]["code"]) == (503, "no_champion")
            assert "mlflow run ." in answer.json()["problems"][0]["fix"]
            assert answer.headers["retry-after"].isdigit()
        through_mlflow = client.post("/invocations", json={"dataframe_records": [ROW]})
        assert (through_mlflow.status_code, set(through_mlflow.json())) == (503, {"error_code", "message"})
        assert client.get("/ping").status_code == 404
        assert client.get("/models").json()["models"] == []
        assert [client.get(path).status_code for path in ("/health", "/", "/docs", "/openapi.json")] == [200] * 4


def test_a_new_champion_answers_without_a_restart_and_without_a_lost_request(store: Store):
    """Requests go on during the swap; each is answered, by the old version or by the new one."""
    register("crisol")
    with running(create_app(settings()), "/ready") as client:
        seen: list[tuple[int, str | None]] = []
        is_over = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=client.base_url, timeout=30) as own:
                while not is_over.is_set():
                    answer = own.post("/predict", json=ROW)
                    seen.append((answer.status_code, answer.headers.get("x-crisol-model-version")))

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        before = client.get("/openapi.json").json()["info"]["summary"]
        register("crisol", seed=9)
        until(lambda: version(client) == "2")
        is_over.set()
        for asker in askers:
            asker.join()

        assert {status for status, _ in seen} == {200}
        assert {number for _, number in seen} == {"1", "2"}
        assert client.get("/openapi.json").json()["info"]["summary"] != before
        assert client.get("/model").json()["version"] == "2"


def test_the_old_champion_answers_where_the_new_one_does_not_load(store: Store):
    """A damaged version is reported by /ready, and requests do not notice."""
    register("crisol")
    with running(create_app(settings()), "/ready") as client:
        broken = register("crisol", alias=None, seed=9)
        source = MlflowClient().get_model_version("crisol", broken).source
        folder = Path(mlflow.artifacts.download_artifacts(source))
        (pickle,) = folder.rglob("pipeline.pkl")
        pickle.write_bytes(pickle.read_bytes() + b" ")
        MlflowClient().set_registered_model_alias("crisol", "champion", broken)
        said = until(lambda: (answer := client.get("/ready")).status_code == 503 and answer.json())

        assert said["problems"][0]["code"] == "file_damaged"
        assert version(client) == "1"
        MlflowClient().set_registered_model_alias("crisol", "champion", "1")
        until(lambda: client.get("/ready").status_code == 200)


def test_an_alias_that_is_taken_away_leaves_no_champion(store: Store):
    """What the registry says counts."""
    register("crisol")
    with running(create_app(settings()), "/ready") as client:
        MlflowClient().delete_registered_model_alias("crisol", "champion")
        until(lambda: version(client) is None)

        assert client.post("/predict", json=ROW).json()["problems"][0]["code"] == "no_champion"


def test_a_store_that_does_not_answer_leaves_the_champion_at_work(store: Store, monkeypatch: pytest.MonkeyPatch):
    """/ready tells of the store; /predict needs none."""
    register("crisol")
    champion = Champion("crisol", POLL_S)
    champion.look()
    loaded = champion.current

    def fail(*_: object) -> None:
        raise mlflow.exceptions.MlflowException("no", error_code=1)

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", fail)
    champion.look()

    assert loaded is not None
    assert champion.current is loaded
    assert champion.problem is not None
    assert champion.problem.code == "store_unreachable"


def test_other_versions_answer_by_number(store: Store):
    """`?version=` answers with that version; the last few stay in memory."""
    for seed in range(KEPT_VERSIONS + 2):
        register("crisol", alias="champion" if seed == 0 else None, seed=seed)
    with running(create_app(settings()), "/ready") as client:
        answers = [client.post(f"/predict?version={number}", json=ROW).json() for number in ("2", "01", "4")]

    assert [answer["model"]["version"] for answer in answers] == ["2", "1", "4"]
    assert answers[0]["predictions"] != answers[2]["predictions"]
    champion = Champion("crisol", POLL_S)
    champion.look()
    versions = Versions(champion)
    first = versions.get("2")
    assert versions.get("1") is champion.current
    assert versions.get("2") is first
    versions.get("3")
    versions.get("4")
    assert versions.get("2") is not first
    with pytest.raises(ModelUnavailableError):
        versions.get("99")


def test_loading_leaves_the_import_path_as_it_was(store: Store):
    """MLflow puts a model's code first on the path at each load; a server would collect them."""
    register("crisol")
    before = list(sys.path)
    Champion("crisol", POLL_S).look()

    assert sys.path == before
