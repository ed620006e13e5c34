"""Plots for more than two classes: each class against the rest, and the likeliest class as the answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure as Drawing

from steps.judging import curves, intervals, metrics, shapes
from steps.judging.answers import Judgement
from steps.judging.canvas import COLOUR, WIDTH, Dash, Plot, axes, draw, key, label, unit_square
from steps.judging.curves import Curve, Truth
from steps.judging.intervals import Figure
from steps.judging.metrics import Floats
from steps.judging.shapes import SIZE
from steps.judging.words import count, counted, figure, number, of_hundred, percent, printable, short

LINES = 8  # curves in one plot; more cannot be followed
CLASSES = 30  # rows of the plot by class
TABLE_AT = np.linspace(0.1, 1, 10)


def family(judgement: Judgement) -> list[Plot]:
    """All plots for more than two classes; curves only where a class stands among others."""
    found = intervals.per_class(judgement.y, judgement.candidate.scores, judgement.candidate.predicted)
    ranked = sorted(
        (at for at, each in enumerate(found) if each["roc_auc"].is_defined), key=lambda at: found[at]["roc_auc"].value
    )
    drawn = [roc(judgement, found, ranked), precision_recall(judgement, ranked)] if ranked else []
    return [
        *drawn,
        classes(judgement, found),
        confusion(judgement),
        calibration(judgement),
        confidence(judgement),
        coverage(judgement),
    ]


def roc(judgement: Judgement, found: list[dict[str, Figure]], ranked: list[int]) -> Plot:
    """ROC curves, one against the rest, of the classes that are told apart least."""
    worst = found[ranked[0]]["roc_auc"]
    title = (
        f"Told apart least: \u201c{short(judgement.labels[ranked[0]])}\u201d, {of_hundred(worst.value)} of 100 pairs "
        f"ranked rightly ({of_hundred(worst.low)} to {of_hundred(worst.high)})"
    )
    caption = (
        f"ROC curve of each class against the rest on {counted(len(judgement.y), 'test row')}; a pair is one row of "
        f"the class and one of another. {_chosen(len(ranked))}"
    )
    scale = "Share of other rows called so", "Share of its rows found"
    named = {at: f"{number(found[at]['roc_auc'].value)}" for at in ranked}
    rows = tuple((printable(judgement.labels[at]), figure(found[at]["roc_auc"])) for at in ranked)
    inner = _one_against_rest("roc", judgement, ranked, curves.roc, scale, named)
    return Plot("roc", title, caption, ("Class", "ROC AUC against the rest"), rows, inner, SIZE)


def precision_recall(judgement: Judgement, ranked: list[int]) -> Plot:
    """Precision over recall, one against the rest, of the same classes."""
    once = np.ones((1, len(judgement.y)))
    scores = judgement.candidate.scores
    average = {at: float(metrics.ranking(judgement.y == at, scores[:, at], once)[1][0]) for at in ranked}
    low, high = min(average, key=average.__getitem__), max(average, key=average.__getitem__)
    title = (
        f"Average precision from {number(average[low])} (\u201c{short(judgement.labels[low])}\u201d) to "
        f"{number(average[high])} (\u201c{short(judgement.labels[high])}\u201d)"
    )
    caption = (
        f"Precision over recall of each class against the rest on {counted(len(judgement.y), 'test row')}: the further "
        f"to the upper right, the better. {_chosen(len(ranked))}"
    )
    scale = "Share of its rows found (recall)", "Share of answers that are right (precision)"
    named = {at: number(average[at]) for at in ranked}
    inner = _one_against_rest("precision_recall", judgement, ranked, curves.precision_recall, scale, named)
    shares = {at: float((judgement.y == at).mean()) for at in ranked}
    rows = tuple((printable(judgement.labels[at]), number(average[at]), percent(shares[at])) for at in ranked)
    header = ("Class", "Average precision", "Share of rows (constant answer)")
    return Plot("precision_recall", title, caption, header, rows, inner, SIZE)


def classes(judgement: Judgement, found: list[dict[str, Figure]]) -> Plot:
    """F1 of every class with bounds, worst first."""
    sizes = np.bincount(judgement.y, minlength=len(found))
    order = sorted(range(len(found)), key=lambda at: (sizes[at] == 0, found[at]["f1"].value))
    shown = order[:CLASSES]
    worst = found[order[0]]["f1"]
    title = f"Answered worst: \u201c{short(judgement.labels[order[0]])}\u201d, F1 {figure(worst)}"
    height = 64 + 24 * len(shown)

    def paint(drawing: Drawing) -> None:
        area = axes(drawing, left=150, top=8)
        for row, at in enumerate(shown):
            colour = COLOUR["accent" if sizes[at] else "muted"]
            area.plot([found[at]["f1"].low, found[at]["f1"].high], [row, row], color=colour, linewidth=1.6)
            area.plot([found[at]["f1"].value], [row], marker="o", markersize=6, color=colour, clip_on=False)
        names = [f"{short(judgement.labels[at], 14)} ({count(sizes[at])})" for at in shown]
        area.set_yticks(range(len(shown)), names)
        area.set(xlim=(0, 1), ylim=(len(shown) - 0.4, -0.6))
        area.grid(visible=False, axis="x")
        label(area, "F1", "")

    caption = (
        "F1 of each class, its rows in brackets; line: 95 % (Wilson). Classes without rows in the test file stand "
        "last, in grey."
    )
    if len(shown) < len(order):
        caption += f" Drawn: the worst {len(shown)} of {len(order)}."
    rows = tuple(
        (
            printable(judgement.labels[at]),
            count(sizes[at]),
            *(figure(found[at][n]) for n in ("precision", "recall", "f1")),
        )
        for at in order
    )
    header = ("Class", "Rows", "Precision", "Recall", "F1")
    return Plot("classes", title, caption, header, rows, draw("classes", paint, height=height), (WIDTH, height))


def confusion(judgement: Judgement) -> Plot:
    """Counts of truth and answer, and the pair that is mixed up most."""
    once = np.ones((1, len(judgement.y)))
    counts = metrics.confusion(judgement.y, judgement.candidate.predicted, len(judgement.labels), once)[0]
    right = count(np.trace(counts))
    title = f"Right on {right} of {counted(len(judgement.y), 'row')}"
    np.fill_diagonal(counts, 0)
    if counts.any():
        true, said = np.unravel_index(counts.argmax(), counts.shape)
        first, second = short(judgement.labels[int(true)], 18), short(judgement.labels[int(said)], 18)
        title += f"; most often \u201c{first}\u201d is taken for \u201c{second}\u201d ({counted(counts.max(), 'row')})"
    return shapes.matrix(judgement, title, "")


def calibration(judgement: Judgement) -> Plot:
    """Whether the likeliest class is as likely as is said."""
    sure, right = _surest(judgement)
    found = curves.calibration(right, sure)
    title = (
        f"Says {percent(float(sure.mean()))} on average for the class it answers and is right in "
        f"{percent(float(right.mean()))} of {counted(len(right), 'row')}"
    )
    caption = (
        f"Calibration of the likeliest class on {counted(len(right), 'test row')}, in groups of equal size. On the "
        "diagonal, what is said comes true; below it, the model is too sure. Bars: 95 % (Wilson); below: how often "
        "each probability is given."
    )
    return shapes.groups(found, sure, title, caption, ("Probability of the likeliest class", "Share answered rightly"))


def confidence(judgement: Judgement) -> Plot:
    """How sure the right and the wrong answers are."""
    sure, right = _surest(judgement)
    halves = [number(float(np.median(part)), 2) if len(part) else "" for part in (sure[right], sure[~right])]
    title = (
        f"Half of the right answers are surer than {halves[0]}, half of the wrong ones than {halves[1]}"
        if all(halves)
        else f"{'Every' if halves[0] else 'No'} answer is right"
    )
    caption = (
        f"Probability of the likeliest class on {counted(len(right), 'test row')}, right and wrong answers each for "
        "themselves. The less the two overlap, the more a probability tells."
    )
    parts = (("Right answers", "accent", sure[right]), ("Wrong answers", "warning", sure[~right]))
    return shapes.histograms(parts, None, title, caption, "Probability of the likeliest class")


def coverage(judgement: Judgement) -> Plot:
    """Accuracy when only the surest rows are answered."""
    sure, right = _surest(judgement)
    curve = curves.coverage(right, sure)
    half = float(np.interp(0.5, curve.x, curve.y))
    title = (
        f"The surest half is answered rightly in {of_hundred(half)} of 100 rows, all rows in "
        f"{of_hundred(float(right.mean()))}"
    )
    caption = (
        f"Accuracy over the share of {counted(len(right), 'test row')} that is answered, surest first: what leaving "
        "doubtful rows to a person would gain. Dashed: the constant answer."
    )
    base = judgement.constant.figures["accuracy"].value

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, "Share of rows answered, surest first", "Share answered rightly")
        area.plot([0, 1], [base, base], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        area.plot(curve.x, curve.y, color=COLOUR["accent"], linewidth=2, clip_on=False)
        names: list[tuple[str, str, Dash]] = [("Candidate", "accent", "-"), ("Constant answer", "muted", "--")]
        if judgement.champion is not None:
            other = judgement.champion
            theirs = curves.coverage(other.predicted == judgement.y, other.scores.max(axis=1))
            area.plot(theirs.x, theirs.y, color=COLOUR["ink"], linewidth=1.1)
            names.insert(1, ("Champion", "ink", "-"))
        key(area, names)

    rows = tuple((percent(x), number(float(np.interp(x, curve.x, curve.y)))) for x in TABLE_AT)
    header = ("Rows answered", "Answered rightly")
    return Plot("coverage", title, caption, header, rows, draw("coverage", paint), SIZE)


def _surest(judgement: Judgement) -> tuple[Floats, Truth]:
    """Probability of the answered class (n_rows,), and whether the answer is right."""
    answers = judgement.candidate
    return answers.scores[np.arange(len(judgement.y)), answers.predicted], answers.predicted == judgement.y


def _one_against_rest(
    name: str,
    judgement: Judgement,
    ranked: list[int],
    kind: Callable[[Truth, Floats], Curve],
    scale: tuple[str, str],
    named: dict[int, str],
) -> str:
    """Curves of the first classes of `ranked`."""

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, *scale)
        names: list[tuple[str, str, Dash]] = []
        style = curves.STEPS if kind is curves.precision_recall else "default"
        if name == "roc":
            area.plot([0, 1], [0, 1], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        for row, at in enumerate(ranked[:LINES]):
            curve = kind(judgement.y == at, judgement.candidate.scores[:, at])
            colour = f"series-{row + 1}"
            dash: Dash = "-" if row % 2 == 0 else (0, (5.0, 1.5))
            area.plot(curve.x, curve.y, color=COLOUR[colour], linewidth=1.7, linestyle=dash, drawstyle=style)
            names.append((f"{short(judgement.labels[at], 18)} {named[at]}", colour, dash))
        key(area, names)

    return draw(name, paint)


def _chosen(classes_with_curves: int) -> str:
    """Which classes are drawn."""
    if classes_with_curves <= LINES:
        return ""
    return f"Drawn: the {LINES} of {classes_with_curves} classes that are told apart least."
