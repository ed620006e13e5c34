"""A team's store: Postgres and S3, directly and through an MLflow server that asks for a password."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.journeys.servers import free_port, wait_for
from tests.teams import BUCKET, OTHERS, PASSWORD, Team, postgres_programs, team

ROOT = Path(__file__).resolve().parent.parent
TRAIN_ROWS = 170  # of loans.csv's 240
pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(postgres_programs() is None, reason="Postgres is not installed (Debian: postgresql)"),
]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The three servers."""
    with team(tmp_path_factory.mktemp("team")) as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, loans: bytes) -> tuple[Path, Path]:
    """A training file, packed, and a test file."""
    folder = tmp_path_factory.mktemp("files")
    lines = loans.decode().splitlines(keepends=True)
    train, test = folder / "train.csv.gz", folder / "test.csv"
    train.write_bytes(gzip.compress("".join(lines[: TRAIN_ROWS + 1]).encode()))
    test.write_bytes("".join([lines[0], *lines[TRAIN_ROWS + 1 :]]).encode())
    return train, test


def step(environment: dict[str, str], verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A step as `mlflow run` starts it."""
    command = [sys.executable, "-W", "ignore", "-m", f"steps.{verb}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def trained(environment: dict[str, str], files: tuple[Path, Path], name: str, models: str = "lightgbm,lr") -> dict:
    """A champion of two candidates, with trees among them by default."""
    train, test = files
    done = step(
        environment, "main", f"--train={train}", f"--test={test}", "--target=approved", f"--name={name}",
        f"--models={models}", "--candidates=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def scored(environment: dict[str, str], rows: Path, name: str, out: Path) -> pd.DataFrame:
    """The champion's answers to a file."""
    done = step(environment, "score", f"--data={rows}", f"--out={out}", f"--model=models:/{name}@champion")
    assert done.returncode == 0, done.stderr[-3000:]
    return pd.read_csv(out, float_precision="round_trip")


@pytest.fixture(scope="module")
def champion(ours: Team, files: tuple[Path, Path]) -> dict:
    """Trained through the MLflow server, by somebody who knows no key of S3 and no Postgres."""
    return trained(ours.through_the_server, files, "team")


def test_a_champion_through_the_server(ours, files, champion, tmp_path):
    """It was reloaded, registered and promoted, and scores a file; the packed trees and the report came back whole."""
    assert (champion["promoted"], champion["candidates"]) == (True, 2)

    answers = scored(ours.through_the_server, files[1], "team", tmp_path / "out.csv")

    assert len(answers) == len(pd.read_csv(files[1]))
    assert answers.filter(like="probability_").sum(axis=1).sub(1).abs().max() < 1e-9


def test_the_server_answers_and_its_jobs_train(ours, files, champion, tmp_path):
    """`serve` follows the champion; a job that it starts ends with a version; no run holds the password."""
    port = free_port()
    log = tmp_path / "serve.log"
    environment = {**ours.through_the_server, "CRISOL_NAME": "team"}
    with log.open("w") as out:
        command = [sys.executable, "-m", "steps.serve", f"--port={port}"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            wait_for(lambda: client.get("/ready").status_code == 200, 120, "the server")
            expected = scored(ours.through_the_server, files[1], "team", tmp_path / "out.csv")
            rows, header = files[1].read_bytes(), {"Content-Type": "text/csv"}
            got = client.post("/predict", content=rows, headers=header).raise_for_status().json()["predictions"]
            assert [one["probability"] for one in got] == expected["probability"].tolist()
            form = {"train": ("train.csv.gz", files[0].read_bytes()), "test": ("test.csv", rows)}
            dataset = client.post("/upload", files=form, data={"target": "approved"}).raise_for_status().json()
            wish = {"dataset_id": dataset["dataset_id"], "models": "lr", "candidates": 1, "ignore": "income"}
            job = f"/jobs/{client.post('/train', json=wish).raise_for_status().json()['job_id']}"
            wait_for(lambda: client.get(job).json()["status"] in {"FINISHED", "FAILED"}, 240, "the job")
            ended = client.get(job)
            assert ended.json()["status"] == "FINISHED", ended.text
            assert ended.json()["version"] == "2"
            said = [ended.text, client.get(f"{job}/log").text, client.get("/metrics").text, log.read_text()]
            assert not any(PASSWORD in text for text in said)
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.mark.parametrize("verb", ["main", "serve"])
def test_a_wrong_password_is_said_in_a_line(ours, verb):
    """With the variables that hold it, and never its text."""
    environment = {**ours.through_the_server, OTHERS[1]: "a wrong secret"}

    done = step(environment, verb)

    assert done.returncode == 3
    assert "refused [store_denied]" in done.stderr
    assert "Traceback" not in done.stderr
    assert "a wrong secret" not in done.stderr


def test_a_champion_without_a_server(ours, files, tmp_path):
    """Postgres as the store, an experiment whose files lie in S3, nothing between."""
    environment = {**ours.direct, "MLFLOW_EXPERIMENT_NAME": "direct"}
    create = ["-m", "mlflow", "experiments", "create", "-n", "direct", "-l", f"s3://{BUCKET}/direct"]
    subprocess.run([sys.executable, *create], env=ours.direct, check=True, capture_output=True)

    assert trained(environment, files, "direct", "lr")["promoted"]
    assert len(scored(environment, files[1], "direct", tmp_path / "out.csv")) == len(pd.read_csv(files[1]))
