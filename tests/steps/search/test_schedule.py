"""The plan of the search, without processes: candidates are handed out and told of by hand."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.records import SearchPlan
from steps.search.learners import NATIVE
from steps.search.plan import AUTO
from steps.search.portfolio import ORDER, ORDER_OF_NUMBERS, SPACES, Spec
from steps.search.schedule import LEAST_S, MOST, PATIENCE, WAVE, Ended, Schedule, describe, needs_pycaret

EVERYTHING = SearchPlan("roc_auc", AUTO, 60.0, 1, 0.5, blend=True)
ROWS = 300  # too few for stacks
READY = frozenset({NATIVE, "scaled", "plain"})
RIDGE = {"alpha": ("float", 0.01, 10.0, False)}


def named(*models: str, candidates: int | None = None) -> SearchPlan:
    """A search over certain learners."""
    return replace(EVERYTHING, models=models, blend=False, candidates=candidates)


def names(specs: list[Spec]) -> list[tuple[str, int]]:
    """Learner and number."""
    return [(spec.model, spec.number) for spec in specs]


def drain(schedule: Schedule, loss: float | None = 0.5, most: int = 200, left: float | None = 1000.0) -> list[Spec]:
    """Hand out one after the other, each told at once."""
    found = []
    while len(found) < most and (spec := schedule.next(left, READY)):
        found.append(spec)
        schedule.tell(Ended(spec, loss, 1.0))
    return found


def test_a_search_over_everything_begins_in_its_known_order():
    """The portfolio comes as it is listed, every entry once, with its hyperparameters."""
    found = drain(Schedule(EVERYTHING, ROWS), most=len(ORDER))

    assert tuple(names(found)) == ORDER
    assert {spec.how for spec in found} == {"portfolio"}
    assert found[0].hyperparameters["num_leaves"] == 31


def test_categories_of_very_many_levels_are_met_by_catboost_first():
    """The others learn next to nothing from them, and a short budget may be over before its usual turn."""
    found = drain(Schedule(EVERYTHING, ROWS, has_many_levels=True), most=len(ORDER))

    assert names(found)[:2] == [("catboost", 2), ORDER[0]]
    assert sorted(names(found)) == sorted(ORDER)


def test_of_many_numbers_a_smooth_model_is_tried_too():
    """Random cosines of all numbers; of other tables it is not, whether learners were named or not."""
    found = names(drain(Schedule(EVERYTHING, ROWS, is_of_numbers=True), most=len(ORDER_OF_NUMBERS)))

    assert tuple(found) == ORDER_OF_NUMBERS
    assert ("lr", 3) in names(drain(Schedule(named("lr"), ROWS, is_of_numbers=True), most=4))
    spec = drain(Schedule(named("lr"), ROWS), most=4)[3]
    assert (spec.number, spec.how) == (4, "tuned")


def test_what_is_not_prepared_yet_is_passed_over_and_comes_later():
    """Boosters go ahead while PyCaret is set up; then the linear model is first, as listed."""
    schedule = Schedule(EVERYTHING, ROWS)

    early = [schedule.next(60.0, frozenset({NATIVE})) for _ in range(2)]

    assert names(early) == [("lightgbm", 0), ("lightgbm", 1)]
    assert schedule.next(60.0, READY).model == "lr"


def test_what_will_never_be_prepared_is_not_waited_for():
    """With only linear models left, nothing is handed out; once they are dropped, boosters are tuned."""
    schedule, ready = Schedule(EVERYTHING, ROWS), frozenset({NATIVE})
    while spec := schedule.next(60.0, ready):
        schedule.tell(Ended(spec, 0.5, 1.0))

    schedule.drop("scaled")
    schedule.drop("plain")

    assert schedule.next(60.0, ready).how == "tuned"


def test_named_learners_take_turns():
    """First candidates first, then the second ones; a learner with a shorter portfolio drops out."""
    found = drain(Schedule(named("rf", "lr"), ROWS), most=5)

    assert names(found) == [("rf", 0), ("lr", 0), ("rf", 1), ("lr", 1), ("lr", 2)]


def test_of_named_learners_the_one_that_had_least_time_is_tuned():
    """A slow learner does not take the time of a quick one."""
    schedule = Schedule(named("rf", "lr"), ROWS)
    while (spec := schedule.next(1000.0, READY)).how == "portfolio":
        schedule.tell(Ended(spec, 0.5, 9.0 if spec.model == "rf" else 0.1))

    assert spec.model == "lr"


def test_what_cannot_end_in_time_is_passed_over():
    """LightGBM took ten seconds and five are left: another learner is next; with next to nothing left, none is."""
    schedule = Schedule(named("lightgbm", "lr"), ROWS)
    schedule.tell(Ended(schedule.next(60.0, READY), 0.5, 10.0))

    assert schedule.next(LEAST_S - 0.1, READY) is None
    assert names([schedule.next(5.0, READY), schedule.next(5.0, READY)]) == [("lr", 0), ("lr", 1)]
    assert names([schedule.next(7.5, READY)]) == [("lightgbm", 1)]


def test_a_candidate_gets_a_share_of_the_time_left():
    """A third or so, near the end all of it, and no limit where a number was asked for."""
    schedule = Schedule(EVERYTHING, ROWS)

    assert schedule.seconds_for(60.0) == pytest.approx(21)
    assert schedule.seconds_for(9.0) == 9
    assert schedule.seconds_for(None) is None


def test_the_best_learner_is_tuned_most():
    """Two of three tuned candidates are the best one's; the others get their turn; numbers go on from the portfolio."""
    schedule = Schedule(EVERYTHING, ROWS)
    losses = {"catboost": 0.3, "lr": 0.4}
    for _ in range(len(ORDER)):
        spec = schedule.next(1000.0, READY)
        schedule.tell(Ended(spec, losses.get(spec.model, 0.5), 1.0))

    tuned = [schedule.next(1000.0, READY) for _ in range(6)]

    assert [spec.model for spec in tuned[:3]] == ["catboost", "catboost", "lr"]
    assert [spec.model for spec in tuned].count("catboost") == 4
    assert [spec.number for spec in tuned if spec.model == "catboost"] == [4, 5, 6, 7]


def test_a_learner_that_only_failed_is_not_tuned():
    """Nothing is drawn around candidates that have no figure."""
    assert len(drain(Schedule(named("lr"), ROWS), loss=None)) == 3


def test_tuning_that_brings_nothing_ends():
    """So many tuned candidates in a row without a better one, and the search is over, whatever time is left."""
    schedule = Schedule(named("lr"), ROWS)
    for _ in range(3):
        schedule.tell(Ended(schedule.next(1000.0, READY), 0.5, 1.0))

    assert len(drain(schedule, loss=0.6)) == PATIENCE


def test_tuning_that_gets_better_goes_on_to_the_most():
    """As long as candidates improve, only the highest number ends it."""
    schedule, loss = Schedule(named("lr"), ROWS), 1.0
    while spec := schedule.next(1000.0, READY):
        loss -= 0.001
        schedule.tell(Ended(spec, loss, 1.0))

    assert schedule.given == MOST


def test_spaces_of_pycaret_arrive_late_and_ours_go_before():
    """A learner without a space has nothing to be drawn from until PyCaret's is there; ours are not replaced."""
    schedule = Schedule(named("ridge"), ROWS)
    assert names(drain(schedule)) == [("ridge", 0)]

    schedule.add_spaces({"ridge": RIDGE, "lightgbm": RIDGE})

    spec = schedule.next(1000.0, READY)
    assert names([spec]) == [("ridge", 1)]
    assert 0.01 <= spec.hyperparameters["alpha"] <= 10
    assert schedule.spaces["lightgbm"] == SPACES["lightgbm"]


def loss_of(spec: Spec) -> float | None:
    """A loss that depends on nothing but the candidate; one of seven fails."""
    found = zlib.crc32(repr((spec.model, sorted(describe(spec.hyperparameters).items()))).encode())
    return None if found % 7 == 0 else 0.3 + found / 2**34


def raced(plan: SearchPlan, size: int, endings: list[int], rows: int = ROWS) -> list[Spec]:
    """Candidates in the order of handing out, as workers that end in this order get them; see `Search._fill`."""
    schedule, running, found, lots = Schedule(plan, rows), [], [], iter(endings * 100)
    schedule.add_spaces({"ridge": RIDGE})
    while True:
        while len(running) < size and not (running and schedule.given % WAVE == 0):
            spec = schedule.next(None, READY)
            if spec is None:
                break
            running.append(spec)
            found.append(spec)
        if not running:
            return found
        for _ in range(1 + next(lots) % 2):  # one or two are done between two looks
            if running:
                spec = running.pop(next(lots) % len(running))
                schedule.tell(Ended(spec, loss_of(spec), 1.0 + next(lots)))


@cache
def in_turn(plan: SearchPlan) -> list[Spec]:
    """The candidates that one worker gets."""
    return raced(plan, 1, [0])


@pytest.mark.parametrize(
    "plan",
    [replace(EVERYTHING, candidates=26), named("lr", candidates=9), named("lr", "ridge", "lightgbm", candidates=17)],
    ids=["everything", "one", "three"],
)
@settings(max_examples=8)
@given(size=st.integers(1, 4), endings=st.lists(st.integers(0, 11), min_size=7, max_size=30))
def test_a_number_of_candidates_is_the_same_sequence_whoever_is_done_first(plan, size, endings):
    """Any order of endings, any number of workers: the same candidates with the same hyperparameters, all of them."""
    found = raced(plan, size, endings)

    assert found == in_turn(plan)
    assert len(found) == plan.candidates
    assert len(set(names(found))) == len(found)


def test_results_inside_of_a_wave_wait_for_its_end():
    """The fifth candidate sees what the first four brought, the fourth nothing."""
    schedule = Schedule(named("lr", candidates=5), ROWS)
    first = [schedule.next(None, READY) for _ in range(3)]
    schedule.tell(Ended(first[2], 0.5, 1.0))
    schedule.tell(Ended(first[0], 0.5, 1.0))

    assert schedule.next(None, READY) is None
    schedule.tell(Ended(first[1], 0.5, 1.0))
    assert names([schedule.next(None, READY)]) == [("lr", 4)]
    assert [one.spec.number for one in schedule.ended] == [0, 1, 2]


def test_preprocessing_is_prepared_for_those_who_need_it():
    """Boosters need none of PyCaret's; the others name theirs in the order of the plan."""
    assert needs_pycaret(named("lightgbm", "catboost")) == []
    assert needs_pycaret(named("gbc", "xgboost", "lr", "dt")) == ["plain", "scaled"]
