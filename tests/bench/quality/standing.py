"""How the systems stand: mean ranks, and one system against each other one with paired bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from steps.judging import methods, metrics
from steps.judging.metrics import Floats

Values = Mapping[str, Mapping[str, float]]  # a figure by table, then by system; absent where it failed


@dataclass(frozen=True)
class Difference:
    """How much better ours is than theirs on one table: positive is better, whichever way the figure points."""

    table: str
    system: str
    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the bounds are on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Against:
    """One system over all tables that it and ours answered."""

    system: str
    better: int
    equal: int
    worse: int
    clearly_better: int
    clearly_worse: int
    mean: float
    low: float
    high: float


def mean_ranks(figure: str, values: Values, systems: list[str]) -> dict[str, float]:
    """Mean over the tables of each system's rank: 1 is best, equal values share a rank, failing comes last."""
    table = pd.DataFrame([[row.get(system, np.nan) for system in systems] for row in values.values()], columns=systems)
    ranks = table.rank(axis=1, ascending=not metrics.HIGHER_IS_BETTER[figure], na_option="bottom")
    return {str(name): float(rank) for name, rank in ranks.mean().items()}


def best(figure: str, row: Mapping[str, float]) -> str:
    """The system with the best value on one table, the first where several have it."""
    return max(row, key=lambda system: metrics.gain(figure, row[system], 0.0))


def difference(
    figure: str, table: str, system: str, ours: tuple[float, Floats], theirs: tuple[float, Floats]
) -> Difference:
    """Ours less theirs, on the same resamples of the same rows.

    Args:
        figure: `roc_auc` or `log_loss`.
        table: its name.
        system: the other one's name.
        ours: the value, and (n_resamples,) values.
        theirs: the same.
    """
    low, high = methods.percentiles(metrics.gain(figure, ours[1], theirs[1]))
    return Difference(table, system, float(metrics.gain(figure, ours[0], theirs[0])), low, high)


def against(
    figure: str, system: str, ours: Mapping[str, tuple[float, Floats]], theirs: Mapping[str, tuple[float, Floats]]
) -> Against:
    """Wins, losses and the mean difference over the tables that both answered.

    The bounds of the mean are of other test rows of the same tables; they say nothing about other tables.

    Args:
        figure: `roc_auc` or `log_loss`.
        system: the other one's name.
        ours: by table, the value and (n_resamples,) values.
        theirs: the same; at least one table in common.
    """
    both = [table for table in ours if table in theirs]
    found = [difference(figure, table, system, ours[table], theirs[table]) for table in both]
    resampled = [metrics.gain(figure, ours[table][1], theirs[table][1]) for table in both]
    fewest = min(len(each) for each in resampled)
    low, high = methods.percentiles(
        np.mean([_independent(each[:fewest], at) for at, each in enumerate(resampled)], axis=0)
    )
    return Against(
        system=system,
        better=sum(each.value > 0 for each in found),
        equal=sum(each.value == 0 for each in found),
        worse=sum(each.value < 0 for each in found),
        clearly_better=sum(each.is_clear and each.value > 0 for each in found),
        clearly_worse=sum(each.is_clear and each.value < 0 for each in found),
        mean=float(np.mean([each.value for each in found])),
        low=low,
        high=high,
    )


def _independent(resampled: Floats, seed: int) -> Floats:
    """Resamples in another order: all tables draw from one seed, but their rows have nothing to do with each other."""
    return np.random.default_rng(seed).permutation(resampled)
