"""How figures, counts and names are written, everywhere the same."""

from __future__ import annotations

import math
import re

from steps.judging.intervals import Figure

THIN_SPACE = "\u202f"  # narrow and not breaking
MOST_DECIMALS = 4
LONGEST_NAME = 28  # characters of a column or label in a plot or sentence
UNDEFINED = "not defined"
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")

NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "mcc": "Matthews correlation",
}
MEANINGS = {
    "accuracy": "share of rows answered rightly",
    "balanced_accuracy": "mean over the classes of the share answered rightly",
    "precision": "share of rows called positive that are",
    "recall": "share of positive rows that are found",
    "f1": "harmonic mean of precision and recall",
    "roc_auc": "share of pairs of a positive and a negative row that are ranked rightly",
    "average_precision": "precision averaged over all thresholds, by the positives found",
    "log_loss": "mean surprise at the true class; lower is better",
    "brier": "mean squared error of the probabilities; lower is better",
    "mcc": "correlation of answer and truth; 0 is chance",
}
MEANINGS_OF_MANY = {
    **MEANINGS,
    "precision": "mean over the classes: share of rows called so that are",
    "recall": "mean over the classes: share of its rows that are found",
    "f1": "mean over the classes of their F1",
    "roc_auc": "mean over the classes: pairs ranked rightly, the class against the rest",
    "average_precision": "mean over the classes of their average precision",
    "brier": "mean over rows of the summed squared error; lower is better",
}


def number(value: float, decimals: int = 3) -> str:
    """A figure; `not defined` for NaN, a true minus sign, and more decimals rather than a 1 that is none."""
    if not math.isfinite(value):
        return UNDEFINED
    while decimals < MOST_DECIMALS and 0.9 < abs(value) < 1 and float(f"{abs(value):.{decimals}f}") == 1:  # noqa: PLR2004
        decimals += 1
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\u2212")


def probability(value: float) -> str:
    """A probability with four decimals; a tiny one is not shown as none."""
    return "below 0.0001" if 0 < value < 0.0001 else number(value, 4)  # noqa: PLR2004 (four decimals)


def cut(threshold: float) -> str:
    """A threshold, with digits enough for that of a rare class."""
    return number(threshold) if threshold == 0 or threshold >= 0.01 else f"{threshold:.3g}"  # noqa: PLR2004 (3 digits)


def figure(found: Figure) -> str:
    """`0.872 (0.861 to 0.883)`, with a fourth decimal where three would hide the bounds."""
    if not found.is_defined:
        return UNDEFINED
    decimals = decimals_of(found)
    return f"{number(found.value, decimals)} ({number(found.low, decimals)} to {number(found.high, decimals)})"


def bounds(found: Figure) -> str:
    """`(0.861 to 0.883)`, as in `figure`; nothing where there are none."""
    return figure(found).partition(" ")[2] if found.is_defined else ""


def decimals_of(found: Figure) -> int:
    """Three; four for narrow bounds; fewer for figures of 10 and more."""
    if not found.is_defined:
        return 3
    if abs(found.high) >= 10:  # noqa: PLR2004 (four significant digits)
        return 2
    return 4 if 0 < found.high - found.low < 0.004 and abs(found.value) < 1 else 3  # noqa: PLR2004


def difference(value: float, low: float, high: float) -> str:
    """`+0.004 (+0.001 to +0.007)`."""
    if not math.isfinite(value):
        return UNDEFINED
    decimals = 4 if 0 < max(abs(value), abs(low), abs(high)) < 0.01 else 3  # noqa: PLR2004
    return f"{signed(value, decimals)} ({signed(low, decimals)} to {signed(high, decimals)})"


def comparison(name: str, value: float, low: float, high: float) -> str:
    """`ROC AUC better by 0.004 (0.001 to 0.007)`, or worse, or the signed difference where the bounds hold both."""
    if not math.isfinite(value):
        return f"{name} not to be compared"
    if low <= 0 <= high:
        return f"{name} {difference(value, low, high)}, no clear difference"
    least, most = sorted((abs(low), abs(high)))
    decimals = 4 if most < 0.01 else 3  # noqa: PLR2004
    said = f"{number(abs(value), decimals)} ({number(least, decimals)} to {number(most, decimals)})"
    return f"{name} {'better' if low > 0 else 'worse'} by {said}"


def signed(value: float, decimals: int = 3) -> str:
    """A figure with its sign; none for zero."""
    text = number(value, decimals)
    return f"+{text}" if value > 0 and float(text) != 0 else text


def count(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", THIN_SPACE)


def counted(value: float, noun: str, plural: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{count(value)} {noun if int(value) == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share as `11.7 %`, with more digits near 0 and 100 so that nothing is rounded to certainty."""
    if not math.isfinite(share):
        return UNDEFINED
    hundredths = 100 * share
    decimals = 2 if 0 < hundredths < 1 or 99 < hundredths < 100 else 1  # noqa: PLR2004
    return f"{hundredths:.{decimals}f}{THIN_SPACE}%"


def of_hundred(share: float) -> str:
    """A share as so many of 100, with a decimal near the ends."""
    if not math.isfinite(share):
        return UNDEFINED
    hundredths = 100 * share
    near_end = 0 < hundredths < 1 or 99 < hundredths < 100  # noqa: PLR2004
    return f"{hundredths:.1f}" if near_end else f"{hundredths:.0f}"


def printable(name: str) -> str:
    """A user's name without characters that a page or an SVG cannot hold."""
    return UNPRINTABLE.sub(" ", name)


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A printable name, cut in the middle where it is long."""
    text = printable(name)
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}\u2026{text[len(text) - (longest - 1 - head) :]}"
