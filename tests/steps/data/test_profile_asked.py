from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pyfunc.cells import Kind, Spelling
from pyfunc.errors import TrainingRefusedError
from steps.data.asked import describe_as
from steps.data.kinds import Asked
from steps.data.profile import features, profile


def asked(cells: object, kind: Kind, pattern: str | None = None, dtype: object = object) -> object:
    """The description of a column whose kind is asked for."""
    return describe_as("c", pd.Series(cells, dtype=dtype), Asked(kind, pattern))


def refused(cells: object, kind: Kind, pattern: str | None = None) -> tuple[str, str]:
    """What is said of a column that cannot have the kind, and the fix."""
    with pytest.raises(TrainingRefusedError) as caught:
        asked(cells, kind, pattern)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("kind_unfit", "training file")
    assert "SECRET" not in str(caught.value)
    return problem.what, problem.fix


@pytest.mark.parametrize(
    ("cells", "words", "ends"),
    [
        (["1", "2", "unknown", "Unknown"], ("unknown",), (1.0, 2.0)),
        ([1, 2.5, "n/k"], ("n/k",), (1.0, 2.5)),
        (["007", "8"], (), (7.0, 8.0)),
        (["28001", "28002"], (), (28001.0, 28002.0)),
        (["1", "2", "?"], (), (1.0, 2.0)),
        (["3", *"abcdefghij", "4"], tuple("abcdefghij"), (3.0, 4.0)),
    ],
)
def test_numbers_on_request(cells, words, ends):
    """Up to ten words between numbers are the column's way to say missing; codes are numbers when that is asked."""
    found = asked(cells, Kind.NUMBER)
    assert (found.kind, found.spelling) == (Kind.NUMBER, Spelling(missing_words=words))
    assert (found.minimum, found.maximum) == ends
    assert found.reason.startswith("On request. ")
    assert bool(words) == ("as missing" in found.reason)


def test_numbers_on_request_in_a_style_of_their_own():
    """Words may stand between numbers with units and decimal commas too; gaps and words are the missing share."""
    found = asked(["1,5 €", "2 €", "SECRET", None], Kind.NUMBER)
    assert found.spelling == Spelling(unit="€", decimal=",", missing_words=("secret",))
    assert found.missing == 0.5
    assert found.reason.startswith("On request. 1 cell holds a word and counts as missing. Every value is a number;")


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (
            ["1", *(f"SECRET {word}" for word in "abcdefghijk")],
            "'c' has words between its numbers in rows 2, 3, 4, 5, 6 and 6 more.",
        ),
        (["1", "SECRET9", "2"], "'c' is to be a number and holds something else in row 2."),
        (["1", "2", True], "'c' is to be a number and holds something else in row 3."),
        (["1", "inf"], "'c' is to be a number and holds something else in row 2."),
        (["SECRET", "SECRET"], "'c' has no cell with a number."),
        (["1,234", "5"], "'c' has numbers whose separators may be thousands or decimals."),
        (["5 €", "7 $"], "'c' is to be a number and holds something else in rows 1, 2."),
    ],
)
def test_what_cannot_be_numbers(cells, what):
    """More than ten words, words with digits, booleans, infinite numbers and open separators are refused by row."""
    assert refused(cells, Kind.NUMBER)[0] == what


def test_categories_on_request():
    """The text of every cell is a category, however many there are; lists are refused."""
    found = asked([str(at) for at in range(100)], Kind.CATEGORY)
    assert (found.kind, len(found.categories), found.reason) == (
        Kind.CATEGORY,
        100,
        "On request. 100 different values.",
    )
    assert asked([1, 2.5, True], Kind.CATEGORY).categories == ("1", "2.5", "true")
    assert asked(["?", "x"], Kind.CATEGORY).categories == ("?", "x")
    with pytest.raises(TrainingRefusedError, match="row 2"):
        asked(["a", [1]], Kind.CATEGORY)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["m", "f", None], ("f", "m")),
        (["M", "f", "m"], ("f", "m")),
        (["M", "F"], ("F", "M")),
        ([0, 1], ("false", "true")),
        (["0.0", "1.0"], ("false", "true")),
        (["no", "yes"], ("no", "yes")),
        ([2, 5.0], ("2", "5")),
        (["2.0", "5.0"], ("2", "5")),
        ([True, None], ("false", "true")),
    ],
)
def test_booleans_on_request(cells, words):
    """Any two words; the second in the alphabet's order is 1, known pairs keep their meaning."""
    found = asked(cells, Kind.BOOLEAN)
    assert (found.kind, found.spelling.words) == (Kind.BOOLEAN, words)
    assert found.missing == round(cells.count(None) / len(cells), 6)


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["SECRET a", "b", "c"], "'c' has 3 different words, not two."),
        (["SECRET", None], "'c' has 1 different word, not two."),
        (["1", "2"], "'c' has two values of which one alone means true or false, 1 or 0."),
        (["true", "SECRET"], "'c' has two values of which one alone means true or false, 1 or 0."),
    ],
)
def test_what_cannot_be_booleans(cells, what):
    """Not two words, or a word that would mean something else once it is a number."""
    assert refused(cells, Kind.BOOLEAN)[0] == what


@pytest.mark.parametrize(
    ("cells", "pattern", "spelling", "first"),
    [
        (
            ["01/02/2024", "02/02/2024"],
            "%d/%m/%Y",
            Spelling(format="%d/%m/%Y", granularity="day"),
            "2024-02-01T00:00:00",
        ),
        (
            ["01/02/2024", "02/02/2024"],
            "%m/%d/%Y",
            Spelling(format="%m/%d/%Y", granularity="day"),
            "2024-01-02T00:00:00",
        ),
        (
            ["202405311", "202406302"],
            "%Y%m%d%H",
            Spelling(format="%Y%m%d%H", granularity="hour"),
            "2024-05-31T01:00:00",
        ),
        (["2024-05-31", "2024-06-01"], None, Spelling(granularity="day"), "2024-05-31T00:00:00"),
        (
            ["2024-05-31", "01.06.2024"],
            "%d.%m.%Y",
            Spelling(format="%d.%m.%Y", granularity="day"),
            "2024-05-31T00:00:00",
        ),
        (["31.05.2024", "01.06.2024"], None, Spelling(format="%d.%m.%Y", granularity="day"), "2024-05-31T00:00:00"),
        (
            ["2024-05-31T01:00Z", "2024-06-01T01:00Z"],
            None,
            Spelling(timezone="UTC", granularity="hour"),
            "2024-05-31T01:00:00+00:00",
        ),
        (
            ["31/05/2024 2 +0100", "01/06/2024 1 +0000"],
            "%d/%m/%Y %H %z",
            Spelling(timezone="UTC", format="%d/%m/%Y %H %z", granularity="hour"),
            "2024-05-31T01:00:00+00:00",
        ),
    ],
)
def test_dates_on_request(cells, pattern, spelling, first):
    """By the pattern that is said, or as they are found; ISO text passes beside a pattern."""
    found = asked(cells, Kind.DATETIME, pattern)
    assert (found.kind, found.spelling, found.minimum) == (Kind.DATETIME, spelling, first)


@pytest.mark.parametrize(
    ("cells", "pattern", "what"),
    [
        (
            ["31/05/2024", "SECRET", "31/02/2024"],
            "%d/%m/%Y",
            "'c' is to be a datetime and holds something else in rows 2, 3.",
        ),
        (["31/05/2024"], "%m/%d/%Y", "'c' is to be a datetime and holds something else in row 1."),
        (
            ["2024-05-31T10:00Z", "2024-05-31T10:00", "2024-05-31T10:00Z"],
            None,
            "'c' is to be a datetime and holds something else in row 2.",
        ),
        (["01/02/2024", "02/02/2024"], None, "'c' has dates whose order of day and month cannot be told."),
        (["31/05/2024"], "mixed", "'c' is to be read by a pattern that is none."),
        (["31/05/2024"], "%Q", "'c' is to be read by a pattern that is none."),
        (["31/05"], "%d/%m", "'c' is to be read by a pattern without a year."),
    ],
)
def test_what_cannot_be_dates(cells, pattern, what):
    """Rows that do not fit, an order that has to be said, and patterns that are none."""
    assert refused(cells, Kind.DATETIME, pattern)[0] == what


def test_the_way_out_of_an_ambiguous_order_is_said():
    """The fix is the option as it is to be written."""
    fix = refused(["01/02/2024", "02/02/2024"], Kind.DATETIME)[1]
    assert "kinds=c:datetime:%d/%m/%Y or kinds=c:datetime:%m/%d/%Y" in fix


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("cells", [["a", "a"], [None, ""], [3, 3]])
def test_constants_stay_left_out(kind, cells):
    """A column without two values is a constant whatever is asked, unless its cells do not fit."""
    unfit = {"a": (Kind.NUMBER, Kind.BOOLEAN, Kind.DATETIME), 3: (Kind.BOOLEAN, Kind.DATETIME)}
    if kind in unfit.get(cells[0], ()):
        refused(cells, kind)
    else:
        assert asked(cells, kind).kind is Kind.CONSTANT


def test_features_honour_what_is_asked():
    """Asked kinds are taken, identifiers left out on request, text read, ignored columns ignored all the same."""
    frame = pd.DataFrame(
        {"zip": ["1", "2"], "note": ["a", "b"], "key": ["c", "d"], "skip": ["x", "y"], "n": [1, 2], "y": ["0", "1"]}
    )
    kinds = {
        "zip": Asked(Kind.CATEGORY),
        "note": Asked(Kind.TEXT),
        "key": Asked(Kind.IDENTIFIER),
        "skip": Asked(Kind.NUMBER),
        "not there": Asked(Kind.NUMBER),
    }
    found = features(frame, "y", ("skip",), kinds)
    assert [(column.name, column.kind) for column in found.columns] == [
        ("zip", Kind.CATEGORY),
        ("note", Kind.TEXT),
        ("n", Kind.NUMBER),
    ]
    assert found.columns[1].reason == "On request: features are made of its words."
    assert [(column.name, column.kind, column.reason) for column in found.left_out] == [
        ("key", Kind.IDENTIFIER, "On request: left out as identifier."),
        ("skip", Kind.CATEGORY, "Left out on request."),
    ]
    assert found.problems == ()


def test_all_that_is_unfit_is_said_at_once():
    """Every asked kind that does not fit is a problem of its own, in one refusal."""
    frame = pd.DataFrame({"a": ["x1", "2"], "b": ["x", "z"], "c": [1, 2], "y": [0, 1]})
    with pytest.raises(TrainingRefusedError) as caught:
        profile(frame, "y", kinds={"a": Asked(Kind.NUMBER), "b": Asked(Kind.DATETIME)})
    assert [(p.code, p.what[:3]) for p in caught.value.problems] == [("kind_unfit", "'a'"), ("kind_unfit", "'b'")]


def test_identifiers_and_counters_can_be_read_after_all():
    """A counter that is asked for as a number is one."""
    assert asked(np.arange(100), Kind.NUMBER, dtype="int64").kind is Kind.NUMBER
