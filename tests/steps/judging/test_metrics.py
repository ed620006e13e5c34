from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.judging.metrics import (
    AVERAGES,
    HIGHER_IS_BETTER,
    METRICS,
    better,
    everything,
    figures,
    gain,
    log_losses,
    squared_errors,
    weighted,
    worst_log_losses,
    worst_squared_errors,
)

ATOL = 1e-9


def answers(n_classes: int, rows: int, seed: int, decimals: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, rounded probabilities (so that there are ties) and predictions; every class occurs."""
    source = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), source.integers(0, n_classes, rows - n_classes)]).astype(np.int64)
    scores = source.dirichlet(np.ones(n_classes), rows)
    scores[np.arange(rows), y] += 0.3
    scores = np.round(scores, decimals) + 10.0**-decimals
    scores /= scores.sum(axis=1, keepdims=True)
    return y, scores, scores.argmax(axis=1).astype(np.int64)


def expected(y: np.ndarray, scores: np.ndarray, predicted: np.ndarray, positive_at: int | None) -> dict[str, float]:
    """The same figures by scikit-learn."""
    k = scores.shape[1]
    how = {"average": "macro"} if positive_at is None else {"average": "binary", "pos_label": positive_at}
    truth = np.eye(k)[y]
    found = {
        "accuracy": reference.accuracy_score(y, predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(y, predicted),
        "precision": reference.precision_score(y, predicted, zero_division=0, **how),
        "recall": reference.recall_score(y, predicted, zero_division=0, **how),
        "f1": reference.f1_score(y, predicted, zero_division=0, **how),
        "log_loss": reference.log_loss(y, scores, labels=range(k)),
        "mcc": reference.matthews_corrcoef(y, predicted),
    }
    if positive_at is None:
        found["roc_auc"] = reference.roc_auc_score(y, scores, multi_class="ovr", labels=range(k))
        found["average_precision"] = reference.average_precision_score(truth, scores, average="macro")
        found["brier"] = float(((scores - truth) ** 2).sum(axis=1).mean())
    else:
        score = scores[:, positive_at]
        found["roc_auc"] = reference.roc_auc_score(y == positive_at, score)
        found["average_precision"] = reference.average_precision_score(y == positive_at, score)
        found["brier"] = reference.brier_score_loss(y == positive_at, score)
    return found


@pytest.mark.parametrize(("n_classes", "positive_at"), [(2, 0), (2, 1), (3, None), (6, None), (26, None)])
@pytest.mark.parametrize("decimals", [1, 12])
def test_figures_are_those_of_scikit_learn(n_classes, positive_at, decimals):
    """Every figure equals scikit-learn's, with and without tied probabilities."""
    y, scores, predicted = answers(n_classes, 400, n_classes, decimals)

    found = figures(y, scores, predicted, positive_at)

    assert tuple(found) == METRICS
    assert expected(y, scores, predicted, positive_at) == pytest.approx(found, abs=ATOL)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(4, 40))
def test_weights_count_rows(seed, rows):
    """A weighting gives the figures of the table in which each row stands so many times."""
    y, scores, predicted = answers(3, rows, seed)
    times = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows))
    repeated = np.repeat(np.arange(rows), times)

    found = weighted(y, scores, predicted, None, times[None, :].astype(float))

    wanted = figures(y[repeated], scores[repeated], predicted[repeated], None)
    assert wanted == pytest.approx({name: values[0] for name, values in found.items()}, abs=ATOL, nan_ok=True)


def test_an_impossible_answer_costs_what_scikit_learn_says():
    """A probability of 0 for the true class is clipped, not infinite."""
    y = np.array([0, 1, 1])
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    assert reference.log_loss(y, scores) == pytest.approx(figures(y, scores, scores.argmax(axis=1), 1)["log_loss"])


def test_a_share_of_nothing_is_zero():
    """Without a predicted positive, precision and F1 are 0, and nobody is warned."""
    y = np.array([0, 0, 1])
    scores = np.array([[0.9, 0.1]] * 3)

    found = figures(y, scores, np.zeros(3, dtype=np.int64), 1)

    assert (found["precision"], found["recall"], found["f1"], found["mcc"]) == (0.0, 0.0, 0.0, 0.0)


def test_rows_of_one_class_define_no_ranking():
    """Where only one class occurs, ROC AUC is not defined; the rest is."""
    y, scores = np.zeros(4, dtype=np.int64), np.array([[0.9, 0.1]] * 4)

    found = figures(y, scores, y, 1)

    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["average_precision"])
    assert found["accuracy"] == 1


@pytest.mark.parametrize(("n_classes", "absent"), [(3, 2), (5, 0), (5, 3)])
def test_an_absent_class_is_left_out_of_the_means(n_classes, absent):
    """With rows of all classes but one, every figure is scikit-learn's over the classes that occur."""
    y, scores, predicted = answers(n_classes, 120, 5)
    kept = y != absent
    y, scores, predicted = y[kept], scores[kept], predicted[kept]
    assert (predicted == absent).any()
    present = [at for at in range(n_classes) if at != absent]

    found = figures(y, scores, predicted, None)

    how = {"average": "macro", "zero_division": 0}
    truth = np.eye(n_classes)[y]
    wanted = {
        "accuracy": reference.accuracy_score(y, predicted),
        "balanced_accuracy": reference.recall_score(y, predicted, labels=present, **how),
        "precision": reference.precision_score(y, predicted, **how),
        "recall": reference.recall_score(y, predicted, **how),
        "f1": reference.f1_score(y, predicted, **how),
        "roc_auc": np.mean([reference.roc_auc_score(y == at, scores[:, at]) for at in present]),
        "average_precision": np.mean([reference.average_precision_score(y == at, scores[:, at]) for at in present]),
        "log_loss": reference.log_loss(y, scores, labels=range(n_classes)),
        "brier": float(((scores - truth) ** 2).sum(axis=1).mean()),
        "mcc": reference.matthews_corrcoef(y, predicted),
    }
    assert wanted == pytest.approx(found, abs=ATOL)


@pytest.mark.parametrize(("n_classes", "positive_at"), [(2, 0), (2, 1), (5, None), (26, None)])
@pytest.mark.parametrize("absent", [False, True])
def test_averages_are_those_of_scikit_learn(n_classes, positive_at, absent):
    """Macro and weighted precision, recall and F1 equal scikit-learn's, also without rows of a class."""
    y, scores, predicted = answers(n_classes, 400, 7)
    if absent:
        kept = y != n_classes - 1
        y, scores, predicted = y[kept], scores[kept], predicted[kept]

    found = everything(y, scores, predicted, positive_at, np.ones((1, len(y))))

    for how in AVERAGES:
        wanted = reference.precision_recall_fscore_support(y, predicted, average=how, zero_division=0)[:3]
        got = [found[f"{how}_{name}"][0] for name in ("precision", "recall", "f1")]
        assert list(wanted) == pytest.approx(got, abs=ATOL)


def test_the_weighted_area_is_that_of_scikit_learn():
    """One against the rest, weighted by the rows of the classes; for two classes it is the positive one's."""
    y, scores, predicted = answers(5, 400, 7)

    found = everything(y, scores, predicted, None, np.ones((1, len(y))))

    for how in AVERAGES:
        wanted = reference.roc_auc_score(y, scores, multi_class="ovr", average=how)
        assert wanted == pytest.approx(found[f"{how}_roc_auc"][0], abs=ATOL)
    y, scores, predicted = answers(2, 60, 7)
    two = everything(y, scores, predicted, 0, np.ones((1, len(y))))
    assert two["weighted_roc_auc"][0] == two["roc_auc"][0]


@pytest.mark.parametrize(("n_classes", "positive_at"), [(2, 1), (5, None)])
@pytest.mark.parametrize("kind", ["constant", "perfect", "one row of a class", "certain"])
def test_degenerate_answers_have_scikit_learns_figures(n_classes, positive_at, kind):
    """Constant scores, a perfect model, a class with one row and probabilities of 0 and 1: all figures agree."""
    y, scores, predicted = answers(n_classes, 60, 11)
    if kind == "constant":
        scores = np.tile(scores[:1], (len(y), 1))
        predicted = np.zeros_like(y)
    elif kind == "perfect":
        scores = (np.eye(n_classes)[y] + 0.1) / (1 + 0.1 * n_classes)
        predicted = y
    elif kind == "certain":
        scores = np.eye(n_classes)[predicted]
    else:
        kept = (y != 0) | (np.arange(len(y)) == 0)
        y, scores, predicted = y[kept], scores[kept], predicted[kept]

    wanted = expected(y, scores, predicted, positive_at)

    assert wanted == pytest.approx(figures(y, scores, predicted, positive_at), abs=ATOL)


def test_errors_are_those_of_the_mean():
    """The standard errors beside the two losses are those of a mean of independent rows."""
    y, scores, predicted = answers(2, 50, 2)

    found = everything(y, scores, predicted, 1, np.ones((1, len(y))))

    for name, losses in (("log_loss", log_losses(y, scores)), ("brier", squared_errors(y, scores, 1))):
        assert found[f"{name}_error"][0] == pytest.approx(losses.std(ddof=1) / np.sqrt(50))


def test_no_class_costs_more_than_the_least_likely():
    """The worst loss of a row is the largest that any label would give it."""
    _, scores, _ = answers(4, 40, 3)
    labels = [np.full(40, at) for at in range(4)]

    assert worst_log_losses(scores) == pytest.approx(np.max([log_losses(y, scores) for y in labels], axis=0))
    most = np.max([squared_errors(y, scores, None) for y in labels], axis=0)
    assert worst_squared_errors(scores, None) == pytest.approx(most)


def test_better_knows_the_direction_of_each_figure():
    """Lower is better for log loss and Brier score, higher for all others; a figure that is not defined never wins."""
    assert {"log_loss", "brier"} == {name for name, higher in HIGHER_IS_BETTER.items() if not higher}
    assert better("roc_auc", 0.9, 0.8)
    assert better("log_loss", 0.1, 0.2)
    assert not better("roc_auc", 0.8, 0.8)
    assert not better("roc_auc", float("nan"), 0.1)
    assert gain("brier", 0.1, 0.3) == pytest.approx(0.2)
