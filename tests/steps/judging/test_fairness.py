from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference

from pyfunc.cells import Kind
from pyfunc.errors import TrainingRefusedError
from steps.judging import fairness, plots_groups, resampling, sensitive, treated
from steps.judging.fairness import compare
from steps.judging.parts import cut
from steps.judging.sensitive import Sensitive
from tests.steps.judging import models

ROWS = 1500


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    """Bounds only have to be there."""
    monkeypatch.setattr(resampling, "RESAMPLES", 300)


def declared(values, kind=Kind.CATEGORY, name="who"):
    """A declared column of some cells."""
    column = pd.Series(values)
    return Sensitive(name, is_read=True, groups=cut(name, kind, column, column))


def answers(seed: int = 0, classes: int = 2, bias: np.ndarray | float = 0.0):
    """True positions, probabilities, predicted positions; `bias` (n_rows,) is added to the positives' score."""
    source = np.random.default_rng(seed)
    y = source.integers(0, classes, ROWS)
    scores = source.dirichlet(np.ones(classes), ROWS) + 0.8 * np.eye(classes)[y]
    scores[:, -1] += bias
    scores = np.clip(scores, 0.01, None)
    scores /= scores.sum(axis=1, keepdims=True)
    return y.astype(np.int64), scores, scores.argmax(axis=1)


def groups_of(seed: int = 0, names=("f", "m", "x"), shares=(0.5, 0.4, 0.1)):
    """A column of groups."""
    return np.random.default_rng(100 + seed).choice(np.array(names, dtype=object), ROWS, p=shares)


def test_figures_of_groups_are_those_of_the_reference():
    """scikit-learn says the same of each group's rows, and the differences are fairlearn's by their definitions."""
    who = groups_of()
    y, scores, predicted = answers(bias=np.where(who == "f", 0.3, 0.0))

    found = compare([declared(who)], (y, scores, predicted), 1)[0]

    expected = {}
    for group in found.groups:
        is_in = who == group.part.value
        truth, said = y[is_in], predicted[is_in]
        negatives, false_alarms, _, _ = reference.confusion_matrix(truth, said).ravel()
        expected[group.part.value] = {
            "selection_rate": said.mean(),
            "true_positive_rate": reference.recall_score(truth, said),
            "false_positive_rate": false_alarms / (negatives + false_alarms),
            "precision": reference.precision_score(truth, said),
            "accuracy": reference.accuracy_score(truth, said),
            "log_loss": reference.log_loss(truth, scores[is_in]),
        }
        assert expected[group.part.value] == pytest.approx({k: v.value for k, v in group.figures.items()})
        assert (group.rows, group.positives) == (is_in.sum(), truth.sum())
        assert all(figure.low <= figure.value <= figure.high for figure in group.figures.values())
    rates = pd.DataFrame(expected).T
    spread, ratio = rates.max() - rates.min(), rates.min() / rates.max()
    assert {name: span.figure.value for name, span in found.spans.items()} == pytest.approx(
        {
            "demographic_parity_difference": spread["selection_rate"],
            "demographic_parity_ratio": ratio["selection_rate"],
            "equalized_odds_difference": max(spread["true_positive_rate"], spread["false_positive_rate"]),
            "equalized_odds_ratio": min(ratio["true_positive_rate"], ratio["false_positive_rate"]),
            "true_positive_rate_difference": spread["true_positive_rate"],
            "false_positive_rate_difference": spread["false_positive_rate"],
            "accuracy_difference": spread["accuracy"],
        }
    )
    assert (
        found.spans["demographic_parity_difference"].figure.value
        > 2 * found.spans["demographic_parity_difference"].by_chance
    )


def test_chance_alone_is_rarely_exceeded_where_groups_are_alike():
    """Of 100 tables whose groups are treated alike, about five differ by more than `by_chance`."""
    beyond = 0
    for seed in range(100):
        y, _, predicted = answers(seed)
        shares = fairness._shares(_counts(groups_of(seed), y, predicted), 1)
        difference = np.ptp(shares["selection_rate"][0] / shares["selection_rate"][1])
        beyond += difference > np.percentile(fairness._shuffled(shares["selection_rate"], np.ones(3, bool)), 95)

    assert 1 <= beyond <= 11


def _counts(who, y, predicted):
    """Counts (n_groups, 2, 2)."""
    counts = np.zeros((3, 2, 2))
    np.add.at(counts, (np.unique(who, return_inverse=True)[1], y, predicted), 1)
    return counts


def test_what_shuffles_do_is_what_is_drawn():
    """The hypergeometric draws have the distribution of really shuffled groups."""
    who, (_, _, predicted) = groups_of(), answers()
    source = np.random.default_rng(0)
    shuffled = []
    for _ in range(1000):
        rates = pd.Series(predicted).groupby(source.permutation(who)).mean()
        shuffled.append(np.ptp(rates))
    hits = pd.Series(predicted).groupby(who).agg(["sum", "size"]).to_numpy(dtype=float)

    drawn = fairness._shuffled((hits[:, 0], hits[:, 1]), np.ones(3, dtype=bool))

    assert np.percentile(drawn, [50, 95]) == pytest.approx(np.percentile(shuffled, [50, 95]), rel=0.1)


def test_small_groups_are_shown_and_not_judged():
    """A group of 20 rows that is always called positive has its figures, and enters no difference."""
    who = groups_of()
    who[:20] = "few"
    y, scores, predicted = answers()
    predicted[:20] = 1

    found = compare([declared(who)], (y, scores, predicted), 1)[0]
    few = next(group for group in found.groups if group.part.value == "few")

    assert (few.rows, few.is_judged, few.figures["selection_rate"].value) == (20, False, 1)
    assert found.spans["demographic_parity_difference"].figure.value < 0.3
    assert any(
        sentence.startswith("Fewer than 30 test rows, shown but not judged: \u201cfew\u201d (20)")
        for sentence in treated.sentences(found, ["no", "yes"])
    )


def test_a_group_of_one_class_has_no_rate_of_the_other():
    """A rate of no rows is not defined, and the groups with enough rows are compared without it."""
    who = groups_of()
    y, scores, predicted = answers()
    y[who == "x"] = 0

    found = compare([declared(who)], (y, scores, predicted), 1)[0]
    alone = next(group for group in found.groups if group.part.value == "x")

    assert not alone.figures["true_positive_rate"].is_defined
    assert alone.figures["false_positive_rate"].is_defined
    assert found.spans["true_positive_rate_difference"].figure.is_defined
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("values", "kind", "groups"),
    [
        (np.full(ROWS, np.nan), Kind.NUMBER, 1),
        (np.repeat(["same"], ROWS), Kind.CATEGORY, 1),
        (np.r_[np.ones(ROWS - 5), np.zeros(5)], Kind.BOOLEAN, 2),
    ],
)
def test_columns_that_make_no_two_groups_are_not_compared(values, kind, groups):
    """All missing, all the same, all but a few the same: shown, and said to be not comparable."""
    found = compare([declared(values, kind)], answers(), 1)[0]

    assert len(found.groups) == groups
    assert found.spans == {}
    assert treated.sentences(found, ["no", "yes"])[-1].startswith("Fewer than two groups have rows enough")


def test_numbers_booleans_and_dates_make_groups():
    """Quarters of a number with the missing ones, true and false, stretches of time."""
    source = np.random.default_rng(0)
    age = np.where(source.random(ROWS) < 0.1, np.nan, source.integers(18, 80, ROWS))
    when = pd.Timestamp("2015-01-01") + pd.to_timedelta(source.integers(0, 3000, ROWS), unit="D")

    found = compare(
        [
            declared(age, Kind.NUMBER),
            declared(source.integers(0, 2, ROWS), Kind.BOOLEAN),
            declared(when, Kind.DATETIME),
        ],
        answers(),
        1,
    )

    assert [len(one.groups) for one in found] == [5, 2, 4]
    assert all(sum(group.rows for group in one.groups) == ROWS for one in found)


def test_more_than_two_classes_have_accuracy_log_loss_and_recalls():
    """Per group as scikit-learn has them; the sentence names the class found most unequally."""
    who = groups_of()
    y, scores, predicted = answers(classes=3)
    predicted = np.where((y == 2) & (who == "f"), 0, predicted)

    found = compare([declared(who)], (y, scores, predicted), None)[0]

    for group in found.groups:
        is_in = who == group.part.value
        recalls = reference.recall_score(y[is_in], predicted[is_in], average=None)
        assert [group.figures[f"recall_{at}"].value for at in range(3)] == pytest.approx(recalls)
        assert group.figures["accuracy"].value == pytest.approx((y == predicted)[is_in].mean())
        assert group.positives is None
    assert set(found.spans) == {"accuracy_difference"}
    said = " ".join(treated.sentences(found, ["a", "b", "third"]))
    assert "Found most unequally: \u201cthird\u201d, between 0.0\u202f% (\u201cf\u201d" in said


def test_report_and_card_say_what_is_beyond_chance():
    """A planted difference stands in a sentence of both; what chance can make is listed as such, in the report only."""
    who = groups_of()
    found = compare([declared(who)], answers(bias=np.where(who == "f", 0.5, 0.0)), 1)
    doc = {"sensitive": [found[0].to_dict()], "dataset": {"classes": ["no", "yes"]}}
    y, scores, _ = answers()
    alike = compare([declared(who)], (y, scores, np.tile([0, 1], ROWS // 2)), 1)

    section = treated.sections(doc)[0]
    said = " ".join(section["sentences"])

    assert "The share called positive is between" in said
    assert "more than chance, which stays below" in said
    assert treated.limits(doc)[0].startswith("By \u201cwho\u201d: The share called positive is between")
    assert [row["by_chance"] == "" for row in section["rows"]].count(True) == 2
    assert section["rows"][0]["high"].endswith("(\u201cf\u201d)")
    assert treated.limits({"sensitive": [alike[0].to_dict()]}) == []
    assert "Not beyond what chance makes" in " ".join(treated.sentences(alike[0], ["no", "yes"]))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_json_form_reads_back(classes):
    """What the report says is made from evaluation.json alone."""
    found = compare([declared(groups_of())], answers(classes=classes), 1 if classes == 2 else None)[0]

    assert fairness.from_json(json.loads(json.dumps(found.to_dict()))) == found


def test_hostile_names_are_text_in_the_figure():
    """Markup and dollars in column and group names do not become markup."""
    who = groups_of(names=("<script>alert(1)</script>", "$x$", "\ud800"))
    found = compare([declared(who, name="<b>who</b>")], answers(), 1)

    drawn = plots_groups.plots(found, ["no", "yes"])[0]

    assert "<script" not in drawn.embedded() + drawn.standalone()
    assert "<b>" not in drawn.embedded() + drawn.standalone()
    drawn.standalone().encode()
    assert drawn.name == "groups_1"


def test_names_that_are_no_columns_are_refused_with_the_nearest():
    """All at once; the target is none of them, and quotes keep a comma in a name."""
    schema = models.dataset(names=("age", "a, b")).schema

    sensitive.check('age, "a, b"', schema)
    with pytest.raises(TrainingRefusedError) as caught:
        sensitive.check("aeg,loan,age", schema)

    assert [problem.code for problem in caught.value.problems] == ["sensitive_unknown"] * 2
    assert "'age'" in caught.value.problems[0].fix
