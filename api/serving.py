"""What the handlers share: one `Serving` in the request's state, made when the server starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import anyio
from fastapi import Depends, Request

from api.champion import Champion, Versions
from api.problems import BusyError
from api.supervisor import Supervisor
from pyfunc.errors import Problem
from steps.settings import Settings


class Slots:
    """How many requests for predictions are taken at the same time. Used on the event loop only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one.

        Raises:
            BusyError: all are taken.
        """
        if self.taken >= self.most:
            what = f"{self.most} requests for predictions are being answered; more are not taken at the same time."
            raise BusyError(Problem("busy", what, "server", "Ask again in a few seconds."))
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


@dataclass(frozen=True)
class Serving:
    """The parts of a running server."""

    settings: Settings
    champion: Champion
    versions: Versions
    supervisor: Supervisor
    slots: Slots
    experiment_id: str  # where runs go that name none
    scoring: anyio.CapacityLimiter  # threads that score: more than cores only get in each other's way


async def serving_of(request: Request) -> Serving:
    """The running server that a request came to. Async, because FastAPI calls plain functions in a thread."""
    serving: Serving = request.state.serving
    return serving


Served = Annotated[Serving, Depends(serving_of)]
