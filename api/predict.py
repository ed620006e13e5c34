"""`POST /predict`: rows in, answers out, in three formats each way."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import anyio
import pandas as pd
import pyarrow as pa
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from api import answers, bodies
from api.champion import Loaded
from api.problems import RequestRefusedError, TooLargeError
from api.serving import Serving
from pyfunc import explaining
from pyfunc.errors import FileRefusedError, Problem
from pyfunc.model import answer_names
from steps import parts
from steps.data.keep import kept
from steps.parts import Limits, Rows, Source
from steps.scoring import Wanted, explained, score_table
from steps.settings import Settings

PATH = "/predict"
ROUTE = SimpleNamespace(path=PATH)
SMALL = 16 * 1024  # bytes of a body that is answered at once, beside other requests
KNOWN = ("threshold", "version", "keep", "explain")
EXPLAINED_ROWS = 1000  # each takes as long as hundreds that are only answered
ENDINGS = {bodies.CSV: "csv", bodies.PARQUET: "parquet"}  # names that the reader knows the formats by
VERSION = re.compile(r"[0-9]{1,9}")
HEADERS = "latin-1"  # their encoding in HTTP
router = APIRouter()


class Asked(NamedTuple):
    """What a request asks for, besides its rows."""

    kind: str
    accepted: str
    threshold: float | None
    version: str | None
    keep: str
    explain: int
    request_id: str = ""


class Shortcut:
    """ASGI middleware around the framework: `/predict` without its routing, which takes as long as a small model.

    What packs answers stands inside, so answers here are packed here, where they are worth it.

    The route below is what the document shows, and answers where this is left out; what goes wrong here reaches
    `requests.Envelope` as it would from there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        scope["route"] = ROUTE  # for whoever counts
        made = await predict(Request(scope, receive, send))
        is_small = not isinstance(made, StreamingResponse) and len(made.body) < answers.PACKED_FROM
        answer: ASGIApp = made if is_small else answers.Packed(made)
        await answer(scope, receive, send)


@router.post(PATH, summary="Predict", tags=["predictions"])
async def predict(request: Request) -> Response:
    """Answer for each row: the label, its probability, and the probability of every class."""
    serving: Serving = request.state.serving  # without a dependency, which takes as long as a model
    asked = _asked(request)
    if asked.version is None:
        serving.champion.require()
    with serving.slots.one():
        if asked.kind != bodies.JSON:
            async with bodies.held(request, serving.settings) as table:
                return await _in_thread(serving, _of_table, serving, table, asked)
        body = await bodies.read(request, serving.settings)
        if len(body) <= SMALL and asked.version is None:  # one row takes less than a thread
            answered = _plain(serving, serving.champion.require(), body, asked, most=1)
            if answered is not None:
                return answered
        return await _in_thread(serving, _of_json, serving, body, asked)


async def _in_thread(serving: Serving, answer: Callable[..., Response], *given: Any) -> Response:
    """Where scoring does not hold up other requests."""
    return await anyio.to_thread.run_sync(partial(answer, *given), limiter=serving.scoring)


def _loaded(serving: Serving, asked: Asked) -> Loaded:
    """The model that is asked."""
    return serving.versions.get(asked.version) if asked.version else serving.champion.require()


def _of_json(serving: Serving, body: bytes, asked: Asked) -> Response:
    """Read, score, write: in a thread."""
    loaded = _loaded(serving, asked)
    plain = _plain(serving, loaded, body, asked, serving.settings.max_rows)
    if plain is not None:
        return plain
    frame = bodies.frame_of(body, serving.settings)
    carried = _carried(asked, [str(name) for name in frame.columns], loaded)
    if asked.explain:
        _check_explained(len(frame))
        answered, notices = loaded.scorer.answer_explained(frame, bodies.WHERE, asked.threshold, asked.explain)
    else:
        answered, notices = loaded.scorer.answer(frame, bodies.WHERE, asked.threshold)
    return answers.write(_with(answered, frame, carried, asked), notices, loaded, asked.accepted, asked.request_id)


def _with(answered: pd.DataFrame, frame: pd.DataFrame, carried: list[str], asked: Asked) -> pd.DataFrame:
    """The answers behind the columns that are carried along: as they were sent, or as text where JSON is not spoken."""
    kept = frame[carried].astype(object).where(frame[carried].notna(), None)
    if asked.accepted != bodies.JSON:
        kept = kept.map(parts.text_of_cell)
    return pd.concat([kept, answered], axis=1)


def _of_table(serving: Serving, table: bytes | Path, asked: Asked) -> Response:
    """The same for CSV and Parquet, a part of the rows at a time; what is wrong with the last row refuses them all."""
    loaded, settings = _loaded(serving, asked), serving.settings
    if isinstance(table, bytes):
        bodies.refuse_empty(table)
    limits = Limits(settings.max_mib, settings.max_columns)
    source = Source(table, f"body.{ENDINGS[asked.kind]}", bodies.WHERE)
    with answers.Written(asked.accepted, loaded, asked.request_id) as made:
        look = partial(_look, asked, settings)
        wanted = Wanted(made.out, asked.threshold, asked.keep, explain=asked.explain, look=look)
        done = score_table(source, loaded.scorer, wanted, limits, partial(_begun, made, asked))
        return made.response([*done.of_file, *done.of_rows])


def _look(asked: Asked, settings: Settings, rows: int, columns: int) -> None:
    """The limits, before so many rows are scored."""
    bodies.check_size(rows, columns, settings)
    if asked.explain:
        _check_explained(rows)


def _begun(made: answers.Written, asked: Asked, rows: Rows) -> Callable[[pa.RecordBatch], None]:
    """What takes the answers to a table, which is looked at first."""
    if rows.format.kind != ENDINGS[asked.kind]:
        what = f"The body is {rows.format.kind}, not what the Content-Type says."
        fix = f"Send one of {', '.join(bodies.KINDS)} and name it in the Content-Type."
        raise FileRefusedError(Problem("media_type_mismatch", what, bodies.WHERE, fix))
    made.begin()
    return made.take


def _check_explained(rows: int) -> None:
    """More than are explained at once are refused.

    Raises:
        TooLargeError: with the number that is taken.
    """
    if rows > EXPLAINED_ROWS:
        what = f"There are more than {EXPLAINED_ROWS} rows to explain."
        fix = "Send them in parts, or let `score` explain a file."
        raise TooLargeError(Problem("too_many_rows", what, bodies.WHERE, fix))


def _plain(serving: Serving, loaded: Loaded, body: bytes, asked: Asked, most: int) -> Response | None:
    """The answer to so many records at most that fit; None where somebody has to look."""
    if asked.explain or asked.accepted != bodies.JSON or loaded.scorer.package.plan is None:
        return None
    records = bodies.plain_records(body)
    if records is None or len(records) > most or len(records[0]) > serving.settings.max_columns:
        return None  # among others the limits, which the other way explains
    found = loaded.scorer.answer_records(records, asked.threshold)
    if found is None:
        return None
    answered, notices = found
    if asked.keep:
        carried = _carried(asked, list(records[0]), loaded)
        answered = [
            {**{name: record[name] for name in carried}, **answer}
            for record, answer in zip(records, answered, strict=True)
        ]
    return answers.write_records(answered, notices, loaded, asked.request_id)


def _carried(asked: Asked, header: list[str], loaded: Loaded) -> list[str]:
    """Names of the columns of the request that stand in front of the answers.

    Raises:
        RequestRefusedError: columns that are not there, or are named as the answers are.
    """
    own = answer_names(loaded.scorer.schema)
    own += explaining.names_of(min(asked.explain, len(loaded.scorer.schema.columns))) if asked.explain else []
    names, problems = kept(asked.keep, header, own, bodies.WHERE)
    if problems:
        raise RequestRefusedError(*problems)
    return names


def _asked(request: Request) -> Asked:
    """Check headers and query before the body is read.

    Raises:
        RequestRefusedError: a query parameter that is unknown or not understood.
    """
    headers = request.scope["headers"]
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    accept = b",".join([value for name, value in headers if name == b"accept"])
    return _understood(request.scope["query_string"], kind, accept)._replace(request_id=request.state.request_id)


@lru_cache(maxsize=256)
def _understood(query_string: bytes, content_type: bytes, accept: bytes) -> Asked:
    """The same for the texts that say it: most requests are asked as the one before."""
    query = QueryParams(query_string)
    problems = [_unknown(name) for name in query if name not in KNOWN]
    version = query.get("version")
    if version is not None and not VERSION.fullmatch(version):
        what = "'version' is not the number of a registered version."
        problems.append(Problem("version_invalid", what, "query", "Send a number from /models, such as 3."))
    explain, wrong = explained(query.get("explain", ""))
    problems += wrong
    if problems:
        raise RequestRefusedError(*problems)
    kind, accepted = bodies.kind_of(content_type.decode(HEADERS)), answers.wanted(accept.decode(HEADERS))
    threshold = _threshold(query["threshold"]) if "threshold" in query else None
    return Asked(kind, accepted, threshold, version and str(int(version)), query.get("keep", "").strip(), explain)


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
