"""fairlearn's `MetricFrame` of groups of rows, made from counts: its time depends on the groups, not on the rows.

Rows of a group that have the same true class and the same answer enter it as one, weighted with their number, which
gives what the rows themselves would give. Its own bootstrap makes a frame a resample; the bounds come from `fairness`.

fairlearn and scikit-learn call a rate of no rows 0, and a group without positives would then have the worst true
positive rate of all. Here such a rate is not defined (NaN), which `difference()` and `ratio()` leave out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from fairlearn import metrics as fair
from sklearn import metrics as reference

from steps.judging.metrics import Bools, Floats, Ints

Measure = Callable[..., Any]
OF_TWO: Mapping[str, tuple[Measure, Callable[[Ints, Ints], Bools]]] = {  # and the rows that the measure is a share of
    "selection_rate": (fair.selection_rate, lambda _, predicted: predicted >= 0),
    "true_positive_rate": (fair.true_positive_rate, lambda y, _: y == 1),
    "false_positive_rate": (fair.false_positive_rate, lambda y, _: y == 0),
    "precision": (reference.precision_score, lambda _, predicted: predicted == 1),
    "accuracy": (reference.accuracy_score, lambda y, _: y >= 0),
}


def frame(counts: Floats, losses: Floats, positive_at: int | None, fewest: int = 1) -> fair.MetricFrame:
    """The measures of each group that has rows, indexed by its position.

    Args:
        counts: rows, (n_groups, n_classes, 2): by true class (of two: negative, positive), and by not said and said (of
            two classes, that it is positive; of more, the true class).
        losses: sums of the rows' log losses, shaped like `counts`.
        positive_at: None for more than two classes, where the measures are accuracy, log_loss and `recall`, an array
            (n_classes,).
        fewest: rows that a rate has to rest on to be defined; a recall of more than two classes needs one.
    """
    group, truth, said = np.nonzero(counts)
    rows, n_classes = counts[group, truth, said], counts.shape[1]
    if positive_at is None:
        predicted = np.where(said == 1, truth, n_classes)  # wrong: of no class, for the measures ask no more
        recall = functools.partial(reference.recall_score, labels=np.arange(n_classes), average=None)
        measures: dict[str, Measure] = {
            "accuracy": _resting(*OF_TWO["accuracy"], fewest),
            "recall": functools.partial(recall, zero_division=math.nan),
        }
    else:
        predicted = said
        measures = {name: _resting(measure, of, fewest) for name, (measure, of) in OF_TWO.items()}
    params = {name: {"sample_weight": rows} for name in measures}
    return fair.MetricFrame(
        metrics={**measures, "log_loss": _mean},
        y_true=truth,
        y_pred=predicted,
        sensitive_features=pd.Series(group, name="group"),  # an array of one row would be squeezed to none
        sample_params={**params, "log_loss": {"means": losses[group, truth, said] / rows, "sample_weight": rows}},
    )


def values(found: fair.MetricFrame) -> list[dict[str, float]]:
    """The measures of each group by name, the recall of each class as `recall_<position>`."""
    whole = []
    for measured in found.by_group.to_dict("records"):
        recalls = measured.pop("recall", ())
        whole.append({name: float(value) for name, value in measured.items()})
        whole[-1] |= {f"recall_{at}": float(recall) for at, recall in enumerate(recalls)}
    return whole


def _resting(measure: Measure, of: Callable[[Ints, Ints], Bools], fewest: int) -> Measure:
    """The measure, not defined where it is a share of fewer rows."""

    def measured(y: Ints, predicted: Ints, sample_weight: Floats) -> float:
        if sample_weight[of(y, predicted)].sum() < fewest:
            return math.nan
        # of one weighted row, fairlearn's selection rate is an array with one element
        return float(np.asarray(measure(y, predicted, sample_weight=sample_weight)).item())

    return measured


def _mean(_y: Ints, _predicted: Ints, means: Floats, sample_weight: Floats) -> float:
    """The mean of what is known of each row: log loss needs probabilities, which counts do not hold."""
    return float(np.average(means, weights=sample_weight))
