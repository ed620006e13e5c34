"""`/invocations`, `/ping` and `/version`: what `mlflow models serve` answers, by MLflow's own code.

What MLflow refuses itself it explains with the caller's rows and a trace; here the same status and error code come
with neither.
"""

from __future__ import annotations

import logging

import anyio
from fastapi import APIRouter, Request, Response
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE, ErrorCode
from mlflow.pyfunc import scoring_server
from mlflow.version import VERSION

from api import bodies
from api.champion import Loaded
from api.problems import RETRIED, RETRY_AFTER_S, TERSE, TERSE_WORDS, json_answer, status_of
from api.serving import Served
from pyfunc.errors import ProjectError
from pyfunc.model import ModelInputError

JSON = "application/json"
SAID = {
    ErrorCode.Name(BAD_REQUEST): "The body cannot be read as rows for the model. Send JSON with one of"
    " dataframe_records, dataframe_split, instances or inputs, or Parquet; CSV goes to /predict.",
    ErrorCode.Name(INVALID_PARAMETER_VALUE): "The rows or params do not fit the model's signature.",
}
log = logging.getLogger(__name__)
router = APIRouter(tags=["mlflow"])


@router.post("/invocations", summary="Predict as mlflow models serve does")
async def invocations(request: Request, serving: Served) -> Response:
    """Answers and errors as MLflow's scoring server gives them."""
    try:
        loaded = serving.champion.require()
        with serving.slots.one():
            body = await bodies.read(request, serving.settings)
            kind = request.headers.get("content-type", "")
            return await anyio.to_thread.run_sync(_answer, loaded, body, kind, limiter=serving.scoring)
    except ProjectError as error:
        is_later = isinstance(error, RETRIED)
        code = ErrorCode.Name(TEMPORARILY_UNAVAILABLE if is_later else BAD_REQUEST)
        headers = {"Retry-After": str(RETRY_AFTER_S)} if is_later else None
        return _error(code, _words(error), status_of(error), headers)


@router.get("/ping", summary="Whether a model is loaded")
async def ping(serving: Served) -> Response:
    """As MLflow's scoring server: 200 with a model, 404 without."""
    return Response("\n", 200 if serving.champion.current else 404, media_type=JSON)


@router.get("/version", summary="MLflow's version")
async def version() -> Response:
    """As MLflow's scoring server: the version of MLflow."""
    return Response(VERSION, media_type=JSON)


def _answer(loaded: Loaded, body: bytes, kind: str) -> Response:
    """Let MLflow parse, predict and write: in a thread."""
    try:
        said = scoring_server.invocations(body, kind, loaded.served, loaded.served.metadata.get_input_schema())
    except ModelInputError as error:  # our own words, without values
        return _error(error.error_code, error.message, error.get_http_status_code())
    except MlflowException as error:
        code = error.error_code if error.error_code in SAID else ErrorCode.Name(BAD_REQUEST)
        return _error(code, SAID[code], 400)
    except Exception as error:  # noqa: BLE001 (MLflow's parser lets pass whatever pandas and numpy raise on odd bodies)
        log.info("invocations: body not understood (%s)", type(error).__name__)
        code = ErrorCode.Name(BAD_REQUEST)
        return _error(code, SAID[code], 400)
    return Response(said.response, said.status, loaded.headers, said.mimetype)


def _error(code: str, message: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """MLflow's shape of an error."""
    if TERSE.get():
        log.info("invocations: refused %s: %s", code, message)
        message = TERSE_WORDS.what
    return json_answer({"error_code": code, "message": message}, status, headers)


def _words(error: ProjectError) -> str:
    """The first problem as a sentence."""
    return f"{error.problems[0].what} {error.problems[0].fix}"
