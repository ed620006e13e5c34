"""The server: `uvicorn --factory api.app:create_app`. Nothing is made when this module is imported."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, FastAPI, Response
from mlflow.exceptions import MlflowException
from starlette.types import Receive, Scope, Send

from api import (
    answers,
    experiments,
    invocations,
    metrics,
    models,
    pages,
    predict,
    problems,
    promotion,
    requests,
    store,
    training,
    uploads,
)
from api.champion import Champion, Versions
from api.problems import NotReadyError, json_answer
from api.security import Door, require_key
from api.serving import Served, Serving, Slots
from api.supervisor import Supervisor
from pyfunc import memory
from steps.serve import end_soon
from steps.settings import Settings

SWITCH_S = 0.001  # after which a thread that computes lets others in: a request waits for a model that is being loaded
THREADS_THAT_WAIT = 40  # for the store and for files
log = logging.getLogger(__name__)
router = APIRouter(tags=["server"])


class Server(FastAPI):
    """FastAPI behind what every request passes first; `/predict` never reaches it, because it takes as long as a model.

    Args:
        settings: where things live.
        given: as FastAPI takes it.
    """

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(**given)
        door = Door(predict.Shortcut(super().__call__), settings)
        self._envelope = requests.Envelope(door, settings.max_mib, is_terse=settings.terse_errors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self._envelope(scope, receive, send)


def create_app(settings: Settings | None = None, supervisor: Supervisor | None = None) -> FastAPI:
    """Make the server.

    Args:
        settings: where things live; read from the environment by default, because uvicorn passes nothing.
        supervisor: what works the jobs; `mlflow run` by default.

    Raises:
        KeyRefusedError: a host beyond loopback without a key.
    """
    settings = settings or Settings()
    require_key(settings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # where nobody has configured it yet
    store.hasten()
    memory.share()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # they would fill the log
    working = supervisor or Supervisor(settings.jobs, settings.job_limit_s)
    app = Server(
        settings, title="Crisol", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan(settings, working)
    )
    app.state.pages = pages.read(settings)
    app.state.has_key = bool(settings.api_key)
    for part in (predict, uploads, training, models, promotion, invocations, pages, metrics):
        app.include_router(part.router)
    app.include_router(router)
    problems.install(app)
    requests.install(app)
    app.add_exception_handler(MlflowException, store.answer)
    app.add_middleware(answers.Packed)
    return app


def _lifespan(settings: Settings, supervisor: Supervisor) -> Any:
    """What runs beside the requests, from start to end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        champion = Champion(settings.name, settings.poll_s)
        scoring = anyio.CapacityLimiter(os.cpu_count() or 1)
        slots = Slots(settings.max_requests)
        serving = Serving(settings, champion, Versions(champion), supervisor, slots, experiments.own(), scoring)
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS_THAT_WAIT
        sys.setswitchinterval(SWITCH_S)
        champion.start()
        supervisor.start()
        parent = multiprocessing.parent_process()
        if parent is not None:
            threading.Thread(target=_end_with, args=(parent.sentinel,), name="parent", daemon=True).start()
        yield {"serving": serving}
        champion.stop()
        supervisor.stop()
        if parent is not None:
            end_soon()

    return lifespan


def _end_with(parent: int) -> None:
    """A worker whose parent was killed would hold the port for ever."""
    multiprocessing.connection.wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)


@router.get("/health", summary="Whether the server is alive")
async def health() -> Response:
    """Alive: nothing else is looked at."""
    return json_answer({"status": "alive"})


@router.get("/ready", summary="Whether it can predict")
async def ready(serving: Served) -> Response:
    """A champion is loaded and the registry answers."""
    loaded = serving.champion.require()
    if serving.champion.problem is not None:
        raise NotReadyError(serving.champion.problem)
    return json_answer({"status": "ready", "model": loaded.facts})
