"""`POST /predict`: rows in, answers out, in three formats each way."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial

import anyio
from fastapi import APIRouter, Request, Response

from api import answers, bodies
from api.champion import Loaded
from api.problems import RequestRefusedError
from api.serving import Served, Serving
from pyfunc.errors import Problem

SMALL = 16 * 1024  # bytes of a body that is answered at once, beside other requests
KNOWN = ("threshold", "version")
VERSION = re.compile(r"[0-9]{1,9}")
router = APIRouter()


@dataclass(frozen=True)
class Asked:
    """What a request asks for, besides its rows."""

    kind: str
    accepted: str
    threshold: float | None
    version: str | None
    request_id: str


@router.post("/predict", summary="Predict", tags=["predictions"])
async def predict(request: Request, serving: Served) -> Response:
    """Answer for each row: the label, its probability, and the probability of every class."""
    asked = _asked(request)
    if asked.version is None:
        serving.champion.require()
    with serving.slots.one():
        body = await bodies.read(request)
        if len(body) <= SMALL and asked.version is None:  # one row takes less than a thread
            answered = _plain(serving, serving.champion.require(), body, asked, most=1)
            if answered is not None:
                return answered
        return await anyio.to_thread.run_sync(partial(_answer, serving, body, asked), limiter=serving.scoring)


def _answer(serving: Serving, body: bytes, asked: Asked) -> Response:
    """Read, score, write: in a thread."""
    loaded: Loaded = serving.versions.get(asked.version) if asked.version else serving.champion.require()
    plain = _plain(serving, loaded, body, asked, serving.settings.max_rows)
    if plain is not None:
        return plain
    frame, noticed = bodies.frame_of(body, asked.kind, loaded.scorer, serving.settings)
    answered, notices = loaded.scorer.answer(frame, bodies.WHERE, asked.threshold)
    return answers.write(answered, [*noticed, *notices], loaded, asked.accepted, asked.request_id)


def _plain(serving: Serving, loaded: Loaded, body: bytes, asked: Asked, most: int) -> Response | None:
    """The answer to so many records at most that fit; None where somebody has to look."""
    if asked.kind != bodies.JSON or asked.accepted != bodies.JSON or loaded.scorer.package.plan is None:
        return None
    records = bodies.plain_records(body)
    if records is None or len(records) > most or len(records[0]) > serving.settings.max_columns:
        return None  # among others the limits, which the other way explains
    found = loaded.scorer.answer_records(records, asked.threshold)
    return None if found is None else answers.write_records(*found, loaded, asked.request_id)


def _asked(request: Request) -> Asked:
    """Check headers and query before the body is read.

    Raises:
        RequestRefusedError: a query parameter that is unknown or not understood.
    """
    query = request.query_params
    problems = [_unknown(name) for name in query if name not in KNOWN]
    version = query.get("version")
    if version is not None and not VERSION.fullmatch(version):
        what = "'version' is not the number of a registered version."
        problems.append(Problem("version_invalid", what, "query", "Send a number from /models, such as 3."))
    if problems:
        raise RequestRefusedError(*problems)
    kind, accepted = bodies.kind_of(request), answers.wanted(request)
    threshold = _threshold(query["threshold"]) if "threshold" in query else None
    return Asked(kind, accepted, threshold, version and str(int(version)), request.state.request_id)


def _threshold(text: str) -> float:
    """The number; NaN for what is none, so that it is refused together with what is wrong with the rows."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _unknown(name: str) -> Problem:
    """A parameter that nothing honours is refused: ignoring it would look like an answer to it."""
    fix = f"Known are {' and '.join(KNOWN)}."
    return Problem("query_unknown", f"There is no query parameter '{name[:80]}' here.", "query", fix)
