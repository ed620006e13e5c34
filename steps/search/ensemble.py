"""A blend of candidates: weights chosen greedily on their out-of-fold probabilities.

Source: Caruana, Niculescu-Mizil, Crew, Ksikes (2004), "Ensemble selection from libraries of models": forward selection
with replacement, from the best candidates only, started with the best; both guard against fitting the weights to luck.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

LARGEST = 10  # candidates that may take part, the best by log loss
SMALL = 3  # in a blend for those who mind its size
STEPS = 20  # draws with replacement: weights are multiples of one twentieth at the finest
LEAST_GAIN = 1e-4  # in log loss, for another draw; less is luck
EPSILON = float(np.finfo(np.float64).eps)


def weights_of(
    y: np.ndarray[Any, Any], out_of_fold: Sequence[np.ndarray[Any, Any]], most: int = LARGEST
) -> dict[int, float]:
    """Choose weights that lower the out-of-fold log loss.

    Args:
        y: int64 (n_rows,) positions of the classes.
        out_of_fold: probabilities (n_rows, n_classes) of each candidate.
        most: different candidates that may have a weight.

    Returns:
        Weight by position of the candidate, those above 0 only, adding up to 1, in the order of the candidates.
    """
    rows = np.arange(len(y))
    right = np.array([scores[rows, y] for scores in out_of_fold])  # all that log loss looks at
    losses = [_log_loss(one) for one in right]
    pool = sorted(range(len(losses)), key=losses.__getitem__)[:LARGEST]
    drawn = [pool[0]]
    total, loss = right[pool[0]].copy(), losses[pool[0]]
    while len(drawn) < STEPS:
        if len(set(drawn)) == most:
            pool = sorted(set(drawn))
        found = [_log_loss((total + right[at]) / (len(drawn) + 1)) for at in pool]
        best = int(np.argmin(found))
        if found[best] > loss - LEAST_GAIN:
            break
        drawn.append(pool[best])
        total += right[pool[best]]
        loss = found[best]
    counts = Counter(drawn)
    return {at: counts[at] / len(drawn) for at in sorted(counts)}


def _log_loss(right: np.ndarray[Any, Any]) -> float:
    """Log loss of the probabilities given to the true classes."""
    return float(-np.log(np.clip(right, EPSILON, 1)).mean())
