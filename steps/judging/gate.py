"""Whether an evaluated model becomes the champion. Decides, and does nothing else.

Every model is registered; the gate is about the alias alone. In this order:

    code                       promoted   when
    never                      no         `promote=never`
    check_refused              no         a check of the two files is refused and was not accepted
    not_better_than_constant   no         the test rows do not show that the model knows anything
    first_champion             yes        there is no champion
    champion_incompatible      no         another target, other classes, or rows that do not fit its schema
    better                     yes        the lower bound of the paired difference in the metric is above 0
    not_worse                  yes        it is above minus the margin, where one is given
    not_better                 no         the rest
    always                     yes        `promote=always` where one of the three noes above would hold it back

The bound is the one of `comparing`: at 95 %, and at more for a test file that has judged other models before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pyfunc.errors import quoted
from steps.judging import versus, words
from steps.judging.intervals import LEVEL, Figure
from steps.judging.verdict import FEW_OF_A_CLASS
from steps.records import Evaluation, GateBound

FEW = "too few for a verdict."
WAYS_OUT = "Train it under a name of its own (name=...), or replace the champion with promote=always."
Mode = Literal["auto", "never", "always"]


@dataclass(frozen=True)
class Decision:
    """Whether the model becomes the champion, a stable code, and the reason in one sentence with its figures."""

    promoted: bool
    code: str
    reason: str


def decide(evaluation: Evaluation, promote: Mode, margin: float = 0.0) -> Decision:
    """Decide by the module's table.

    Args:
        evaluation: of the model, against the champion of this moment.
        promote: `auto` for what the figures deserve, `never` to register only, `always` to replace whatever there is.
        margin: how much worse than the champion it may be, in units of the primary figure.
    """
    if promote == "never":
        return Decision(promoted=False, code="never", reason="Not promoted, as asked (promote=never).")
    if evaluation.refused_checks:
        listed = quoted(evaluation.refused_checks)
        reason = f"Not promoted: the checks of the two files refuse it ({listed})."
        return Decision(promoted=False, code="check_refused", reason=reason)
    decision = _deserved(evaluation, margin)
    if evaluation.fewest_rows is not None and evaluation.fewest_rows < FEW_OF_A_CLASS:
        rows = f"{evaluation.fewest_rows} row" + ("" if evaluation.fewest_rows == 1 else "s")
        decision = replace(decision, reason=f"{decision.reason} The test file has {rows} of its rarest class: {FEW}")
    if decision.code == "champion_incompatible" and promote == "auto":
        decision = replace(decision, reason=f"{decision.reason} {WAYS_OUT}")
    if promote == "always" and not decision.promoted:
        because = decision.reason.removeprefix("Not promoted: ")
        return Decision(promoted=True, code="always", reason=f"Promoted as asked (promote=always), although {because}")
    return decision


def _deserved(evaluation: Evaluation, margin: float) -> Decision:
    """What `auto` decides."""
    name = words.NAMES[evaluation.metric]
    own = words.figure(Figure(*evaluation.figures[evaluation.metric]))
    if not evaluation.beats_constant:
        reason = f"Not promoted: with {name} {own} the model is not shown to be better than the constant answer."
        return Decision(promoted=False, code="not_better_than_constant", reason=reason)
    if evaluation.champion_version is None:
        reason = f"Promoted: the first champion, {name} {own}, better than the constant answer."
        return Decision(promoted=True, code="first_champion", reason=reason)
    champion = f"the champion, version {evaluation.champion_version}"
    if not evaluation.champion_comparable or evaluation.difference is None:
        why = evaluation.champion_reason or "Another target, other classes or columns, or it does not load."
        reason = (
            f"Not promoted: {champion}, cannot be compared on these rows. {why} Replacing it could break its clients."
        )
        return Decision(promoted=False, code="champion_incompatible", reason=reason)
    return _against(evaluation, champion, evaluation.difference, margin)


def _against(evaluation: Evaluation, champion: str, difference: tuple[float, float, float], margin: float) -> Decision:
    """What the comparison on the same rows decides, and by which rule."""
    bound = evaluation.gate or GateBound(difference[1], LEVEL, 0)
    by = f"{words.comparison(words.NAMES[evaluation.metric], *difference)} on the same rows"
    if bound.low > 0:
        rule = versus.rule(bound, 0, difference, is_met=True)
        return Decision(promoted=True, code="better", reason=f"Promoted: better than {champion}: {by}. {rule}")
    is_met = margin > 0 and bound.low > -margin
    rule = versus.rule(bound, margin, difference, is_met=is_met)
    if evaluation.rows_needed:
        rule = f"{rule} {versus.needed(evaluation.rows_needed, evaluation.rows)}"
    if is_met:
        reason = f"Promoted: not worse than {champion}, by more than the margin: {by}. {rule}"
        return Decision(promoted=True, code="not_worse", reason=reason)
    reason = f"Not promoted: the model is not shown to be better than {champion}: {by}. {rule}"
    return Decision(promoted=False, code="not_better", reason=reason)
