"""`/predict`: formats in and out, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.api.served import PROJECT, ROW

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
NAMES = ["prediction", "probability", "probability_no", "probability_yes"]
ROWS = [ROW, {"age": None, "city": None, "since": None}, {"age": 81.5, "city": "Köln", "since": "2020-01-02T03:04:05"}]


def asked(client: httpx.Client, body: Any, kind: str = JSON, accept: str = "*/*", query: str = "") -> httpx.Response:
    """Ask for predictions."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/predict{query}", content=content, headers={"Content-Type": kind, "Accept": accept})


def codes(answer: httpx.Response) -> list[str]:
    """The codes of a refusal, which has the one shape."""
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["request_id"] == answer.headers["x-request-id"]
    assert all(
        set(problem) == {"code", "what", "where", "fix"} and all(problem.values()) for problem in said["problems"]
    )
    return [problem["code"] for problem in said["problems"]]


def test_the_answer_names_the_model_and_every_class(client: httpx.Client):
    """Label, its probability and that of each class, for each row in order; the version that answered."""
    answer = asked(client, ROWS)
    said = answer.json()

    assert answer.status_code == 200
    assert list(said) == ["request_id", "model", "predictions", "warnings"]
    assert (said["model"]["name"], said["model"]["version"]) == ("crisol", "1")
    assert answer.headers["x-crisol-model-version"] == "1"
    assert answer.headers["x-crisol-run-id"] == said["model"]["run_id"]
    assert [list(row) for row in said["predictions"]] == [NAMES] * 3
    for row in said["predictions"]:
        assert row["prediction"] in ("no", "yes")
        assert row["probability"] == row[f"probability_{row['prediction']}"]
        assert row["probability_no"] + row["probability_yes"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "body",
    [
        ROWS[:1],
        ROW,
        {"dataframe_records": [ROW]},
        {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}},
        {"dataframe_split": {"index": [7], "columns": list(ROW), "data": [list(ROW.values())]}},
        dict(reversed(ROW.items())),
        {**ROW, "age": "40"},
        {**ROW, "age": 40.0},
    ],
)
def test_every_json_form_is_the_same_row(client: httpx.Client, body: Any):
    """A record, a list, MLflow's forms, another order, a number as text: one answer."""
    (said,), (alone,) = (asked(client, each).json()["predictions"] for each in (body, [ROW]))

    assert said == alone
    assert alone == pytest.approx(asked(client, ROWS).json()["predictions"][0])  # BLAS adds up a batch in its own order


def test_csv_and_parquet_give_what_json_gives(client: httpx.Client):
    """The same rows in three formats in and out give the same floats, to the last bit."""
    expected = asked(client, ROWS).json()["predictions"]
    frame = pd.DataFrame(ROWS)
    parquet = io.BytesIO()
    frame.assign(since=frame["since"].astype("string")).to_parquet(parquet)
    for kind, body in ((CSV, frame.to_csv(index=False).encode()), (PARQUET, parquet.getvalue())):
        as_csv, as_parquet, as_json = (asked(client, body, kind, accept) for accept in (CSV, PARQUET, JSON))
        from_csv = [
            {name: cell if name == "prediction" else float(cell) for name, cell in row.items()}
            for row in csv.DictReader(io.StringIO(as_csv.text))
        ]

        assert from_csv == expected
        assert pd.read_parquet(io.BytesIO(as_parquet.content)).to_dict("records") == expected
        assert as_json.json()["predictions"] == expected
        assert as_csv.headers["x-crisol-model-version"] == as_parquet.headers["x-crisol-model-version"] == "1"


def test_the_pyfunc_gives_what_predict_gives(client: httpx.Client):
    """`/invocations` goes through MLflow, `/predict` does not; the answers are one."""
    through_mlflow = client.post("/invocations", json={"dataframe_records": ROWS})

    assert through_mlflow.json()["predictions"] == asked(client, ROWS).json()["predictions"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("text/csv;q=0.5, application/json;q=0.4", CSV),
        ("application/json;q=0, */*", CSV),
        ("application/x-parquet", PARQUET),
        ("text/*", CSV),
    ],
)
def test_accept_decides_on_the_format(client: httpx.Client, accept: str, kind: str):
    """The format that the client likes best is written."""
    assert asked(client, ROW, accept=accept).headers["content-type"].partition(";")[0] == kind


def test_the_threshold_moves_the_label_only(client: httpx.Client):
    """With threshold 0 every row is the positive class, with the same probabilities."""
    plain, moved = (asked(client, ROWS, query=query).json()["predictions"] for query in ("", "?threshold=0"))

    assert {row["prediction"] for row in moved} == {"yes"}
    assert [row["probability_yes"] for row in moved] == [row["probability_yes"] for row in plain]


def test_warnings_name_columns_and_count(client: httpx.Client):
    """What was noticed in accepted rows is told: in JSON with rows, in the header with a count by code."""
    answer = asked(client, [{**ROW, "city": "Ulm", "age": 17, "shoe": 44}])
    as_csv = asked(client, [{**ROW, "city": "Ulm", "age": 17, "shoe": 44}], accept=CSV)

    assert [(w["code"], w["columns"], w["count"], w.get("rows")) for w in answer.json()["warnings"]] == [
        ("extra_columns", ["shoe"], 1, None),
        ("out_of_range", ["age"], 1, [1]),
        ("unseen_category", ["city"], 1, [1]),
    ]
    assert as_csv.headers["x-crisol-warnings"] == "extra_columns=1, out_of_range=1, unseen_category=1"
    assert asked(client, ROW, accept=CSV).headers["x-crisol-warnings"] == ""


def test_a_key_absent_from_some_records_is_a_missing_value(client: httpx.Client):
    """Absent from every record it is a missing column."""
    bare = {key: cell for key, cell in ROW.items() if key != "age"}

    assert (
        asked(client, [ROW, bare]).json()["predictions"]
        == asked(client, [ROW, {**ROW, "age": None}]).json()["predictions"]
    )
    assert codes(asked(client, [bare])) == ["missing_column"]


def test_a_large_integer_beside_a_null_stays_exact(client: httpx.Client):
    """Pandas would make a float of it; here it is still seen as too large to be exact."""
    assert codes(asked(client, [{**ROW, "age": 2**53 + 1}, {**ROW, "age": None}])) == ["integer_too_large"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ["body_empty"]),
        (b"{", ["json_unreadable"]),
        (b"[" * 100_000, ["json_unreadable"]),
        (b"[" + b"9" * 5000 + b"]", ["json_unreadable"]),
        (b"\xff\xfe", ["json_unreadable"]),
        (b'"SECRET"', ["json_no_table"]),
        (b"null", ["json_no_table"]),
        (b'[1, "SECRET"]', ["json_no_table"]),
        (b"[]", ["no_rows"]),
        (b"{}", ["json_no_table"]),
        (b'{"dataframe_records": {}}', ["json_no_table"]),
        (b'{"dataframe_records": [], "params": {}}', ["json_no_table"]),
        (b'{"dataframe_split": []}', ["json_no_table"]),
        (b'{"dataframe_split": {"columns": [["SECRET"]], "data": [[1]]}}', ["json_no_table"]),
        (b'{"dataframe_split": {"columns": ["age"], "data": [["SECRET", 2]]}}', ["ragged_rows"]),
        (b'{"dataframe_split": {"columns": ["age", "age", null], "data": [["SECRET", 2, 3]]}}',
         ["duplicate_column", "missing_column"]),
        (b'[{"age": "SECRET", "city": {"SECRET": 1}, "since": "SECRET"}]',
         ["not_a_number", "not_text", "not_a_datetime"]),
        (b'[{"age": 1e999, "city": [["SECRET"]]}]', ["missing_column", "infinite_number", "not_text"]),
    ],
)  # fmt: skip
def test_what_is_no_row_is_refused_with_all_problems(client: httpx.Client, body: bytes, expected: list[str]):
    """Each fault has its code, and no cell is repeated."""
    answer = asked(client, body)

    assert (answer.status_code, codes(answer)) == (422, expected)
    assert "SECRET" not in answer.text


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (CSV, b"", ["body_empty"]),
        (CSV, b"\xff\xfe\x00", ["file_unreadable"]),
        (CSV, b"a,b\n1,SECRET,3\n", ["ragged_rows"]),
        (CSV, b'[{"age": "SECRET"}]', ["media_type_mismatch"]),
        (PARQUET, b"age\nSECRET\n", ["media_type_mismatch"]),
        (PARQUET, b"PAR1SECRET", None),
    ],
)
def test_what_is_no_table_is_refused(client: httpx.Client, kind: str, body: bytes, expected: list[str] | None):
    """The Content-Type is believed and checked."""
    answer = asked(client, body, kind)

    assert answer.status_code == 422
    assert codes(answer) == (expected or codes(answer))
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("kind", ["", "application/x-python-pickle", "text/plain", "multipart/form-data; boundary=x"])
def test_other_media_types_are_refused(client: httpx.Client, kind: str):
    """415 with the types that are read; a missing type is one of them."""
    answer = client.post("/predict", content=b"[1]", headers={"Content-Type": kind} if kind else {})

    assert (answer.status_code, codes(answer)) == (415, ["media_type"])


def test_an_accept_that_cannot_be_served_is_refused(client: httpx.Client):
    """406 with the types that are written."""
    answer = asked(client, ROW, accept="text/html")

    assert (answer.status_code, codes(answer)) == (406, ["not_acceptable"])


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("?threshold=x", 422, ["threshold_invalid"]),
        ("?threshold=nan", 422, ["threshold_invalid"]),
        ("?threshold=-1", 422, ["threshold_invalid"]),
        ("?threshold=1e9", 422, ["threshold_invalid"]),
        ("?explain=true&thresold=1", 422, ["query_unknown", "explain_invalid"]),
        ("?version=../../etc", 422, ["version_invalid"]),
        ("?version=", 422, ["version_invalid"]),
        ("?version=" + "9" * 400, 422, ["version_invalid"]),
        ("?version=77", 404, ["version_unknown"]),
    ],
)
def test_a_query_that_nothing_honours_is_refused(client: httpx.Client, query: str, status: int, expected: list[str]):
    """Ignoring a parameter would look like an answer to it."""
    answer = asked(client, ROW, query=query)

    assert (answer.status_code, codes(answer)) == (status, expected)


def test_threshold_and_rows_are_refused_together(client: httpx.Client):
    """All problems at once, also across query and body."""
    assert codes(asked(client, {**ROW, "age": "old"}, query="?threshold=2")) == ["not_a_number", "threshold_invalid"]


def test_lone_surrogates_and_nulls_do_not_break_the_answer(client: httpx.Client):
    """Names of extra columns are repeated as they came."""
    body = b'[{"age": 40, "city": "\\ud800", "since": null, "\\ud800": 1, "a\\u0000": 2}]'
    answer = asked(client, body)

    assert answer.status_code == 200
    assert answer.json()["warnings"][0]["columns"] == ["\ud800", "a\0"]


def test_many_rows_come_back_in_order(client: httpx.Client):
    """A large CSV is answered row by row."""
    ages = np.linspace(18, 90, 50_000)
    frame = pd.DataFrame({"age": ages, "city": "Bonn", "since": "2022-05-01"})
    answer = asked(client, frame.to_csv(index=False).encode(), CSV, CSV)
    got = pd.read_csv(io.BytesIO(answer.content))

    assert len(got) == len(frame)
    assert got["probability_yes"].is_monotonic_increasing


def test_the_readmes_lines_for_programs_run(client: httpx.Client, capsys: pytest.CaptureFixture[str]):
    """Five lines with httpx, with this server's address and this model's columns in the place of the README's."""
    (text,) = re.findall(r"```python\n(import httpx\n.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    lines = [line for line in text.splitlines() if line.strip()]
    text = text.replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/"))
    text = text.replace('{"age": 41, "plan": "basic"}', repr(ROW))
    exec(text, {})  # noqa: S102 (the README's own)

    assert len(lines) <= 5
    prediction, probability, column = capsys.readouterr().out.split()
    assert (prediction in ("no", "yes"), 0.5 <= float(probability) <= 1, column in ROW) == (True, True, True)
