"""Which candidate becomes the model: good, fast enough, and no larger than its gain is worth.

The rule, in order:

1. Of single candidates, the best in the metric and those that fall short of it by luck only are equals; of equals the
   one with the lowest priced log loss is taken. A price of p makes a candidate that takes twice the time of the fastest
   one pay p of its log loss: it has to be better by that share for each doubling.
2. A blend or a stack is taken where its priced log loss is lower than the single one's, it is not clearly worse in the
   metric, and the gain is more than luck: for a stack surely, for a blend more often than not. Of several the one with
   the lowest priced log loss goes first.
3. What was chosen is compiled, and a row of it timed as it will be served. Where that takes longer than
   `max_latency_ms`, it is out, and so is what took as long through its pipeline; then the rest is chosen from.

Luck: paired resamples of the training rows, on out-of-fold probabilities. For a blend both sides choose on the rows
drawn and are judged on the others, since the best of many single candidates is lucky too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.errors import Problem, TrainingRefusedError
from steps.judging.frontier import COMPOSED, with_price
from steps.judging.metrics import better, gain, log_losses
from steps.records import SearchPlan
from steps.search.outcome import TIME_LIMIT
from steps.search.portfolio import STACK
from steps.search.race import BLEND, Tried

RESAMPLES = (200, 1000)  # the fewer, the more rows: the answer is plain there
WORK = 10_000_000  # rows x resamples
SURE = 0.9  # share of the resamples in which a stack has to be better: its own bases make it look a little too good
COMPOSED_ERRORS = 2.0  # of the metric, that a blend or a stack may fall short: out of fold it says less than later
OFTEN = 0.5  # the same for a blend, whose rival is what would have been chosen on the same rows


@dataclass(frozen=True)
class Ranked:
    """A candidate with the run it was logged as."""

    tried: Tried
    run_id: str

    @property
    def figures(self) -> Mapping[str, float]:
        """Out of fold, at one threshold for all."""
        return self.tried.outcome.figures

    @property
    def folds(self) -> pd.DataFrame:
        """The same figures in each fold."""
        return self.tried.outcome.folds

    @property
    def latency_ms(self) -> float:
        """Of one row."""
        return self.tried.outcome.latency_ms


def choose(ranked: Sequence[Ranked], y: np.ndarray[Any, Any], plan: SearchPlan) -> Ranked:
    """The candidate that is logged as the model; see the module.

    Args:
        ranked: all candidates, failed ones too.
        y: int64 (n_rows,) positions of the classes.
        plan: metric and price.

    Raises:
        TrainingRefusedError: none was done.
    """
    usable = [one for one in ranked if not one.tried.error and np.isfinite(one.figures[plan.metric])]
    if not usable:
        raise TrainingRefusedError(_none_done(ranked, plan))
    singles = in_order([one for one in usable if one.tried.model not in COMPOSED], plan)
    blends = [one for one in usable if one.tried.model in COMPOSED]
    if not singles:
        return min(blends, key=lambda one: priced(one, usable, plan))
    best = min(singles, key=lambda one: gain(plan.metric, 0.0, one.figures[plan.metric]))
    equals = [one for one in singles if _is_as_good(one, best, plan.metric)]
    single = min(equals, key=lambda one: priced(one, usable, plan))
    for blended in sorted(blends, key=lambda one: priced(one, usable, plan)):
        is_worth_it = priced(blended, usable, plan) < priced(single, usable, plan)
        is_as_good = _is_as_good(blended, single, plan.metric, COMPOSED_ERRORS)
        if is_worth_it and is_as_good and is_surely_better(blended, single, y):
            return blended
    return single


def priced(one: Ranked, among: Sequence[Ranked], plan: SearchPlan) -> float:
    """The log loss with the price of the time that a row takes, against the fastest candidate.

    Where a number of candidates was asked for, sizes stand for times: they are the same in every run.
    """
    costs = {id(of): float(of.tried.outcome.pipeline_bytes) if plan.candidates else of.latency_ms for of in among}
    return with_price(one.figures["log_loss"], costs[id(one)], [*costs.values()], plan.latency_price)


def is_quick(latency_ms: float, plan: SearchPlan) -> bool:
    """Whether a row takes no longer than the plan allows."""
    return plan.max_latency_ms is None or latency_ms <= plan.max_latency_ms


def out_with(one: Ranked, among: Sequence[Ranked], *, is_compiled: bool) -> list[Ranked]:
    """What is out together with a candidate that takes too long, itself first.

    Compiled ones are as a rule in the order of their pipelines, so what is slower there need not be tried. A pipeline
    that could not be compiled says nothing of others.
    """
    slower = [other for other in among if other.latency_ms >= one.latency_ms] if is_compiled else []
    return [one, *(other for other in slower if other is not one)]


def is_surely_better(one: Ranked, other: Ranked, y: np.ndarray[Any, Any]) -> bool:
    """Whether a candidate's log loss is lower in most resamples of the rows, the same ones for both."""
    if one.tried.wins is not None:
        return one.tried.wins >= OFTEN
    assert one.tried.outcome.out_of_fold is not None
    assert other.tried.outcome.out_of_fold is not None
    won = log_losses(y, other.tried.outcome.out_of_fold) - log_losses(y, one.tried.outcome.out_of_fold)
    random = np.random.default_rng(1)
    resamples = int(np.clip(WORK // len(won), *RESAMPLES))
    means = [won[random.integers(0, len(won), len(won))].mean() for _ in range(resamples)]
    return bool(np.mean(np.array(means) > 0) >= SURE)


def in_order(ranked: Sequence[Ranked], plan: SearchPlan) -> list[Ranked]:
    """Candidates in the order of the plan, not by who was done first: that depends on the machine's load."""
    place = {model: at for at, model in enumerate((*plan.models, STACK, BLEND))}
    return sorted(ranked, key=lambda one: (one.tried.number, place[one.tried.model]))


def leaderboard(
    ranked: Sequence[Ranked],
    chosen: Ranked,
    plan: SearchPlan,
    as_stored: Mapping[str, Any],
    slow: Sequence[Ranked] = (),
) -> pd.DataFrame:
    """All candidates, best first, the failed ones last.

    Args:
        ranked: all of them.
        chosen: the one that is logged as the model.
        plan: with the metric that they are ordered by.
        as_stored: further columns of the chosen one.
        slow: those that `max_latency_ms` has put out.
    """
    out = {id(one) for one in slow}
    done = [one for one in ranked if not one.tried.error]
    ahead = frontier([one.figures["log_loss"] for one in done], [one.latency_ms for one in done])
    best = {id(one) for one, is_ahead in zip(done, ahead, strict=True) if is_ahead}
    rows = [
        {
            "run_id": one.run_id,
            "model": one.tried.model,
            "number": one.tried.number,
            "how": one.tried.how,
            "chosen": one is chosen,
            "error": one.tried.error or "",
            **{f"cv_{name}": value for name, value in one.figures.items() if np.isfinite(value)},
            "seconds": round(one.tried.seconds, 3),
            "latency_ms": round(one.latency_ms, 3),
            "size_bytes": one.tried.outcome.pipeline_bytes,
            "frontier": id(one) in best,
            "too_slow": id(one) in out,
            **(as_stored if one is chosen else {}),
        }
        for one in ranked
    ]
    return pd.DataFrame(rows).sort_values(
        f"cv_{plan.metric}", ascending=better(plan.metric, 0, 1), na_position="last", kind="stable"
    )


def frontier(losses: Sequence[float], latencies_ms: Sequence[float]) -> list[bool]:
    """Which candidates no other one beats in both, the loss and the time of a row."""
    pairs = list(zip(losses, latencies_ms, strict=True))
    return [
        not any(
            other[0] <= one[0] and other[1] <= one[1] and other != one  # better in one, and no worse in the other
            for other in pairs
        )
        for one in pairs
    ]


def too_slow(times_ms: Mapping[str, float], plan: SearchPlan) -> Problem:
    """No candidate is fast enough; their times by name."""
    fastest = min(times_ms, key=lambda name: times_ms[name])
    what = (
        f"No candidate answers a row within {plan.max_latency_ms:g} ms; "
        f"the fastest, {fastest}, takes {times_ms[fastest]:.3g} ms here."
    )
    return Problem("latency_not_reached", what, "parameters", "Raise max_latency_ms, or name models such as lightgbm.")


def _none_done(ranked: Sequence[Ranked], plan: SearchPlan) -> Problem:
    """No candidate at all."""
    failures = sorted({one.tried.error for one in ranked if one.tried.error}) or ["none was done in time"]
    within = f"among {plan.candidates}" if plan.candidates else f"within {plan.budget_s:g} s"
    what = f"No candidate of {', '.join(plan.models)} finished {within} ({', '.join(failures)})."
    hurry = "Raise budget_s, send" if TIME_LIMIT in failures or not ranked else "Send"
    fix = f"{hurry} fewer rows, or name other learners such as models=lr,lightgbm."
    return Problem("no_candidate", what, "search", fix)


def _is_as_good(one: Ranked, best: Ranked, metric: str, errors: float = 1.0) -> bool:
    """Whether a candidate falls short of the best by no more than so many standard errors over the folds."""
    short = gain(metric, best.folds[metric], one.folds[metric]).dropna()
    return one is best or bool(short.mean() <= errors * short.std(ddof=1) / np.sqrt(len(short)))
