"""How often the gate promotes: `python -m tests.bench.gate [--share 1]`.

Two models see the same signal through noise of their own, and answer with calibrated probabilities. Equally good ones
(area under the curve 0.85 each) should hardly ever replace each other; one that is better by 0.02 should, where the
test file is large enough to tell. Every file is decided four times: as the first or the sixth that the test file
judges, and without or with a margin of 0.005.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steps.judging import gate, metrics, resampling
from steps.judging.comparing import gate_bound
from steps.judging.metrics import Floats, Ints
from steps.records import Evaluation

SHIFT = 1.75  # standard deviations between the classes in the signal
NOISE = {0.85: 0.4256, 0.87: 0.2068}  # variance that a model adds to it, by the area under the curve that is left
JUDGED = (0, 5)
MARGINS = (0.0, 0.005)


@dataclass(frozen=True)
class Task:
    """Test files of some rows and share of positives, with a candidate and a champion of 0.85, judged by a figure."""

    rows: int
    share: float
    candidate: float
    metric: str
    files: int


TASKS = (
    Task(100, 0.2, 0.85, "roc_auc", 600),
    Task(300, 0.05, 0.85, "roc_auc", 600),
    Task(1000, 0.2, 0.85, "roc_auc", 250),
    Task(100, 0.2, 0.85, "log_loss", 1000),
    Task(300, 0.05, 0.85, "log_loss", 1000),
    Task(1000, 0.2, 0.85, "log_loss", 1000),
    Task(1000, 0.2, 0.87, "roc_auc", 150),
    Task(5000, 0.2, 0.87, "roc_auc", 80),
    Task(5000, 0.2, 0.87, "log_loss", 200),
)


def probabilities(source: np.random.Generator, signal: Floats, share: float, auc: float) -> Floats:
    """(n_rows, 2) calibrated probabilities of a model that sees the signal through its own noise."""
    noise = NOISE[auc]
    seen = signal + source.normal(scale=math.sqrt(noise), size=len(signal))
    log_odds = (SHIFT * seen - SHIFT**2 / 2) / (1 + noise) + math.log(share / (1 - share))
    positive = 1 / (1 + np.exp(-log_odds))
    return np.column_stack([1 - positive, positive])


def promoted(task: Task) -> Counter[tuple[int, float]]:
    """How many of the files' candidates are promoted, by models judged before and margin."""
    source = np.random.default_rng(task.rows)
    weights = np.concatenate(list(resampling.weights(task.rows, resampling.number(task.rows, 2))))
    once = np.ones((1, task.rows))
    found: Counter[tuple[int, float]] = Counter()
    for _ in range(task.files):
        y = (source.random(task.rows) < task.share).astype(np.int64)
        signal = source.normal(size=task.rows) + SHIFT * y
        both = [probabilities(source, signal, task.share, auc) for auc in (task.candidate, 0.85)]
        values = [_figure(task.metric, y, scores, once) for scores in both]
        value = float(metrics.gain(task.metric, *values)[0])
        differences = metrics.gain(task.metric, *(_figure(task.metric, y, scores, weights) for scores in both))
        rows = np.bincount(y, minlength=2).tolist()
        for judged, margin in itertools.product(JUDGED, MARGINS):
            bound = gate_bound(task.metric, value, differences, rows, judged, two=True)
            low, high = np.percentile(differences[np.isfinite(differences)], (2.5, 97.5))
            evaluation = Evaluation(
                run_id="", dataset_run_id="", model_uri="", metric=task.metric,
                figures={task.metric: (float(values[0][0]),) * 3}, beats_constant=True, champion_version="1",
                champion_comparable=True, difference=(value, low, high), refused_checks=(), gate=bound,
            )  # fmt: skip
            found[judged, margin] += gate.decide(evaluation, "auto", margin).promoted
    return found


def _figure(metric: str, y: Ints, scores: Floats, weights: Floats) -> Floats:
    """One of the two figures for every weighting: a tenth of the time that all of them take."""
    if metric == "roc_auc":
        step = max(1, resampling.CELLS_AT_ONCE // len(y))  # near the processor
        blocks = (weights[start : start + step] for start in range(0, len(weights), step))
        return np.concatenate([metrics.ranking(y == 1, scores[:, 1], block)[0] for block in blocks])
    return np.asarray(weights @ metrics.log_losses(y, scores) / weights.sum(axis=1))


def lines(share: float, sizes: list[int]) -> Iterator[str]:
    """The table, a task a line."""
    ways = list(itertools.product(JUDGED, MARGINS))
    heads = [f"{judged} judged before, margin {margin:g}" for judged, margin in ways]
    yield f"| rows, positives | figure | candidate's AUC | files | {' | '.join(heads)} |"
    yield f"|---|---|---:|{'---:|' * (len(ways) + 1)}"
    for task in (task for task in TASKS if task.rows in sizes):
        scaled = Task(task.rows, task.share, task.candidate, task.metric, max(1, round(share * task.files)))
        found = promoted(scaled)
        cells = []
        for way in ways:
            rate = found[way] / scaled.files
            cells.append(f"{100 * rate:.1f} ± {100 * math.sqrt(rate * (1 - rate) / scaled.files):.1f}")
        what = f"{task.rows:,}, {task.share:.0%} | `{task.metric}` | {task.candidate}"
        yield f"| {what} | {scaled.files} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="Of the test files that a whole run draws.")
    parser.add_argument("--rows", type=int, nargs="*", default=sorted({task.rows for task in TASKS}))
    given = parser.parse_args()
    print("% of files whose candidate is promoted against a champion with an area of 0.85, ± standard error\n")
    for line in lines(given.share, given.rows):
        print(line, flush=True)


if __name__ == "__main__":
    main()
