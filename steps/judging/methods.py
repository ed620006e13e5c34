"""Ways to 95 % bounds, each with its source. Which figure takes which, and how well they hold: `intervals`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from steps.judging.metrics import Floats

LEVEL = 0.95
Z = 1.959963984540054  # the normal quantile that leaves 2.5 % on each side
PERCENTILES = (2.5, 97.5)
BISECTIONS = 60  # halvings of an interval inside [0, 1]: exact to float64
ROUNDING = 1e-7  # a spread that is smaller beside its mean is what float64 leaves of none
FEWEST_FREEDOM = 2  # a share is bounded, so that one or two rows of a class do not deserve Student's widest quantile


def wilson(hits: float, trials: float) -> tuple[float, float]:
    """Score interval of a share; (0, 1) for no trials.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, Z * Z / trials
    centre = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(max(0.0, share * (1 - share)) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def of_class(hits: float, true: float, said: float) -> dict[str, tuple[float, float]]:
    """Bounds of one class's precision, recall and f1 from its hits, its rows and the rows said to be it."""
    low, high = wilson(hits, true + said - hits)
    f1 = (2 * low / (1 + low), 2 * high / (1 + high))
    return {"precision": wilson(hits, said), "recall": wilson(hits, true), "f1": f1}


def newcombe(auc: float, positives: float, negatives: float) -> tuple[float, float]:
    """Score interval of an area under the ROC curve, from Hanley and McNeil's variance.

    Source: Newcombe 2006, Statistics in Medicine 25, "Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic. Part 2", method 5.
    """
    if not math.isfinite(auc):
        return math.nan, math.nan
    mean = (positives + negatives) / 2 - 1

    def is_near(true: float) -> bool:
        spread = 1 + mean * (1 - true) / (2 - true) + mean * true / (1 + true)
        return abs(auc - true) <= Z * math.sqrt(true * (1 - true) * spread / (positives * negatives))

    return _edge(is_near, auc, 0.0), _edge(is_near, auc, 1.0)


def mean_of_two_shares(hits: Floats, trials: Floats) -> tuple[float, float]:
    """Bounds of the mean of independent shares; a share without trials is left out.

    For two shares only: with many, the asymmetry of Wilson's intervals adds up and the upper bound no longer holds.

    Source: Zou and Donner 2008, Statistics in Medicine 27 (MOVER), with Wilson's interval for each share.
    """
    tried = [(hit, trial) for hit, trial in zip(hits, trials, strict=True) if trial]
    mean = sum(hit / trial for hit, trial in tried) / len(tried)
    below = math.hypot(*(hit / trial - wilson(hit, trial)[0] for hit, trial in tried)) / len(tried)
    above = math.hypot(*(wilson(hit, trial)[1] - hit / trial for hit, trial in tried)) / len(tried)
    return mean - below, mean + above


def percentiles(values: Floats) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of what is defined."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.percentile(defined, PERCENTILES)
    return float(low), float(high)


def on_logit_scale(value: float, resampled: Floats, quantile: float, trials: float) -> tuple[float, float]:
    """Bounds of a figure in [0, 1] from the spread of its resamples: symmetric for its logit, so never outside.

    Where resamples have no spread, or the figure stands at an end (a perfect model on six rows), they know nothing of
    what other rows would do: then it is taken for a share of `trials`.

    Source: the delta method for a logit, as for average precision in Boyd, Eng and Page 2013 (ECML PKDD), with the
    resamples' standard deviation in place of their binomial one.

    Args:
        value: the figure.
        resampled: (n_resamples,) NaN where not defined.
        quantile: how many standard deviations, from `quantile`.
        trials: rows that the figure is worth.
    """
    if not math.isfinite(value):
        return math.nan, math.nan
    defined = resampled[np.isfinite(resampled)]
    spread = float(defined.std()) if len(defined) else 0.0
    if not 0 < value < 1 or spread <= ROUNDING * value:
        return wilson(min(max(value, 0.0), 1.0) * trials, trials)
    reach = quantile * spread / (value * (1 - value))
    return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))


def quantile(
    rows: Sequence[float], shares: Sequence[float], *, below: float = (1 + LEVEL) / 2, freedom: float = 1.0
) -> float:
    """Standard deviations to each side of a mean over classes: 1.96 for many rows, more for few of a class that counts.

    Student's quantile for degrees of freedom that the classes pool; the variance of a class is taken as one over its
    rows, times its squared share in the mean.

    Source: Welch 1947, Biometrika 34; Satterthwaite 1946, Biometrics 2.

    Args:
        rows: of each class that occurs.
        shares: of each class in the mean.
        below: the probability below the quantile.
        freedom: a factor of the degrees of freedom, for spreads that are known less well than those of normal values.
    """
    variances = [share * share / count for count, share in zip(rows, shares, strict=True)]
    parts = [v * v / max(count - 1, FEWEST_FREEDOM) for v, count in zip(variances, rows, strict=True)]
    return float(student.ppf(below, max(freedom * sum(variances) ** 2 / sum(parts), FEWEST_FREEDOM)))


def trials(rows: Sequence[float], shares: Sequence[float]) -> float:
    """Rows that a mean over classes is worth: the number of trials of a share with the same variance."""
    return sum(shares) ** 2 / sum(share * share / count for count, share in zip(rows, shares, strict=True))


def of_losses(losses: Floats, worst: Floats, means: Floats, errors: Floats) -> tuple[float, float]:
    """Bounds of a mean loss of rows: studentised resampling on the scale of its logarithm.

    A loss is skewed: a few rows make most of it, and a resample that misses them has a small mean and a small spread
    at once. Dividing by the resample's own standard error puts that right, where plain percentiles hold 90 % only (log
    loss, 100 rows with five positives).

    With so few rows that resamples without spread reach the quantile, or none at all, as many rows as could have gone
    unseen (the upper bound of a share of 0) may cost what their least likely class would.

    Source: Hall 1988, Annals of Statistics 16; on a transformed scale DiCiccio and Efron 1996, Statistical Science 11.

    Args:
        losses: (n_rows,).
        worst: (n_rows,) what each row would cost with its least likely class.
        means: (n_resamples,) mean loss of each resample, NaN where it has no rows.
        errors: (n_resamples,) its standard error.
    """
    n_rows, value, most = len(losses), float(losses.mean()), float(worst.mean())
    unseen = value + wilson(0, n_rows)[1] * max(0.0, most - value)
    error = float(losses.std(ddof=1)) / math.sqrt(n_rows) if n_rows > 1 else 0.0
    if error <= value * ROUNDING or value <= 0:
        return value, unseen
    defined = np.isfinite(means) & (means > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(errors[defined] > ROUNDING * means[defined], errors[defined], 0.0)
        ratios = np.log(means[defined] / value) * means[defined] / own
    ratios = np.sort(np.where(np.isnan(ratios), 0.0, ratios))
    below, above = (ratios[round(at / 100 * (len(ratios) - 1))] for at in PERCENTILES)
    low, high = value * math.exp(-above * error / value), _exp(value, -below * error / value)
    return low, min(high, most) if math.isfinite(high) else unseen


def _exp(value: float, exponent: float) -> float:
    """`value * exp(exponent)`, infinite beyond all numbers."""
    return value * math.exp(exponent) if exponent < 500 else math.inf  # noqa: PLR2004 (exp overflows at 709)


def _edge(is_inside: Any, inside: float, end: float) -> float:
    """The last point from `inside` towards `end` for which `is_inside` holds."""
    if is_inside(end):
        return end
    outside = end
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return inside
