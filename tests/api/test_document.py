"""The server keeps to its OpenAPI document: schemathesis asks what the document allows, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

SETTINGS = Path(__file__).with_name("schemathesis.toml")
PREDICT = "/predict"
LIMIT_S = 300


def test_schemathesis_finds_nothing(client: httpx.Client, tmp_path: Path):
    """No 5xx, no status, header or body that is not described; what fits is taken, and what does not is refused.

    CSV and Parquet are left out: most texts and bytes are no table, which no schema says.
    """
    document = client.get("/openapi.json").json()
    predict = document["paths"][PREDICT]["post"]
    predict["requestBody"]["content"] = {"application/json": predict["requestBody"]["content"]["application/json"]}
    (tmp_path / "api.json").write_text(json.dumps(document), encoding="utf-8")
    words = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", "api.json"]
    words += ["--url", str(client.base_url), "--no-color", "--seed", "1"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert said.returncode == 0, said.stdout[-5000:] + said.stderr[-2000:]
    assert f"Tested: {sum(map(len, document['paths'].values()))}" in said.stdout
