"""Further candidates of a learner, drawn by Optuna around those that did well.

Source: Bergstra, Bardenet, Bengio, Kégl (2011), "Algorithms for hyper-parameter optimization": TPE, by Optuna's
sampler. Asked one by one and told the out-of-fold log loss; what was asked and not told counts as bad (constant liar),
so that two workers are not sent to one place.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

STARTUP = 4  # draws at random before the sampler follows what it has seen

Space = Mapping[str, tuple[Any, ...]]


class Tuner:
    """One learner's space: `("float", low, high, log)`, `("int", low, high, log)` or `("choice", values)` by name."""

    def __init__(self, model: str, space: Space, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self.distributions = {name: _distribution(*one) for name, one in sorted(space.items())}
        sampler = optuna.samplers.TPESampler(
            seed=(seed + zlib.crc32(model.encode())) % 2**31, n_startup_trials=STARTUP, constant_liar=True
        )
        self.study = optuna.create_study(sampler=sampler)
        self.asked: dict[int, int] = {}  # number of a candidate -> number of the trial

    def ask(self, number: int) -> dict[str, Any]:
        """Hyperparameters for the `number`th candidate."""
        trial = self.study.ask(self.distributions)
        self.asked[number] = trial.number
        return {name: _value(one, trial.params[name]) for name, one in self.space.items()}

    def tell(self, number: int, given: Mapping[str, Any], loss: float | None) -> None:
        """What became of a candidate; None where it failed. One that was not asked for counts where it fits."""
        if number in self.asked:
            trial = self.asked.pop(number)
            if loss is None:
                self.study.tell(trial, state=TrialState.FAIL)
            else:
                self.study.tell(trial, loss)
        elif loss is not None and set(given) <= set(self.space):
            inside = {name: _place(self.space[name], value) for name, value in given.items()}
            used = {name: self.distributions[name] for name in inside}
            with suppress(ValueError):  # outside of the space: it says nothing about the inside
                self.study.add_trial(optuna.trial.create_trial(params=inside, distributions=used, value=loss))


def _distribution(kind: str, *space: Any) -> BaseDistribution:
    """The space in Optuna's terms; a choice by its place, since values may be anything."""
    if kind == "choice":
        return CategoricalDistribution(range(len(space[0])))
    low, high, log = space
    return IntDistribution(low, high, log=log) if kind == "int" else FloatDistribution(low, high, log=log)


def _value(space: tuple[Any, ...], found: Any) -> Any:
    """Optuna's value in ours."""
    return space[1][found] if space[0] == "choice" else found


def _place(space: tuple[Any, ...], value: Any) -> Any:
    """Our value in Optuna's; -1 where it is none."""
    if space[0] != "choice":
        return value
    return space[1].index(value) if value in space[1] else -1
