from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fair
from sklearn import metrics as reference

from pyfunc.cells import Kind
from steps.judging import fairness, framed, resampling
from steps.judging.parts import cut
from steps.judging.sensitive import Sensitive

ROWS = 1200
RATES = {
    "selection_rate": fair.selection_rate,
    "true_positive_rate": fair.true_positive_rate,
    "false_positive_rate": fair.false_positive_rate,
    "precision": reference.precision_score,
    "accuracy": reference.accuracy_score,
}
EXACTLY = {"rel": 1e-12, "abs": 1e-12}


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    """Bounds are not what is asked here."""
    monkeypatch.setattr(resampling, "RESAMPLES", 50)


def drawn(seed: int, classes: int):
    """Groups, true positions, probabilities and answers (n_rows,), the answers worse in one group."""
    source = np.random.default_rng(seed)
    who = source.choice(np.array(["a", "b", "c", "d"], dtype=object), ROWS, p=[0.4, 0.3, 0.2, 0.1])
    y = source.integers(0, classes, ROWS)
    scores = source.dirichlet(np.ones(classes), ROWS) + np.where(who == "a", 0.2, 0.9)[:, None] * np.eye(classes)[y]
    scores /= scores.sum(axis=1, keepdims=True)
    return who, y, scores, scores.argmax(axis=1)


def compared(who, answered, positive_at):
    """One column's groups by name, and what lies between them."""
    column = pd.Series(who)
    declared = Sensitive("who", is_read=True, groups=cut("who", Kind.CATEGORY, column, column))
    found = fairness.compare([declared], answered, positive_at)[0]
    groups = {each.part.value: {name: figure.value for name, figure in each.figures.items()} for each in found.groups}
    return groups, {name: span.figure.value for name, span in found.spans.items()}


@pytest.mark.parametrize("positive_at", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_two_classes_are_measured_as_fairlearn_measures_the_rows(seed, positive_at):
    """Every figure, difference and ratio is the one of a frame of the rows and of fairlearn's own functions."""
    who, y, scores, predicted = drawn(seed, 2)
    truth, said = (y == positive_at).astype(int), (predicted == positive_at).astype(int)

    groups, spans = compared(who, (y, scores, predicted), positive_at)

    rows = {"y_true": truth, "y_pred": said, "sensitive_features": who}
    expected = fair.MetricFrame(metrics=RATES, **rows)
    for name, measured in expected.by_group.to_dict("index").items():
        is_in = who == name
        measured["log_loss"] = reference.log_loss(y[is_in], scores[is_in])
        assert groups[name] == pytest.approx(measured, **EXACTLY)
    apart = expected.difference()
    assert spans == pytest.approx(
        {
            "demographic_parity_difference": fair.demographic_parity_difference(**rows),
            "demographic_parity_ratio": fair.demographic_parity_ratio(**rows),
            "equalized_odds_difference": fair.equalized_odds_difference(**rows),
            "equalized_odds_ratio": fair.equalized_odds_ratio(**rows),
            **{f"{rate}_difference": apart[rate] for rate in ("true_positive_rate", "false_positive_rate", "accuracy")},
        },
        **EXACTLY,
    )


@pytest.mark.parametrize("classes", [3, 7])
def test_more_classes_are_measured_as_fairlearn_measures_the_rows(classes):
    """Accuracy, its difference and the recall of every class are those of a frame of the rows."""
    who, y, scores, predicted = drawn(0, classes)

    groups, spans = compared(who, (y, scores, predicted), None)

    wanted = {"accuracy": reference.accuracy_score}
    expected = fair.MetricFrame(metrics=wanted, y_true=y, y_pred=predicted, sensitive_features=who)
    for at in range(classes):
        recall = fair.MetricFrame(
            metrics=fair.true_positive_rate,
            y_true=(y == at).astype(int),
            y_pred=(predicted == at).astype(int),
            sensitive_features=who,
        )
        assert {name: each[f"recall_{at}"] for name, each in groups.items()} == pytest.approx(
            recall.by_group.to_dict(), **EXACTLY
        )
    for name, accuracy in expected.by_group["accuracy"].items():
        is_in = who == name
        loss = reference.log_loss(y[is_in], scores[is_in], labels=range(classes))
        assert (groups[name]["accuracy"], groups[name]["log_loss"]) == pytest.approx((accuracy, loss), **EXACTLY)
    assert spans == pytest.approx({"accuracy_difference": expected.difference()["accuracy"]}, **EXACTLY)


def test_a_rate_of_no_rows_is_left_out_where_fairlearn_says_0():
    """A group without positives has no true positive rate, and the difference is that of the others."""
    who, y, scores, predicted = drawn(0, 2)
    y[who == "d"] = 0

    groups, spans = compared(who, (y, scores, predicted), 1)

    rows = fair.MetricFrame(metrics=fair.true_positive_rate, y_true=y, y_pred=predicted, sensitive_features=who)
    others = rows.by_group.drop("d")
    assert rows.by_group["d"] == 0
    assert np.isnan(groups["d"]["true_positive_rate"])
    assert spans["true_positive_rate_difference"] == pytest.approx(np.ptp(others), **EXACTLY)
    assert rows.difference() > spans["true_positive_rate_difference"]


def test_a_ratio_of_nothing_to_nothing_is_not_defined():
    """Where nobody is called positive, the differences are 0 and there are no ratios."""
    who, y, scores, _ = drawn(0, 2)

    groups, spans = compared(who, (y, scores, np.zeros(ROWS, dtype=int)), 1)

    assert all(np.isnan(each["precision"]) and each["selection_rate"] == 0 for each in groups.values())
    assert (spans["demographic_parity_difference"], spans["equalized_odds_difference"]) == (0, 0)
    assert np.isnan([spans["demographic_parity_ratio"], spans["equalized_odds_ratio"]]).all()


@pytest.mark.parametrize("positive_at", [1, None])
def test_a_rate_of_too_few_rows_enters_no_frame(positive_at):
    """Nine rows are not enough where ten are asked for."""
    counts = np.array([[[5, 4], [10, 30]], [[20, 20], [9, 31]]], dtype=float)
    found = framed.frame(counts, counts, positive_at, fewest=10)

    if positive_at is None:
        assert found.by_group["accuracy"].tolist() == [34 / 49, 51 / 80]
    else:
        assert np.isnan(found.by_group["false_positive_rate"]).tolist() == [True, False]
        assert found.difference()["false_positive_rate"] == 0


@pytest.mark.parametrize("truth", [0, 1])
@pytest.mark.parametrize("said", [0, 1])
def test_a_group_whose_rows_are_all_alike_is_measured(truth, said):
    """One class and one answer make one row of the frame, whose measures are numbers like all others."""
    counts = np.zeros((1, 2, 2))
    counts[0, truth, said] = 40

    measured = framed.values(framed.frame(counts, 0.5 * counts, 1))[0]

    assert (measured["selection_rate"], measured["accuracy"]) == (said, truth == said)
    assert measured["log_loss"] == 0.5
    assert measured["true_positive_rate"] == pytest.approx(said if truth else np.nan, nan_ok=True)
    assert measured["false_positive_rate"] == pytest.approx(np.nan if truth else said, nan_ok=True)
    assert measured["precision"] == pytest.approx(truth if said else np.nan, nan_ok=True)
