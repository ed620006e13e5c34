"""Scores, written in the format that the client accepts."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from fastapi import Request, Response

from api.bodies import CSV, JSON, PARQUET
from api.champion import Loaded
from api.problems import NotAcceptableError, json_bytes
from pyfunc.errors import Problem
from pyfunc.schema import Notice

OFFERED = (JSON, CSV, PARQUET)  # the first that fits, where the client has no preference


def wanted(request: Request) -> str:
    """The format that the client likes best of those that are offered.

    Raises:
        NotAcceptableError: it accepts none of them.
    """
    accept = ",".join(request.headers.getlist("accept")) or "*/*"
    liked = {kind: _liking(kind, accept) for kind in OFFERED}
    best = max(OFFERED, key=lambda kind: liked[kind])  # the first of equals
    if liked[best] <= 0:
        what = "The Accept header names no format that is written."
        fix = f"Accept one of {', '.join(OFFERED)}."
        raise NotAcceptableError(Problem("not_acceptable", what, "header Accept", fix))
    return best


def _liking(kind: str, accept: str) -> float:
    """The quality that the most exact range of an Accept header gives to a media type; 0 where none does."""
    best = (-1, 0.0)
    for part in accept.split(","):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        exactness = {kind: 2, f"{kind.partition('/')[0]}/*": 1, "*/*": 0}.get(name)
        if name == "application/x-parquet" and kind == PARQUET:
            exactness = 2
        if exactness is None:
            continue
        quality = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            best = max(best, (exactness, float(quality)))
        except ValueError:
            continue
    return best[1]


def counts(notices: Sequence[Notice]) -> str:
    """Cells (columns, where it is about whole ones) by code: `out_of_range=2, unseen_category=1` (RFC 9651).

    Formats other than JSON have no place for warnings in their body.
    """
    found = Counter[str]()
    for notice in notices:
        found[notice.code] += notice.count
    return ", ".join(f"{code}={count}" for code, count in sorted(found.items()))


def write(answers: pd.DataFrame, notices: Sequence[Notice], loaded: Loaded, kind: str, request_id: str) -> Response:
    """The answer's bytes and headers; takes time for many rows, so not for the event loop."""
    headers = {**loaded.headers, "X-Crisol-Warnings": counts(notices)}
    if kind == CSV:
        text = answers.to_csv(index=False, lineterminator="\n")  # floats as repr writes them: they read back the same
        return Response(text.encode("utf-8", "surrogatepass"), 200, headers, f"{CSV}; charset=utf-8")
    if kind == PARQUET:
        buffer = io.BytesIO()
        answers.to_parquet(buffer, index=False)
        return Response(buffer.getvalue(), 200, headers, PARQUET)
    names = [str(name) for name in answers.columns]
    rows = zip(*(answers[name].tolist() for name in answers.columns), strict=True)
    return write_records([dict(zip(names, row, strict=True)) for row in rows], notices, loaded, request_id)


def write_records(
    predictions: Sequence[Mapping[str, Any]], notices: Sequence[Notice], loaded: Loaded, request_id: str
) -> Response:
    """The answer in JSON, for rows by column."""
    content = {
        "request_id": request_id,
        "model": loaded.facts,
        "predictions": predictions,
        "warnings": [notice.to_dict() for notice in notices],
    }
    return Response(json_bytes(content), 200, {**loaded.headers, "X-Crisol-Warnings": counts(notices)}, JSON)
