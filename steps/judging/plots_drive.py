"""Curves of `dependence`: small multiples, one column each."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from pyfunc.cells import Kind
from steps.judging.canvas import COLOUR, WIDTH, Plot, draw
from steps.judging.canvas import axes as new_axes
from steps.judging.dependence import Dependence
from steps.judging.words import counted, number, printable, short

ACROSS = 2
PANEL = 190  # px of height
TABLE_POINTS = 6  # of a number's grid in the table
AXIS_LETTERS, TITLE_LETTERS = 7, 24
LEVEL_LETTERS = 24  # that fit side by side
NANOSECONDS_A_DAY = 86_400 * 10**9


def dependence(found: Sequence[Dependence], labels: Sequence[str], positive_at: int | None) -> list[Plot]:
    """One figure with a panel a column; nothing where nothing was measured."""
    if not found:
        return []
    down = -(-len(found) // ACROSS)
    height = PANEL * down

    def paint(drawing: Drawing) -> None:
        for at, one in enumerate(found):
            row, column = divmod(at, ACROSS)
            wide = WIDTH // ACROSS
            area = new_axes(
                drawing,
                left=column * wide + 34,
                right=WIDTH - (column + 1) * wide + 10,
                top=row * PANEL + 30,
                bottom=height - (row + 1) * PANEL + (52 if one.kind in (Kind.CATEGORY, Kind.BOOLEAN) else 26),
            )
            _panel(area, one, labels, positive_at)

    most = max(found, key=lambda one: float(np.ptp(one.mean)))
    low, high = (number(float(end), 2) for end in (most.mean.min(), most.mean.max()))
    whose = "the positive class" if positive_at is not None else f"\u201c{short(labels[most.class_at], 20)}\u201d"
    title = f"\u201c{short(most.column)}\u201d moves the mean probability of {whose} between {low} and {high}"
    caption = (
        f"What the model answers to {counted(max(one.rows for one in found), 'test row')} when one column is set to "
        "other values and the others stay. Strong line or point, the mean; thin lines, single rows; bars, eight tenths "
        "of the rows. It shows the model, not causes: some of these rows cannot exist."
    )
    header = ("Column", "Set to", "Probability of", "Mean", "Eight tenths of the rows")
    rows = tuple(
        (
            printable(one.column),
            printable(one.words[at]),
            printable(labels[one.class_at]),
            number(float(one.mean[at])),
            f"{number(float(one.low[at]))} to {number(float(one.high[at]))}",
        )
        for one in found
        for at in _places(one)
    )
    return [Plot("dependence", title, caption, header, rows, draw("dependence", paint, height=height), (WIDTH, height))]


def _panel(area: Axes, one: Dependence, labels: Sequence[str], positive_at: int | None) -> None:
    """One column."""
    area.set_ylim(0, 1)
    area.set_yticks([0, 0.5, 1])
    name = short(one.column, TITLE_LETTERS if positive_at is not None else TITLE_LETTERS // 2 + 2)
    if positive_at is None:
        name += f": {short(labels[one.class_at], 10)}"
    area.set_title(name, color=COLOUR["ink"], fontsize=11, loc="left", pad=6)
    if one.kind in (Kind.CATEGORY, Kind.BOOLEAN):
        for x, low, high in zip(one.grid, one.low, one.high, strict=True):
            area.plot([x, x], [low, high], color=COLOUR["accent"], linewidth=1.6, alpha=0.6)
        area.plot(one.grid, one.mean, color=COLOUR["accent"], marker="o", markersize=5, linestyle="none")
        area.set_xlim(-0.6, len(one.grid) - 0.4)
        names = [short(word, AXIS_LETTERS) for word in one.words]
        level = sum(len(name) + 1 for name in names) <= LEVEL_LETTERS
        turn = {} if level else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        area.set_xticks(one.grid, names, fontsize=9, **turn)
        area.grid(visible=False, axis="x")
        return
    grid = one.grid / NANOSECONDS_A_DAY if one.kind is Kind.DATETIME else one.grid
    for curve in one.curves:
        area.plot(grid, curve, color=COLOUR["muted"], linewidth=0.6, alpha=0.45)
    area.plot(grid, one.mean, color=COLOUR["accent"], linewidth=2.2)
    area.set_xlim(float(grid[0]), float(grid[-1]))
    if one.kind is Kind.DATETIME:
        locator = mdates.AutoDateLocator(minticks=2, maxticks=4)
        area.xaxis.set_major_locator(locator)
        area.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    else:
        is_whole = bool((grid == np.floor(grid)).all())
        area.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=is_whole))


def _places(one: Dependence) -> list[int]:
    """Points of the grid that the table shows."""
    if one.kind in (Kind.CATEGORY, Kind.BOOLEAN) or len(one.words) <= TABLE_POINTS:
        return list(range(len(one.words)))
    return [int(at) for at in np.linspace(0, len(one.words) - 1, TABLE_POINTS).round()]
