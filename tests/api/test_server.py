"""Around every request: who may ask, ids, limits, log lines, and bugs."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import anyio
import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from api import security
from api.app import create_app
from api.problems import STATUS, BusyError, KeyRefusedError, status_of
from api.security import is_loopback, require_key
from api.serving import Slots
from pyfunc import errors
from pyfunc.errors import ProjectError
from steps.settings import Settings
from tests.api.served import ROW, running
from tests.conftest import Store

KEY = "k-9f2 with spaces"


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and first problem of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, str(answer.json()["problems"][0]["code"])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8000", "localhost."]
)
def test_this_machine_may_ask(client: httpx.Client, host: str):
    """By any of its own names."""
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::1", "192.168.0.1", "0.0.0.0", "a[b]c"])  # noqa: S104 (refused)
@pytest.mark.parametrize("path", ["/model", "/", "/health", "/nope"])
def test_a_name_that_somebody_made_point_here_is_refused(client: httpx.Client, host: str, path: str):
    """DNS rebinding: the browser thinks that it asks evil.example."""
    assert code(client.get(path, headers={"Host": host})) == (421, "host_foreign")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_cannot_drive_the_server(client: httpx.Client, headers: dict[str, str]):
    """Also not one on another port of this machine."""
    for path in ("/train", "/upload", "/predict", "/invocations", f"/jobs/{'0' * 32}/cancel"):
        assert code(client.post(path, content=b"{}", headers=headers)) == (403, "origin_foreign")


def test_the_servers_own_page_may(client: httpx.Client):
    """Same origin, or an address that the user typed."""
    host = str(client.base_url).rstrip("/")
    for headers in ({"Origin": host, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert client.post("/predict", json=ROW, headers=headers).status_code == 200


def test_beyond_this_machine_a_key_is_needed():
    """No key, no server."""
    with pytest.raises(KeyRefusedError, match="CRISOL_API_KEY"):
        create_app(Settings(host="0.0.0.0"))  # noqa: S104 (refused)
    for key in (None, SecretStr("")):
        with pytest.raises(KeyRefusedError):
            require_key(Settings(host="192.168.0.1", api_key=key))
    require_key(Settings(host="192.168.0.1", api_key=SecretStr(KEY)))


def test_with_a_key_only_the_key_opens(champion_store: Store, caplog: pytest.LogCaptureFixture):
    """401 without it; probes and the empty page are open; the key is in no log line."""
    caplog.set_level(logging.DEBUG)
    app = create_app(Settings(name="crisol", host="0.0.0.0", api_key=SecretStr(KEY)))  # noqa: S104 (bound to loopback here)
    with running(app) as client:
        for path in ("/model", "/docs", "/openapi.json", "/jobs", "/nope", "/version"):
            answer = client.get(path)
            assert code(answer) == (401, "key_missing")
            assert answer.headers["www-authenticate"] == "Bearer"
        for wrong in (KEY[:-1], KEY + "x", KEY.upper(), "é"):
            header = f"Bearer {wrong}".encode()
            assert code(client.get("/jobs", headers={"Authorization": header})) == (401, "key_wrong")
        assert code(client.get("/jobs", headers={"Authorization": f"Basic {KEY}"})) == (401, "key_wrong")
        assert client.get("/jobs", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert client.get("/jobs", headers={"Authorization": f"bearer {KEY}", "Host": "my.name"}).status_code == 200
        assert [client.get(path).status_code for path in ("/", "/health", "/static/page.js")] == [200] * 3
        assert client.get("/ready").status_code in (200, 503)
        assert "$CRISOL_API_KEY" in client.get("/docs", headers={"Authorization": f"Bearer {KEY}"}).text

    assert KEY not in caplog.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "[::1]"])
def test_loopback_is_recognised(host: str):
    """Names and addresses of this machine."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2:3/x", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("<x>", False)]
)
def test_a_request_id_is_used_where_it_is_safe(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, given: str, kept: object
):
    """In the answer's header, in its body, and in the log line."""
    caplog.set_level(logging.INFO)
    answer = client.post("/predict", json=ROW, headers={"X-Request-ID": given})
    refusal = client.get("/nope", headers={"X-Request-ID": given})

    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert refusal.json()["request_id"] == refusal.headers["x-request-id"]
    assert "POST /predict status=200 ms=" in caplog.text
    assert (f"request_id={given}\n" in caplog.text) is kept


def test_a_path_cannot_break_a_log_line(client: httpx.Client, caplog: pytest.LogCaptureFixture):
    """A line feed in a path stays encoded."""
    caplog.set_level(logging.INFO)
    client.get("/x%0AGET%20/forged%20status=200")

    assert any(record.message.startswith("GET /x%0AGET") for record in caplog.records)
    assert all("\n" not in record.message for record in caplog.records)


def test_unknown_routes_and_methods_have_the_one_shape(client: httpx.Client):
    """404 and 405 are problems too, and 405 says which methods there are."""
    assert code(client.get("/nope")) == (404, "not_found")
    assert code(client.get("/static/nope.css")) == (404, "not_found")
    answer = client.get("/predict")
    assert code(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_body_that_is_too_large_is_refused_early(champion_store: Store):
    """By its length where it is told, else as soon as it has grown too long."""
    with running(create_app(Settings(name="crisol", max_mib=0.01))) as client:
        for path in ("/predict?version=1", "/train", "/upload"):
            kind = "multipart/form-data; boundary=x" if path == "/upload" else "application/json"
            begun = b'--x\r\nContent-Disposition: form-data; name="train"; filename="a"\r\n\r\n'
            for body in (b"x" * 20_000, iter([begun, *[b"x" * 6_000] * 3])):
                answer = client.post(path, content=body, headers={"Content-Type": kind})
                assert code(answer) == (413, "body_too_large")


def test_too_many_rows_or_columns_are_refused(champion_store: Store):
    """With the numbers that are taken."""
    with running(create_app(Settings(name="crisol", max_rows=2, max_columns=4)), "/ready") as client:
        assert code(client.post("/predict", json=[ROW] * 3)) == (413, "too_many_rows")
        assert code(client.post("/predict", json={f"c{at}": 1 for at in range(5)})) == (413, "too_many_columns")
        csv = b"age,city,since\n" + b"1,x,\n" * 3
        assert code(client.post("/predict", content=csv, headers={"Content-Type": "text/csv"})) == (
            413,
            "too_many_rows",
        )


def test_more_requests_than_are_taken_are_sent_away(champion_store: Store):
    """503 with Retry-After, for as long as the others are being answered; then it is as before."""
    with running(create_app(Settings(name="crisol", max_requests=1)), "/ready") as client:
        is_held, is_over = threading.Event(), threading.Event()

        def slowly():
            yield b"["
            is_held.set()
            is_over.wait(10)
            yield b"]"

        def hold() -> None:
            with httpx.Client(base_url=client.base_url, timeout=30) as own:
                own.post("/predict", content=slowly(), headers={"Content-Type": "application/json"})

        holder = threading.Thread(target=hold)
        holder.start()
        is_held.wait(10)
        anyio.run(anyio.sleep, 0.1)
        answer = client.post("/predict", json=ROW)
        alive = client.get("/health")
        is_over.set()
        holder.join()

        assert code(answer) == (503, "busy")
        assert answer.headers["retry-after"].isdigit()
        assert alive.status_code == 200
        assert client.post("/predict", json=ROW).status_code == 200


def test_a_slot_is_given_back_after_an_error():
    """Whatever happened while it was held."""
    slots = Slots(1)
    with pytest.raises(BusyError), slots.one(), slots.one():
        pass

    assert slots.taken == 0


def test_a_bug_is_answered_and_logged_without_values(champion_store: Store, caplog: pytest.LogCaptureFixture):
    """500 in the one shape; the log says where, not with what."""
    app = create_app(Settings(name="crisol"))

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("could not convert SECRET")

    before = REGISTRY.get_sample_value("crisol_refusals_total", {"code": "bug"}) or 0

    with running(app) as client:
        answer = client.get("/broken")

    assert code(answer) == (500, "bug")
    assert REGISTRY.get_sample_value("crisol_refusals_total", {"code": "bug"}) == before + 1
    assert "SECRET" not in answer.text + caplog.text
    assert "test_server.py" in caplog.text
    assert answer.headers["x-request-id"] in caplog.text


def test_every_error_of_the_family_has_a_status():
    """A new error in the lowest layer is not forgotten here."""
    family = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProjectError)}
    unmapped = {kind.__name__ for kind in family - {ProjectError} if not set(kind.__mro__) & set(STATUS)}

    assert unmapped == {"NotCompilableError"}  # never leaves a training
    assert status_of(BusyError()) == 503


def test_the_web_process_does_not_import_the_trainer():
    """Importing the API imports neither PyCaret nor plots."""
    code_ = "import api.app, sys; print([m for m in ('pycaret', 'matplotlib', 'mlflow.sklearn') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", code_], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_terse_errors_name_no_column_and_the_log_does(champion_store: Store, caplog: pytest.LogCaptureFixture):
    """Codes stay, words go into the log under the request's id; MLflow's shape and unknown routes likewise."""
    caplog.set_level(logging.INFO)
    asked = {"X-Request-ID": "mine-1"}
    with running(create_app(Settings(poll_s=0.2, terse_errors=True)), "/ready") as client:
        refused = client.post("/predict", json=[{"age": "x"}], headers=asked)
        served = client.post("/invocations", json={"dataframe_records": [{"age": "x"}]}, headers=asked)
        lost = client.get("/city")
        plain = client.post("/predict", json=[ROW])

    said = refused.json()
    assert (refused.status_code, plain.status_code) == (422, 200)
    assert {problem["code"] for problem in said["problems"]} == {"missing_column", "not_a_number"}
    assert said["request_id"] == "mine-1"
    answers = refused.text + served.text + lost.text
    assert not any(name in answers for name in ("city", "'age'", "since"))
    assert served.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert any("'city'" in line and "request_id=mine-1" in line for line in caplog.messages)


def test_after_many_wrong_keys_an_address_has_to_wait(champion_store: Store, monkeypatch: pytest.MonkeyPatch):
    """The right one too, for the rest of the minute; requests without a key are refused and not counted."""
    now = [1000.0]
    monkeypatch.setattr(security, "monotonic", lambda: now[0])
    right, wrong = {"Authorization": f"Bearer {KEY}"}, {"Authorization": "Bearer guessed"}
    with running(create_app(Settings(poll_s=60, api_key=SecretStr(KEY)))) as client:
        seen = [client.get("/model").status_code for _ in range(security.MOST_FAILURES + 1)]
        seen += [client.get("/model", headers=wrong).status_code for _ in range(security.MOST_FAILURES)]
        waits = client.get("/jobs", headers=right)
        still = client.get("/health").status_code
        now[0] += security.MINUTE_S
        again = client.get("/jobs", headers=right).status_code

    assert set(seen) == {401}
    assert code(waits) == (429, "too_many_failures")
    assert (waits.headers["Retry-After"], still, again) == ("60", 200, 200)


def test_wrong_keys_are_counted_by_address_and_the_count_has_an_end(monkeypatch: pytest.MonkeyPatch):
    """One address does not lock out another; beyond so many addresses all others are one."""
    monkeypatch.setattr(security, "MOST_ADDRESSES", 2)
    failures = security.Failures()
    for _ in range(security.MOST_FAILURES):
        failures.add("one")
    failures.add("two")
    assert [failures.are_many(address) for address in ("one", "two", "three")] == [True, False, False]
    for number in range(security.MOST_FAILURES):
        failures.add(f"other {number}")

    assert [failures.are_many(address) for address in ("one", "two", "three")] == [True, False, True]
    for _ in range(security.MOST_FAILURES):
        failures.add("two")  # is still told apart
    assert failures.are_many("two")
    assert len(failures._counts) <= 3
