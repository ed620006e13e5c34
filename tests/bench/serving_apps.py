"""What `tests.bench.serving` compares with: the usual ways to serve a pipeline, each as one makes it in an afternoon.

`uvicorn --factory tests.bench.serving_apps:<name>`, with BENCH_MODEL the folder of a stock PyCaret pipeline.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pandas as pd
from fastapi import FastAPI, Request, Response


def empty() -> FastAPI:
    """A route that reads its body and answers: what the server itself takes."""
    return _app(None)


def pipeline() -> FastAPI:
    """The pipeline's own `predict_proba`."""
    from pycaret.classification import load_model  # noqa: PLC0415

    loaded = load_model(os.environ["BENCH_MODEL"], verbose=False)
    return _app(lambda frame: _json(loaded.predict_proba(frame).tolist()))


def predict_model() -> FastAPI:
    """PyCaret's `predict_model`."""
    from pycaret.classification import load_model  # noqa: PLC0415
    from pycaret.classification import predict_model as predict  # noqa: PLC0415

    loaded = load_model(os.environ["BENCH_MODEL"], verbose=False)
    return _app(lambda frame: predict(loaded, data=frame, raw_score=True, verbose=False).to_json().encode())


def pyfunc() -> FastAPI:
    """The same pipeline as an MLflow pyfunc."""
    import mlflow.pyfunc  # noqa: PLC0415

    loaded = mlflow.pyfunc.load_model(os.environ["BENCH_PYFUNC"])
    return _app(lambda frame: _json(loaded.predict(frame).tolist()))


def _json(content: Any) -> bytes:
    """JSON."""
    return json.dumps(content).encode()


def _app(answer: Callable[[Any], bytes] | None) -> FastAPI:
    """One route that takes records, and does nothing with them where there is no model."""
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        body = await request.body()
        if answer is None:
            return Response(b"{}", media_type="application/json")
        return Response(answer(pd.DataFrame.from_records(json.loads(body))), media_type="application/json")

    @app.get("/ready")
    async def ready() -> Response:
        return Response(b"{}", media_type="application/json")

    return app
