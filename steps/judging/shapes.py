"""The drawings that plots for two and for more classes have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Drawing

from steps.judging.answers import Judgement
from steps.judging.canvas import COLOUR, HEIGHT, WIDTH, Plot, axes, draw, key, label, unit_square
from steps.judging.curves import Group
from steps.judging.metrics import Floats, confusion
from steps.judging.words import count, counted, number, percent, printable, short

BINS = 40
TABLE_BINS = 10
SIZE = (WIDTH, HEIGHT)
CLASSES_WITH_COUNTS = 12  # beyond that the counts do not fit into their cells
CLASSES_DRAWN = 30
LABELLED = 10  # more names than that overlap unless they are turned
DARKEST = 0.5  # opacity of a full cell: ink on it stays readable


def matrix(judgement: Judgement, title: str, note: str) -> Plot:
    """Counts of truth (rows) and answer (columns); the largest classes where there are many."""
    n_classes = len(judgement.labels)
    once = np.ones((1, len(judgement.y)))
    counts = confusion(judgement.y, judgement.candidate.predicted, n_classes, once)[0].astype(int)
    kept = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:CLASSES_DRAWN])
    shown, names = counts[np.ix_(kept, kept)], [short(judgement.labels[at], 14) for at in kept]

    longest = max(len(name) for name in names)
    level = longest * len(kept) <= 40  # noqa: PLR2004 (letters that fit side by side)

    def paint(drawing: Drawing) -> None:
        area = axes(drawing, left=48 + 7 * longest, bottom=48 if level else 54 + 4.5 * longest)
        area.grid(visible=False)
        shares = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
        for row, column in np.argwhere(shown > 0):
            shade = float(shares[row, column]) * DARKEST
            area.fill_between(
                [column - 0.49, column + 0.49], row - 0.49, row + 0.49, color=COLOUR["accent"], alpha=shade, linewidth=0
            )
        if len(kept) <= CLASSES_WITH_COUNTS:
            for row, column in np.ndindex(shown.shape):
                weight = "bold" if row == column else "normal"
                size = 15 if len(kept) == 2 else 11 if len(kept) <= 8 else 9  # noqa: PLR2004 (what fits)
                area.text(
                    column,
                    row,
                    count(shown[row, column]),
                    ha="center",
                    va="center",
                    color=COLOUR["ink"],
                    fontweight=weight,
                    fontsize=size,
                )
        area.set(xlim=(-0.5, len(kept) - 0.5), ylim=(len(kept) - 0.5, -0.5))
        turn = {} if level else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        size = 11 if len(kept) <= LABELLED else 8
        area.set_xticks(range(len(kept)), names, fontsize=size, **turn)
        area.set_yticks(range(len(kept)), names, fontsize=size)
        label(area, "Answer", "Truth")

    caption = (
        f"Confusion matrix: counts of {counted(len(judgement.y), 'test row')}, truth in rows, answer in columns; "
        f"shade, share of the row. {note}"
    ).strip()
    if len(kept) < n_classes:
        caption += f" Drawn: the {len(kept)} largest of {n_classes} classes; the table has all."
    header = ("Truth \u2193 Answer \u2192", *(printable(name) for name in judgement.labels))
    rows = tuple((printable(name), *map(count, counts[at])) for at, name in enumerate(judgement.labels))
    return Plot("confusion", title, caption, header, rows, draw("confusion", paint), SIZE)


def groups(found: Sequence[Group], said: Floats, title: str, caption: str, names: tuple[str, str]) -> Plot:
    """Calibration: what was said against what came true, group by group, above how often each value is said."""

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, *names)
        area.plot([0, 1], [0, 1], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        heights, edges = np.histogram(np.clip(said, 0, 1), bins=BINS, range=(0, 1))
        drawn = outline(heights / heights.max() * 0.12, edges)
        area.fill_between(*drawn, color=COLOUR["muted"], alpha=0.3, linewidth=0)
        x, y = [group.said for group in found], [group.true.value for group in found]
        for group in found:
            ends = [group.true.low, group.true.high]
            area.plot([group.said] * 2, ends, color=COLOUR["accent"], linewidth=1.8, clip_on=False)
        area.plot(x, y, color=COLOUR["accent"], linewidth=0.8, alpha=0.5)
        area.plot(x, y, color=COLOUR["accent"], marker="o", markersize=6, linestyle="none", clip_on=False)

    header = ("Said on average", names[1], "95 %", "Rows")
    rows = tuple(
        (number(g.said), number(g.true.value), f"{number(g.true.low)} to {number(g.true.high)}", count(g.rows))
        for g in found
    )
    return Plot("calibration", title, caption, header, rows, draw("calibration", paint), SIZE)


def histograms(
    parts: Sequence[tuple[str, str, Floats]], line_at: float | None, title: str, caption: str, x: str
) -> Plot:
    """Histograms over probabilities, each as shares of its own rows.

    Args:
        parts: name, custom property of the colour, values (n,).
        line_at: where a dotted line stands.
        title: of the plot.
        caption: of the plot.
        x: name of the axis.
    """
    edges = np.linspace(0, 1, BINS + 1)
    shares = [np.histogram(np.clip(values, 0, 1), edges)[0] / max(len(values), 1) for _, _, values in parts]

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        for (_, colour, _), heights in zip(parts, shares, strict=True):
            area.fill_between(*outline(heights, edges), color=COLOUR[colour], alpha=0.2, linewidth=0)
            area.plot(*outline(heights, edges), color=COLOUR[colour], linewidth=1.6)
        area.set(xlim=(0, 1), ylim=(0, max(float(h.max()) for h in shares) * 1.25))
        if line_at is not None:
            area.axvline(line_at, color=COLOUR["ink"], linewidth=1, linestyle=":")
        label(area, x, "Share of its rows")
        key(area, [(f"{n} ({counted(len(v), 'row')})", c, "-") for n, c, v in parts])

    wide = BINS // TABLE_BINS
    header = (x, *(name for name, _, _ in parts))
    rows = tuple(
        (
            f"{at / TABLE_BINS:.1f} to {(at + 1) / TABLE_BINS:.1f}",
            *(percent(float(h[at * wide : (at + 1) * wide].sum())) for h in shares),
        )
        for at in range(TABLE_BINS)
    )
    return Plot("scores", title, caption, header, rows, draw("scores", paint), SIZE)


def outline(heights: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """The steps of a histogram as a line: x and y (2 n_bins,)."""
    return np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)
