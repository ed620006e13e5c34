"""Planted faults are found, clean files are left in peace: leaks, drift, classes and repeated rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from steps.data.accepting import ACCEPTABLE, CODES, codes_in, problems_with
from steps.data.checks import compare
from steps.data.leakage import target_leak
from steps.data.samples import codes_of
from steps.records import Check

N_TRAIN, N_TEST = 700, 300


def made(n_rows: int, seed: int) -> pd.DataFrame:
    """A clean table of text cells: two columns say something about the label, two nothing."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, n_rows).round(3)
    city = rng.choice(["Cádiz", "León", "Vigo"], n_rows, p=[0.5, 0.3, 0.2])
    yes = rng.random(n_rows) < 1 / (1 + np.exp(-(age - 45) / 8 - (city == "Vigo")))
    income = pd.Series(rng.lognormal(3, 1, n_rows).round(4)).where(rng.random(n_rows) > 0.2)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, n_rows), unit="D")
    cells = {
        "age": age.astype(str),
        "city": city,
        "income": income.map(lambda number: "" if pd.isna(number) else str(number)),
        "day": day.strftime("%Y-%m-%d"),
        "y": np.where(yes, "yes", "no"),
    }
    return pd.DataFrame(cells).astype(object)


TRAIN, TEST = made(N_TRAIN, 1), made(N_TEST, 2)
YES, YES_TEST = (frame["y"] == "yes" for frame in (TRAIN, TEST))
RNG = np.random.default_rng(3)


def found(train: pd.DataFrame, test: pd.DataFrame, accept: tuple[str, ...] = ()) -> dict[str, Check]:
    """Every check that is not in order, by code."""
    return {check.code: check for check in compare(train, test, "y", (), accept).checks if check.level != "ok"}


def both(name: str, train: object, test: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The clean files with one more column."""
    return TRAIN.assign(**{name: train}), TEST.assign(**{name: test})


@pytest.mark.parametrize("seed", range(5))
def test_clean_files_raise_nothing(seed):
    """Two samples of the same world differ by chance only, and no check takes that for a finding."""
    assert found(made(N_TRAIN, 10 + seed), made(N_TEST, 20 + seed)) == {}


def test_the_same_files_give_the_same_figures():
    """Nothing in the statistics is left to chance."""
    assert compare(TRAIN, TEST, "y").checks == compare(TRAIN, TEST, "y").checks


@pytest.mark.parametrize(
    ("train", "test", "level"),
    [
        (YES.map({True: "7", False: "3"}), YES_TEST.map({True: "7", False: "3"}), "refused"),  # a number
        (YES.map({True: "true", False: "false"}), YES_TEST.map({True: "true", False: "false"}), "refused"),
        (YES.map({True: "paid", False: "due"}), YES_TEST.map({True: "paid", False: "due"}), "refused"),
        (np.where(YES, "2024-05-01", "2023-02-03"), np.where(YES_TEST, "2024-05-01", "2023-02-03"), "refused"),
        (  # numbers of both sides and the middle: no monotone relation
            np.where(YES, 1, np.where(np.arange(N_TRAIN) % 2, 0, 2)).astype(str),
            np.where(YES_TEST, 1, np.where(np.arange(N_TEST) % 2, 0, 2)).astype(str),
            "warning",
        ),
        (  # wrong in two rows of a thousand
            YES.mask(TRAIN.index < 1, ~YES).map({True: "paid", False: "due"}),
            YES_TEST.map({True: "paid", False: "due"}),
            "warning",
        ),
    ],
)
def test_a_column_that_gives_the_target_away(train, test, level):
    """It is named with its AUC, whatever its kind; with a value for each class it is refused, otherwise a warning."""
    check = found(*both("told", train, test))["target_leak"]

    assert (check.level, check.columns) == (level, ("told",))
    assert check.figures["told"] >= 0.995
    assert "'told'" in check.fix


def test_gaps_that_give_the_target_away():
    """A column that is filled in only for one class is named for its gaps, though its values say nothing."""
    values = [pd.Series(RNG.normal(size=len(yes)).round(4).astype(str)) for yes in (YES, YES_TEST)]
    check = found(*both("closed", values[0].where(YES, ""), values[1].where(YES_TEST, "")))["target_leak"]

    assert check.level == "refused"
    assert check.what == "The gaps of 'closed' give the target away (AUC 1 alone)."


def test_a_column_that_tells_one_of_three_classes_is_no_disguise():
    """Flowers can be told by a petal: that is a warning, never a refusal."""
    labels = np.array(["setosa", "virginica", "versicolor"])[np.arange(N_TRAIN) % 3]
    petal = np.where(labels == "setosa", 1, 5) + RNG.normal(0, 0.3, N_TRAIN).round(4)
    train = TRAIN.assign(y=labels, petal=petal.astype(str))
    test = TEST.assign(y=labels[:N_TEST], petal=petal[:N_TEST].astype(str))

    assert found(train, test)["target_leak"].level == "warning"


def test_few_rows_are_no_proof_of_a_leak():
    """Twenty rows that a column tells apart are an accident as likely as not."""
    y = np.arange(20) % 2
    column = compare(TRAIN, TEST, None).features.columns[0]
    check = target_leak([column], {column.name: pd.Series(y, dtype=float)}, y)

    assert check.level == "ok"
    assert check.figures == {column.name: 1.0}


def test_names_of_rows_do_not_give_the_target_away():
    """A category of many values is asked out of fold, where what it has memorised is of no use."""
    towns = [f"t{at}" for at in range(340)] * 2 + ["t0"] * 20
    codes = pd.Series(np.random.default_rng(5).permutation(towns))
    check = {c.code: c for c in compare(*both("town", codes, codes[:N_TEST]), "y").checks}["target_leak"]

    assert check.level == "ok"


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("age", (TEST["age"].astype(float) + 15).astype(str)),
        ("city", np.where(np.arange(N_TEST) % 3, "Vigo", "León")),
        ("day", pd.to_datetime(TEST["day"]).add(pd.Timedelta(days=300)).dt.strftime("%Y-%m-%d")),
        ("income", TEST["income"].mask(np.arange(N_TEST) % 2 == 0, "")),
    ],
)
def test_a_shifted_column_is_named(column, cells):
    """A shift of any kind, also of gaps, is found by the columns' tests, with its size, and named by the classifier."""
    said = found(TRAIN, TEST.assign(**{column: cells}))

    assert said["column_drift"].columns == (column,)
    assert said["column_drift"].figures[column] >= 0.1
    assert ("gaps" in said["column_drift"].what) == (column == "income")
    assert said["drift"].figures["auc"] > 0.6
    assert said["drift"].columns == (column,)
    assert said["drift"].figures["p"] < 0.01


def test_a_shift_of_columns_together_is_seen_by_the_classifier_alone():
    """Each column looks the same, their sum does not."""
    size = np.random.default_rng(8)
    first, second = size.normal(size=N_TRAIN), size.normal(size=N_TEST)
    train = TRAIN.assign(a=first.round(5).astype(str), b=(-first + size.normal(0, 0.3, N_TRAIN)).round(5).astype(str))
    test = TEST.assign(a=second.round(5).astype(str), b=(second + size.normal(0, 0.3, N_TEST)).round(5).astype(str))
    said = found(train, test)

    assert set(said) == {"drift"}
    assert "together" in said["drift"].what


def test_a_tiny_difference_in_many_rows_is_no_drift():
    """With 40,000 rows a shift of a twentieth of the spread is certain, and of no account."""
    train, test = made(20_000, 31), made(20_000, 32)
    test["age"] = (test["age"].astype(float) + 0.6).round(3).astype(str)
    said = {check.code: check for check in compare(train, test, "y").checks}

    assert (said["drift"].level, said["column_drift"].level) == ("ok", "ok")


def test_shifted_labels():
    """Classes that are rarer in one file are named with both shares; a small difference is none."""
    fewer = pd.concat([TEST[~YES_TEST], TEST[YES_TEST][:40]])
    check = found(TRAIN, fewer)["label_shift"]

    assert check.columns == ("y",)
    assert check.figures["difference"] > 0.05
    assert check.figures["p"] < 0.01


def test_classes_have_their_figures():
    """The rarest class has its rows and share; too few test rows of one are a warning."""
    said = {check.code: check for check in compare(TRAIN, TEST[~YES_TEST | (YES_TEST.cumsum() < 20)], "y").checks}
    rarest = min(YES.sum(), (~YES).sum())

    assert said["class_balance"].figures == {"rows": float(rarest), "share": rarest / N_TRAIN}
    assert said["few_rows_a_class"].level == "warning"
    assert said["few_rows_a_class"].figures == {"smallest": 19.0}
    assert "no verdict" in said["few_rows_a_class"].what


def test_repeated_and_contradicting_rows():
    """Repeats in training are counted, and so are equal rows with different labels; one or two are no warning."""
    turned = TRAIN[:30].assign(y=TRAIN["y"][:30].map({"yes": "no", "no": "yes"}))
    check = found(pd.concat([TRAIN, TRAIN[30:80], turned]), TEST)["duplicates"]

    assert check.figures == {"rows": 50.0, "share": 50 / 780, "conflicts": 60.0}
    assert "duplicates" not in found(pd.concat([TRAIN, TRAIN[:3]]), TEST)


def test_rows_in_both_files_with_and_without_the_label():
    """Test rows that training knows are counted by whether the label agrees."""
    copied, turned = TRAIN[:20], TRAIN[20:30].assign(y=TRAIN["y"][20:30].map({"yes": "no", "no": "yes"}))
    said = found(TRAIN, pd.concat([TEST, copied, turned]))

    assert said["rows_in_both_files"].figures == {"rows": 20.0, "share": 20 / 330}
    assert said["rows_in_both_without_label"].figures == {"agree": 20.0, "disagree": 10.0}


def test_rows_with_names_of_their_own_are_not_the_same():
    """Two persons who are alike are two persons; a running number makes no difference."""
    names = [f"person {at}" for at in range(N_TRAIN)]
    train = TRAIN.assign(name=names, nr=range(N_TRAIN))
    test = pd.concat([TEST.assign(name=[f"other {at}" for at in range(N_TEST)]), train[:9], train[9:20]])
    test = test.assign(nr=range(5_000, 5_000 + len(test)))
    test.iloc[-11:, test.columns.get_loc("name")] = [f"third {at}" for at in range(11)]
    check = found(train, test)["rows_in_both_files"]

    assert check.figures["rows"] == 9.0
    assert "11 differ only in 'name'" in check.what


def test_a_near_identifier():
    """A category most values of which stand in one row only is named; one with a few such values is not."""
    towns = [f"t{at}" for at in range(200)] + ["big", "large"] * 250
    check = found(*both("town", towns, "big"))["near_identifier"]

    assert check.columns == ("town",)
    assert check.figures["town"] == pytest.approx(200 / 202)
    assert "near_identifier" not in found(*both("town", [f"t{at}" for at in range(30)] + ["big"] * 670, "big"))


DISGUISED = both("told", YES.map({True: "paid", False: "due"}), YES_TEST.map({True: "paid", False: "due"}))


def test_a_refusal_can_be_accepted():
    """Named in `accept` it is a warning that says so, and training may go on."""
    compared = compare(*DISGUISED, "y", (), ("target_leak",))
    check = {check.code: check for check in compared.checks}["target_leak"]

    assert compare(*DISGUISED, "y").problems[0].code == "target_leak"
    assert "accept" in compare(*DISGUISED, "y").problems[0].fix
    assert compared.problems == ()
    assert (check.level, check.what.endswith(" Accepted on request.")) == ("warning", True)
    assert "accept" not in check.fix


def test_what_cannot_be_learned_from_stays_refused():
    """The fix says that accepting is no way out."""
    (problem,) = compare(TRAIN.assign(y="no"), TEST.assign(y="no"), "y", (), ("one_class",)).problems

    assert problem.code == "one_class"
    assert problem.fix.endswith("It cannot be accepted; only 'target_leak' can.")


def test_codes_to_accept():
    """Codes are a set; one that no check has is refused with the nearest."""
    assert codes_in(" target_leak,drift, target_leak,") == ("drift", "target_leak")
    assert problems_with(("target_leak", "drift")) == []
    (problem,) = problems_with(("targetleak",))
    assert (problem.code, problem.fix) == (
        "accept_unknown",
        "Did you mean 'target_leak', 'target_gaps', 'target_missing'?",
    )


def test_every_check_can_be_named():
    """`accept` knows the codes of all checks."""
    assert {check.code for check in compare(TRAIN, TEST, "y").checks} <= set(CODES)
    assert set(ACCEPTABLE) <= set(CODES)


def test_codes_keep_order_and_gaps():
    """Numbers that float32 cannot tell apart stay apart; categories stand by their number of rows."""
    numbers = pd.Series([16_777_216.0, np.nan, 16_777_217.0, 1e300])

    assert codes_of("number", numbers).tolist()[2:] == [1.0, 2.0]
    assert np.isnan(codes_of("number", numbers)[1])
    assert codes_of("category", pd.Series(["b", "a", "a", None])).tolist()[:3] == [1.0, 0.0, 0.0]
