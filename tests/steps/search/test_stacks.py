"""Stacks in the plan of the search: when they come, and on what they stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.search.portfolio import BAGGED, ORDER, STACK, STACKS
from steps.search.schedule import FEWEST_BASES, STACK_AT, STACK_EACH, STACK_OF, STACK_ROWS, Ended, Schedule
from tests.steps.search.test_schedule import EVERYTHING, READY, drain, named, raced

COUNTED = replace(EVERYTHING, candidates=20)
LATE = (1 - STACK_AT) * EVERYTHING.budget_s  # seconds left when the share of the budget is over


def after(losses: dict[str, float | None], most: int = 12, rows: int = STACK_ROWS) -> Schedule:
    """A schedule that was told of the first candidates, with the losses of their learners."""
    schedule = Schedule(EVERYTHING, rows)
    for _ in range(most):
        spec = schedule.next(EVERYTHING.budget_s, READY)
        schedule.tell(Ended(spec, losses.get(spec.model, 0.5), 1.0))
    return schedule


def stacks(specs: list) -> list:
    """Those that are stacks."""
    return [spec for spec in specs if spec.model == STACK]


@pytest.mark.parametrize(("rows", "expected"), [(STACK_ROWS - 1, 0), (STACK_ROWS, len(STACKS))])
def test_small_tables_have_no_stacks(rows, expected):
    """One row makes the difference; from there on each of the stacks comes once, with its number."""
    found = stacks(drain(Schedule(EVERYTHING, rows)))

    assert [spec.number for spec in found] == list(range(expected))
    assert [spec.hyperparameters for spec in found] == list(STACKS[:expected])
    assert {spec.how for spec in found} <= {"stacked"}


@pytest.mark.parametrize("plan", [named("lightgbm", "et"), named("lightgbm", "catboost", candidates=30)])
def test_named_learners_are_not_stacked(plan):
    """What was asked for are those learners and nothing on top of them."""
    found = drain(Schedule(plan, 10 * STACK_ROWS), most=40, left=None if plan.candidates else LATE)

    assert len(found) > 10
    assert not stacks(found)


def test_a_stack_comes_when_its_share_of_the_budget_is_over():
    """A moment earlier the portfolio goes on."""
    assert after({}).next(LATE + 0.1, READY).model != STACK
    assert after({}).next(LATE, READY).model == STACK


def test_a_stack_does_not_wait_for_the_budget_where_the_portfolio_is_over():
    """All listed candidates were tried in no time: stacks are next, before anything is tuned."""
    found = drain(Schedule(EVERYTHING, STACK_ROWS), most=len(ORDER) + len(STACKS))

    assert [spec.model for spec in found[len(ORDER) :]] == [STACK] * len(STACKS)


def test_stacks_come_at_their_share_of_the_number():
    """Of twenty candidates the thirteenth is the first stack, and the number is kept."""
    found = drain(Schedule(COUNTED, STACK_ROWS), left=None)

    assert [at for at, spec in enumerate(found) if spec.model == STACK] == [12, 13, 14]
    assert len(found) == COUNTED.candidates


@settings(max_examples=8)
@given(size=st.integers(1, 4), endings=st.lists(st.integers(0, 11), min_size=7, max_size=30))
def test_a_number_of_candidates_has_the_same_stacks_whoever_is_done_first(size, endings):
    """Any order of endings, any number of workers: stacks at the same places, on the same bases."""
    found = raced(COUNTED, size, endings, STACK_ROWS)

    assert stacks(found)
    assert found == raced(COUNTED, 1, [0], STACK_ROWS)


def test_bases_are_the_best_bags_and_not_too_many_of_one_learner():
    """The linear model is best and is no bag; of LightGBM, next best, two; the best stand first."""
    schedule = after({"lr": 0.1, "lightgbm": 0.2, "et": 0.3, "xgboost": 0.4})

    spec = schedule.next(LATE, READY)

    learners = [file.split("-")[0] for file in spec.bases]
    assert learners[:5] == ["lightgbm", "lightgbm", "et", "et", "xgboost"]
    assert set(learners) <= set(BAGGED)
    assert max(Counter(learners).values()) == STACK_EACH
    assert len(spec.bases) == len(set(spec.bases)) == STACK_OF
    assert set(spec.bases) <= {one.spec.file for one in schedule.ended}


def test_a_second_stack_does_not_stand_on_the_first():
    """However good the first one was, bases are candidates that saw the table alone."""
    schedule = after({})
    schedule.tell(Ended(schedule.next(LATE, READY), 0.01, 1.0))

    second = schedule.next(LATE, READY)

    assert (second.model, second.number) == (STACK, 1)
    assert not any(file.startswith(STACK) for file in second.bases)


def test_too_few_bases_are_no_stack():
    """Bags that failed are none: with two that have a loss the portfolio goes on, with a third one there is a stack."""
    failed = {model: None for model in BAGGED if model != "lightgbm"}
    schedule = after(failed)  # of one learner no more than two are counted
    spec = schedule.next(LATE, READY)
    assert spec.model != STACK

    schedule.tell(Ended(replace(spec, model="rf", number=9), 0.9, 1.0))

    found = schedule.next(LATE, READY)
    assert found.model == STACK
    assert len(found.bases) == FEWEST_BASES
    assert "rf-9.pkl" in found.bases
