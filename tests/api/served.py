"""What the API's tests serve: a small real model, a real server, and a trainer that only pretends."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from api.app import create_app
from api.supervisor import Supervisor
from pyfunc import package
from pyfunc.cells import Kind
from pyfunc.compiled import files
from pyfunc.compiled.plan import Plan
from pyfunc.estimators import Columns, Matrix
from pyfunc.model import PACKAGE_ARTIFACT, signature
from pyfunc.schema import Column, InputSchema, Target
from steps.settings import Settings

PROJECT = Path(package.__file__).parents[1]
SCHEMA = InputSchema(
    (
        Column("age", Kind.NUMBER, minimum=18.0, maximum=90.0),
        Column("city", Kind.CATEGORY, categories=("Bonn", "Köln")),
        Column("since", Kind.DATETIME, minimum="2020-01-01T00:00:00", maximum="2024-01-01T00:00:00"),
    ),
    Target("paid", ("no", "yes"), positive="yes"),
)
SLEEPS = "import time; print('at work', flush=True); time.sleep(30)"
ROW = {"age": 40, "city": "Bonn", "since": "2022-05-01"}


def fitted(schema: InputSchema, seed: int) -> Any:
    """A pipeline that has learned something from made-up rows."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.uniform(18, 90, 200),
            "city": random.choice(["Bonn", "Köln"], 200),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1400, 200), unit="D"),
        }
    )
    enforced, _ = schema.enforce(frame, "training rows")
    y = (enforced["age"].to_numpy() + random.normal(0, 10, 200) > 50).astype(int)
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot)
    encoded = make_column_transformer(
        (texts, make_column_selector(dtype_include=object)), remainder=SimpleImputer()
    ).set_output(transform="pandas")
    pipeline = make_pipeline(Columns(), encoded, Matrix(), LogisticRegression(C=1 / (1 + seed), max_iter=2000))
    return pipeline.fit(enforced, y)


def register(
    name: str,
    alias: str | None = "champion",
    seed: int = 0,
    schema: InputSchema = SCHEMA,
    pipeline: Any = None,
    plan: Plan | None = None,
) -> str:
    """Log and register a model in the active store, by default one fitted to made-up rows; its version."""
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_name="a model") as run:
        plan_files = [] if plan is None else files.save(plan, Path(folder))
        package.save(Path(folder), fitted(schema, seed) if pipeline is None else pipeline, schema, 0.5, plan_files)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PROJECT / "pyfunc" / "entry.py"),
            artifacts={PACKAGE_ARTIFACT: folder},
            code_paths=[str(PROJECT / "pyfunc")],
            signature=signature(schema),
            input_example=schema.example(),
            pip_requirements=[],
        )
        mlflow.log_metric("test_roc_auc", 0.9)
    client = MlflowClient()
    if name not in {model.name for model in client.search_registered_models()}:
        client.create_registered_model(name)
    made = client.create_model_version(name, info.model_uri, run.info.run_id, model_id=info.model_id)
    if alias:
        client.set_registered_model_alias(name, alias, made.version)
    return str(made.version)


def pretending(code: str) -> Callable[[Run, dict[str, str]], list[str]]:
    """A trainer that runs some Python and knows nothing of MLflow."""
    return lambda run, _: [sys.executable, "-c", code, "--run-id", run.info.run_id]


@contextmanager
def server(code: str = SLEEPS, most: int = 1, limit_s: float = 3600) -> Iterator[httpx.Client]:
    """A server without a champion, whose jobs run some Python."""
    supervisor = Supervisor(most, limit_s, pretending(code), look_s=0.05, patience_s=0.5)
    with running(create_app(Settings(name="crisol", poll_s=60), supervisor)) as client:
        yield client


@contextmanager
def running(app: FastAPI, path: str = "/health") -> Iterator[httpx.Client]:
    """A real server on a port that the kernel picked, and a client that speaks to it; `path` answers 200 already."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
        until(lambda: server.started and client.get(path).status_code == 200)
        yield client
    server.should_exit = True
    thread.join(10)
    listener.close()


def until(holds: Any, patience_s: float = 30) -> Any:
    """Wait until something holds; what it is then."""
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)
    return found
