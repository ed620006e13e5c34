"""How often the 95 % bounds hold the true figure: `python -m tests.bench.coverage [--classes 2 5]`.

A fixed, calibrated classifier answers test files that are drawn at random: normal scores, two classes with an area
under the curve of 0.85 and a threshold at the share of positives, or five classes of which one has the share (at 20 %
all five are equal) and the likeliest is the answer. The truth is the figure on two million rows. Prints the share of
test files whose bounds hold it, and what resampling costs beside a plain loop with scikit-learn.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import sklearn.metrics as reference

from steps.judging import intervals, metrics, resampling
from steps.judging.metrics import Floats, Ints

SHARES = (0.05, 0.2, 0.5)
REPEATS = {  # test files, by number of classes and rows
    2: {40: 1000, 100: 1000, 300: 1000, 1000: 400, 5000: 150},
    5: {40: 600, 100: 600, 300: 400, 1000: 150, 5000: 60},
}
RESAMPLES = {40: 400, 100: 400, 300: 400, 1000: 400, 5000: 200}
SHIFT = {2: 1.4657, 5: 1.8}  # standard deviations between a class and the others
TRUTH = 10  # times 200,000 rows
Answers = tuple[Ints, Floats, Ints]


def draw(source: np.random.Generator, rows: int, share: float, classes: int) -> Answers:
    """Labels, calibrated probabilities and answers of a test file; the first of five or second of two has the share."""
    shift = SHIFT[classes]
    if classes == 2:
        y = (source.random(rows) < share).astype(np.int64)
        score = source.normal(size=rows) + shift * y
        positive = 1 / (1 + np.exp(-(shift * score - shift**2 / 2 + math.log(share / (1 - share)))))
        return y, np.column_stack([1 - positive, positive]), (positive >= share).astype(np.int64)
    shares = np.array([share, *[(1 - share) / (classes - 1)] * (classes - 1)])
    y = source.choice(classes, rows, p=shares).astype(np.int64)
    values = source.normal(size=(rows, classes))
    values[np.arange(rows), y] += shift
    values = shift * values + np.log(shares)
    scores = np.exp(values - values.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    return y, scores, scores.argmax(axis=1).astype(np.int64)


@cache
def truth(share: float, classes: int) -> dict[str, float]:
    """The figures without chance, averages over the classes included."""
    source, at = np.random.default_rng(0), _at(classes)
    once = np.ones((1, 200_000))
    parts = [metrics.everything(*draw(source, 200_000, share, classes), at, once) for _ in range(TRUTH)]
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def held(rows: int, share: float, classes: int, repeats: int) -> dict[str, float]:
    """In how many of the test files that define a figure its bounds hold its truth."""
    source, at = np.random.default_rng(rows), _at(classes)
    true, found, defined = truth(share, classes), Counter[str](), Counter[str]()
    weights = np.concatenate(list(resampling.weights(rows, RESAMPLES[rows])))
    for _ in range(repeats):
        answers = draw(source, rows, share, classes)
        resamples = metrics.everything(*answers, at, weights)
        bounds = dict(intervals.bounds(*answers, at, resamples))
        for how, figures in intervals.averages(*answers, at, resamples).items():
            bounds |= {f"{how}_{name}": figure for name, figure in figures.items()}
        defined.update(name for name, figure in bounds.items() if figure.is_defined)
        found.update(name for name, figure in bounds.items() if figure.low <= true[name] <= figure.high)
    return {name: found[name] / defined[name] for name in defined}


def lines(classes: int, factor: float, sizes: list[int]) -> Iterator[str]:
    """The table of one number of classes, a task a line."""
    averages = [f"{how}_{name}" for how in metrics.AVERAGES for name in metrics.AVERAGED]
    names = [*metrics.METRICS, *(name for name in averages if classes == 2 or name.startswith("weighted"))]
    yield f"| rows, share | files | {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield f"|---|{'---:|' * (len(names) + 1)}"
    for rows in sizes:
        for share in SHARES:
            repeats = round(REPEATS[classes][rows] * factor)
            found = held(rows, share, classes, repeats)
            cells = [f"{100 * found[name]:.1f}" for name in names]
            yield f"| {rows:,}, {share:.0%} | {repeats} | {' | '.join(cells)} |"


def speed(rows: int = 10_000, few: int = 10) -> str:
    """Seconds of processor time for 2,000 resamples and all figures, and a plain loop's on a few of them, by turns."""
    y, scores, predicted = draw(np.random.default_rng(1), rows, 0.2, 2)
    began = time.process_time()
    intervals.bounds(y, scores, predicted, 1, resampling.resampled(y, scores, predicted, 1))
    ours = time.process_time() - began
    began = time.process_time()
    for times in next(iter(resampling.weights(rows, few)))[:few].astype(int):
        _plainly(*(part[np.repeat(np.arange(rows), times)] for part in (y, scores, predicted)))
    plain = (time.process_time() - began) * resampling.number(rows, 2) / few
    return (
        f"{resampling.number(rows, 2):,} resamples of {rows:,} rows, all figures and bounds: {ours:.1f} s of processor "
        f"time; a plain loop with scikit-learn {plain:.0f} s (from {few} resamples), {plain / ours:.0f} times as long."
    )


def _plainly(y: Ints, scores: Floats, predicted: Ints) -> None:
    """The ten figures by scikit-learn."""
    for label in (reference.accuracy_score, reference.balanced_accuracy_score, reference.matthews_corrcoef):
        label(y, predicted)
    reference.precision_recall_fscore_support(y, predicted, average="binary", zero_division=0)
    for score in (reference.roc_auc_score, reference.average_precision_score, reference.brier_score_loss):
        score(y, scores[:, 1])
    reference.log_loss(y, scores)


def _at(classes: int) -> int | None:
    return 1 if classes == 2 else None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 5])
    parser.add_argument("--share", type=float, default=1.0, help="Of the test files that a whole run draws.")
    parser.add_argument("--rows", type=int, nargs="*", default=list(RESAMPLES))
    given = parser.parse_args()
    for classes in given.classes:
        print(f"\n{classes} classes: % of files whose bounds hold the truth\n")
        for line in lines(classes, given.share, given.rows):
            print(line, flush=True)
    print(f"\n{speed()}")


if __name__ == "__main__":
    main()
