"""How groups are treated, in words and drawn: what `fairness` has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure as Drawing

from steps.judging import fairness
from steps.judging.canvas import COLOUR, WIDTH, Plot, axes, draw, label
from steps.judging.fairness import FEWEST_OF_RATE, FEWEST_ROWS, Group, Span, Treated
from steps.judging.intervals import Figure
from steps.judging.parts import Part, said
from steps.judging.words import count, counted, figure, number, percent, printable, short

DRAWN = {
    "selection_rate": "Called positive",
    "true_positive_rate": "Positives found",
    "false_positive_rate": "False alarms",
}
DRAWN_OF_MANY = {"accuracy": "Right", "log_loss": "Log loss"}
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
SIDE, PANEL_GAP, ROW = 128, 16, 26  # px: group names, between panels, a group
NAME_LETTERS = 19
CLASSES_LISTED = 20  # whose recall the table has; evaluation.json has all


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
                "plot": _plot_name(at),
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
        if span_name in treated.spans and _is_beyond(treated.spans[span_name]):
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
            if span_name in treated.spans and _is_beyond(treated.spans[span_name])
        ]
    return found


def name(part: Part) -> str:
    """A group's name without its column's."""
    return said(part).removeprefix(f"\u201c{short(part.column)}\u201d is ")


def plots(found: Sequence[Treated], labels: Sequence[str]) -> list[Plot]:
    """A figure a column: rates of its groups with bounds; nothing for a column without groups."""
    return [_plot(_plot_name(at), treated, labels) for at, treated in enumerate(found) if treated.groups]


def _plot(plot: str, treated: Treated, labels: Sequence[str]) -> Plot:
    """One column."""
    two = treated.groups[0].positives is not None
    panels = DRAWN if two else DRAWN_OF_MANY
    groups = treated.groups
    height = 74 + ROW * len(groups)
    wide = (WIDTH - SIDE - 10 - PANEL_GAP * (len(panels) - 1)) / len(panels)

    def paint(drawing: Drawing) -> None:
        for at, (rate, title) in enumerate(panels.items()):
            left = SIDE + at * (wide + PANEL_GAP)
            area = axes(drawing, left=left, right=WIDTH - left - wide, top=26)
            for row, group in enumerate(groups):
                one, colour = group.figures[rate], COLOUR["accent" if group.is_judged else "muted"]
                if one.is_defined:
                    area.plot([one.low, one.high], [row, row], color=colour, linewidth=1.8, clip_on=False)
                    fill = colour if group.is_judged else "none"
                    area.plot([one.value], [row], marker="o", markersize=6, color=colour, markerfacecolor=fill,
                              clip_on=False)  # fmt: skip
            area.set_ylim(len(groups) - 0.5, -0.5)
            area.set_yticks(range(len(groups)), [short(name(g.part), NAME_LETTERS) for g in groups] if not at else [])
            area.grid(visible=False, axis="y")
            area.set_title(title, color=COLOUR["ink"], fontsize=11, loc="left", pad=6)
            area.set_xlim(left=0)
            area.locator_params(axis="x", nbins=3)
            area.xaxis.set_major_formatter("{x:g}")
            label(area, "", "")

    shown = [each for each in (*fairness.RATES, "log_loss") if each in groups[0].figures]
    recalls = (
        []
        if two
        else [(f"recall_{at}", f"Recall of {printable(text)}") for at, text in enumerate(labels[:CLASSES_LISTED])]
    )
    header = (
        "Group",
        "Rows",
        *(["Positives"] if two else []),
        *(NAMES[each] for each in shown),
        *(r[1] for r in recalls),
    )
    rows = tuple(
        (
            name(group.part),
            count(group.rows),
            *([count(group.positives or 0)] if two else []),
            *(figure(group.figures[each]) for each in (*shown, *(r[0] for r in recalls))),
        )
        for group in groups
    )
    caption = (
        f"Groups of {counted(sum(group.rows for group in groups), 'test row')} by \u201c{short(treated.column)}\u201d, "
        "with 95 % bounds (Wilson; log loss from resamples). Hollow: too few rows to be judged."
    )
    if two:
        caption += " Positives found: of the positive rows, those called so; false alarms: of the negative rows."
    return Plot(plot, _title(treated), caption, header, rows, draw(plot, paint, height=height), (WIDTH, height))


def _title(treated: Treated) -> str:
    """The difference that is looked at first."""
    column = f"\u201c{short(treated.column)}\u201d"
    for span_name, what in (
        ("demographic_parity_difference", "the share called positive"),
        ("accuracy_difference", "the share answered rightly"),
    ):
        span = treated.spans.get(span_name)
        if span is not None:
            beyond = "more" if _is_beyond(span) else "no more"
            by = f"{100 * span.figure.value:.1f}"
            return f"By {column}, {what} differs by up to {by} points, {beyond} than chance does"
    return f"By {column}: too few rows to compare groups"


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


def _is_beyond(span: Span) -> bool:
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


def _plot_name(at: int) -> str:
    """The file's name: no column's name is one."""
    return f"groups_{at + 1}"
