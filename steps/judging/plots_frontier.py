"""The time of a row against the log loss: all candidates, the frontier, and the one that was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from steps.judging import row_cost
from steps.judging.canvas import COLOUR, Plot, axes, draw, label
from steps.judging.frontier import LEAST_MS, Candidate
from steps.judging.shapes import SIZE
from steps.judging.words import counted, number, printable, short

FAR = 1.5  # times the lowest log loss: worse candidates stand at the upper edge, or the frontier would be a flat line
QUARTILE = 75  # of the candidates that are never at the edge, in percent
MOST_TICKS = 7
LETTER, LINE = 6.4, 15.0  # px of a label's letter, and its height
Box = tuple[float, float, float, float]


def plots(stated: Mapping[str, Any] | None) -> list[Plot]:
    """The plot of `frontier` of `evaluation.json`; none without two candidates whose time is known."""
    if not stated or len(stated["candidates"]) < 2:  # noqa: PLR2004 (one is not compared with anything)
        return []
    listed = stated["candidates"]
    top = _top(listed)
    beyond = [each for each in listed if each["log_loss"] > top]
    caption = (
        f"Time of a row and cross-validated log loss of {counted(len(listed), 'candidate')}; the further to the lower "
        "left, the better. Line: the lowest log loss that can be had within a time. Large point: the chosen one."
    )
    if beyond:
        caption += (
            f" Triangles at the upper edge: {counted(len(beyond), 'candidate')} with a log loss above {number(top)}."
        )
    header = ("Candidate", "Milliseconds a row", "Log loss", "Size", "Frontier", "Chosen")
    rows = tuple(
        (
            printable(each["name"]),
            f"{each['latency_ms']:.3g}",
            number(each["log_loss"], 4),
            row_cost.size(each["size_bytes"]),
            "yes" if each["is_ahead"] else "",
            "yes" if each["chosen"] else "",
        )
        for each in listed
    )

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        _scale(area, listed, top)
        _points(area, listed, top)
        taken: list[Box] = []
        named = [each for each in listed if (each["is_ahead"] or each["chosen"]) and each["log_loss"] <= top]
        for each in sorted(named, key=lambda each: not each["chosen"]):
            _name(area, each, [one for one in listed if one["log_loss"] <= top], taken)
        label(area, "Milliseconds a row (log scale)", "Log loss (cross-validated)")

    return [Plot("frontier", _title(listed), caption, header, rows, draw("frontier", paint), SIZE)]


def _title(listed: Sequence[Candidate]) -> str:
    """The chosen one against the lowest log loss."""
    chosen = next(each for each in listed if each["chosen"])
    lowest = min(listed, key=lambda each: (each["log_loss"], each["latency_ms"]))
    name, takes = short(chosen["name"]), row_cost.milliseconds(chosen["latency_ms"])
    if lowest["log_loss"] >= chosen["log_loss"]:
        return f"{name} has the lowest log loss of {counted(len(listed), 'candidate')} and takes {takes} a row"
    less = row_cost.share(1 - lowest["log_loss"] / chosen["log_loss"])
    return (
        f"{name} takes {takes} a row; the lowest log loss, of {short(lowest['name'])}, is {less} lower for "
        f"{row_cost.ratio(lowest, chosen)}"
    )


def _top(listed: Sequence[Candidate]) -> float:
    """The highest log loss that is drawn where it is; the chosen one's always is."""
    losses = [each["log_loss"] for each in listed]
    chosen = next(each["log_loss"] for each in listed if each["chosen"])
    far = max(FAR * min(losses), float(np.percentile(losses, QUARTILE)), chosen)
    return max(loss for loss in losses if loss <= far)


def _ms(each: Candidate) -> float:
    """The time as it is drawn."""
    return max(float(each["latency_ms"]), LEAST_MS)


def _scale(area: Axes, listed: Sequence[Candidate], top: float) -> None:
    """Both axes around all that is drawn; round numbers on the logarithmic one."""
    times = [_ms(each) for each in listed]
    low, high = min(times) / 1.3, max(times) * 1.3
    lowest = min(each["log_loss"] for each in listed)
    margin = max(0.12 * (top - lowest), 0.002 * max(top, 1e-6))
    area.set_xscale("log")
    area.set(xlim=(low, high), ylim=(lowest - margin, top + margin))
    ticks = _ticks(low, high)
    area.set_xticks([], minor=True)
    area.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    area.locator_params(axis="y", nbins=6)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, only the powers where these are many, even steps where they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        found = [
            float(f"{step}e{power}") for power in powers for step in steps if low <= float(f"{step}e{power}") <= high
        ]
        if len(found) <= MOST_TICKS:
            break
    if len(found) > 2:  # noqa: PLR2004 (fewer do not show a scale)
        return found
    return [float(f"{tick:.6g}") for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


def _points(area: Axes, listed: Sequence[Candidate], top: float) -> None:
    """All candidates, the frontier as steps, the chosen one on top."""
    inside = [each for each in listed if each["log_loss"] <= top]
    beyond = [_ms(each) for each in listed if each["log_loss"] > top]
    ahead = sorted((_ms(each), each["log_loss"]) for each in inside if each["is_ahead"])
    behind = [(_ms(each), each["log_loss"]) for each in inside if not each["is_ahead"]]
    edge = area.get_ylim()[1]
    area.plot(
        beyond, [edge] * len(beyond), linestyle="none", marker="^", markersize=7, color=COLOUR["muted"], clip_on=False
    )
    area.plot(*_across(behind), linestyle="none", marker="o", markersize=5, color=COLOUR["muted"], alpha=0.7)
    if ahead:
        x, y = _across(ahead)
        first = [edge] if beyond and any(each["is_ahead"] for each in listed if each["log_loss"] > top) else y[:1]
        area.plot(
            [x[0], *x, area.get_xlim()[1]],
            [*first, *y, y[-1]],
            drawstyle="steps-post",
            color=COLOUR["ink"],
            linewidth=1.2,
        )
        area.plot(x, y, linestyle="none", marker="o", markersize=6, color=COLOUR["ink"])
    chosen = next(each for each in listed if each["chosen"])
    area.plot([_ms(chosen)], [chosen["log_loss"]], marker="o", markersize=10, color=COLOUR["accent"], linestyle="none")


def _across(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Pairs as two lists."""
    return [x for x, _ in points], [y for _, y in points]


def _name(area: Axes, each: Candidate, drawn: Sequence[Candidate], taken: list[Box]) -> None:
    """A candidate's name beside its point where that is free; none where it is not, the table has it."""
    text = short(each["name"]) + (" (chosen)" if each["chosen"] else "")
    x, y = area.transData.transform((_ms(each), each["log_loss"]))
    frame = area.get_window_extent()
    points = [area.transData.transform((_ms(other), other["log_loss"])) for other in drawn]
    width = LETTER * len(text)
    for right, up in ((True, True), (False, False), (True, False), (False, True)):
        left, low = (x + 8 if right else x - 8 - width), (y + 5 if up else y - 5 - LINE)
        box = (left, low, left + width, low + LINE)
        is_inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1 + LINE
        is_free = not any(_overlap(box, other) for other in taken)
        hides = any(box[0] < at[0] < box[2] and box[1] < at[1] < box[3] for at in points)
        if is_inside and is_free and not hides:
            taken.append(box)
            where = area.transData.inverted().transform((left if right else left + width, low))
            ink = COLOUR["accent" if each["chosen"] else "ink"]
            area.text(*where, text, ha="left" if right else "right", va="bottom", color=ink, fontsize=11)
            return


def _overlap(one: Box, other: Box) -> bool:
    """Whether two boxes cover a common place."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
