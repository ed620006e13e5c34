"""What report and gate say of a model against the champion: the rule, the labels, and how many rows would tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from steps.judging import comparing, words
from steps.judging.words import count, counted
from steps.records import GateBound

MOST_ROWS = 1_000_000  # beyond it the number says no more than that
LEAST_P = 0.001
Doc = Mapping[str, Any]


def sentences(doc: Doc) -> list[str]:
    """The labels, the gate's bound where it is not the one shown, and the rows that would tell; for the report."""
    champion = doc["champion"]
    if not champion or not champion["comparable"] or not champion.get("mcnemar"):
        return []
    said = [labels(champion["mcnemar"])]
    bound = comparing.of_json(champion["gate"])
    if bound.judged_before or math.isnan(bound.low):
        shown = champion["differences"][doc["metric"]]
        said.append(f"Promotion looks at {_asked(bound, _decimals([shown[end] for end in ('value', 'low', 'high')]))}.")
    if champion["rows_needed"]:
        said.append(needed(champion["rows_needed"], doc["dataset"]["rows"]))
    return said


def labels(test: Mapping[str, float]) -> str:
    """McNemar's test in a sentence."""
    won, lost, p = test["only_candidate_right"], test["only_champion_right"], test["p"]
    if not won + lost:
        return "Its answers are right where the champion's are, and wrong where they are."
    chance = f"p < {LEAST_P}" if p < LEAST_P else f"p = {words.number(p)}"
    return (
        f"{counted(won, 'row')} {'is' if won == 1 else 'are'} answered rightly by it alone, {count(lost)} by the "
        f"champion alone (McNemar\u2019s exact test: {chance})."
    )


def rule(bound: GateBound, margin: float, difference: Sequence[float], *, is_met: bool) -> str:
    """The rule that decided, with the bound it looked at.

    Args:
        bound: of the gate.
        margin: 0 for none.
        difference: value, low, high, as the sentence before shows it.
        is_met: whether the bound is above minus the margin.
    """
    decimals = _decimals(difference)
    limit = f"minus the margin, {words.signed(-margin, max(decimals, _decimals([margin])))}" if margin else "0"
    return f"Rule: {_asked(bound, decimals)}, {'is' if is_met else 'is not'} above {limit}."


def needed(rows: int, n_rows: int) -> str:
    """How many rows would tell a difference of the size found."""
    said = "More than a million" if rows > MOST_ROWS else f"About {count(rows)}"
    power = f"80{words.THIN_SPACE}% power"
    return f"{said} test rows would be needed to tell a difference of this size ({power}); there are {count(n_rows)}."


def _asked(bound: GateBound, decimals: int) -> str:
    """`the lower bound of the difference, +0.002 at 99.17 % because the test file has judged 5 models before`."""
    at = f"{100 * bound.level:.4g}{words.THIN_SPACE}%"
    before = f" because the test file has judged {counted(bound.judged_before, 'model')} before"
    why = before if bound.judged_before else ""
    if math.isnan(bound.low):
        return f"the lower bound of the difference, which so few rows do not give at {at}{why}"
    return f"the lower bound of the difference, {words.signed(bound.low, decimals)} at {at}{why}"


def _decimals(shown: Sequence[float | None]) -> int:
    """As many as `words.difference` shows."""
    return 4 if 0 < max(abs(one or 0.0) for one in shown) < 0.01 else 3  # noqa: PLR2004
