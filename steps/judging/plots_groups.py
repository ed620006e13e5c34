"""How groups are treated, drawn: rates of each group with bounds, in panels side by side."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from steps.judging import fairness
from steps.judging.canvas import COLOUR, WIDTH, Plot, axes, draw, label
from steps.judging.fairness import Treated
from steps.judging.treated import DRAWN, NAMES, is_beyond, name, plot_name
from steps.judging.words import count, counted, figure, printable, short

DRAWN_OF_MANY = {"accuracy": "Right", "log_loss": "Log loss"}
SIDE, PANEL_GAP, ROW = 128, 16, 26  # px: group names, between panels, a group
NAME_LETTERS = 19
CLASSES_LISTED = 20  # whose recall the table has; evaluation.json has all


def plots(found: Sequence[Treated], labels: Sequence[str]) -> list[Plot]:
    """A figure a column: rates of its groups with bounds; nothing for a column without groups."""
    return [_plot(plot_name(at), treated, labels) for at, treated in enumerate(found) if treated.groups]


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
            beyond = "more" if is_beyond(span) else "no more"
            by = f"{100 * span.figure.value:.1f}"
            return f"By {column}, {what} differs by up to {by} points, {beyond} than chance does"
    return f"By {column}: too few rows to compare groups"
