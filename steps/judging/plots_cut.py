"""The decision curve: whether acting on the model is worth more than acting on every row, or on none."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure as Drawing

from steps.judging.answers import Judgement
from steps.judging.canvas import COLOUR, Dash, Plot, axes, draw, key, label
from steps.judging.curves import Truth, at_thresholds
from steps.judging.metrics import Floats
from steps.judging.shapes import SIZE
from steps.judging.words import counted, number

CUTS = np.linspace(0.01, 0.99, 99)
TABLE_CUTS = np.linspace(0.1, 0.9, 9)
FLOOR = -0.25  # of the drawing, as a share of the best there can be: acting on all falls without end


def net_benefit(truth: Truth, score: Floats, cuts: Floats) -> tuple[Floats, Floats]:
    """True alarms less weighed false ones, per row, at each cut: of the model, and of calling every row positive.

    At the cut `t` a false alarm weighs `t / (1 - t)` of a found positive: whoever acts from `t` on says so.

    Source: Vickers and Elkin 2006, Medical Decision Making 26, "Decision curve analysis".

    Args:
        truth: (n_rows,).
        score: (n_rows,) probabilities of the positive class.
        cuts: (n_cuts,) above 0 and below 1.
    """
    counts = at_thresholds(truth, score, cuts)
    weight = cuts / (1 - cuts)
    hits = np.array([each["hits"] for each in counts])
    alarms = np.array([each["said"] for each in counts]) - hits
    share = float(truth.mean())
    return (hits - weight * alarms) / len(truth), share - (1 - share) * weight


def decision(judgement: Judgement) -> Plot:
    """Net benefit of the model, of all and of none, over the threshold; both classes occur."""
    assert judgement.positive_at is not None
    at = judgement.positive_at
    truth, score = judgement.y == at, np.asarray(judgement.candidate.scores[:, at])
    own, everyone = net_benefit(truth, score, CUTS)
    share = float(truth.mean())
    caption = (
        f"Decision curve on {counted(len(truth), 'test row')}: found positives less false alarms, these weighed as "
        f"somebody does who acts from this probability on; at best {number(share)} per row. Where a grey line is "
        "higher, it is better to act on every row, or on none. Dotted: the threshold in use."
    )
    lines: list[tuple[str, str, Dash]] = [("Candidate", "accent", "-")]
    if judgement.champion is not None:
        lines.append(("Champion", "ink", "-"))
    lines += [("Act on all", "muted", "--"), ("Act on none", "muted", "-."), ("In use", "ink", ":")]

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        area.set(xlim=(0, 1), ylim=(FLOOR * share, 1.05 * share))
        area.axhline(0, color=COLOUR["muted"], linewidth=1.2, linestyle="-.")
        seen = everyone >= FLOOR * share
        area.plot(CUTS[seen], everyone[seen], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        if judgement.champion is not None:
            theirs, _ = net_benefit(truth, np.asarray(judgement.champion.scores[:, at]), CUTS)
            shown = theirs >= FLOOR * share
            area.plot(CUTS[shown], theirs[shown], color=COLOUR["ink"], linewidth=1.1)
        shown = own >= FLOOR * share
        area.plot(CUTS[shown], own[shown], color=COLOUR["accent"], linewidth=2)
        area.axvline(judgement.threshold, color=COLOUR["ink"], linewidth=1, linestyle=":")
        label(area, "Threshold", "Net benefit per row")
        key(area, lines)

    model, others = net_benefit(truth, score, TABLE_CUTS)
    rows = tuple((number(t, 1), number(a, 4), number(b, 4)) for t, a, b in zip(TABLE_CUTS, model, others, strict=True))
    header = ("Threshold", "Candidate", "Act on all")
    title = _title(own, np.maximum(everyone, 0))
    return Plot("decision", title, caption, header, rows, draw("decision", paint), SIZE)


def _title(own: Floats, best: Floats) -> str:
    """Over which thresholds the model is worth more than the better of all and none: the longest stretch."""
    is_better = own > best
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_better.astype(int), [0]])))
    stretches = edges.reshape(-1, 2)
    if not len(stretches):
        return "Acting on the model is worth no more than acting on all rows or on none"
    first, end = stretches[np.argmax(stretches[:, 1] - stretches[:, 0])]
    return (
        f"Acting on the model is worth more than acting on all or none for thresholds from {number(CUTS[first], 2)} to "
        f"{number(CUTS[end - 1], 2)}"
    )
