"""Plots for two classes. Candidate in accent, champion in ink, constant answer in grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from steps.judging import curves, plots_cut, shapes
from steps.judging.answers import Answers, Judgement
from steps.judging.canvas import COLOUR, Dash, Plot, axes, draw, key, unit_square
from steps.judging.curves import GRID, STEPS, Band, Curve, Truth
from steps.judging.intervals import UNDEFINED, Figure, wilson
from steps.judging.metrics import Floats
from steps.judging.shapes import SIZE
from steps.judging.thresholds import DEFAULT_CUT
from steps.judging.words import count, counted, cut, figure, number, of_hundred, percent

TABLE_AT = np.linspace(0, 1, 11)  # where a curve's table reads it
Kind = Callable[[Truth, Floats], Curve]


def family(judgement: Judgement) -> list[Plot]:
    """All plots for two classes; only the confusion matrix where the rows hold one class only."""
    truth = judgement.y == judgement.positive_at
    if truth.all() or not truth.any():
        return [confusion(judgement)]
    on_roc, on_precision, on_gains = curves.bands(truth, _score(judgement, judgement.candidate))
    return [
        roc(judgement, on_roc),
        precision_recall(judgement, on_precision),
        confusion(judgement),
        thresholds(judgement),
        plots_cut.decision(judgement),
        gains(judgement, on_gains),
        calibration(judgement),
        distribution(judgement),
    ]


def roc(judgement: Judgement, band: Band) -> Plot:
    """ROC curve with its band."""
    found = judgement.candidate.figures["roc_auc"]
    title = f"Ranks {of_hundred(found.value)} of 100 pairs rightly ({_hundreds(found.low, found.high)})"
    caption = (
        f"ROC curve on {_rows(judgement)}. A pair is one positive and one negative row. Each point is a threshold: the "
        "further to the upper left, the better. Shaded: 95 % of resampled test files."
    )

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, "Share of negatives called positive", "Share of positives found")
        area.plot([0, 1], [0, 1], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        _lines(area, judgement, curves.roc, band, "roc_auc")

    header = ("Negatives called positive", "Positives found", "95 %")
    return Plot("roc", title, caption, header, _table(judgement, curves.roc, band), draw("roc", paint), SIZE)


def precision_recall(judgement: Judgement, band: Band) -> Plot:
    """Precision over recall with its band."""
    truth = judgement.y == judgement.positive_at
    half = curves.precision_at(truth, _score(judgement, judgement.candidate), 0.5)
    low, high = curves.spread_at(band, 0.5)
    title = (
        f"When half of the positives are found, {of_hundred(half)} of 100 alarms are right "
        f"({_hundreds(min(low, half), max(high, half))})"
    )
    base = float(truth.mean())
    caption = (
        f"Precision over recall on {_rows(judgement)}. The further to the upper right, the better; the constant answer "
        f"stays at the share of positives, {percent(base)}. Shaded: 95 % of resampled test files."
    )

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, "Share of positives found (recall)", "Share of alarms that are right (precision)")
        area.plot([0, 1], [base, base], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        _lines(area, judgement, curves.precision_recall, band, "average_precision")

    rows = _table(judgement, curves.precision_recall, band)
    header = ("Positives found", "Alarms that are right", "95 %")
    return Plot("precision_recall", title, caption, header, rows, draw("precision_recall", paint), SIZE)


def confusion(judgement: Judgement) -> Plot:
    """Counts of truth and answer."""
    truth, said = judgement.y == judgement.positive_at, judgement.candidate.predicted == judgement.positive_at
    alarms = counted((said & ~truth).sum(), "false alarm")
    title = (
        f"Right on {count((truth == said).sum())} of {counted(len(truth), 'row')}: misses "
        f"{count((truth & ~said).sum())} of {counted(truth.sum(), 'positive')}, raises {alarms}"
    )
    return shapes.matrix(judgement, title, f"At the threshold {cut(judgement.threshold)}.")


def thresholds(judgement: Judgement) -> Plot:
    """Precision, recall and the share called positive over the threshold."""
    truth, score = judgement.y == judgement.positive_at, _score(judgement, judgement.candidate)
    found = judgement.candidate.figures
    title = (
        f"At the threshold {cut(judgement.threshold)}, {of_hundred(found['precision'].value)} of 100 alarms are "
        f"right and {of_hundred(found['recall'].value)} of 100 positives are found"
    )
    caption = (
        f"What each threshold would do on {_rows(judgement)}; the dotted line is the one in use. Choosing it on these "
        "rows would make the figures at it too good. Shaded: 95 % (Wilson)."
    )
    series = (("Precision", "series-1", "-"), ("Recall", "series-2", "-"), ("Called positive", "muted", "--"))

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, "Threshold", "Share")
        shares = [_shares(each, len(truth)) for each in curves.at_thresholds(truth, score, GRID)]
        for at, (_, colour, dash) in enumerate(series):
            drawn = [(x, each[at]) for x, each in zip(GRID, shares, strict=True) if each[at].is_defined]
            x, low, high = zip(*((x, share.low, share.high) for x, share in drawn), strict=True)
            area.fill_between(x, low, high, color=COLOUR[colour], alpha=0.14, linewidth=0)
            area.plot(x, [share.value for _, share in drawn], color=COLOUR[colour], linewidth=1.8, linestyle=dash)
        area.axvline(judgement.threshold, color=COLOUR["ink"], linewidth=1, linestyle=":")
        marks: list[tuple[str, str, Dash]] = [("In use", "ink", ":")]
        if judgement.threshold != DEFAULT_CUT:
            area.axvline(DEFAULT_CUT, color=COLOUR["muted"], linewidth=1, linestyle="-.")
            marks.append(("0.5", "muted", "-."))
        key(area, [*series, *marks])

    rows = tuple(
        (number(each["threshold"], 1), *(figure(share) for share in _shares(each, len(truth))))
        for each in curves.at_thresholds(truth, score, TABLE_AT)
    )
    header = ("Threshold", *(name for name, _, _ in series))
    return Plot("thresholds", title, caption, header, rows, draw("thresholds", paint), SIZE)


def gains(judgement: Judgement, band: Band) -> Plot:
    """Share of positives found over share of rows looked at."""
    truth, score = judgement.y == judgement.positive_at, _score(judgement, judgement.candidate)
    base, tenth = float(truth.mean()), curves.gain_at(truth, score, 0.1)
    low, high = curves.spread_at(band, 0.1)
    title = (
        f"The best-scored tenth of the rows holds {of_hundred(tenth)} of 100 positives "
        f"({_hundreds(min(low, tenth), max(high, tenth))}), {number(10 * tenth, 1)} times its share"
    )
    caption = (
        f"Gains on {_rows(judgement)}: how many positives are reached by looking at so many rows. A perfect order "
        f"would reach all after {percent(base)}. Shaded: 95 % of resampled test files."
    )

    def paint(drawing: Drawing) -> None:
        area = axes(drawing)
        unit_square(area, "Share of rows looked at, best scores first", "Share of positives found")
        area.plot([0, 1], [0, 1], color=COLOUR["muted"], linewidth=1.2, linestyle="--")
        area.plot([0, base, 1], [0, 1, 1], color=COLOUR["muted"], linewidth=1, linestyle=":")
        _lines(area, judgement, curves.gains, band, "", more=[("Perfect order", "muted", ":")])

    lifts = [number(curves.gain_at(truth, score, x) / x, 2) if x else "" for x in TABLE_AT]
    rows = tuple((*row, lift) for row, lift in zip(_table(judgement, curves.gains, band), lifts, strict=True))
    header = ("Rows looked at", "Positives found", "95 %", "Lift")
    return Plot("gains", title, caption, header, rows, draw("gains", paint), SIZE)


def calibration(judgement: Judgement) -> Plot:
    """Whether what is said with p comes true in the share p."""
    truth, score = judgement.y == judgement.positive_at, _score(judgement, judgement.candidate)
    found = curves.calibration(truth, score)
    agree = sum(group.true.low <= group.said <= group.true.high for group in found)
    title = (
        f"Says {percent(float(score.mean()))} on average, {percent(float(truth.mean()))} are positive; "
        f"{agree} of {counted(len(found), 'group')} agree"
    )
    caption = (
        f"Calibration on {_rows(judgement)}, in groups of equal size by probability. On the diagonal, what is said "
        "comes true. Bars: 95 % (Wilson), of which one in twenty misses by chance; below: how often each probability "
        "is given."
    )
    return shapes.groups(found, score, title, caption, ("Probability of the positive class", "Share that is positive"))


def distribution(judgement: Judgement) -> Plot:
    """Probabilities of the positives and of the negatives."""
    truth, score = judgement.y == judgement.positive_at, _score(judgement, judgement.candidate)
    title = (
        f"Half of the positives score above {cut(float(np.median(score[truth])))}, half of the negatives below "
        f"{cut(float(np.median(score[~truth])))}"
    )
    caption = (
        f"Probability of the positive class on {_rows(judgement)}, each class for itself. The less the two overlap, "
        f"the better. The dotted line is the threshold in use, {cut(judgement.threshold)}."
    )
    parts = (("Positives", "accent", score[truth]), ("Negatives", "muted", score[~truth]))
    return shapes.histograms(parts, judgement.threshold, title, caption, "Probability of the positive class")


def _score(judgement: Judgement, answers: Answers) -> Floats:
    """Probabilities of the positive class (n_rows,)."""
    assert judgement.positive_at is not None
    return np.asarray(answers.scores[:, judgement.positive_at])


def _lines(
    area: Axes,
    judgement: Judgement,
    kind: Kind,
    band: Band,
    metric: str,
    more: Sequence[tuple[str, str, Dash]] = (),
) -> None:
    """Band, champion and candidate, and the key."""
    truth = judgement.y == judgement.positive_at
    style = STEPS if kind is curves.precision_recall else "default"
    area.fill_between(GRID, band.low, band.high, color=COLOUR["accent"], alpha=0.16, linewidth=0)
    names: list[tuple[str, str, Dash]] = [(_with_figure("Candidate", judgement.candidate, metric), "accent", "-")]
    if judgement.champion is not None:
        other = kind(truth, _score(judgement, judgement.champion))
        area.plot(other.x, other.y, color=COLOUR["ink"], linewidth=1.1, drawstyle=style)
        names.append((_with_figure("Champion", judgement.champion, metric), "ink", "-"))
    curve = kind(truth, _score(judgement, judgement.candidate))
    area.plot(curve.x, curve.y, color=COLOUR["accent"], linewidth=2, clip_on=False, drawstyle=style)
    names.append((_with_figure("Constant answer", judgement.constant, metric), "muted", "--"))
    key(area, [*names, *more])


def _with_figure(name: str, answers: Answers, metric: str) -> str:
    """A line's name with the figure that sums it up."""
    return f"{name} {number(answers.figures[metric].value)}" if metric else name


def _table(judgement: Judgement, kind: Kind, band: Band) -> tuple[tuple[str, str, str], ...]:
    """The candidate's curve at eleven places, with its bounds."""
    curve = kind(judgement.y == judgement.positive_at, _score(judgement, judgement.candidate))
    read = []
    for x in TABLE_AT:
        value, (low, high) = float(np.interp(x, curve.x, curve.y)), curves.spread_at(band, x)
        read.append((number(x, 1), number(value), f"{number(min(low, value))} to {number(max(high, value))}"))
    return tuple(read)


def _shares(at: Mapping[str, float], rows: int) -> tuple[Figure, Figure, Figure]:
    """Precision, recall and the share called positive at one threshold; no precision where nothing is called so."""
    pairs = ((at["hits"], at["said"]), (at["hits"], at["positives"]), (at["said"], float(rows)))
    precision, recall, said = (Figure(a / b, *wilson(a, b)) if b else UNDEFINED for a, b in pairs)
    return precision, recall, said


def _rows(judgement: Judgement) -> str:
    """`13 564 test rows, 1 587 of them positive`."""
    positives = int((judgement.y == judgement.positive_at).sum())
    return f"{counted(len(judgement.y), 'test row')}, {count(positives)} of them positive"


def _hundreds(low: float, high: float) -> str:
    """Bounds as so many of 100."""
    return f"{of_hundred(low)} to {of_hundred(high)}"
