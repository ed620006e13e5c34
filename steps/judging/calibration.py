"""Whether a model's probabilities are recalibrated, and how: decided on out-of-fold probabilities, never on test rows.

Each map is fitted on the out-of-fold rows of all folds but one and judged on that one, so that a map which only
learned the noise shows as a loss. Recalibration has to earn its place: the log loss must fall by more than one standard
error of its paired change, over the rows and also over the folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from pyfunc.recalibration import LEAST_SAID, Recalibration
from steps.judging.metrics import Floats, Ints, log_losses

NONE = "none"
METHODS = ("temperature", "sigmoid", "isotonic")  # the simpler first: of equals, the first is taken
LEAST_ROWS = {"temperature": 200, "sigmoid": 200, "isotonic": 1000}  # fewer, and the map is noise
LEAST_OF_A_CLASS = {"temperature": 10, "sigmoid": 25, "isotonic": 50}  # rows of the rarest class
LEAST_ERRORS = 1.0  # standard errors; of 200 simulated sets of true probabilities, 193 or more are left alone
COLDEST, HOTTEST = 0.05, 20.0  # bounds of the temperature
STEEPEST, FARTHEST = 20.0, 20.0  # bounds of slope and intercept
FLATTEST = 0.02
MOST_ROWS = 100_000  # that one or two numbers are fitted on: more would not move them
Splits = Sequence[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


@dataclass(frozen=True)
class Choice:
    """What was decided.

    Attributes:
        recalibration: fitted on all rows; None where the probabilities stay as they are.
        out_of_fold: (n_rows, n_classes) what the stored model would give: each fold by the map of the other folds.
        log_loss_before: of the given out-of-fold probabilities.
        log_loss_after: of `out_of_fold`; the same where nothing is changed.
        tried: cross-fitted log loss of each method that had rows enough.
    """

    recalibration: Recalibration | None
    out_of_fold: Floats
    log_loss_before: float
    log_loss_after: float
    tried: dict[str, float]

    @property
    def method(self) -> str:
        """Name of the map, or `none`."""
        return self.recalibration.method if self.recalibration else NONE

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for the manifest."""
        return {
            "method": self.method,
            "log_loss_before": self.log_loss_before,
            "log_loss_after": self.log_loss_after,
            "rows": len(self.out_of_fold),
            "tried": self.tried,
        }


def choose(y: Ints, scores: Floats, splits: Splits) -> Choice:
    """Decide whether recalibration helps, and fit it.

    Args:
        y: (n_rows,) positions of the classes.
        scores: (n_rows, n_classes) out-of-fold probabilities.
        splits: the folds they come from: positions of the rows learned from and of those judged.
    """
    before = log_losses(y, scores)
    crossed = {method: _crossed(method, y, scores, splits) for method in _possible(y, scores.shape[1])}
    losses = {method: log_losses(y, made) for method, made in crossed.items()}
    tried = {method: float(loss.mean()) for method, loss in losses.items()}
    better = [m for m in losses if _is_lower(losses[m], before, splits)]
    if not better:
        return Choice(None, scores, float(before.mean()), float(before.mean()), tried)
    best = min(better, key=tried.__getitem__)
    chosen = next(m for m in better if m == best or not _is_lower(losses[best], losses[m], splits))
    return Choice(fit(chosen, y, scores), crossed[chosen], float(before.mean()), tried[chosen], tried)


def fit(method: str, y: Ints, scores: Floats) -> Recalibration:
    """Fit one map.

    Args:
        method: one of `METHODS`; `sigmoid` and `isotonic` for two classes.
        y: (n_rows,) positions of the classes.
        scores: (n_rows, n_classes) probabilities that did not see these labels.
    """
    numbers = {"temperature": _temperature, "sigmoid": _sigmoid, "isotonic": _isotonic}[method](y, scores)
    return Recalibration(method, numbers)


def _possible(y: Ints, n_classes: int) -> list[str]:
    """Methods for which there are rows and classes enough."""
    rarest = int(np.bincount(y, minlength=n_classes).min())
    methods = METHODS if n_classes == 2 else METHODS[:1]  # noqa: PLR2004
    return [m for m in methods if len(y) >= LEAST_ROWS[m] and rarest >= LEAST_OF_A_CLASS[m]]


def _crossed(method: str, y: Ints, scores: Floats, splits: Splits) -> Floats:
    """Each fold's probabilities by the map that the other folds gave."""
    made = np.empty_like(scores)
    for others, judged in splits:
        made[judged] = fit(method, y[others], scores[others])(scores[judged])
    return made


def _is_lower(a: Floats, b: Floats, splits: Splits) -> bool:
    """Whether the losses `a` (n_rows,) are lower than `b` beyond the noise, over the rows and over the folds."""
    gain = b - a
    by_fold = np.array([gain[judged].mean() for _, judged in splits])
    return all(
        each.mean() > LEAST_ERRORS * each.std(ddof=1) / np.sqrt(len(each)) and each.mean() > 0
        for each in (gain, by_fold)
    )


def _temperature(y: Ints, scores: Floats) -> Floats:
    """The temperature with the lowest log loss.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks".
    """

    def loss(logarithm: float) -> float:
        made = Recalibration("temperature", np.array([np.exp(logarithm)]))
        return float(log_losses(y, made(scores)).mean())

    y, scores = _thinned(y), _thinned(scores)
    ends = (np.log(COLDEST), np.log(HOTTEST))
    return np.array([np.exp(optimize.minimize_scalar(loss, bounds=ends, method="bounded").x)])


def _sigmoid(y: Ints, scores: Floats) -> Floats:
    """Slope and intercept with the lowest log loss against targets that are kept off 0 and 1.

    Source: Platt 1999, "Probabilistic outputs for support vector machines", with logits for its scores, as in Kull,
    Silva Filho and Flach 2017 ("Beta calibration", the symmetric case).
    """
    y, scores = _thinned(y), _thinned(scores)
    x = logit(np.clip(scores[:, 1], LEAST_SAID, 1 - LEAST_SAID))
    positives = y.sum()
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (len(y) - positives + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        z = line[0] * x + line[1]
        wrong = expit(z) - target
        return float((np.logaddexp(0, z) - target * z).mean()), np.array([(wrong * x).mean(), wrong.mean()])

    limits = [(FLATTEST, STEEPEST), (-FARTHEST, FARTHEST)]
    found = optimize.minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=limits)
    return np.asarray(found.x, dtype=np.float64)


def _isotonic(y: Ints, scores: Floats) -> Floats:
    """Points (2, n_points) of a rising line through the middle of each level of isotonic regression.

    Straight lines between the levels' middles in place of steps: two rows never become equal, so nothing that ranks
    them gets worse, and no probability becomes 0 or 1.

    Source: Oron and Flournoy 2017, Statistics in Biopharmaceutical Research 9, "Centered isotonic regression".
    """
    said = scores[:, 1]
    least = 1 / (len(y) + 2)
    levels = IsotonicRegression(y_min=least, y_max=1 - least).fit_transform(said, y.astype(np.float64))
    values, level_of = np.unique(levels, return_inverse=True)
    middles = np.bincount(level_of, weights=said) / np.bincount(level_of)
    x = np.concatenate([[0.0], middles, [1.0]])
    height = np.concatenate([[values[0] / 2], values, [(1 + values[-1]) / 2]])
    kept = np.concatenate([[middles[0] > 0], np.full(len(middles), fill_value=True), [middles[-1] < 1]])
    return np.array([x[kept], height[kept]])


def _thinned(rows: Any) -> Any:
    """At most about `MOST_ROWS` rows, evenly from first to last."""
    return rows[:: max(1, len(rows) // MOST_ROWS)]
