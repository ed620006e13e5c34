"""Every fault that a check is there for, planted in a clean table: it is named, and the clean table raises nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.schema import WHAT_OF
from steps.data import noticed
from steps.data.accepting import CODES
from steps.data.checks import compare
from steps.data.kinds import Asked
from tests.steps.data.test_statistics import made

N_TRAIN, N_TEST = 700, 300
Files = tuple[pd.DataFrame, pd.DataFrame]


def table(n_rows: int, seed: int) -> pd.DataFrame:
    """A clean table of text cells with every kind of column."""
    member = np.random.default_rng(seed).choice(["true", "false"], n_rows)
    return made(n_rows, seed).assign(member=member)


TRAIN, TEST = table(N_TRAIN, 41), table(N_TEST, 42)
YES, YES_TEST = (frame["y"] == "yes" for frame in (TRAIN, TEST))


@dataclass(frozen=True)
class Plant:
    """A fault, and what has to be said of it."""

    code: str
    plant: Callable[[], Files]
    level: str
    columns: tuple[str, ...] = ()
    said: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)  # those that are known exactly
    where: str = "training file"
    target: str = "y"
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, Asked] = field(default_factory=dict)


def both(**columns: tuple[object, object]) -> Callable[[], Files]:
    """The clean files with more or other columns: for each, its cells in the training and in the test file."""
    return lambda: tuple(
        frame.assign(**{name: pair[at] for name, pair in columns.items()}) for at, frame in enumerate((TRAIN, TEST))
    )


def in_test(**columns: object) -> Callable[[], Files]:
    """The clean files, with other columns in the test file."""
    return lambda: (TRAIN, TEST.assign(**columns))


def in_train(**columns: object) -> Callable[[], Files]:
    """The clean files, with other columns in the training file."""
    return lambda: (TRAIN.assign(**columns), TEST)


def cell(frame: pd.DataFrame, name: str, row: int, value: object) -> pd.Series:
    """A column with another value in one row, counted from 1."""
    return pd.Series([value if at + 1 == row else old for at, old in enumerate(frame[name])], dtype=object)


def turned(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with the other label."""
    return frame.assign(y=frame["y"].map({"yes": "no", "no": "yes"}))


def two_decimals() -> Files:
    """Ten training rows in a test file that was written with two decimals throughout."""
    size = pd.Series(np.random.default_rng(41).lognormal(2, 1, N_TRAIN))
    other = TEST.assign(size=[f"{value:.2f}" for value in np.random.default_rng(42).lognormal(2, 1, N_TEST)])
    copies = TRAIN[:10].assign(size=size[:10].map("{:.2f}".format))
    return TRAIN.assign(size=size.map(repr)), pd.concat([other, copies], ignore_index=True)


def shortened(shorten: Callable[[float], object]) -> Callable[[], Files]:
    """Ten training rows in the test file, with numbers as another program has left them."""

    def plant() -> Files:
        rng = np.random.default_rng(40)
        sizes = {name: pd.Series(rng.lognormal(0, 2, N_TRAIN)) for name in "abcdef"}
        train = TRAIN.assign(**{name: size.map(repr) for name, size in sizes.items()})
        other = TEST.assign(**{name: [repr(value) for value in rng.lognormal(0, 2, N_TEST)] for name in sizes})
        copies = train[:10].assign(**{name: size[:10].map(shorten) for name, size in sizes.items()})
        return train, pd.concat([other, copies], ignore_index=True)

    return plant


TOLD = (YES.map({True: "paid", False: "due"}), YES_TEST.map({True: "paid", False: "due"}))
DAYS_TWICE = ["05/06/2020", "06/05/2020"] * (N_TRAIN // 2)
COMMAS = ["1,234", "2,345"] * (N_TRAIN // 2)
PLANTS = [
    Plant("kinds_unknown", both(), "refused", ("agee",), "'agee'", kinds={"agee": Asked(Kind.NUMBER)}),
    Plant("mixed_column", in_train(age=cell(TRAIN, "age", 5, "old")), "warning", ("age",), f"of {N_TRAIN} cells are"),
    Plant("ambiguous_dates", both(born=(DAYS_TWICE, "05/06/2020")), "warning", ("born",), "%d/%m/%Y"),
    Plant("ambiguous_numbers", both(pay=(COMMAS, "1,234")), "warning", ("pay",), "'pay'"),
    Plant("ignored_unknown", both(), "refused", ("agee",), "'agee'", ignore=("agee",)),
    Plant("target_missing", lambda: (TRAIN.drop(columns="y"), TEST), "refused", ("y",), "not in the training file"),
    Plant(
        "target_missing", lambda: (TRAIN, TEST.drop(columns="y")), "refused", ("y",), "not in the test file",
        where="test file",
    ),
    Plant(
        "target_missing", lambda: (TRAIN, TEST), "refused", ("z",), "training or the test file", where="both files",
        target="z",
    ),
    Plant("target_gaps", in_train(y=cell(TRAIN, "y", 5, "")), "refused", ("y",), "row 5 of the training file"),
    Plant(
        "target_gaps", in_test(y=cell(TEST, "y", 7, None)), "refused", ("y",), "row 7 of the test file",
        where="test file",
    ),
    Plant(
        "not_text", in_test(y=cell(TEST, "y", 7, ["no"])), "refused", ("y",), "neither text nor a number in row 7",
        where="test file",
    ),
    Plant(
        "target_gaps", both(y=(cell(TRAIN, "y", 5, ""), cell(TEST, "y", 7, ""))), "refused", ("y",),
        "row 5 of the training file and in row 7 of the test file", where="both files",
    ),
    Plant("one_class", in_train(y="no"), "refused", ("y",), "one class only"),
    Plant("class_too_small", in_train(y=cell(TRAIN, "y", 9, "so")), "refused", ("y",), "'so'", {"smallest": 1}),
    Plant(
        "class_in_one_file", in_test(y=cell(TEST, "y", 9, "perhaps")), "refused", ("y",), "'perhaps'",
        where="both files",
    ),
    Plant("class_in_one_file", in_test(y="no"), "warning", ("y",), "'yes'", where="both files"),
    Plant(
        "few_rows_a_class", lambda: (TRAIN, pd.concat([TEST[~YES_TEST], TEST[YES_TEST][:19]])), "warning", ("y",),
        "'yes'", {"smallest": 19}, "test file",
    ),
    Plant(
        "label_shift", lambda: (TRAIN, pd.concat([TEST[~YES_TEST], TEST[YES_TEST][:40]])), "warning", ("y",), "'",
        where="both files",
    ),
    Plant(
        "column_in_one_file", lambda: (TRAIN, TEST.drop(columns="age")), "refused", ("age",), "'age'", where="test file"
    ),
    Plant("column_in_one_file", in_test(new="1"), "warning", ("new",), "'new'", where="test file"),
    Plant("no_columns", lambda: (TRAIN[["y"]], TEST[["y"]]), "refused"),
    Plant("type_mismatch", in_test(age=cell(TEST, "age", 3, "x")), "refused", ("age",), "in row 3", where="test file"),
    Plant(
        "unseen_category", in_test(city=cell(TEST, "city", 3, "Lugo")), "warning", ("city",), "'city'", {"cells": 1},
        "test file",
    ),
    Plant(
        "rows_in_both_files", lambda: (TRAIN, pd.concat([TEST, TRAIN[:12]])), "warning", (), "12 of 312",
        {"rows": 12, "share": 12 / 312}, "both files",
    ),
    *(
        Plant(
            "rows_in_both_files", shortened(shorten), "warning", (), "10 of them only after rounding",
            {"rows": 10, "rounded": 10}, "both files",
        )
        for shorten in ("{:.6g}".format, "{:.7g}".format, "{:.15g}".format, lambda number: float(np.float32(number)))
    ),
    Plant(
        "rows_in_both_files", two_decimals, "warning", (), "10 of them only after rounding",
        {"rows": 10, "rounded": 10}, "both files",
    ),
    Plant(
        "rows_in_both_without_label", lambda: (TRAIN, pd.concat([TEST, turned(TRAIN[:12])])), "warning", (), "12 are",
        {"agree": 0, "disagree": 12}, "both files",
    ),
    Plant(
        "duplicates", lambda: (pd.concat([TRAIN, TRAIN[:50]]), TEST), "warning", (), "50 of 750",
        {"rows": 50, "share": 50 / 750, "conflicts": 0},
    ),
    Plant("target_leak", both(told=TOLD), "refused", ("told",), "'told' gives the target away", {"told": 1}),
    Plant(
        "drift", in_test(age=(TEST["age"].astype(float) + 15).astype(str)), "warning", ("age",), "'age'",
        where="both files",
    ),
    Plant(
        "column_drift", in_test(income=TEST["income"].mask(np.arange(N_TEST) % 2 == 0, "")), "warning", ("income",),
        "the gaps of 'income'", where="both files",
    ),
    Plant(
        "time_order",
        in_test(day=[f"2022-{at % 12 + 1:02}-{at % 28 + 1:02}" for at in range(N_TEST)]),
        "warning", ("day",), "'day'", {"day": 0}, "both files",
    ),
    Plant("constant_column", both(unit=("kg", "kg")), "ok", ("unit",), "left out"),
    Plant("identifier_column", both(key=([f"k{at}" for at in range(N_TRAIN)], "k")), "ok", ("key",), "left out"),
    Plant("text_column", both(note=([f"note of {at}" for at in range(N_TRAIN)], "")), "ok", ("note",), "read as text"),
    Plant(
        "near_identifier",
        both(town=([f"t{at}" for at in range(200)] + ["big", "large"] * 250, "big")),
        "warning", ("town",), "'town'", {"town": 200 / 202},
    ),
    Plant("duplicate_columns", both(twin=(TRAIN["age"], TEST["age"])), "warning", ("age", "twin"), "'age', 'twin'"),
    *(
        Plant(
            code, in_train(**{name: cell(TRAIN, name, 4, value)}), "refused", (), f"'{name}' {WHAT_OF[code]} in row 4"
        )
        for code, name, value in (
            ("infinite_number", "age", "inf"), ("number_too_large", "age", "1e300"), ("not_text", "city", ["a"]),
        )
    ),
]  # fmt: skip
IN_THE_TEST_FILE = {  # cells that do not fit the training file's kind: column, cell
    "not_a_number": ("age", "old"),
    "infinite_number": ("age", "inf"),
    "integer_too_large": ("age", "9007199254740995"),
    "number_too_large": ("age", "1e300"),
    "not_text": ("city", ["a"]),
    "not_a_boolean": ("member", ["true"]),
    "not_a_datetime": ("day", "soon"),
    "unwanted_time_zone": ("day", "2024-05-31T10:00:00Z"),
}
WITHOUT_A_PLANT = {
    "class_balance": "it is a figure and warns of nothing",
    **dict.fromkeys(noticed.CODES, "the reader notices it, before the files are compared; `test_noticed.py` has it"),
    "no_time_zone": "the clean table's times have no zone; `tests/pyfunc/test_cells.py` has it",
} | {
    code: "a column of the training file with such cells is of another kind; `type_mismatch` says it of the test file"
    for code in WHAT_OF
    if code in IN_THE_TEST_FILE
}


def test_the_clean_table_raises_nothing():
    """Without a fault every check is in order."""
    assert [check.code for check in compare(TRAIN, TEST, "y").checks if check.level != "ok"] == []


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.code}-{plant.level}-{plant.where}")
def test_a_planted_fault_is_named(plant):
    """The check has its level, columns, figures, place and words, and says what to do."""
    train, test = plant.plant()
    (check,) = (
        check
        for check in compare(train, test, plant.target, plant.ignore, kinds=plant.kinds).checks
        if check.code == plant.code and (plant.level == "ok" or check.level != "ok")
    )

    assert (plant.level, plant.columns, plant.where) == (check.level, check.columns, check.where)
    assert plant.said in check.what
    assert {name: check.figures[name] for name in plant.figures} == pytest.approx(dict(plant.figures))
    assert check.fix or plant.level == "ok"


@pytest.mark.parametrize("code", IN_THE_TEST_FILE)
def test_cells_of_another_kind_are_named(code):
    """A test cell that does not fit is named by column, row and what is wrong with it."""
    name, value = IN_THE_TEST_FILE[code]
    problems = compare(TRAIN, TEST.assign(**{name: cell(TEST, name, 8, value)}), "y").problems

    assert [problem.code for problem in problems] == ["type_mismatch"]
    assert f"'{name}' {WHAT_OF[code]} in row 8" in problems[0].what
    assert (problems[0].where, bool(problems[0].fix)) == ("test file", True)


def test_every_check_has_a_plant():
    """A check that is added without a fault to show that it works fails here."""
    planted = {plant.code for plant in PLANTS}

    assert set(CODES) - planted == set(WITHOUT_A_PLANT) - planted
    assert planted <= set(CODES)


@pytest.mark.parametrize(("name", "other"), [("city", "citty"), ("age", "Age_"), ("member", "flag"), ("day", "when")])
def test_a_column_of_another_name_is_recognised(name, other):
    """By a like name, or as the only unused column with such cells."""
    (problem,) = compare(TRAIN, TEST.rename(columns={name: other}), "y").problems

    assert (problem.code, problem.where) == ("column_in_one_file", "test file")
    assert problem.fix.startswith(f"Did you mean '{other}' for '{name}'?")


def test_a_column_that_is_not_there_is_not_guessed():
    """An unused column with other cells, or two that could be meant, are no suggestion."""
    without = TEST.drop(columns="member")
    unlike = compare(TRAIN, without.assign(note="so"), "y").problems[0].fix
    either = compare(TRAIN, without.assign(a="true", b="false"), "y").problems[0].fix

    assert unlike == either == "Add it to the test file, or ignore it."


def test_rounding_that_makes_rows_of_one_file_equal_too_says_nothing():
    """A single column of numbers in a narrow range: equal by six digits is equal by chance."""
    rng = np.random.default_rng(7)
    files = [
        pd.DataFrame({"a": [repr(value) for value in 1 + rng.random(n) / 10], "y": ["no", "yes"] * (n // 2)})
        for n in (5000, 2000)
    ]
    (check,) = (check for check in compare(*files, "y").checks if check.code == "rows_in_both_files")

    assert (check.level, dict(check.figures)) == ("ok", {})
