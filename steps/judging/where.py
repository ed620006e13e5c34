"""Where the model fails, in words and drawn: what `slices` has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure as Drawing

from steps.judging import slices
from steps.judging.canvas import COLOUR, WIDTH, Plot, axes, draw, label
from steps.judging.intervals import Figure
from steps.judging.parts import said
from steps.judging.slices import Slice, Slices
from steps.judging.words import count, counted, figure, number, percent

LONGEST = 66  # letters above an interval
STEP = 42  # px a slice


def summary(doc: Mapping[str, Any]) -> str:
    """What was asked and how many slices were found; empty where nothing was asked."""
    if not doc.get("slices"):
        return ""
    found = slices.from_json(doc["slices"])
    if not found.asked:
        return f"No part of the test rows could be asked: it takes {found.fewest_rows} rows, and as many others beside."
    singles, pairs = found.asked - found.asked_pairs, found.asked_pairs
    of = f"{counted(found.asked, 'slice')} of the test rows were asked, each of {found.fewest_rows} rows or more"
    asked = f"{of}: {counted(singles, 'part')} of single columns and {counted(pairs, 'pair')} of parts of two"
    some = f" (the {found.paired} columns that the model uses most)" if found.paired < found.columns else ""
    if not found.survived:
        return (
            f"{asked}{some}. None is answered worse than the other rows beyond chance, corrected for their number. "
            "That does not say that there is none: smaller differences need more test rows."
        )
    is_are, is_cut = "is" if found.survived == 1 else "are", found.survived > len(found.worst)
    of_them = f" The {len(found.worst)} worst stand below, of those with mostly the same rows one." if is_cut else ""
    return (
        f"{asked}{some}. {count(found.survived)} {is_are} answered worse than the other rows beyond chance, corrected "
        f"for their number.{of_them} That may be the model's fault, or the rows are harder for anybody."
    )


def lines(doc: Mapping[str, Any]) -> list[str]:
    """The worst slices, a sentence each."""
    return [sentence(one) for one in slices.from_json(doc["slices"]).worst] if doc.get("slices") else []


def limits(doc: Mapping[str, Any]) -> list[str]:
    """For the card: the worst slice."""
    return [f"{line}." for line in lines(doc)[:1]]


def sentence(found: Slice) -> str:
    """`Rows where “job” is “student”: 62 rows, 24.2 % (15.2 to 36.2) wrong …`."""
    return (
        f"Rows where {name(found)}: {counted(found.rows, 'row')}, {_wrong(found.error_rate)} wrong against "
        f"{percent(found.error_rate_elsewhere)} elsewhere; log loss {figure(found.log_loss)} against "
        f"{number(found.elsewhere)}"
    )


def name(found: Slice) -> str:
    """What its rows have in common."""
    return " and ".join(said(part) for part in found.parts)


def plot(found: Slices | None) -> list[Plot]:
    """The log loss of each slice with its bounds beside that of the other rows; nothing where none was found."""
    if found is None or not found.worst:
        return []
    worst = found.worst
    height = 58 + STEP * len(worst)

    def paint(drawing: Drawing) -> None:
        area = axes(drawing, left=14, top=6)
        area.spines["left"].set_visible(False)
        for at, one in enumerate(worst):
            text = name(one)
            area.text(
                0, at - 0.28, text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026",
                transform=area.get_yaxis_transform(), color=COLOUR["ink"], fontsize=11, va="center",
            )  # fmt: skip
            area.plot([one.log_loss.low, one.log_loss.high], [at + 0.14] * 2, color=COLOUR["accent"], linewidth=1.8)
            area.plot([one.log_loss.value], [at + 0.14], marker="o", markersize=6, color=COLOUR["accent"])
            area.plot([one.elsewhere] * 2, [at, at + 0.28], color=COLOUR["muted"], linewidth=2)
        area.set_xlim(left=0)
        area.set_ylim(len(worst) - 0.5, -0.6)
        area.set_yticks([])
        area.grid(visible=False, axis="y")
        label(area, "Log loss, lower is better", "")

    title = (
        f"Worst where {name(worst[0])}: log loss {number(worst[0].log_loss.value)} against {number(worst[0].elsewhere)}"
    )
    caption = (
        "Slices whose log loss is higher than that of the other rows. Point, mean; line, 95 % (Student); grey mark, "
        f"the other rows. One-sided, corrected for {counted(found.asked, 'slice')} (Benjamini and Hochberg, "
        f"{percent(found.level)}); a pair is worse than the rest of either of its parts. The bounds are not corrected."
    )
    header = ("Slice", "Rows", "Log loss", "Elsewhere", "Wrong", "Elsewhere", "p, corrected")
    rows = tuple(
        (
            name(one),
            count(one.rows),
            figure(one.log_loss),
            number(one.elsewhere),
            _wrong(one.error_rate),
            percent(one.error_rate_elsewhere),
            number(one.q, 4) if one.q >= 0.0001 else "< 0.0001",  # noqa: PLR2004 (four decimals)
        )
        for one in worst
    )
    return [Plot("slices", title, caption, header, rows, draw("slices", paint, height=height), (WIDTH, height))]


def _wrong(share: Figure) -> str:
    """`24.2 % (15.2 to 36.2)`."""
    low, high = (percent(end).removesuffix("%").strip() for end in (share.low, share.high))
    return f"{percent(share.value)} ({low} to {high})"
