"""Which candidate is chosen, on made-up figures; real trainings are in test_main.py."""

from pathlib import Path

import pandas as pd
import pytest

from pyfunc.errors import TrainingRefusedError
from steps.records import SearchPlan
from steps.search.race import Tried
from steps.train import Ranked, _choose

PLAN = SearchPlan("roc_auc", ("lightgbm", "lr"), 60.0, 1, 0.5)


def candidate(model: str, number: int, folds: list[float], log_loss: float, error: str | None = None) -> Ranked:
    """A candidate with these AUCs in the folds."""
    tried = Tried(model, number, {}, error, None, Path("x"), 1, {}, 0, 1, 1.0)
    figures = {} if error else {"roc_auc": sum(folds) / len(folds), "log_loss": log_loss}
    losses = [log_loss] * len(folds)
    return Ranked(tried, "r", figures, pd.DataFrame({"roc_auc": folds, "log_loss": losses}))


def test_a_clear_winner_is_chosen_whatever_its_log_loss():
    """Better in every fold by more than the noise wins."""
    winner = candidate("lightgbm", 1, [0.90, 0.91, 0.92], 0.6)
    loser = candidate("lr", 0, [0.85, 0.86, 0.87], 0.3)

    assert _choose([loser, winner], PLAN) is winner


def test_within_the_noise_the_better_probabilities_win():
    """A lead that the folds do not agree on is luck; the lower log loss decides."""
    lucky = candidate("lightgbm", 1, [0.95, 0.80, 0.90], 0.6)
    honest = candidate("lr", 0, [0.84, 0.88, 0.90], 0.4)

    assert _choose([lucky, honest], PLAN) is honest


def test_the_order_of_arrival_decides_nothing():
    """Two equal candidates: the earlier in the plan wins, whoever was done first."""
    first, second = candidate("lightgbm", 0, [0.9, 0.8], 0.4), candidate("lr", 0, [0.9, 0.8], 0.4)

    assert _choose([first, second], PLAN) is first
    assert _choose([second, first], PLAN) is first


def test_log_loss_as_the_metric_is_taken_at_its_word():
    """Ranked by log loss, the lowest wins."""
    plan = SearchPlan("log_loss", ("lightgbm", "lr"), 60.0, 1, 0.5)
    low, high = candidate("lr", 0, [0.7, 0.8], 0.3), candidate("lightgbm", 0, [0.9, 0.9], 0.4)

    assert _choose([high, low], plan) is low


def test_without_a_finished_candidate_the_reasons_are_told():
    """The problem names the learners, the budget and what ended them."""
    failed = candidate("lr", 0, [], 0.0, error="time limit")

    with pytest.raises(TrainingRefusedError, match=r"No candidate of lightgbm, lr finished within 60 s \(time limit\)"):
        _choose([failed], PLAN)


def test_the_blend_is_taken_where_its_probabilities_are_better():
    """Lower log loss in every fold and no worse a ranking: the blend."""
    single = candidate("lightgbm", 0, [0.90, 0.91, 0.92], 0.40)
    blended = candidate("blend", 0, [0.91, 0.92, 0.92], 0.35)

    assert _choose([single, blended], PLAN) is blended


def test_the_blend_is_not_taken_for_nothing():
    """As good a single candidate is simpler; and a blend that ranks worse is not what was asked for."""
    single = candidate("lightgbm", 0, [0.90, 0.91, 0.92], 0.40)

    assert _choose([single, candidate("blend", 0, [0.95, 0.95, 0.95], 0.40)], PLAN) is single
    assert _choose([single, candidate("blend", 0, [0.80, 0.81, 0.82], 0.35)], PLAN) is single
