"""`/models/{version}/promote` and `/models/rollback`: another version becomes the champion, by the step that may do it.

The step runs here, one at a time: it makes sure that the version answers in a fresh process as it was evaluated, says
in figures what changes, and leaves a run. It is imported when it is first asked for, as `/upload`'s is.
"""

from __future__ import annotations

import re
import threading
from functools import partial
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Response

from api import experiments
from api.problems import json_answer
from api.serving import Served, Serving
from pyfunc.errors import ModelUnavailableError, Problem

PREVIOUS = "previous"
VERSION = re.compile(r"[1-9][0-9]{0,8}")
router = APIRouter(tags=["models"])
_moving = threading.Lock()  # two moves of one alias would each believe in the champion that it found


@router.post("/models/rollback", summary="Make the previous champion champion again")
async def rollback(serving: Served) -> Response:
    """The version with the alias `previous` becomes the champion; the answer compares both."""
    return json_answer(await anyio.to_thread.run_sync(partial(_move, serving, PREVIOUS)))


@router.post("/models/{version}/promote", summary="Make a version the champion")
async def promote(version: str, serving: Served) -> Response:
    """A version that checks did not refuse, or that was champion before, becomes the champion; compares both."""
    if not VERSION.fullmatch(version):
        what = "There is no such version."
        fix = "See /models for the versions that there are."
        raise ModelUnavailableError(Problem("version_unknown", what, "path", fix))
    return json_answer(await anyio.to_thread.run_sync(partial(_move, serving, version)))


def _move(serving: Serving, to: str) -> dict[str, Any]:
    """Move the alias and follow it: in a thread, seconds."""
    from steps import promote as step  # noqa: PLC0415 (see the module)

    own = serving.experiment_id
    with _moving, experiments.current(own, own):
        moved = step.roll_back(to, serving.settings.name)
    serving.champion.look()
    return moved.to_dict()
