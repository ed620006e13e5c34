"""The cut of every rule, against trying all cuts one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from steps.judging import cuts, metrics, thresholds
from steps.judging.thresholds import BEST, at_cut, choose, compared, cuts_of, find, values_of
from steps.records import CutRule

TICKS = 12  # few distinct scores, so that ties are the rule


@st.composite
def rows(draw):
    """Truth with both classes, and scores with many ties, 0 and 1 among them."""
    n = draw(st.integers(2, 40))
    truth = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    truth[:2] = [True, False]
    return truth, np.array(draw(st.lists(st.integers(0, TICKS), min_size=n, max_size=n))) / TICKS


def cuts_that_matter(score):
    """All, none, at every score and between each two."""
    distinct = np.unique(score)
    return [0.0, *distinct, *((distinct[:-1] + distinct[1:]) / 2), 1.0]


@settings(deadline=None, max_examples=50)
@given(rows())
def test_the_best_cut_is_the_best_of_all(table):
    """No cut, tried one by one, has a better figure than the one that is found in closed form."""
    truth, score = table
    tried = [
        metrics.figures(truth.astype(np.int64), np.column_stack([1 - score, score]), (score >= cut).astype(np.int64), 1)
        for cut in cuts_that_matter(score)
    ]
    for name in BEST:
        cut, is_reached = find(CutRule(name), truth, score)

        best = max(each["balanced_accuracy" if name == "youden" else name] for each in tried)
        assert is_reached
        assert 0 <= cut <= 1
        ours = values_of(name, at_cut(truth, score, cut), CutRule(name))[0]
        assert ours == pytest.approx(2 * best - 1 if name == "youden" else best)


@settings(deadline=None)
@given(rows(), st.floats(0, 10), st.floats(0, 10))
def test_the_cheapest_cut_is_the_cheapest_of_all(table, cost_fp, cost_fn):
    """No cut costs less, also where one of the mistakes is free."""
    truth, score = table
    rule = CutRule("cost", None, cost_fp, cost_fn)

    cut, _ = find(rule, truth, score)

    least = min(
        (cost_fp * ((score >= cut) & ~truth).sum() + cost_fn * ((score < cut) & truth).sum()) / len(truth)
        for cut in cuts_that_matter(score)
    )
    assert values_of("cost", at_cut(truth, score, cut), rule)[0] == pytest.approx(least)


@settings(deadline=None)
@given(rows(), st.integers(1, 20).map(lambda twentieths: twentieths / 20))
def test_a_wanted_recall_is_kept_by_the_highest_cut(table, share):
    """The recall is at least what was asked for, and a cut that calls fewer rows positive has less."""
    truth, score = table

    cut, is_reached = find(CutRule("recall", share), truth, score)

    said = score >= cut
    assert is_reached
    assert said[truth].mean() >= share - 1e-9
    higher = score > score[said].min()
    assert higher[truth].mean() < share


@settings(deadline=None)
@given(rows(), st.integers(1, 20).map(lambda twentieths: twentieths / 20))
def test_a_wanted_precision_is_kept_by_the_lowest_cut(table, share):
    """Where any cut has the precision, the one that calls most rows positive; else the best, and it says so."""
    truth, score = table
    possible = [(int((score >= cut).sum()), truth[score >= cut].mean()) for cut in np.unique(score)]

    cut, is_reached = find(CutRule("precision", share), truth, score)

    said = score >= cut
    enough = [rows for rows, precision in possible if precision >= share - 1e-9]
    assert is_reached == bool(enough)
    assert said.sum() == max(enough) if enough else truth[said].mean() == pytest.approx(max(p for _, p in possible))


@settings(deadline=None)
@given(rows())
def test_a_cut_does_what_its_counts_say(table):
    """Applied as the model applies it (`score >= cut`), every cut gives the counts that it was judged by."""
    truth, score = table
    found = cuts_of(truth, score)

    for cut, hits, alarms in zip(found.cut, found.hits, found.alarms, strict=True):
        said = score >= cut
        assert (said & truth).sum() == hits
        assert (said & ~truth).sum() == alarms
    assert len(np.unique(found.cut)) == len(np.unique(score)) + (score.max() < 1)


def test_neighbouring_floats_are_told_apart():
    """Where no number lies between two scores, the cut is the upper one."""
    low = 0.3
    high = np.nextafter(low, 1)

    cut, _ = find(CutRule("f1"), np.array([False, True]), np.array([low, high]))

    assert cut == high


@pytest.mark.parametrize("name", BEST)
@pytest.mark.parametrize("truth", [[True, True, True], [False, False, False]])
def test_rows_of_one_class_give_a_cut(name, truth):
    """A fold without one of the classes does not stop a training."""
    cut, _ = find(CutRule(name), np.array(truth), np.array([0.2, 0.4, 0.9]))

    assert 0 <= cut <= 1


def test_equal_scores_leave_all_or_none():
    """One score for all rows: the cut calls all of them positive, or none."""
    found = cuts_of(np.array([True, False, False]), np.full(3, 0.4))

    assert found.cut.tolist() == [1.0, 0.0]
    assert (found.hits + found.alarms).tolist() == [0, 3]


def test_of_equal_cuts_the_one_nearest_to_a_half_is_taken():
    """Perfect scores: the cut in the gap, and of two gaps that are as good the one nearer to 0.5."""
    cut, _ = find(CutRule("recall", 1.0), np.array([False, True]), np.array([0.2, 0.6]))
    assert cut == pytest.approx(0.4)

    truth = np.array([True, False, True, False])
    cut, _ = find(CutRule("accuracy"), truth, np.array([0.9, 0.7, 0.45, 0.1]))
    assert cut == pytest.approx(0.275)  # one mistake, as at 0.8


def test_the_figure_of_other_folds_is_the_lower_one():
    """Scores without meaning: the cut looks good on the rows that chose it, and less so across the folds."""
    source = np.random.default_rng(3)
    truth, score = source.random(300) < 0.3, source.random(300)
    splits = list(StratifiedKFold(5, shuffle=True, random_state=1).split(score, truth))

    (chosen,) = choose([CutRule("mcc")], truth, score, splits)

    assert chosen.value > chosen.value_crossed
    assert chosen.value_crossed < 0.1


def test_a_given_cut_needs_no_rows():
    """A number is taken at its word and nothing is claimed for it."""
    (chosen,) = choose([CutRule("given", 0.3)], np.array([True, False]), np.array([0.1, 0.9]), [])

    assert (chosen.cut, chosen.figure) == (0.3, "")
    assert chosen.to_dict()["value"] is None


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (CutRule(), ["default", "f1", "balanced_accuracy", "mcc", "accuracy"]),
        (CutRule("youden"), ["youden", "f1", "mcc", "accuracy", "default"]),
        (CutRule("f1", None, 1.0, 5.0), ["f1", "cost", "balanced_accuracy", "mcc", "accuracy", "default"]),
    ],
)
def test_the_stored_rule_stands_first_and_only_once(rule, names):
    """What is compared begins with the stored rule, names no rule twice, and has the costs where they are known."""
    truth, score = np.array([True, False, True, False]), np.array([0.9, 0.2, 0.6, 0.4])
    splits = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]

    assert [each.rule.name for each in compared(rule, truth, score, splits)] == names


def test_every_rule_has_a_name_in_the_report():
    """A rule that the report cannot name would break it."""
    assert set(cuts.NAMES) == set(thresholds.RULES)
