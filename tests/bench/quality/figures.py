"""The two figures of a system's probabilities, and its distance to another's with paired bounds: one way for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from steps.judging import metrics, resampling
from steps.judging.metrics import Floats, Ints

SMALLEST = 1e-15  # probability that counts
FIGURES = ("roc_auc", "log_loss")


def truth(table: Path) -> tuple[list[str], Ints]:
    """The classes of a table in a fixed order, and (n_test_rows,) positions of the true ones."""
    target = (table / "target.txt").read_text().strip()
    train, test = (
        pd.read_csv(table / name, usecols=[target])[target].astype(str) for name in ("train.csv", "test.csv")
    )
    classes = sorted(set(train) | set(test))
    return classes, np.array([classes.index(label) for label in test], dtype=np.int64)


def answers(path: Path, classes: list[str]) -> Floats:
    """(n_rows, n_classes) probabilities from a script's file, clipped and summing to 1.

    Raises:
        ValueError: the file knows other classes, or holds something that is no probability.
    """
    found = pd.read_csv(path)
    if set(found.columns) != set(classes):
        raise ValueError("other classes")
    values = found[classes].to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("not finite")
    values = np.clip(values, SMALLEST, 1 - SMALLEST)
    return values / values.sum(axis=1, keepdims=True)


def both(y: Ints, scores: Floats) -> dict[str, float]:
    """ROC AUC (more than two classes: one against the rest, mean over the classes) and log loss, by scikit-learn."""
    labels = np.arange(scores.shape[1])
    two = scores.shape[1] == 2
    auc = roc_auc_score(y, scores[:, 1]) if two else roc_auc_score(y, scores, multi_class="ovr", labels=labels)
    return {"roc_auc": float(auc), "log_loss": float(log_loss(y, scores, labels=labels))}


def resamples(y: Ints, scores: Floats) -> dict[str, Floats]:
    """The figures on the project's resamples of the rows, the same ones for every system: each (n_resamples,)."""
    n_rows, n_classes = scores.shape
    losses = -np.log(scores[np.arange(n_rows), y])
    ranked = [1] if n_classes == 2 else range(n_classes)
    aucs, means = [], []
    for weights in resampling.weights(n_rows, resampling.number(n_rows, n_classes)):
        aucs.append(np.mean([metrics.ranking(y == at, scores[:, at], weights)[0] for at in ranked], axis=0))
        means.append(weights @ losses / weights.sum(axis=1))
    return {"roc_auc": np.concatenate(aucs), "log_loss": np.concatenate(means)}
