"""Stacks in the plan of the search: when they come, and on what they stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.search.outcome import Outcome
from steps.search.portfolio import ALWAYS_BASES, BAGGED, ORDER, STACK, STACKS, Spec
from steps.search.race import Tried, blendable
from steps.search.schedule import (
    FEWEST_LEARNERS,
    MOST,
    MOST_BASES,
    PATIENCE,
    STACK_AT,
    STACK_COST,
    STACK_ROWS,
    Ended,
    Schedule,
)
from tests.steps.search.test_schedule import EVERYTHING, READY, drain, named, raced

COUNTED = replace(EVERYTHING, candidates=20)
LATE = len(STACKS) * STACK_COST + 1.0  # seconds left for stacks and one more, where all take a second


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


def test_stacks_come_as_late_as_there_is_time_for_them():
    """A moment earlier another candidate is tried, which may become a base; the second stack follows at once."""
    assert after({}).next(LATE + 0.1, READY).model != STACK
    schedule = after({})
    first = schedule.next(LATE, READY)
    schedule.tell(Ended(first, 0.4, 0.1))

    assert [first.model, schedule.next(LATE, READY).model] == [STACK, STACK]


def test_a_candidate_before_the_stacks_leaves_them_their_time():
    """It may take what is left but for both, the first stack what is left but for the second, the second all."""
    schedule, need = Schedule(EVERYTHING, STACK_ROWS), 8.0 * STACK_COST
    for _ in range(6):
        schedule.tell(Ended(schedule.next(EVERYTHING.budget_s, READY), 0.5, 8.0))
    late = 2 * need + 8.0

    assert schedule.next(late + 0.1, READY).model != STACK
    assert schedule.limit_for(late + 0.1) == pytest.approx(8.1)
    assert schedule.seconds_for(late + 0.1) == pytest.approx(8.1)
    for others in (1, 0):
        stack = schedule.next(late, READY)
        assert stack.model == STACK
        assert schedule.limit_for(late) == pytest.approx(late - others * need)
        schedule.tell(Ended(stack, 0.4, 3.0))


def test_stacks_do_not_come_before_their_share_of_the_budget():
    """Candidates of half a budget each: stacks could never be late enough, and are not the first for that."""
    schedule = Schedule(EVERYTHING, STACK_ROWS)
    for _ in range(4):
        schedule.tell(Ended(schedule.next(EVERYTHING.budget_s, READY), 0.5, 30.0))
    late = (1 - STACK_AT) * EVERYTHING.budget_s

    assert schedule.next(late + 0.1, READY).model != STACK
    assert schedule.next(late, READY).model == STACK


@pytest.mark.parametrize("improves", [True, False])
def test_stacks_are_never_left_out_for_candidates_that_are_tuned(improves):
    """Where tuning brings nothing the search ends with the stacks, else they are the last of the most there may be."""
    schedule, found = Schedule(EVERYTHING, STACK_ROWS), []
    while spec := schedule.next(1000.0, READY):
        found.append(spec)
        worse = 0.1 if spec.how == "tuned" else 0.0
        schedule.tell(Ended(spec, 0.5 - len(found) / 1000 if improves else 0.5 + worse, 1.0))

    assert [spec.model for spec in found[-len(STACKS) :]] == [STACK] * len(STACKS)
    assert len(stacks(found)) == len(STACKS)
    assert len(found) == (MOST if improves else len(ORDER) + PATIENCE + len(STACKS))


def test_stacks_come_at_their_share_of_the_number():
    """Of twenty candidates the thirteenth is the first stack, and the number is kept."""
    found = drain(Schedule(COUNTED, STACK_ROWS), left=None)

    assert [at for at, spec in enumerate(found) if spec.model == STACK] == [12, 13]
    assert len(found) == COUNTED.candidates


@settings(max_examples=8)
@given(size=st.integers(1, 4), endings=st.lists(st.integers(0, 11), min_size=7, max_size=30))
def test_a_number_of_candidates_has_the_same_stacks_whoever_is_done_first(size, endings):
    """Any order of endings, any number of workers: stacks at the same places, on the same bases."""
    found = raced(COUNTED, size, endings, STACK_ROWS)

    assert stacks(found)
    assert found == raced(COUNTED, 1, [0], STACK_ROWS)


def test_bases_are_the_deep_forests_and_the_best_bag_of_each_learner():
    """The linear model is best and is no bag, the forests are last and stay; of LightGBM the better one of all."""
    schedule = after({"lr": 0.1, "et": 0.7, "rf": 0.8, "xgboost": 0.4, "catboost": 0.45}, most=11)
    schedule.tell(Ended(Spec("lightgbm", 7, {}, "tuned"), 0.2, 1.0))

    spec = schedule.next(LATE, READY)

    assert spec.bases == ("et-0.pkl", "rf-0.pkl", "lightgbm-7.pkl", "xgboost-0.pkl")
    assert len(spec.bases) == MOST_BASES


def test_where_learners_are_few_second_candidates_are_bases():
    """With nothing but LightGBM and one forest, all of LightGBM's are bases."""
    schedule = after({model: None for model in BAGGED if model not in ("lightgbm", "et")}, most=6)

    assert [file.split("-")[0] for file in schedule.next(LATE, READY).bases] == ["et", *["lightgbm"] * 3]


@pytest.mark.parametrize("which", ALWAYS_BASES)
def test_the_deep_forests_are_tried_to_their_end_where_stacks_will_need_them(which):
    """However far behind; other candidates are stopped, and so is the forest of a table without stacks."""
    forest = Spec(*which, {}, "portfolio")

    assert Schedule(EVERYTHING, STACK_ROWS).is_to_end(forest)
    assert not Schedule(EVERYTHING, STACK_ROWS).is_to_end(replace(forest, number=1))
    assert not Schedule(EVERYTHING, STACK_ROWS - 1).is_to_end(forest)
    assert not Schedule(named(forest.model, "lightgbm"), STACK_ROWS).is_to_end(forest)


def test_a_second_stack_does_not_stand_on_the_first():
    """However good the first one was, bases are candidates that saw the table alone."""
    schedule = after({})
    schedule.tell(Ended(schedule.next(LATE, READY), 0.01, 1.0))

    second = schedule.next(LATE, READY)

    assert (second.model, second.number) == (STACK, 1)
    assert not any(file.startswith(STACK) for file in second.bases)


def test_too_few_bases_are_no_stack():
    """Bags that failed are none: with one learner's the portfolio goes on, with a second learner there is a stack."""
    failed = {model: None for model in BAGGED if model != "lightgbm"}
    schedule = after(failed)
    spec = schedule.next(LATE, READY)
    assert spec.model != STACK

    schedule.tell(Ended(replace(spec, model="rf", number=9), 0.9, 1.0))

    found = schedule.next(LATE, READY)
    assert found.model == STACK
    assert len({file.split("-")[0] for file in found.bases}) == FEWEST_LEARNERS
    assert "rf-9.pkl" in found.bases


def tried(model: str, number: int, bases: tuple[str, ...] = ()) -> Tried:
    """A candidate that has ended."""
    return Tried(model, number, Outcome(), Path(f"folder/{model}-{number}.pkl"), 0, 1, 1.0, bases=bases)


def test_beside_a_stack_only_what_it_has_heard_or_could_not_hear_is_blended():
    """Its bases and the linear model stay; a bag that no stack stands on is out, and is in where there is no stack."""
    singles = [tried("lightgbm", 0), tried("lightgbm", 1), tried("et", 0), tried("lr", 0), tried("catboost", 0)]
    first = tried(STACK, 0, ("lightgbm-1.pkl", "et-0.pkl"))
    second = tried(STACK, 1, ("lightgbm-1.pkl", "catboost-0.pkl"))

    assert blendable(singles) == singles
    assert blendable([*singles, first]) == [*singles[1:4], first]
    assert blendable([*singles, first, second]) == [*singles[1:], first, second]
