"""The page, the documentation and the OpenAPI document."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from importlib.resources import files

import httpx
import pytest
from pydantic import ValidationError

from api.app import create_app
from steps.data.options import POLICIES
from steps.search.plan import PROMOTE_MODES
from steps.settings import Settings
from tests.api.served import ROW, running
from tests.conftest import Store

PAGES = ("/", "/docs")


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(client: httpx.Client, path: str):
    """They work offline, and under a policy that allows their own files only."""
    answer = client.get(path)
    sources = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert sources
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
    assert not re.findall(r"<script>|<style|\son[a-z]+=|style=", answer.text)
    for source in sources:
        assert client.get(source).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_every_field_has_a_label_and_every_id_is_one(client: httpx.Client, path: str):
    """A screen reader can tell what each field is."""
    text = client.get(path).text
    ids = re.findall(r'\sid="([^"]+)"', text)
    fields = re.findall(r"<(?:input|select|textarea)(?![^>]*hidden)[^>]*\sid=\"([^\"]+)\"", text)

    assert len(ids) == len(set(ids))
    assert set(fields) <= set(re.findall(r'<label for="([^"]+)"', text))
    assert '<html lang="en">' in text
    assert 'name="viewport"' in text


def test_the_look_is_the_reports(client: httpx.Client):
    """One file for both, and no colour beside it."""
    look = (files("steps.judging") / "templates" / "look.css").read_text(encoding="utf-8")

    assert client.get("/static/look.css").text == look
    assert not re.findall(r"#[0-9a-f]{3,8}\b|rgb|hsl", client.get("/static/page.css").text)


def test_the_documentation_shows_every_route_with_a_command(client: httpx.Client):
    """What is in the OpenAPI document is on the page."""
    text = client.get("/docs").text
    paths = client.get("/openapi.json").json()["paths"]

    assert {"/predict", "/train", "/upload", "/jobs/{job_id}/cancel", "/invocations", "/ready"} <= set(paths)
    assert "/" not in paths
    for path in paths:
        assert f"{path}</code>" in text


def test_the_command_for_predict_works(client: httpx.Client):
    """The example can be pasted into a shell."""
    (command,) = re.findall(r"<pre>(curl[^<]*/predict)</pre>", client.get("/docs").text)
    command = command.replace("&#39;", "'").replace("&#34;", '"')
    said = subprocess.run(["bash", "-c", f"{command} -s"], capture_output=True, text=True, check=True)

    assert '"prediction"' in said.stdout
    assert shlex.split(command)[0] == "curl"


def test_the_document_is_typed_by_the_champions_schema(client: httpx.Client):
    """Columns, kinds, categories, ranges, classes, and an example that is answered."""
    document = client.get("/openapi.json").json()
    row = document["components"]["schemas"]["Row"]
    prediction = document["components"]["schemas"]["Prediction"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]

    assert document["openapi"].startswith("3.1")
    assert row["required"] == list(ROW)
    assert row["properties"]["age"]["type"] == ["number", "string", "null"]
    assert "18.0 to 90.0" in row["properties"]["age"]["description"]
    assert row["properties"]["city"]["examples"] == ["Bonn", "Köln"]
    times = row["properties"]["since"]["pattern"]
    assert all(re.search(times, text) for text in ("2024-02-29", "2000-02-29T23:59:59.5", "2023-12-31T00:00"))
    assert not any(
        re.search(times, text) for text in ("2023-02-29", "1900-02-29", "2024-04-31", "2024-01-01T00:00:00Z")
    )
    assert prediction["properties"]["prediction"]["enum"] == ["no", "yes"]
    assert list(prediction["properties"])[2:] == ["probability_no", "probability_yes"]
    assert set(body) == {"application/json", "text/csv", "application/vnd.apache.parquet"}
    assert client.post("/predict", json=body["application/json"]["example"]).status_code == 200


def test_references_in_the_document_lead_somewhere(client: httpx.Client):
    """No tool stumbles over it."""
    answer = client.get("/openapi.json")
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))

    assert names
    assert names <= set(answer.json()["components"]["schemas"])


def test_models_show_aliases_and_figures(client: httpx.Client):
    """What is served, and how good it was."""
    model, (listed,) = client.get("/model").json(), client.get("/models").json()["models"]

    assert (model["name"], model["version"], model["aliases"]) == ("crisol", "1", ["champion"])
    assert model["metrics"] == listed["metrics"] == {"test_roc_auc": 0.9}
    assert model["manifest"]["threshold"] == 0.5
    assert model["target"] == {"name": "paid", "classes": ["no", "yes"], "positive": "yes"}
    assert [column["name"] for column in client.get("/schema").json()["columns"]] == list(ROW)


def test_every_text_of_the_pages_stands_in_one_file_and_is_used():
    """Keys that templates and modules ask for are there, and none is left over: another language is another file."""
    api = files("api")
    texts = json.loads((api / "texts" / "en.json").read_text(encoding="utf-8"))
    read = [file for folder in ("static", "templates") for file in (api / folder).iterdir()]
    sources = [file.read_text(encoding="utf-8") for file in read]
    asked = {key for source in sources for key in re.findall(r"\bt\(['\"`]([\w.]+)", source)}
    begun = {key for key in asked if key.endswith(".")}  # completed by a status, a policy or a mode

    assert asked - begun <= set(texts)
    assert {key for key in texts if key not in asked and not key.startswith(tuple(begun))} == set()
    assert all(any(key.startswith(begin) for key in texts) for begin in begun)
    for policy in (*POLICIES, *PROMOTE_MODES):
        assert {f"train.unseen.{policy}", f"train.promote.{policy}"} & set(texts)


def test_links_into_mlflow_go_where_the_setting_says(champion_store: Store):
    """Without a setting there is no link; only web addresses are taken."""
    with running(create_app(Settings(poll_s=60, mlflow_url="http://mlflow.example:5000/"))) as linked:
        text = linked.get("/").text
    with running(create_app(Settings(poll_s=60))) as plain:
        assert 'data-mlflow=""' in plain.get("/").text

    assert '<a href="http://mlflow.example:5000">MLflow</a>' in text
    assert 'data-mlflow="http://mlflow.example:5000"' in text
    with pytest.raises(ValidationError):
        Settings(mlflow_url="javascript:alert(1)")
