"""Resamples of the test rows: whole rows, with replacement, the same ones for every model.

Not stratified by class: another test file would have other class counts, and resampling that holds them fixed gives
bounds that are far too narrow (precision, F1, log loss).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steps.judging import metrics
from steps.judging.metrics import Bools, Floats, Ints

SEED = 1
RESAMPLES = 2000
FEWEST_RESAMPLES = 300  # percentiles at 2.5 and 97.5 still rest on several values
WORK = 60_000_000  # rows x ranked classes x resamples; about 3 s on one core
CELLS_AT_ONCE = 2_000_000  # weights held at a time: 16 MB, near the processor


def number(n_rows: int, n_classes: int) -> int:
    """How many resamples are drawn: 2,000, fewer for large files, whose bounds are narrow anyway."""
    ranked = n_classes if n_classes > 2 else 1  # noqa: PLR2004 (two classes are ranked once)
    return int(np.clip(WORK // (n_rows * ranked), FEWEST_RESAMPLES, RESAMPLES))


def weights(n_rows: int, resamples: int) -> Iterator[Floats]:
    """Blocks (some, n_rows) of how often each row is drawn; the same numbers whenever rows and resamples are equal."""
    source = np.random.default_rng(SEED)
    block = max(1, CELLS_AT_ONCE // n_rows)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = [np.bincount(source.integers(0, n_rows, n_rows), minlength=n_rows) for _ in range(size)]
        yield np.array(drawn, dtype=np.float64)


def resampled(
    y: Ints, scores: Floats, predicted: Ints, positive_at: int | None, is_counted: Bools | None = None
) -> dict[str, Floats]:
    """Every figure on every resample of the rows; the first four arguments as for `metrics.figures`.

    Args:
        y: (n_rows,).
        scores: (n_rows, n_classes).
        predicted: (n_rows,).
        positive_at: position or None.
        is_counted: (n_rows,) rows that the figures are of; the others are drawn all the same, and do not count.

    Returns:
        For each name of `metrics.everything` (n_resamples,), NaN where a resample does not define the figure. Two
        models judged on the same rows get the same resamples, so their values can be subtracted one by one.
    """
    n_rows, n_classes = scores.shape
    blocks = [
        metrics.everything(y, scores, predicted, positive_at, block if is_counted is None else block * is_counted)
        for block in weights(n_rows, number(n_rows, n_classes))
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
