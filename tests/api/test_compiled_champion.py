"""A compiled champion: plain records are answered without a frame, and as the frame would be."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from api import predict
from api.app import create_app
from steps.settings import Settings
from tests.api.served import PROJECT, register, running
from tests.conftest import make_store
from tests.pyfunc.test_gate import KNOWN, PIPELINE, PLAN, ROW


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, store_template: Path) -> Iterator[httpx.Client]:
    """Of a server with a compiled champion, which takes three rows at most."""
    with make_store(tmp_path_factory.mktemp("compiled") / "store", store_template).active():
        register("crisol", schema=KNOWN, pipeline=PIPELINE, plan=PLAN)
        with running(create_app(Settings(name="crisol", poll_s=0.2, max_rows=3)), "/ready") as opened:
            yield opened


@pytest.fixture
def long_way(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a body was read into a frame."""
    seen: list[int] = []
    read = predict.bodies.frame_of

    def counting(body, *others):
        seen.append(len(body))
        return read(body, *others)

    monkeypatch.setattr(predict.bodies, "frame_of", counting)
    return seen


@pytest.mark.parametrize("rows", [ROW, [ROW], [ROW, {**ROW, "one": None}, {**ROW, "few": "few 2"}]])
@pytest.mark.parametrize("query", ["", "?threshold=0.01", "?version=1"])
def test_both_ways_give_the_same_answer(client: httpx.Client, long_way: list[int], rows, query):
    """Wrapped as MLflow wraps them, the same rows go the long way."""
    short = client.post(f"/predict{query}", json=rows)
    assert long_way == []
    framed = {"dataframe_records": rows if isinstance(rows, list) else [rows]}
    long = client.post(f"/predict{query}", json=framed)

    assert len(long_way) == 1
    assert short.status_code == long.status_code == 200
    assert (short.headers["X-Crisol-Model-Version"], short.headers["X-Crisol-Warnings"]) == ("1", "")
    ours, theirs = short.json(), long.json()
    assert ours["request_id"] == short.headers["X-Request-ID"]
    assert (ours["model"], ours["warnings"]) == (theirs["model"], theirs["warnings"])
    for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
        assert list(one) == list(other)
        assert one == pytest.approx(other, rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "status", "code"),
    [
        ([{**ROW, "few": "unheard of"}], 200, "unseen_category"),
        ([{**ROW, "extra": 1}], 200, "extra_columns"),
        ([{name: cell for name, cell in ROW.items() if name != "one"}], 422, "missing_column"),
        ([{**ROW, "one": "x"}], 422, "not_a_number"),
        ([ROW] * 4, 413, "too_many_rows"),
    ],
)
def test_refusals_are_worded_by_the_long_way(client: httpx.Client, long_way: list[int], rows, status, code):
    """With the words that it always had; what is only spoken of needs no frame."""
    answer = client.post("/predict", json=rows)

    assert len(long_way) == (status != 200)
    assert answer.status_code == status
    found = answer.json().get("warnings") or answer.json().get("problems")
    assert code in {each["code"] for each in found}


def test_other_formats_are_written_from_frames(client: httpx.Client, long_way: list[int]):
    """CSV is asked for."""
    answer = client.post("/predict", json=ROW, headers={"Accept": "text/csv"})

    assert answer.text.splitlines()[0] == "prediction,probability,probability_0,probability_1"
    assert len(long_way) == 1


def test_columns_are_carried_along_in_front(client: httpx.Client):
    """In both ways, as they were sent."""
    rows = [{**ROW, "id": "a/1"}, {**ROW, "id": 2}]
    short = client.post("/predict?keep=id,two", json=rows).json()["predictions"]
    long = client.post("/predict?keep=id,two", json={"dataframe_records": rows}).json()["predictions"]

    assert [list(row)[:3] for row in short] == [["id", "two", "prediction"]] * 2
    assert [(row["id"], row["two"]) for row in short] == [("a/1", 10), (2, 10)]
    assert [(row["id"], row["two"]) for row in long] == [("a/1", 10), (2, 10)]
    for query, code in (("keep=nothing", "keep_missing"), ("keep=prediction", "keep_collides")):
        for body in (rows, {"dataframe_records": [{**row, "prediction": 1} for row in rows]}):
            sent = [{**row, "prediction": 1} for row in rows] if isinstance(body, list) else body
            refused = client.post(f"/predict?{query}", json=sent)
            assert (refused.status_code, refused.json()["problems"][0]["code"]) == (422, code)


def test_a_server_starts_without_the_libraries_that_train():
    """Nothing of them is imported before an upload asks for it; what many rows need comes with many rows."""
    unwanted = ("sklearn", "scipy.stats", "pycaret", "openpyxl", "numba", "lightgbm", "matplotlib")
    code = f"import sys, api.app; print(*({set(unwanted)} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert ended.stdout.split() == []


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_predictions_are_explained_on_request(client: httpx.Client, accept: str):
    """The named columns, base and rest add up to the probability, however rows are sent and answers written."""
    as_json = client.post("/predict?explain=2&keep=few", json=[ROW, ROW], headers={"Accept": accept})
    table = pd.DataFrame([ROW, ROW]).to_csv(index=False)
    headers = {"Content-Type": "text/csv", "Accept": accept}
    as_csv = client.post("/predict?explain=2&keep=few", content=table, headers=headers)

    found = []
    for answer in (as_json, as_csv):
        assert answer.status_code == 200, answer.text
        if accept == "text/csv":
            found.append(pd.read_csv(io.StringIO(answer.text)).to_dict("records"))
        else:
            found.append(answer.json()["predictions"])
    assert found[0] == found[1]
    for row in found[0]:
        names = [f"explanation_{at}_contribution" for at in (1, 2)]
        told = row["explanation_base"] + row["explanation_others"] + sum(row[name] for name in names)
        assert told == pytest.approx(row["probability"], rel=0, abs=1e-9)
        assert row["explanation_1_column"] in ROW
        assert next(iter(row)) == "few"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [("explain=0", 422, "explain_invalid"), ("explain=x", 422, "explain_invalid"), ("explain=1", 413, "too_many_rows")],
)
def test_explanations_have_limits(client: httpx.Client, monkeypatch: pytest.MonkeyPatch, query, status, code):
    """As everything has."""
    monkeypatch.setattr(predict, "EXPLAINED_ROWS", 1)
    table = pd.DataFrame([ROW, ROW]).to_csv(index=False)
    for answer in (
        client.post(f"/predict?{query}", json=[ROW, ROW]),
        client.post(f"/predict?{query}", content=table, headers={"Content-Type": "text/csv"}),
    ):
        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (status, code)
