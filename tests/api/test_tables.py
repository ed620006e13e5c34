"""`/predict` with tables: streamed at constant memory, answered when all of it is well, packed both ways."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from api import answers, bodies
from api.app import create_app
from steps.settings import Settings
from tests.api.served import running
from tests.api.test_predict import CSV, JSON, PARQUET, codes
from tests.conftest import Store

HEADER = "id,age,city,since\n"
ROWS = [f"r{at},{18 + at % 70},Bonn,2022-05-01\n" for at in range(3000)]
TABLE = (HEADER + "".join(ROWS)).encode()


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where bodies and answers wait: for small ones the memory, for others a file."""
    if request.param == "file":
        monkeypatch.setattr(bodies, "IN_MEMORY", 1000)
        monkeypatch.setattr(answers, "IN_MEMORY", 1000)
    return str(request.param)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def sent(client: httpx.Client, body: bytes, kind: str = CSV, accept: str = CSV, query: str = "", **more: str):
    """Ask for predictions of a table."""
    headers = {"Content-Type": kind, "Accept": accept, **more}
    return client.post(f"/predict{query}", content=body, headers=headers)


def test_rows_are_answered_in_their_order_whatever_waits_where(client: httpx.Client, place: str, temporary: Path):
    """In each format, with columns carried along; no file is left."""
    parquet = io.BytesIO()
    pd.read_csv(io.BytesIO(TABLE)).to_parquet(parquet)
    found = {}
    for kind, body in ((CSV, TABLE), (PARQUET, parquet.getvalue())):
        for accept in (CSV, PARQUET, JSON):
            answer = sent(client, body, kind, accept, "?keep=id")
            assert answer.status_code == 200
            assert answer.headers["x-crisol-warnings"] == "extra_columns=1"
            if accept == JSON:
                rows = answer.json()["predictions"]
                assert answer.json()["warnings"][0]["code"] == "extra_columns"
                assert answer.json()["model"]["version"] == "1"
            elif accept == PARQUET:
                rows = pd.read_parquet(io.BytesIO(answer.content)).to_dict("records")
            else:
                read = csv.DictReader(io.StringIO(answer.text))
                rows = [
                    {name: float(cell) if name.startswith("prob") else cell for name, cell in row.items()}
                    for row in read
                ]
            found[kind, accept] = rows
    first = found[CSV, CSV]
    assert [row["id"] for row in first] == [f"r{at}" for at in range(3000)]
    assert all(rows == first for rows in found.values())
    assert list(temporary.iterdir()) == []


def test_what_is_wrong_with_the_last_row_refuses_all(client: httpx.Client, place: str, temporary: Path):
    """With the row, and without an answer that looks complete; so does a row of another length, and a cut file."""
    wrong = sent(client, TABLE + b"x,old,Bonn,2022-05-01\n")
    ragged = sent(client, TABLE + b"x,1\n")

    assert codes(wrong) == ["not_a_number"]
    assert "row 3001" in wrong.json()["problems"][0]["what"]
    assert codes(ragged) == ["ragged_rows"]
    assert list(temporary.iterdir()) == []


def test_bodies_are_unpacked(client: httpx.Client, place: str):
    """Of every format; two archives in a row are one body."""
    plain = sent(client, TABLE).content
    half = len(TABLE) // 2

    assert sent(client, gzip.compress(TABLE), **{"Content-Encoding": "gzip"}).content == plain
    packed = gzip.compress(TABLE[:half]) + gzip.compress(TABLE[half:])
    assert sent(client, packed, **{"Content-Encoding": "GZIP"}).content == plain
    row = b'{"age": 40, "city": "Bonn", "since": "2022-05-01"}'
    assert sent(client, gzip.compress(row), JSON, JSON, **{"Content-Encoding": "gzip"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "packing", "status", "expected"),
    [
        (TABLE, "gzip", 422, "body_damaged"),
        (gzip.compress(TABLE)[:-20], "gzip", 422, "body_damaged"),
        (b"", "gzip", 422, "body_damaged"),
        (TABLE, "br", 415, "content_encoding"),
    ],
)
def test_what_is_no_gzip_is_refused(client: httpx.Client, body: bytes, packing: str, status: int, expected: str):
    """With the reason."""
    answer = sent(client, body, **{"Content-Encoding": packing})

    assert (answer.status_code, codes(answer)) == (status, [expected])


def test_a_bomb_is_not_unpacked(champion_store: Store):
    """A few kilobytes that would be many megabytes."""
    with running(create_app(Settings(name="crisol", max_mib=1)), "/ready") as client:
        bomb = gzip.compress(HEADER.encode() + b"x" * 20_000_000)
        answer = sent(client, bomb, **{"Content-Encoding": "gzip"})

    assert len(bomb) < 100_000
    assert (answer.status_code, codes(answer)) == (413, ["body_too_large"])


def test_large_answers_are_packed_for_those_who_accept_it(client: httpx.Client):
    """Small ones are not; nor is any for others."""
    packed = sent(client, TABLE, **{"Accept-Encoding": "gzip"})
    plain = sent(client, TABLE, **{"Accept-Encoding": "identity"})
    small = sent(client, (HEADER + ROWS[0]).encode(), **{"Accept-Encoding": "gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in small.headers


def test_others_are_answered_while_a_large_table_is_scored(client: httpx.Client):
    """The event loop is never held."""
    large = HEADER.encode() + "".join(ROWS).encode() * 40
    ended: list[float] = []

    def score() -> None:
        with httpx.Client(base_url=client.base_url, timeout=120) as own:
            assert sent(own, large).status_code == 200
        ended.append(time.monotonic())

    def asked() -> Iterator[float]:
        while not ended:
            assert client.get("/health").status_code == 200
            yield time.monotonic()

    scorer = threading.Thread(target=score)
    scorer.start()
    answered = list(asked())
    scorer.join()

    assert sum(at < ended[0] for at in answered) > 5
