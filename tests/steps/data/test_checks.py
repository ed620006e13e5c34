from __future__ import annotations

import pandas as pd
import pytest

from steps.data.checks import Compared, compare
from steps.data.targets import rank_targets
from steps.records import Check


def table(n_rows: int = 12, **columns: object) -> pd.DataFrame:
    """A table in order, with columns replaced (or, by None, removed)."""
    made: dict[str, object] = {
        "age": [str(20 + at % 7 + at / 100) for at in range(n_rows)],
        "city": [("Cádiz", "León")[at % 2] for at in range(n_rows)],
        "y": [("no", "yes")[at % 2] for at in range(n_rows)],
    }
    made |= columns
    return pd.DataFrame({name: cells for name, cells in made.items() if cells is not None})


def found(
    train: pd.DataFrame, test: pd.DataFrame, target: str | None = "y", ignore: tuple[str, ...] = ()
) -> dict[str, Check]:
    """Every check that is not in order, by code."""
    return {check.code: check for check in compare(train, test, target, ignore).checks if check.level != "ok"}


TRAIN = table()
TEST = table(4, age=["30", "31", "32", "33"])


def test_files_in_order():
    """Two good files are refused nothing, and every question has its answer."""
    compared = compare(TRAIN, TEST, "y")
    assert compared.problems == ()
    assert [check.code for check in compared.checks] == [
        "ignored_unknown", "kinds_unknown", "target_missing", "target_gaps", "one_class", "class_too_small",
        "class_in_one_file", "column_in_one_file", "no_columns", "type_mismatch", "unseen_category",
        "rows_in_both_files", "rows_in_both_without_label", "duplicates", "class_balance", "few_rows_a_class",
        "label_shift", "target_leak", "time_order", "drift", "column_drift", "mixed_column",
        "ambiguous_dates", "ambiguous_numbers", "constant_column", "identifier_column",
        "text_column", "near_identifier", "duplicate_columns",
    ]  # fmt: skip
    assert {check.code for check in compared.checks if check.level != "ok"} == {"few_rows_a_class"}


@pytest.mark.parametrize(
    ("train", "test", "code", "level", "said"),
    [
        (table(y=None), TEST, "target_missing", "refused", "'y' is not in the training file"),
        (TRAIN, TEST.drop(columns="y"), "target_missing", "refused", "'y' is not in the test file"),
        (table(y=["no", None, ""] * 4), TEST, "target_gaps", "refused", "8 and 3 more of the training file"),
        (TRAIN, TEST.assign(y=["no", None, "yes", "no"]), "target_gaps", "refused", "row 2 of the test file"),
        (table(y=["no"] * 12), TEST, "one_class", "refused", "one class only"),
        (table(y=["no"] * 5 + ["yes"] * 6 + ["so"]), TEST, "class_too_small", "refused", "'so'"),
        (table(y=["no"] * 8 + ["yes"] * 4), TEST, "class_too_small", "warning", "'yes'"),
        (TRAIN, TEST.assign(y=["no", "yes", "so", "yes"]), "class_in_one_file", "refused", "test file only ('so')"),
        (TRAIN, TEST.assign(y="no"), "class_in_one_file", "warning", "'yes'"),
        (TRAIN, TEST.drop(columns="city"), "column_in_one_file", "refused", "'city' is not in the test file"),
        (TRAIN, TEST.assign(new=1), "column_in_one_file", "warning", "'new'"),
        (TRAIN, TEST.assign(age=["30", "x", "y", "2"]), "type_mismatch", "refused", "not a number in rows 2, 3"),
        (TRAIN, TEST.assign(city="Málaga"), "unseen_category", "warning", "'city' has test cells"),
        (TRAIN, pd.concat([TEST, TRAIN.iloc[:2]]), "rows_in_both_files", "warning", "2 of 6 test rows are"),
        (table(twin=table()["age"]), TEST.assign(twin="1"), "duplicate_columns", "warning", "'age', 'twin'"),
        (table(age=["1", "inf"] * 6), TEST, "infinite_number", "refused", "'age'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(train, test, code, level, said):
    """Each check has its level, names what it found, and what to do where something has to be done."""
    check = found(train, test)[code]
    assert check.level == level
    assert said in check.what
    assert check.fix


def test_nearest_names_are_offered():
    """A wrong target or column to ignore comes with names that look like it, whatever the case."""
    assert found(TRAIN, TEST, "Y")["target_missing"].fix == "Did you mean 'y'?"
    assert found(TRAIN, TEST, "", ())["target_missing"].fix == "Name one of 'age', 'city', 'y'."
    assert "'city'" in found(TRAIN, TEST, "y", ("citty",))["ignored_unknown"].fix
    assert found(TRAIN, TEST, "y", ("y",))["ignored_unknown"].level == "refused"


def test_everything_is_said_at_once():
    """One comparison names all that has to be mended, as problems with what, where and fix."""
    train = table(y=["no"] * 11 + [None], age=["1", "inf"] * 6)
    problems = compare(train, TEST.drop(columns="city"), "y", ("aeg",)).problems
    codes = [problem.code for problem in problems]
    assert codes == [
        "ignored_unknown",
        "infinite_number",
        "target_gaps",
        "one_class",
        "class_in_one_file",
        "column_in_one_file",
    ]
    assert all(problem.what and problem.where and problem.fix for problem in problems)


def test_left_out_columns_are_named_and_not_needed():
    """Constants and identifiers are left out with a word, and may be absent from the test file."""
    n_rows = 60
    train = table(
        n_rows,
        unit=["kg"] * n_rows,
        key=[f"k{at}" for at in range(n_rows)],
    )
    compared = compare(train, TEST, "y")
    named = {check.code: check.columns for check in compared.checks}
    assert (named["constant_column"], named["identifier_column"]) == (("unit",), ("key",))
    assert compared.problems == ()


def test_text_columns_are_read_and_needed():
    """Prose is named as text that the model reads; a test file without it is refused, with the name it may have."""
    train = table(60, note=[f"a long note {at}" for at in range(60)])
    test = TEST.assign(comment=[f"another long text {at}" for at in range(len(TEST))], more=1)
    found = {check.code: check for check in compare(train, test, "y").checks}
    assert (found["text_column"].columns, found["text_column"].level) == (("note",), "ok")
    assert (found["column_in_one_file"].level, found["column_in_one_file"].columns) == ("refused", ("note",))


def test_rows_are_compared_by_meaning():
    """A test row in another format and with another identifier is the same row."""
    train = table(age=[at + 20 for at in range(12)], key=range(100, 112))
    test = pd.DataFrame({"key": ["1", "2"], "city": ["León", "León"], "age": ["21.0", "21.0"], "y": ["yes", "no"]})
    check = {c.code: c for c in compare(train, test, "y", ("key",)).checks}["rows_in_both_files"]
    assert (check.level, check.figures) == ("warning", {"rows": 1.0, "share": 0.5})


def test_whole_number_labels_agree_across_formats():
    """0 and 1 as text, as 0.0 and 1.0 and as integers are the same classes."""
    train, test = table(y=["0", "1"] * 6), TEST.assign(y=[0.0, 1.0, 1.0, 0.0])
    assert set(found(train, test)) == {"few_rows_a_class"}


def test_a_target_of_numbers_is_named_as_such():
    """A target with a label a row is refused in one sentence, without listing the labels."""
    check = found(table(60, y=[f"{at}.5" for at in range(60)]), TEST)["class_too_small"]
    assert "60 different labels" in check.what
    assert "0.5" not in check.what


def test_without_a_target():
    """The checks that need none run without one."""
    compared = compare(TRAIN, TEST, None)
    assert "target_missing" not in {check.code for check in compared.checks}
    assert [column.name for column in compared.features.columns] == ["age", "city", "y"]


def test_no_cell_is_quoted():
    """Messages hold names and rows, never cells."""
    train = table(age=["SECRET1"] + ["1", "2"] * 5 + ["3"], city=["SECRET2", "x"] * 6)
    test = TEST.assign(age=["SECRET3"] * 4, city="SECRET4")
    compared: Compared = compare(train, test, "y")
    assert "SECRET" not in " ".join(check.what + check.fix for check in compared.checks)


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        (["age", "city", "y"], "y"), (["target", "city", "age"], "target"),
        (["loan_status_label", "age", "city"], "loan_status_label"),
        (["age", "city", "left"], "left"),
    ],
)  # fmt: skip
def test_target_guesses(columns, first):
    """Names that say so come first, then few values, then the last column; identifiers are no guess."""
    made = table(60, id=[f"k{at}" for at in range(60)])
    pool = [made["y"] if name not in ("age", "city") else made[name] for name in columns]
    frame = pd.DataFrame({"id": made["id"], **dict(zip(columns, pool, strict=True))})
    guesses = rank_targets(frame)
    assert guesses[0] == first
    assert "id" not in guesses
