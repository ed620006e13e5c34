"""Every case in every format at every door: the outcomes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import mlflow

from pyfunc.schema import InputSchema
from tests.conformance import doors
from tests.conformance.cells import Cannot, Case, Cell, cases
from tests.conformance.doors import INVOCATIONS, PREDICT, PYTHON, SCORE, SERVE, TAKES, Outcome
from tests.conformance.exceptions import Place
from tests.conformance.formats import CSV, CSV_TYPED, FORMATS, RECORD, write
from tests.conftest import Store
from tests.journeys.test_two_files_to_answers import BIN, free_port, served

Ask = Callable[[bytes, str], Outcome]
Answers = dict[str, dict[Place, Outcome]]  # by the case's id


@dataclass(frozen=True)
class Measured:
    """What was said.

    `answers` to each case at each place, `meant` the score of JSON cells by column (None: the plain row), and
    `not_taken` the answer to the plain row in formats that a door of MLflow's does not take.
    """

    schema: InputSchema
    answers: Answers
    meant: dict[tuple[str, str], float]
    not_taken: dict[Place, Outcome]


def measure(store: Store, folder: Path, uri: str) -> Measured:
    """Ask all doors at the same time; three of them are processes of their own."""
    model = mlflow.pyfunc.load_model(uri)
    scorer = model.unwrap_python_model().scorer
    with ThreadPoolExecutor() as pool:
        server, ours = pool.submit(_ask_models_serve, store, uri), pool.submit(_ask_ours, store)
        here = _all(PYTHON, partial(doors.in_python, model)), _all(SCORE, partial(doors.in_score, folder, scorer))
        parts = [*here, server.result()[0], *ours.result()[0]]
    answers = {case.id: {place: said for part in parts for place, said in part[case.id].items()} for case in cases()}
    return Measured(scorer.schema, answers, ours.result()[1], {**server.result()[1], **ours.result()[2]})


def _ask_ours(store: Store) -> tuple[list[Answers], dict[tuple[str, str], float], dict[Place, Outcome]]:
    """The project's server as a process, on both routes; the scores of the cells that others are compared with."""
    port = free_port()
    command = [sys.executable, "-m", "steps.serve", "--port", str(port)]
    with served(command, store, port, "/ready") as client:
        predict = partial(doors.predict, client)
        found = [_all(PREDICT, predict), _all(INVOCATIONS, partial(doors.invocations, client))]
        meant = {("", ""): predict(_record("", ""), RECORD).scores[0]}
        for case in cases():
            for literal in ("null", *case.like) if case.column else ():
                if (case.column, literal) not in meant:
                    scores = predict(_record(case.column, literal), RECORD).scores
                    meant |= {(case.column, literal): scores[0]} if scores else {}
        return found, meant, _not_taken(INVOCATIONS, client)


def _ask_models_serve(store: Store, uri: str) -> tuple[Answers, dict[Place, Outcome]]:
    """`mlflow models serve` as a process."""
    port = free_port()
    command = [str(BIN / "mlflow"), "models", "serve", "-m", uri, "--env-manager", "local", "-p", str(port)]
    with served(command, store, port, "/ping") as client:
        return _all(SERVE, partial(doors.invocations, client)), _not_taken(SERVE, client)


def _all(door: str, ask: Ask) -> Answers:
    """Every case in every format of a door."""
    answers: Answers = {}
    for case in cases():
        bodies = {format_: write(case, CSV if format_ == CSV_TYPED else format_) for format_ in TAKES[door]}
        answers[case.id] = {
            (format_, door): ask(body, format_) for format_, body in bodies.items() if not isinstance(body, Cannot)
        }
    return answers


def _not_taken(door: str, client: httpx.Client) -> dict[Place, Outcome]:
    """What a door of MLflow's says to the plain row in the other formats."""
    plain = cases()[0]
    others = [format_ for format_ in FORMATS if format_ not in TAKES[door]]
    return {(format_, door): doors.invocations(client, write(plain, format_), format_) for format_ in others}


def _record(column: str, literal: str) -> bytes:
    """The plain row as one JSON record, with a cell of its own in one column."""
    cell = Cell(literal, literal, Cannot("not asked")) if column else None
    return write(Case("a cell", column, cell), RECORD)
