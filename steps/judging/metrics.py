"""What a model's answers are worth, in ten figures, and the averages over the classes.

One implementation serves a single test file (every row counts once) and its resamples (rows count 0, 1, 2... times),
so a bound can never belong to another definition than its figure. Where scikit-learn defines a figure, it is equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "roc_auc": True,
    "average_precision": True,
    "log_loss": False,
    "brier": False,
    "mcc": True,
}
METRICS = tuple(HIGHER_IS_BETTER)
AVERAGED = ("precision", "recall", "f1", "roc_auc")  # of the classes, as `macro` and as `weighted` by their rows
AVERAGES = ("macro", "weighted")
ERRORS = {"log_loss": "log_loss_error", "brier": "brier_error"}  # standard errors of the two means over rows
EPSILON = float(np.finfo(np.float64).eps)  # scikit-learn's clipping, so that one certain error is not infinite

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def better(metric: str, a: float, b: float) -> bool:
    """Whether `a` is strictly better than `b`; a figure that is not defined is never better."""
    return a > b if HIGHER_IS_BETTER[metric] else a < b


def gain(metric: str, a: Any, b: Any) -> Any:
    """How much better `a` is than `b`: positive is better, whichever way the metric points. Numbers or arrays."""
    return a - b if HIGHER_IS_BETTER[metric] else b - a


def figures(y: Ints, scores: Floats, predicted: Ints, positive_at: int | None) -> dict[str, float]:
    """All figures of one set of answers, as `METRICS` names them.

    Two classes: precision, recall, f1, average_precision and roc_auc are those of the positive class, brier is the
    mean squared error of its probability. More classes: precision, recall and f1 are means over the classes that
    stand in the rows or the answers, roc_auc and average_precision means over the classes in the rows, one against
    the rest; brier is the mean over rows of the summed squared error.

    Args:
        y: (n_rows,) positions of the true classes; at least one row.
        scores: (n_rows, n_classes) probabilities.
        predicted: (n_rows,) positions of the predicted classes.
        positive_at: position of the positive class; None for more than two classes.

    Returns:
        Figures by name; NaN where the rows do not define one (a ROC AUC of rows of one class). A share of nothing
        (precision without a predicted positive) is 0, as in scikit-learn.
    """
    once = np.ones((1, len(y)))
    return {name: float(values[0]) for name, values in weighted(y, scores, predicted, positive_at, once).items()}


def weighted(y: Ints, scores: Floats, predicted: Ints, positive_at: int | None, weights: Floats) -> dict[str, Floats]:
    """The figures for several weightings of the same rows at once.

    Args:
        y: (n_rows,); this, `scores`, `predicted` and `positive_at` as for `figures`.
        scores: (n_rows, n_classes).
        predicted: (n_rows,).
        positive_at: position or None.
        weights: (n_weightings, n_rows) how often each row counts.

    Returns:
        For each name (n_weightings,), NaN where not defined.
    """
    found = everything(y, scores, predicted, positive_at, weights)
    return {name: found[name] for name in METRICS}


def everything(y: Ints, scores: Floats, predicted: Ints, positive_at: int | None, weights: Floats) -> dict[str, Floats]:
    """`weighted`, and what bounds and averages take besides.

    `ERRORS` are the standard errors of the means over rows; `macro_f1` and so on, for `AVERAGES` and `AVERAGED`, are
    means over the classes: over those that occur, or weighted by their rows.
    """
    assert len(y), "figures need rows"
    n_classes = scores.shape[1]
    assert (positive_at is None) == (n_classes > 2), "a positive class goes with two classes"  # noqa: PLR2004
    counts = confusion(y, predicted, n_classes, weights)
    found = _from_counts(counts, positive_at)
    found |= _means("log_loss", log_losses(y, scores), weights)
    found |= _means("brier", squared_errors(y, scores, positive_at), weights)
    classes = range(n_classes) if positive_at is None else [positive_at]
    ranks = np.array([ranking(y == at, scores[:, at], weights) for at in classes])
    found["roc_auc"], found["average_precision"] = _mean_of_defined(ranks[:, 0]), _mean_of_defined(ranks[:, 1])
    return found | _averages(counts, ranks[:, 0])


def confusion(y: Ints, predicted: Ints, n_classes: int, weights: Floats) -> Floats:
    """Counts (n_weightings, n_classes true, n_classes predicted)."""
    from scipy import sparse  # noqa: PLC0415 (those who only read names of figures do without)

    cells = y * n_classes + predicted
    shape = (n_classes * n_classes, len(y))
    marks = sparse.csr_matrix((np.ones(len(y)), (cells, np.arange(len(y)))), shape=shape)
    return np.asarray((marks @ weights.T).T).reshape(len(weights), n_classes, n_classes)


def log_losses(y: Ints, scores: Floats) -> Floats:
    """The log loss of each row (n_rows,), clipped and brought to a sum of 1 as scikit-learn does."""
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    return -np.log(clipped[np.arange(len(y)), y] / clipped.sum(axis=1))


def squared_errors(y: Ints, scores: Floats, positive_at: int | None) -> Floats:
    """The Brier score of each row (n_rows,)."""
    if positive_at is not None:
        return (scores[:, positive_at] - (y == positive_at)) ** 2
    truth = np.zeros_like(scores)
    truth[np.arange(len(y)), y] = 1
    return np.asarray(((scores - truth) ** 2).sum(axis=1))


def worst_log_losses(scores: Floats) -> Floats:
    """The log loss that each row (n_rows,) would have with its least likely class."""
    return log_losses(scores.argmin(axis=1), scores)


def worst_squared_errors(scores: Floats, positive_at: int | None) -> Floats:
    """The Brier score that each row (n_rows,) would have with its least likely class."""
    return squared_errors(scores.argmin(axis=1), scores, positive_at)


def ranking(truth: Bools, score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Area under the ROC curve and average precision of one class against the rest, each (n_weightings,).

    Sorted once; equal scores share one threshold. NaN where the rows lack the class or have nothing else.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    ordered = weights[:, order]
    seen = np.cumsum(ordered, axis=1)[:, ends]
    hits = np.cumsum(ordered * truth[order], axis=1)[:, ends]
    positives, negatives = hits[:, -1], seen[:, -1] - hits[:, -1]
    new_hits = np.diff(hits, axis=1, prepend=0)
    new_misses = np.diff(seen, axis=1, prepend=0) - new_hits
    pairs = np.einsum("ij,ij->i", new_misses, hits - new_hits / 2)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    summed = np.einsum("ij,ij->i", new_hits, precision)
    return ratio(pairs, positives * negatives, np.nan), ratio(summed, positives, np.nan)


def ratio(top: Floats, bottom: Floats, otherwise: float = 0.0) -> Floats:
    """`top / bottom`, and `otherwise` where `bottom` is 0."""
    return np.divide(top, bottom, out=np.full(np.shape(top), otherwise), where=np.asarray(bottom) != 0)


def of_classes(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and f1 of every class, each (n_weightings, n_classes), 0 for a share of nothing."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    true, said = counts.sum(axis=2), counts.sum(axis=1)
    return ratio(hits, said), ratio(hits, true), ratio(2 * hits, true + said)


def _from_counts(counts: Floats, positive_at: int | None) -> dict[str, Floats]:
    """The figures that a confusion matrix holds."""
    total, correct = counts.sum(axis=(1, 2)), np.trace(counts, axis1=1, axis2=2)
    true, said = counts.sum(axis=2), counts.sum(axis=1)
    precision, recall, f1 = of_classes(counts)
    if positive_at is None:
        occurs = (true + said) > 0
        own = {n: _mean_of_defined(np.where(occurs, v, np.nan).T) for n, v in _named(precision, recall, f1)}
    else:
        own = {name: values[:, positive_at] for name, values in _named(precision, recall, f1)}
    together = correct * total - (true * said).sum(axis=1)
    spread = (total**2 - (said**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1))
    return {
        "accuracy": correct / total,
        "balanced_accuracy": _mean_of_defined(np.where(true > 0, recall, np.nan).T),
        **own,
        "mcc": ratio(together, np.sqrt(spread)),
    }


def _means(name: str, losses: Floats, weights: Floats) -> dict[str, Floats]:
    """A mean over rows and its standard error, both (n_weightings,)."""
    total = weights.sum(axis=1)
    mean = ratio(weights @ losses, total, np.nan)
    spread = np.maximum(ratio(weights @ losses**2, total, np.nan) - mean**2, 0)
    return {name: mean, ERRORS[name]: np.sqrt(ratio(spread, np.maximum(total - 1, 0), np.nan))}


def _averages(counts: Floats, ranks: Floats) -> dict[str, Floats]:
    """Means over the classes; the ROC AUC of two classes is the same for both."""
    true, said = counts.sum(axis=2), counts.sum(axis=1)
    found = {}
    for name, values in _named(*of_classes(counts)):
        found[f"macro_{name}"] = _mean_of_defined(np.where((true + said) > 0, values, np.nan).T)
        found[f"weighted_{name}"] = ratio((values * true).sum(axis=1), true.sum(axis=1), np.nan)
    found["macro_roc_auc"] = found["weighted_roc_auc"] = _mean_of_defined(ranks)
    if len(ranks) > 1:
        known = np.where(np.isnan(ranks), 0, true.T)
        found["weighted_roc_auc"] = ratio((np.nan_to_num(ranks) * known).sum(axis=0), known.sum(axis=0), np.nan)
    return found


def _named(precision: Floats, recall: Floats, f1: Floats) -> tuple[tuple[str, Floats], ...]:
    return ("precision", precision), ("recall", recall), ("f1", f1)


def _mean_of_defined(values: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where nothing is defined (nanmean would warn)."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(np.float64), np.nan)
