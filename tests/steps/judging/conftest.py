"""Judgements to draw and to write about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyfunc.model import decide
from steps.judging import answers, looking
from steps.judging.answers import Judgement
from steps.judging.canvas import Plot
from steps.judging.contest import positive_at
from steps.judging.document import Origin, Rival, document, finite, plots_of
from steps.judging.plots import all_of
from steps.records import Dataset
from tests.steps.judging import models


def judgement_of(data: Dataset, *, champion: bool = True) -> Judgement:
    """A judgement of a model of the dataset, against one that knows fewer columns."""
    classes = data.schema.target.classes
    at = positive_at(data.schema.target, data.y_train)
    fitted, weaker = models.pipeline(data), models.pipeline(data, 1)

    def answer(frame):
        scores = fitted.predict_proba(frame)
        return scores, decide(scores, data.schema, 0.5)

    candidate = answers.judge(data.y_test, *answer(data.test), at)
    other = weaker.predict_proba(data.test.iloc[:, :1])
    return Judgement(
        y=data.y_test,
        labels=classes,
        positive_at=at,
        threshold=0.5,
        metric="roc_auc" if at is not None else "log_loss",
        candidate=candidate,
        constant=answers.constant(data.y_train, data.y_test, len(classes), at),
        champion=answers.judge(data.y_test, other, decide(other, data.schema, 0.5), at) if champion else None,
        **vars(looking.look(answer, data.schema, data, data.test, candidate, (at, "accuracy"))),
    )


def findings(data: Dataset, judgement: Judgement, plots: list[Plot], reason: str = "") -> dict:
    """The document, as `evaluation.json` holds it."""
    origin = Origin(
        uri="models:/m-1",
        run_id="f" * 32,
        metric=judgement.metric,
        learner="lr",
        positive=None if judgement.positive_at is None else judgement.labels[judgement.positive_at],
        columns=len(data.schema.columns),
        parameters={"budget_s": "60"},
        libraries={"mlflow": "3.17.2"},
        tried=[
            {"model": "lr", "number": 0, f"cv_{judgement.metric}": 0.9, "seconds": 1.5, "size_bytes": 2048},
            {"model": "rf", "number": 1, "error": "time limit", "seconds": 9.0},
        ],
    )
    rival = None
    if judgement.champion is not None or reason:
        rival = Rival("7", "models:/crisol/7", judgement.champion, reason)
    made = {"run_id": "e" * 32, "name": "crisol", "created": "2026-01-02T03:04:05+00:00"}
    return finite({**made, **document(judgement, data, origin, rival, 3), "plots": plots_of(plots)})


CASES = {
    "two": models.dataset,
    "six": lambda: models.dataset([f"c{at}" for at in range(6)], rows=300),
    "twenty-six": lambda: models.dataset([chr(97 + at) for at in range(26)], rows=400),
    "tiny": lambda: models.dataset(["a", "b", "c", "d"], rows=10, absent=2),
    "one-class": lambda: models.dataset(rows=10, absent=1),
    "hostile": lambda: models.dataset(models.HOSTILE[:2], names=models.HOSTILE, target=models.HOSTILE[0]),
    "hostile-many": lambda: models.dataset(models.HOSTILE, names=models.HOSTILE, target=models.HOSTILE[3]),
}


@pytest.fixture(scope="session", params=list(CASES))
def case(request):
    """Name, dataset, judgement and plots of every kind of table, made once."""
    data = CASES[request.param]()
    judgement = judgement_of(data)
    return request.param, data, judgement, all_of(judgement)


@pytest.fixture(scope="session")
def two():
    """Dataset and judgement of an ordinary table with two classes."""
    data = CASES["two"]()
    return data, judgement_of(data)


@pytest.fixture(scope="session")
def without_champion(two):
    """The same where there is no champion yet."""
    data, judgement = two
    return data, replace(judgement, champion=None)
