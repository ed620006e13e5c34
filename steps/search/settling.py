"""What the chosen candidate becomes before it is logged: recalibrated where that helps, with the threshold it stores.

Both are decided on its out-of-fold probabilities. The recalibrated ones come from maps that did not see the row's
fold, so the threshold is chosen on probabilities as new rows will have them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyfunc.schema import Target
from steps.judging import calibration, thresholds
from steps.judging.calibration import Choice
from steps.judging.thresholds import DEFAULT, DEFAULT_CUT, GIVEN, Chosen
from steps.records import SearchPlan
from steps.search.race import Search, Tried

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settled:
    """A candidate as it is stored.

    Attributes:
        tried: with the pipeline and the out-of-fold probabilities after recalibration.
        calibration: what was decided.
        cuts: the stored one first, then those to hold beside it; empty for more than two classes.
    """

    tried: Tried
    calibration: Choice
    cuts: Sequence[Chosen]

    @property
    def threshold(self) -> float:
        """The stored cut; means nothing for more than two classes."""
        return self.cuts[0].cut if self.cuts else DEFAULT_CUT

    @property
    def rule(self) -> str:
        """Name of the rule that the cut follows; empty for more than two classes."""
        return self.cuts[0].rule.name if self.cuts else ""

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        cuts = [cut.to_dict() for cut in self.cuts]
        return {
            "calibration": self.calibration.to_dict(),
            "threshold_rule": cuts[0] if cuts else None,
            "thresholds": cuts[1:],
        }


def settle(
    tried: Tried,
    y: np.ndarray[Any, Any],
    target: Target,
    plan: SearchPlan,
    search: Search,
) -> Settled:
    """Decide on recalibration, then on the threshold.

    Args:
        tried: the chosen candidate, with its out-of-fold probabilities.
        y: int64 (n_rows,) positions of the classes.
        target: its positive class is that of the plan.
        plan: holds the threshold's rule.
        search: the race's, with the folds and the candidate's pipeline.
    """
    out_of_fold, splits = tried.outcome.out_of_fold, search.splits
    assert out_of_fold is not None
    choice = calibration.choose(y, out_of_fold, splits)
    if choice.recalibration is not None:
        pipeline = search.recalibrated(tried, choice.recalibration)
        if pipeline is None:
            choice = Choice(None, out_of_fold, choice.log_loss_before, choice.log_loss_before, choice.tried)
        else:
            tried = replace(tried, pipeline=pipeline, outcome=replace(tried.outcome, out_of_fold=choice.out_of_fold))
    log.info("calibration %s log loss %.4f -> %.4f", choice.method, choice.log_loss_before, choice.log_loss_after)
    if target.positive is None:
        return Settled(tried, choice, ())
    at = target.classes.index(target.positive)
    cuts = thresholds.compared(plan.rule, y == at, choice.out_of_fold[:, at], splits)
    _say(cuts[0])
    return Settled(tried, choice, cuts)


def _say(chosen: Chosen) -> None:
    """The threshold, and whether it gives what was asked for."""
    if not chosen.is_reached:
        log.warning(
            "no threshold has the precision %g on the training rows (best %.3f): the best one is stored",
            chosen.rule.share,
            chosen.value,
        )
    if chosen.rule.name in (DEFAULT, GIVEN):
        log.info("threshold %.4g (%s)", chosen.cut, chosen.rule.name)
    else:
        log.info("threshold %.4g by %s=%.4f", chosen.cut, chosen.figure, chosen.value)
