"""The plan of the minute: which candidate is next, and how long it may take.

Knows nothing of processes. With a budget the choice depends on what has ended and on the time that is left; with a
number of candidates it depends on nothing but the results of whole waves, so that the order in which workers are done
changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from steps.records import SearchPlan
from steps.search.learners import NATIVE, variant_of
from steps.search.portfolio import (
    ALWAYS_BASES,
    BAGGED,
    FEATURES,
    ORDER,
    ORDER_OF_MANY_LEVELS,
    ORDER_OF_NUMBERS,
    SPACES,
    STACK,
    STACKS,
    WAVES,
    Spec,
    first,
)
from steps.search.tuning import Space, Tuner

WAVE = 4  # candidates that are chosen together where their number is given
MOST = 80  # candidates of a search with a budget: more would be chosen among by luck
PATIENCE = 24  # tuned candidates in a row without a better one: then the search is over, budget or not
ONE_SHARE = 0.35  # of the time left, for one candidate
LEAST_SHARE = 1 / 6  # of the whole budget, as far as there is so much left: hurried candidates are worse ones
LEAST_S = 2.0  # a candidate with less time than this is not begun, unless its like was quicker
QUICKER = 0.7  # of the quickest of its learner: what a candidate is expected to need at least
STACK_ROWS = 3000  # with fewer, what candidates say out of fold betrays too much of the labels it was learned from
STACK_AT = 0.6  # of the budget at least, or of the number of candidates: by then there is something to stack
STACK_COST = 0.6  # of what a bag of LightGBM takes, as a rule: there is little left to learn
FEWEST_LEARNERS, MOST_BASES = 2, 4  # of a stack; more bases say little that is new, and each answers every row
SECOND_BEST = 3  # every so many tuned candidates is one of the second best learner, then of the third...


@dataclass(frozen=True)
class Ended:
    """What the plan has to know of a candidate that has ended; `loss` is None where it failed or fell behind."""

    spec: Spec
    loss: float | None
    seconds: float


class Schedule:
    """Hands out candidates.

    Args:
        plan: which learners, and what limits the search.
        rows: of the training table.
        has_many_levels: whether most of its columns are categories of very many levels.
        is_of_numbers: whether it has few rows and many numbers.
    """

    def __init__(
        self, plan: SearchPlan, rows: int, *, has_many_levels: bool = False, is_of_numbers: bool = False
    ) -> None:
        self.plan = plan
        self.is_of_numbers = is_of_numbers
        self.opening_order = (
            ORDER_OF_MANY_LEVELS if has_many_levels else ORDER_OF_NUMBERS if is_of_numbers else ORDER
        )  # fmt: skip
        self.stacks = list(enumerate(STACKS)) if plan.blend and rows >= STACK_ROWS else []
        self.waiting = self._opening()
        self.spaces: dict[str, Space] = dict(SPACES)
        self.tuners: dict[str, Tuner] = {}
        self.ended: list[Ended] = []
        self.held: list[Ended] = []  # what has ended and is not looked at before its wave is over
        self.order: dict[tuple[str, int], int] = {}  # of handing out
        self.given = 0
        self.tuned = 0

    def _opening(self) -> list[Spec]:
        """The portfolios: in the order that is known to be good, or by turns where learners were named."""
        if self.plan.blend:
            known = {(spec.model, spec.number): spec for model in self.plan.models for spec in first(model)}
            return [known[one] for one in self.opening_order]
        listed = [
            [spec for spec in first(model) if self.is_of_numbers or spec.hyperparameters.get(FEATURES) != WAVES]
            for model in self.plan.models
        ]
        return [specs[at] for at in range(max(map(len, listed))) for specs in listed if at < len(specs)]

    def add_spaces(self, spaces: Mapping[str, Space]) -> None:
        """Spaces of PyCaret's learners, known once it has been set up; ours go before."""
        self.spaces = {**spaces, **self.spaces}

    def drop(self, variant: str) -> None:
        """What learns on this variant of preprocessing is not waited for: there will be none."""
        self.waiting = [spec for spec in self.waiting if variant_of(spec.model) != variant]

    def tell(self, ended: Ended) -> None:
        """A candidate has ended."""
        if self.plan.candidates:
            self.held.append(ended)
        else:
            self._learn(ended)

    def _learn(self, ended: Ended) -> None:
        """Look at a result."""
        self.ended.append(ended)
        if ended.spec.model in self.tuners:
            self.tuners[ended.spec.model].tell(ended.spec.number, ended.spec.hyperparameters, ended.loss)

    def next(self, left: float | None, ready: frozenset[str]) -> Spec | None:
        """The next candidate.

        Args:
            left: seconds that are left; None where a number of candidates was asked for.
            ready: variants of preprocessing that can be learned on.

        Returns:
            None where nothing is to be begun now: all is done, or what waits is not ready or would not end in time.
        """
        if self.given >= (self.plan.candidates or MOST):
            return None
        is_quiet = bool(self.held) and len(self.ended) + len(self.held) == self.given
        if is_quiet and self.given % WAVE == 0:
            self._learn_held()
        found = self._choose(left, ready)
        if found is None and is_quiet and self.held:  # a wave that could not be filled without its own results
            self._learn_held()
            found = self._choose(left, ready)
        return found

    def _learn_held(self) -> None:
        """A wave is over: its results in the order of handing out, whichever was done first."""
        for ended in sorted(self.held, key=lambda one: self.order[one.spec.model, one.spec.number]):
            self._learn(ended)
        self.held.clear()

    def _choose(self, left: float | None, ready: frozenset[str]) -> Spec | None:
        """The next candidate by what is known."""
        if self._is_time_to_stack(left) and (stack := self._stack(left)):
            return stack
        if self.waiting:
            for spec in self.waiting:
                if variant_of(spec.model) in ready and self._fits(spec.model, left):
                    self.waiting.remove(spec)
                    return self._hand_out(spec)
                if left is None:
                    return None  # in this order and no other
            if any(self._fits(spec.model, left) for spec in self.waiting):
                return None  # for those that are not ready yet
        is_last = left is not None and self.given + len(self.stacks) >= MOST
        return (None if is_last else self._tuned(left, ready)) or self._stack(left)

    def seconds_for(self, left: float | None) -> float | None:
        """How long the candidate that was just handed out may take, so that there is time for the stacks behind it."""
        if left is None:
            return None
        free = self.limit_for(left)
        return max(free * ONE_SHARE, min(free, self.plan.budget_s * LEAST_SHARE))

    def limit_for(self, left: float) -> float:
        """Seconds after which it is ended at the latest; where they are few all the same, stacks have to wait."""
        return max(left - self._needed_for_stacks(), min(left, LEAST_S))

    def is_to_end(self, spec: Spec) -> bool:
        """Whether a candidate is tried to its end, however far behind it is: stacks need what it says."""
        return bool(self.stacks) and (spec.model, spec.number) in ALWAYS_BASES

    def _hand_out(self, spec: Spec) -> Spec:
        """Count it."""
        self.order[spec.model, spec.number] = self.given
        self.given += 1
        return spec

    def _fits(self, model: str, left: float | None) -> bool:
        """Whether a candidate of this learner can be expected to end in time."""
        if left is None:
            return True
        took = [one.seconds for one in self.ended if one.spec.model == model and one.loss is not None]
        lost = [one.seconds for one in self.ended if one.spec.model == model and one.loss is None]
        if lost and not took:  # one that was cut off would be so again
            return (self.seconds_for(left) or 0.0) > min(lost)
        return left >= (QUICKER * min(took) if took else LEAST_S)

    def _is_time_to_stack(self, left: float | None) -> bool:
        """Whether stacks are next: as late as there is time, for what comes later is no base; then each in turn."""
        if left is None:
            return self.given >= STACK_AT * (self.plan.candidates or MOST)
        if any(one.spec.model == STACK for one in self.ended):
            return True
        most = (1 - STACK_AT) * self.plan.budget_s
        needed = self._needed_for_stacks()
        if not needed:
            return left <= most
        done = [one.seconds for one in self.ended if one.loss is not None]
        return left <= min(most, needed + median(done))  # after one more it would be too late

    def _needed_for_stacks(self) -> float:
        """Seconds that the stacks to come will take; 0 where there are none, or nothing is known of it."""
        alike = [one.seconds for one in self.ended if one.loss is not None and one.spec.model == "lightgbm"]
        return len(self.stacks) * STACK_COST * mean(alike) if alike else 0.0

    def _stack(self, left: float | None) -> Spec | None:
        """The next stack; None where there is no further one, no time, or nothing to stand on."""
        bases = self._bases() if self.stacks and self._fits(STACK, left) else ()
        if not bases:
            return None
        number, given = self.stacks.pop(0)
        return self._hand_out(Spec(STACK, number, given, "stacked", bases))

    def _bases(self) -> tuple[str, ...]:
        """The forests that always are, the best bag of each learner, and where those are few, second ones."""
        bags = [one for one in self.ended if one.spec.model in BAGGED and one.loss is not None]
        turns: Counter[str] = Counter()
        listed: list[tuple[int, float, str]] = []
        for one in sorted(bags, key=lambda one: one.loss or 0.0):
            turn = -1 if (one.spec.model, one.spec.number) in ALWAYS_BASES else turns[one.spec.model]
            listed.append((turn, one.loss or 0.0, one.spec.file))
            turns[one.spec.model] += 1
        return tuple(file for *_, file in sorted(listed)[:MOST_BASES]) if len(turns) >= FEWEST_LEARNERS else ()

    def _tuned(self, left: float | None, ready: frozenset[str]) -> Spec | None:
        """A candidate around the best ones."""
        if self._is_flat():
            return None
        ranked = [model for model in self._ranked() if variant_of(model) in ready and self._fits(model, left)]
        if not ranked:
            return None
        self.tuned += 1
        turn = self.tuned - 1
        if self.plan.blend:  # the best learner most of the time
            turn = 0 if self.tuned % SECOND_BEST else self.tuned // SECOND_BEST
        model = ranked[turn % len(ranked)]
        number = 1 + max(one.number for one in [*self._known(model), *self._asked(model)])
        spec = Spec(model, number, self._tuner(model).ask(number), "tuned")
        return self._hand_out(spec)

    def _ranked(self) -> list[str]:
        """Learners that can be tuned: the best first; where they were named, the one that had least time first."""
        best: dict[str, float] = {}
        for one in self.ended:
            if one.loss is not None:
                best[one.spec.model] = min(one.loss, best.get(one.spec.model, one.loss))
        able = [model for model in best if self.spaces.get(model)]
        if self.plan.blend:
            return sorted(able, key=lambda model: best[model])
        if self.plan.candidates:
            return [model for model in self.plan.models if model in able]
        spent = {model: sum(one.seconds for one in self.ended if one.spec.model == model) for model in able}
        return sorted(able, key=lambda model: spent[model])[:1]

    def _tuner(self, model: str) -> Tuner:
        """The learner's tuner, told all that is known."""
        if model not in self.tuners:
            tuner = self.tuners[model] = Tuner(model, self.spaces[model], self.plan.seed)
            for one in sorted(self.ended, key=lambda one: one.spec.number):
                if one.spec.model == model:
                    tuner.tell(one.spec.number, one.spec.hyperparameters, one.loss)
        return self.tuners[model]

    def _known(self, model: str) -> list[Spec]:
        """The learner's own opening and what has ended of it."""
        return [*first(model), *(one.spec for one in self.ended if one.spec.model == model)]

    def _asked(self, model: str) -> list[Spec]:
        """Candidates that were drawn and have not ended."""
        asked = self.tuners[model].asked if model in self.tuners else {}
        return [Spec(model, number, {}, "tuned") for number in asked]

    def _is_flat(self) -> bool:
        """Whether tuning has stopped to bring anything; a number that was asked for is tried all the same."""
        if self.plan.candidates:
            return False
        losses = [one.loss if one.loss is not None else float("inf") for one in self.ended]
        recent = [loss for one, loss in zip(self.ended, losses, strict=True) if one.spec.how == "tuned"][-PATIENCE:]
        return len(recent) >= PATIENCE and min(losses) < min(recent)


def needs_pycaret(plan: SearchPlan) -> list[str]:
    """The variants of PyCaret's preprocessing that the plan's learners need, in their order."""
    return [variant for variant in dict.fromkeys(map(variant_of, plan.models)) if variant != NATIVE]


def describe(given: Mapping[str, Any]) -> dict[str, str]:
    """Hyperparameters as MLflow keeps them."""
    return {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in given.items()}
