"""The plots of an evaluation: which there are, in the report's order."""

from __future__ import annotations

from matplotlib.figure import Figure as Drawing

from steps.judging import plots_many, plots_two
from steps.judging.answers import Judgement
from steps.judging.canvas import COLOUR, WIDTH, Plot, axes, draw, label
from steps.judging.importance import Importances
from steps.judging.metrics import HIGHER_IS_BETTER
from steps.judging.words import NAMES, counted, number, printable, short, signed

BARS = 20  # most important columns that are drawn; the table has all


def all_of(judgement: Judgement) -> list[Plot]:
    """Every plot that the rows allow: eight for two classes and for more, fewer where a class is absent."""
    family = plots_many.family(judgement) if judgement.positive_at is None else plots_two.family(judgement)
    return [*family, importance(judgement.importances)] if judgement.importances.columns else family


def importance(found: Importances) -> Plot:
    """How much worse the metric gets when a column is shuffled, with the range over repeats."""
    shown = found.columns[:BARS]
    first, name = shown[0], NAMES[found.metric]
    worse = "falls" if HIGHER_IS_BETTER[found.metric] else "rises"
    title = f"\u201c{short(first.column)}\u201d matters most: with it shuffled, {name} {worse} by {number(first.drop)}"
    if first.low <= 0:
        title = "No single column matters clearly"
    height = 64 + 24 * len(shown)

    def paint(drawing: Drawing) -> None:
        longest = max(len(short(column.column)) for column in shown)
        area = axes(drawing, left=30 + 6.9 * longest, top=8)
        area.axvline(0, color=COLOUR["muted"], linewidth=1)
        for at, column in enumerate(shown):
            area.plot([column.low, column.high], [at, at], color=COLOUR["accent"], linewidth=1.6)
            area.plot([column.drop], [at], marker="o", markersize=6, color=COLOUR["accent"])
        area.set_yticks(range(len(shown)), [short(column.column) for column in shown])
        area.set_ylim(len(shown) - 0.4, -0.6)
        area.grid(visible=False, axis="x")
        area.locator_params(axis="x", nbins=5)
        label(area, f"{name}: worse by", "")

    caption = (
        f"Permutation importance on {counted(found.rows, 'test row')}: point, mean of "
        f"{counted(found.repeats, 'shuffle')}; line, their range. It shows what this model uses, not what causes what; "
        "columns that know the same share their importance."
    )
    rows = tuple(
        (printable(c.column), signed(c.drop, 4), f"{signed(c.low, 4)} to {signed(c.high, 4)}") for c in found.columns
    )
    header = ("Column", f"{name} worse by", "Range over shuffles")
    return Plot("importance", title, caption, header, rows, draw("importance", paint, height=height), (WIDTH, height))
