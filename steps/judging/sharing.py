"""What the test figures owe to rows that also stand in the training file.

The figures on all rows stay the official ones: which rows are taken out is decided by the training file, and rows of
real use may well repeat. The others say how the model does on rows that it cannot remember.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steps.judging import intervals, metrics, resampling
from steps.judging.answers import Judgement
from steps.judging.intervals import Figure
from steps.records import SharedRows

FEWEST_LEFT = 30  # rows that no figure can be drawn from; and a resample without any is then as good as impossible


def found(judgement: Judgement, shared: SharedRows | None) -> dict[str, Any] | None:
    """`shared_rows` of `evaluation.json`; None where nobody has counted them.

    Args:
        judgement: of the test rows.
        shared: which of them stand in the training file.
    """
    if shared is None:
        return None
    n_rows, count = len(judgement.y), len(shared.same_label)
    stated: dict[str, Any] = {
        "count": count,
        "share": count / n_rows,
        "any_label": len(shared.any_label),
        "rows_without": n_rows - count,
        "figures_without": None,
        "differences": None,
    }
    if count and n_rows - count >= FEWEST_LEFT:
        without, differences = _without(judgement, shared)
        stated["figures_without"] = {name: figure.to_dict() for name, figure in without.items()}
        stated["differences"] = {name: figure.to_dict() for name, figure in differences.items()}
    return stated


def _without(judgement: Judgement, shared: SharedRows) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """The candidate's figures on the rows that are not shared, and how much better they are than those on all rows.

    Both come from the same resamples of all rows, so that the difference has bounds of its own.
    """
    ours, at = judgement.candidate, judgement.positive_at
    is_left = np.ones(len(judgement.y), dtype=bool)
    is_left[np.array(shared.same_label) - 1] = False
    resamples = resampling.resampled(judgement.y, ours.scores, ours.predicted, at, is_left)
    left = judgement.y[is_left], ours.scores[is_left], ours.predicted[is_left]
    figures = intervals.bounds(*left, at, resamples)
    differences = {
        name: Figure(
            *intervals.paired_difference(name, figures[name].value, ours.figures[name].value, resamples, ours.resamples)
        )
        for name in metrics.METRICS
    }
    return figures, differences
