"""The candidates that no other one beats in both, log loss and the time of a row: what the report tells of them.

`steps.search.choosing` has decided; here stands what it left behind, and the price that it weighs time with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from steps.judging.metrics import gain
from steps.judging.words import printable

BLEND = "blend"
COMPOSED = (BLEND, "stack")  # made of other candidates, and weighed against the best single one
LEAST_MS = 0.01  # times below are not told apart
Candidate = Mapping[str, Any]


def found(
    tried: Sequence[Candidate], metric: str, parameters: Mapping[str, str], latency_ms: float | None
) -> dict[str, Any] | None:
    """`frontier` of `evaluation.json`; None where the training has not measured what a row takes.

    Args:
        tried: the whole leaderboard of the train run.
        metric: the primary figure.
        parameters: of the train run.
        latency_ms: of a row of the chosen one as it is served; None where it was not measured.
    """
    needed = (f"cv_{metric}", "cv_log_loss", "latency_ms")
    done = [each for each in tried if not each.get("error") and all(is_number(each.get(name)) for name in needed)]
    if not any(each.get("chosen") for each in done) or not any("frontier" in each for each in done):
        return None
    return {
        "metric": metric,
        "latency_price": _parameter(parameters, "latency_price") or 0.0,
        "max_latency_ms": _parameter(parameters, "max_latency_ms"),
        "latency_ms": latency_ms,
        "candidates": [
            {
                "name": name(each),
                "model": str(each.get("model", "")),
                "run_id": str(each.get("run_id", "")),
                "value": float(each[f"cv_{metric}"]),
                "log_loss": float(each["cv_log_loss"]),
                "latency_ms": float(each["latency_ms"]),
                "size_bytes": int(each["size_bytes"]) if is_number(each.get("size_bytes")) else None,
                "is_ahead": bool(each.get("frontier")),
                "is_slow": bool(each.get("too_slow")),
                "chosen": bool(each.get("chosen")),
            }
            for each in sorted(done, key=lambda each: float(each["latency_ms"]))
        ],
    }


def name(candidate: Candidate) -> str:
    """`lightgbm #2`, as everywhere; the number of a blend is how many it may hold."""
    model, trial = printable(str(candidate.get("model", ""))), candidate.get("number")
    if not isinstance(trial, int | float):
        return model
    return f"{model} of up to {int(trial)}" if model == BLEND else f"{model} #{int(trial)}"


def priced(one: Candidate, among: Sequence[Candidate], price: float) -> float:
    """The log loss with the price of the time that a row takes, as the search weighs it."""
    return with_price(one["log_loss"], one["latency_ms"], [other["latency_ms"] for other in among], price)


def with_price(log_loss: float, cost: float, costs: Sequence[float], price: float) -> float:
    """A log loss that pays `price` of itself for each doubling of the lowest cost, a row's time or a size."""
    return float(log_loss) * (1 + price * math.log2(max(cost, LEAST_MS) / max(min(costs), LEAST_MS)))


def chosen(stated: Mapping[str, Any]) -> Candidate:
    """The one that became the model."""
    return next(each for each in stated["candidates"] if each["chosen"])


def best(listed: Sequence[Candidate], metric: str) -> Candidate:
    """The best by the figure; the chosen one before its equals."""
    return max(listed, key=lambda each: (gain(metric, each["value"], 0.0), each["chosen"]))


def is_number(value: Any) -> bool:
    """Whether something can be shown and compared as a number."""
    return isinstance(value, int | float) and math.isfinite(value)


def _parameter(parameters: Mapping[str, str], name: str) -> float | None:
    """A number among the train run's parameters; None where it is empty or there is none."""
    try:
        return float(parameters.get(name, ""))
    except ValueError:
        return None
