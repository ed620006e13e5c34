"""The plots of an evaluation: which there are, in the report's order."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from steps.judging import plots_drive, plots_groups, plots_many, plots_two, where
from steps.judging.answers import Judgement
from steps.judging.canvas import COLOUR, WIDTH, Plot, axes, draw, label
from steps.judging.importance import GroupImportance, Importance, Importances
from steps.judging.metrics import HIGHER_IS_BETTER
from steps.judging.words import NAMES, counted, number, printable, short, signed

BARS = 20  # most important columns that are drawn; the table has all


def all_of(judgement: Judgement) -> list[Plot]:
    """Every plot that the rows allow: eight for two classes and for more, fewer where a class is absent."""
    family = plots_many.family(judgement) if judgement.positive_at is None else plots_two.family(judgement)
    drivers = [importance(judgement.importances)] if judgement.importances.columns else []
    curves = plots_drive.dependence(judgement.dependences, judgement.labels, judgement.positive_at)
    groups = plots_groups.plots(judgement.treated, judgement.labels)
    return [*family, *where.plot(judgement.slices), *groups, *drivers, *curves]


def importance(found: Importances) -> Plot:
    """How much worse the metric gets when a column, or a group of them, is shuffled, with the range over repeats."""
    together: list[tuple[str, bool, Importance | GroupImportance]] = [
        (_joined(group.columns), True, group) for group in found.groups
    ]
    singles = [(short(column.column), False, column) for column in found.columns]
    shown = sorted([*together, *singles], key=lambda each: -each[2].drop)[:BARS]
    (first, is_group, best), name = shown[0], NAMES[found.metric]
    worse = "falls" if HIGHER_IS_BETTER[found.metric] else "rises"
    matter, them = ("matter", "them") if is_group else ("matters", "it")
    first = first if is_group else f"\u201c{first}\u201d"
    title = f"{first} {matter} most: with {them} shuffled, {name} {worse} by {number(best.drop)}"
    if best.low <= 0:
        title = "No single column matters clearly"
    height = 64 + 24 * len(shown)

    def paint(drawing: Drawing) -> None:
        longest = max(len(named) for named, _, _ in shown)
        area = axes(drawing, left=30 + 6.4 * longest, top=8)
        area.axvline(0, color=COLOUR["muted"], linewidth=1)
        for at, (_, is_many, one) in enumerate(shown):
            colour, mark = (COLOUR["ink"], "s") if is_many else (COLOUR["accent"], "o")
            area.plot([one.low, one.high], [at, at], color=colour, linewidth=1.6)
            area.plot([one.drop], [at], marker=mark, markersize=6, color=colour)
        area.set_yticks(range(len(shown)), [named for named, _, _ in shown])
        area.set_ylim(len(shown) - 0.4, -0.6)
        area.grid(visible=False, axis="x")
        area.locator_params(axis="x", nbins=5)
        label(area, f"{name}: worse by", "")

    caption = (
        f"Permutation importance on {counted(found.rows, 'test row')}: point, mean of "
        f"{counted(found.repeats, 'shuffle')}; line, their range. It shows what this model uses, not what causes what; "
        "columns that know the same share their importance."
    )
    if found.groups:
        caption += (
            " Squares: columns that go together (strength 0.7 or more on average), shuffled together; only that shows "
            "what they are worth."
        )
    listed: list[tuple[str, Importance | GroupImportance]] = [
        *((f"{' + '.join(map(printable, group.columns))} (together)", group) for group in found.groups),
        *((printable(column.column), column) for column in found.columns),
    ]
    rows = tuple(
        (named, signed(one.drop, 4), f"{signed(one.low, 4)} to {signed(one.high, 4)}") for named, one in listed
    )
    header = ("Column", f"{name} worse by", "Range over shuffles")
    return Plot("importance", title, caption, header, rows, draw("importance", paint, height=height), (WIDTH, height))


def _joined(columns: Sequence[str]) -> str:
    """The names of a group, cut."""
    if len(columns) == 2:  # noqa: PLR2004 (both fit)
        return " + ".join(short(name, 13) for name in columns)
    return f"{short(columns[0], 16)} + {len(columns) - 1} more"
