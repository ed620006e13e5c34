"""Which candidate is chosen, on made-up figures; real trainings are in test_main.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyfunc.errors import TrainingRefusedError
from steps.records import SearchPlan
from steps.search.choosing import (
    Ranked,
    choose,
    frontier,
    in_order,
    is_quick,
    is_surely_better,
    leaderboard,
    out_with,
    priced,
    too_slow,
)
from steps.search.outcome import Outcome
from steps.search.race import BLEND, Tried

PLAN = SearchPlan("roc_auc", ("lightgbm", "lr"), 60.0, 1, 0.5)
Y = np.arange(400) % 2
EVEN = np.full(len(Y), 0.6)  # probability of the true class, the same in every row


def scores(right: np.ndarray) -> np.ndarray:
    """Probabilities (n_rows, 2) that give the true classes these ones."""
    second = np.where(Y == 1, right, 1 - right)
    return np.column_stack([1 - second, second])


def candidate(
    model: str,
    number: int,
    folds: list[float],
    log_loss: float,
    error: str | None = None,
    latency_ms: float = 1.0,
    right: np.ndarray = EVEN,
) -> Ranked:
    """A candidate with these AUCs in the folds."""
    figures = {} if error else {"roc_auc": sum(folds) / len(folds), "log_loss": log_loss}
    each = pd.DataFrame({"roc_auc": folds, "log_loss": [log_loss] * len(folds)})
    outcome = Outcome(error, {}, None if error else scores(right), figures, each, latency_ms)
    return Ranked(Tried(model, number, outcome, Path("x"), 0, 1, 1.0, 2 if model == BLEND else 1), "r")


def test_a_clear_winner_is_chosen_whatever_its_log_loss():
    """Better in every fold by more than the noise wins."""
    winner = candidate("lightgbm", 1, [0.90, 0.91, 0.92], 0.6)
    loser = candidate("lr", 0, [0.85, 0.86, 0.87], 0.3)

    assert choose([loser, winner], Y, PLAN) is winner


def test_within_the_noise_the_better_probabilities_win():
    """A lead that the folds do not agree on is luck; the lower log loss decides."""
    lucky = candidate("lightgbm", 1, [0.95, 0.80, 0.90], 0.6)
    honest = candidate("lr", 0, [0.84, 0.88, 0.90], 0.4)

    assert choose([lucky, honest], Y, PLAN) is honest


def test_the_order_of_arrival_decides_nothing():
    """Two equal candidates: the earlier in the plan wins, whoever was done first."""
    first, second = candidate("lightgbm", 0, [0.9, 0.8], 0.4), candidate("lr", 0, [0.9, 0.8], 0.4)
    third = candidate("lightgbm", 1, [0.9, 0.8], 0.4)

    assert choose([first, second, third], Y, PLAN) is first
    assert choose([third, second, first], Y, PLAN) is first
    assert in_order([third, second, first], PLAN) == [first, second, third]


def test_log_loss_as_the_metric_is_taken_at_its_word():
    """Ranked by log loss, the lowest wins."""
    plan = replace(PLAN, metric="log_loss")
    low, high = candidate("lr", 0, [0.7, 0.8], 0.3), candidate("lightgbm", 0, [0.9, 0.9], 0.4)

    assert choose([high, low], Y, plan) is low


def test_without_a_finished_candidate_the_reasons_are_told():
    """The problem names the learners, the budget or the number, and what ended them."""
    failed = candidate("lr", 0, [], 0.0, error="time limit")

    with pytest.raises(TrainingRefusedError, match=r"No candidate of lightgbm, lr finished within 60 s \(time limit\)"):
        choose([failed], Y, PLAN)
    with pytest.raises(TrainingRefusedError, match=r"finished among 3 \(time limit\)"):
        choose([failed], Y, replace(PLAN, candidates=3))


def blended(log_loss: float, right: np.ndarray, folds: list[float], latency_ms: float = 1.0) -> Ranked:
    """A blend."""
    return candidate(BLEND, 10, folds, log_loss, None, latency_ms, right)


FOLDS = [0.90, 0.91, 0.92]
SINGLE = candidate("lightgbm", 0, FOLDS, 0.51)  # about -log(0.6)
BETTER = EVEN + 0.05
LUCKY = EVEN + np.where(np.arange(len(Y)) < 8, 0.35, -0.004)  # a few rows make the whole gain


def test_the_blend_is_taken_where_its_probabilities_are_surely_better():
    """Better in every row and no worse a ranking: the blend."""
    blend = blended(0.43, BETTER, [0.91, 0.92, 0.92])

    assert choose([SINGLE, blend], Y, PLAN) is blend


def test_a_blend_that_a_few_rows_made_better_is_luck():
    """The mean gain is above 0, but not in nine of ten resamples of the rows."""
    blend = blended(0.50, LUCKY, FOLDS)
    gained = np.log(LUCKY).mean() - np.log(EVEN).mean()

    assert gained > 0
    assert not is_surely_better(blend, SINGLE, Y)
    assert choose([SINGLE, blend], Y, PLAN) is SINGLE


def test_equal_probabilities_are_not_surely_better():
    """A blend that gives what the single one gives has won nothing, in any resample."""
    assert not is_surely_better(blended(0.51, EVEN, FOLDS), SINGLE, Y)


def test_the_blend_is_not_taken_where_it_ranks_worse_or_costs_more_than_it_gains():
    """A worse AUC is not what was asked for, and a row of a thousand times the time has its price."""
    assert choose([SINGLE, blended(0.43, BETTER, [0.80, 0.81, 0.82])], Y, PLAN) is SINGLE
    dear = blended(0.506, EVEN + 0.003, FOLDS, latency_ms=1024.0)

    assert choose([SINGLE, dear], Y, PLAN) is SINGLE  # ten doublings cost 1 %, 0.8 % was won
    assert choose([SINGLE, dear], Y, replace(PLAN, latency_price=0)) is dear


def test_the_blend_is_taken_where_it_ranks_worse_by_little():
    """Within two standard errors of the folds, which is more than a single candidate is allowed."""
    folds = [0.895, 0.910, 0.916]  # 0.003 less on average, 0.0018 is one standard error
    single = candidate("lr", 0, folds, 0.43, None, 1.0, BETTER)
    blend = blended(0.43, BETTER, folds)

    assert choose([SINGLE, single], Y, PLAN) is SINGLE
    assert choose([SINGLE, blend], Y, PLAN) is blend


def test_a_candidate_of_ten_times_the_time_has_to_gain_more():
    """0.0002 less log loss is not worth three doublings at the default price, and is where time costs nothing."""
    quick = candidate("lightgbm", 0, FOLDS, 0.4000, latency_ms=1.0)
    slow = candidate("lr", 0, FOLDS, 0.3998, latency_ms=10.0)

    assert choose([slow, quick], Y, PLAN) is quick
    assert choose([slow, quick], Y, replace(PLAN, latency_price=0)) is slow


def test_the_price_is_a_share_of_the_log_loss_a_doubling():
    """Eight times the fastest one's time is three doublings; the fastest one pays nothing."""
    fastest, other = candidate("lr", 0, FOLDS, 0.4, latency_ms=0.5), candidate("lr", 1, FOLDS, 0.4, latency_ms=4.0)
    plan = replace(PLAN, latency_price=0.01)

    assert priced(fastest, [fastest, other], plan) == 0.4
    assert priced(other, [fastest, other], plan) == pytest.approx(0.4 * 1.03)


def test_where_a_number_was_asked_for_sizes_are_priced_and_times_are_not():
    """Eight times the smallest one's bytes are three doublings, whatever either takes; with a budget it is times."""
    small, large = (
        replace(one, tried=replace(one.tried, outcome=replace(one.tried.outcome, pipeline_bytes=size)))
        for one, size in (
            (candidate("lr", 0, FOLDS, 0.4, latency_ms=9.0), 1000),
            (candidate("lr", 1, FOLDS, 0.4, latency_ms=0.5), 8000),
        )
    )
    plan = replace(PLAN, latency_price=0.01)
    counted = replace(plan, candidates=2)

    assert priced(small, [small, large], counted) == 0.4
    assert priced(large, [small, large], counted) == pytest.approx(0.4 * 1.03)
    assert priced(large, [small, large], plan) == 0.4
    assert choose([small, large], Y, counted) is small
    assert choose([small, large], Y, plan) is large


def test_the_limit_is_hard_and_what_could_not_be_measured_does_not_keep_it():
    """As long as it may is allowed, longer and unknown are not; without a limit all are."""
    limited = replace(PLAN, max_latency_ms=5.0)

    assert [is_quick(taken, limited) for taken in (5.0, 5.1, float("nan"))] == [True, False, False]
    assert is_quick(float("nan"), PLAN)


def test_what_is_slower_than_a_compiled_one_is_out_with_it():
    """Pipelines tell the order of compiled ones; one that could not be compiled is out alone."""
    best = candidate("lightgbm", 0, FOLDS, 0.1, latency_ms=20.0)
    faster, slower = candidate("lr", 0, FOLDS, 0.4, latency_ms=8.0), candidate("et", 0, FOLDS, 0.3, latency_ms=30.0)
    unknown = candidate("et", 1, FOLDS, 0.3, latency_ms=float("nan"))

    assert out_with(best, [faster, best, slower, unknown], is_compiled=True) == [best, slower]
    assert out_with(best, [faster, best, slower, unknown], is_compiled=False) == [best]
    assert out_with(unknown, [faster, best, slower, unknown], is_compiled=True) == [unknown]


def test_the_refusal_names_the_fastest_candidate_and_the_limit():
    """Where none is fast enough, the problem says how fast one could be."""
    problem = too_slow({"lr #3": 0.3, "lightgbm #0": 0.075}, replace(PLAN, max_latency_ms=0.05))

    assert problem.code == "latency_not_reached"
    assert all(part in problem.what for part in ("within 0.05 ms", "lightgbm #0", "0.075 ms"))
    assert "max_latency_ms" in problem.fix


def test_the_frontier_holds_what_nothing_beats_in_both():
    """A candidate that another one beats in one figure and equals in the other is off; equals stand together."""
    losses, times = [0.3, 0.4, 0.4, 0.5, 0.3, 0.6], [9.0, 2.0, 3.0, 2.0, 9.0, 1.0]

    assert frontier(losses, times) == [True, True, False, False, True, True]


def test_the_leaderboard_marks_the_chosen_one_and_the_frontier():
    """Best first, failed ones last and never on the frontier; what is stored stands in the chosen one's row only."""
    good, dominated = candidate("lr", 0, FOLDS, 0.4, latency_ms=2.0), candidate("lr", 1, [0.7, 0.7], 0.5, latency_ms=3)
    failed = candidate("lightgbm", 0, [], 0.0, error="MemoryError")

    table = leaderboard([failed, dominated, good], good, PLAN, {"threshold": 0.3})

    assert table["number"].tolist() == [0, 1, 0]
    assert table["frontier"].tolist() == [True, False, False]
    assert table["chosen"].tolist() == [True, False, False]
    assert table["error"].tolist() == ["", "", "MemoryError"]
    assert table["threshold"].isna().tolist() == [False, True, True]
