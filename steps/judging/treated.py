"""How groups are treated, in words: what `fairness` has found. `plots_groups` draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steps.judging import fairness
from steps.judging.fairness import FEWEST_OF_RATE, FEWEST_ROWS, Group, Span, Treated
from steps.judging.intervals import Figure
from steps.judging.parts import Part, said
from steps.judging.words import counted, figure, number, percent, printable, short

DRAWN = {
    "selection_rate": "Called positive",
    "true_positive_rate": "Positives found",
    "false_positive_rate": "False alarms",
}
NAMES = {
    **DRAWN,
    "precision": "Precision",
    "accuracy": "Accuracy",
    "log_loss": "Log loss",
    "demographic_parity_difference": "Demographic parity difference",
    "demographic_parity_ratio": "Demographic parity ratio",
    "equalized_odds_difference": "Equalized odds difference",
    "equalized_odds_ratio": "Equalized odds ratio",
    "true_positive_rate_difference": "Difference of the positives found",
    "false_positive_rate_difference": "Difference of the false alarms",
    "accuracy_difference": "Accuracy difference",
}
MEANINGS = {
    "demographic_parity_difference": "highest less lowest share called positive",
    "demographic_parity_ratio": "lowest by highest share called positive",
    "equalized_odds_difference": "the same of the positives found or of the false alarms, whichever differs more",
    "equalized_odds_ratio": "lowest by highest of these, whichever is lower",
    "true_positive_rate_difference": "of the positive rows, the share called positive",
    "false_positive_rate_difference": "of the negative rows, the share called positive",
    "accuracy_difference": "highest less lowest share of rows answered rightly",
}
COMPARED = {  # difference: the rate, and what it is in words
    "demographic_parity_difference": ("selection_rate", "The share called positive"),
    "true_positive_rate_difference": ("true_positive_rate", "The share of the positives that is found"),
    "false_positive_rate_difference": ("false_positive_rate", "The share of the negatives that is called positive"),
    "accuracy_difference": ("accuracy", "The share answered rightly"),
}


def sections(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the report says of each declared column."""
    found = []
    for at, stored in enumerate(doc.get("sensitive") or []):
        treated = fairness.from_json(stored)
        rows = [_row(treated, span_name, span) for span_name, span in treated.spans.items()]
        found.append(
            {
                "name": short(treated.column),
                "whole": printable(treated.column),
                "sentences": sentences(treated, doc["dataset"]["classes"]),
                "rows": rows,
                "plot": plot_name(at),
            }
        )
    return found


def sentences(treated: Treated, classes: Sequence[str]) -> list[str]:
    """What was compared, and whether the groups differ by more than chance."""
    read = "The model reads it." if treated.is_read else "The model does not read it; other columns may tell it."
    if not treated.groups:
        return [read, "Nearly every row has a value of its own: there are no groups to compare."]
    small = [group for group in treated.groups if not group.is_judged]
    found = [read]
    if small:
        listed = ", ".join(f"{name(group.part)} ({group.rows})" for group in small)
        found.append(f"Fewer than {FEWEST_ROWS} test rows, shown but not judged: {listed}.")
    if not treated.spans:
        return [*found, "Fewer than two groups have rows enough: nothing is compared."]
    alike = []
    for span_name, (rate, what) in COMPARED.items():
        if span_name in treated.spans and is_beyond(treated.spans[span_name]):
            found.append(_compared(treated, rate, span_name, what))
        elif span_name in treated.spans:
            alike.append(f"{what[0].lower()}{what[1:]}")
    if alike:
        found.append(f"Not beyond what chance makes in 19 of 20 cases: the difference in {_listed(alike)}.")
    if len(classes) > 2:  # noqa: PLR2004 (two classes have the rates above)
        found.append(_recalls(treated, classes))
    return [sentence for sentence in found if sentence]


def limits(doc: Mapping[str, Any]) -> list[str]:
    """For the card: what differs between groups by more than chance."""
    found = []
    for stored in doc.get("sensitive") or []:
        treated = fairness.from_json(stored)
        found += [
            f"By \u201c{short(treated.column)}\u201d: {_compared(treated, rate, span_name, what)}"
            for span_name, (rate, what) in COMPARED.items()
            if span_name in treated.spans and is_beyond(treated.spans[span_name])
        ]
    return found


def name(part: Part) -> str:
    """A group's name without its column's."""
    return said(part).removeprefix(f"\u201c{short(part.column)}\u201d is ")


def _compared(treated: Treated, rate: str, span_name: str, what: str) -> str:
    """`The share called positive is between 8.1 % (“f”, 1 203 rows) and 12.0 % (“m”, ...): ...`."""
    low, high = _lowest_and_highest(treated, rate)
    span = treated.spans[span_name]
    return (
        f"{what} is between {_at(low, rate)} and {_at(high, rate)}, a difference of {_hundredths(span.figure)}: more "
        f"than chance, which stays below {100 * (span.by_chance or 0):.1f} points in 19 of 20 cases."
    )


def _at(group: Group, rate: str) -> str:
    """A rate and whose it is."""
    return f"{percent(group.figures[rate].value)} ({name(group.part)}, {counted(group.rows, 'row')})"


def _enough(group: Group, rate: str) -> bool:
    """Whether a rate of a group rests on rows enough to enter a difference."""
    positives = group.positives or 0
    of = {"true_positive_rate": positives, "false_positive_rate": group.rows - positives}.get(rate, group.rows)
    return of >= FEWEST_OF_RATE


def _row(treated: Treated, span_name: str, span: Span) -> dict[str, str]:
    """One difference or ratio in the table."""
    ends = ("", "")
    if span_name in COMPARED:
        low, high = _lowest_and_highest(treated, COMPARED[span_name][0])
        rate = COMPARED[span_name][0]
        ends = (_named(low, rate), _named(high, rate))
    return {
        "name": NAMES[span_name],
        "meaning": MEANINGS[span_name],
        "low": ends[0],
        "high": ends[1],
        "value": figure(span.figure),
        "by_chance": "" if span.by_chance is None else number(span.by_chance),
    }


def _lowest_and_highest(treated: Treated, rate: str) -> tuple[Group, Group]:
    """The judged groups between which a rate differs most."""
    judged = [g for g in treated.groups if g.is_judged and g.figures[rate].is_defined and _enough(g, rate)]
    return min(judged, key=lambda g: g.figures[rate].value), max(judged, key=lambda g: g.figures[rate].value)


def _named(group: Group, rate: str) -> str:
    """A rate and the group's name."""
    return f"{percent(group.figures[rate].value)} ({name(group.part)})"


def is_beyond(span: Span) -> bool:
    """Whether a difference is more than what shuffled groups have in 19 of 20 cases."""
    return span.figure.value > (span.by_chance or 0.0)


def _listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _hundredths(found: Figure) -> str:
    """A difference of shares in points, with bounds."""
    return f"{100 * found.value:.1f} points ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _recalls(treated: Treated, classes: Sequence[str]) -> str:
    """The class that the groups find most unequally."""
    judged = [group for group in treated.groups if group.is_judged]
    widest, ends = -1.0, None
    for at, text in enumerate(classes):
        rate = f"recall_{at}"
        known = [group for group in judged if group.figures[rate].is_defined]
        if len(known) > 1:
            low, high = (end(known, key=lambda g: g.figures[rate].value) for end in (min, max))
            span = high.figures[rate].value - low.figures[rate].value
            if span > widest:
                widest, ends = span, (text, low, high, rate)
    if ends is None:
        return ""
    text, low, high, rate = ends
    return (
        f"Found most unequally: \u201c{short(text)}\u201d, between {_at(low, rate)} and {_at(high, rate)} of its rows."
    )


def plot_name(at: int) -> str:
    """The file's name of the figure of the declared column at a position: no column's name is one."""
    return f"groups_{at + 1}"
