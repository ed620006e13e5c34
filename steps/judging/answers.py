"""Answers to the test rows, judged: the candidate's, the champion's, and the one that is the same for every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from steps.judging import intervals, resampling
from steps.judging.dependence import Dependence
from steps.judging.fairness import Treated
from steps.judging.importance import Importances
from steps.judging.intervals import Figure
from steps.judging.metrics import Floats, Ints
from steps.judging.slices import Slices


@dataclass(frozen=True)
class Answers:
    """One model's answers to the test rows, their figures, and the figures on every resample of the rows."""

    scores: Floats
    predicted: Ints
    figures: Mapping[str, Figure]
    resamples: Mapping[str, Floats]


@dataclass(frozen=True)
class Judgement:
    """All that is known of one test file: what the plots are drawn from."""

    y: Ints
    labels: tuple[str, ...]
    positive_at: int | None
    threshold: float
    metric: str
    candidate: Answers
    constant: Answers
    champion: Answers | None
    importances: Importances
    slices: Slices | None = None
    dependences: tuple[Dependence, ...] = ()
    treated: tuple[Treated, ...] = ()

    def difference(self, metric: str, other: Answers) -> tuple[float, float, float]:
        """How much better the candidate is than `other`: value, low, high; positive is better."""
        ours = self.candidate
        return intervals.paired_difference(
            metric,
            ours.figures[metric].value,
            other.figures[metric].value,
            ours.resamples,
            other.resamples,
            len(self.y),
        )


def judge(y: Ints, scores: Floats, predicted: Ints, positive_at: int | None) -> Answers:
    """Figures, bounds and resamples of one model's answers; arguments as for `metrics.figures`."""
    resamples = resampling.resampled(y, scores, predicted, positive_at)
    return Answers(scores, predicted, intervals.bounds(y, scores, predicted, positive_at, resamples), resamples)


def constant(y_train: Ints, y: Ints, n_classes: int, positive_at: int | None) -> Answers:
    """The answer that is the same for every row: the shares of the training labels, and the commonest class."""
    shares = np.bincount(y_train, minlength=n_classes) / len(y_train)
    scores = np.tile(shares, (len(y), 1))
    return judge(y, scores, np.full(len(y), int(shares.argmax()), dtype=np.int64), positive_at)


def beats_constant(metric: str, candidate: Answers, none: Answers) -> bool:
    """Whether the rows show that the candidate knows anything.

    It does when the lower bound of its advantage over the constant answer is above 0 in the primary metric, or in log
    loss: a rare class can leave no room above the commonest class's accuracy, but never above its log loss. For ROC
    AUC, where the constant answer has exactly 0.5, the figure's own lower bound decides. Five rows and fewer show
    nothing: that all of them speak for one model happens by chance in 3 of 100 files.
    """
    if 0.5 ** len(candidate.predicted) > (1 - intervals.LEVEL) / 2:
        return False
    for name in (metric, "log_loss"):
        ours = candidate.figures[name]
        if name == "roc_auc":
            low = ours.low - none.figures[name].value
        else:
            low = intervals.paired_difference(
                name, ours.value, none.figures[name].value, candidate.resamples, none.resamples
            )[1]
        if low > 0:
            return True
    return False
