from __future__ import annotations

import math

import pytest

from steps.judging import words
from steps.judging.intervals import UNDEFINED, Figure
from steps.judging.metrics import METRICS


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (Figure(0.872, 0.861, 0.883), "0.872 (0.861 to 0.883)"),
        (Figure(0.8721, 0.8712, 0.8733), "0.8721 (0.8712 to 0.8733)"),
        (Figure(-0.02, -0.3, 0.3), "\u22120.020 (\u22120.300 to 0.300)"),
        (Figure(12.3456, 11.1, 13.7), "12.35 (11.10 to 13.70)"),
        (Figure(0.9998, 0.99, 1.0), "0.9998 (0.990 to 1.000)"),
        (UNDEFINED, "not defined"),
    ],
)
def test_figures_are_written_with_their_bounds(found, written):
    """Three decimals, more where they would hide the bounds or round to 1, and words for what is not defined."""
    assert written == words.figure(found)


def test_shares_are_never_rounded_to_certainty():
    """Nearly all and hardly any keep a digit that says so."""
    assert words.percent(0.9996) == "99.96\u202f%"
    assert words.of_hundred(0.996) == "99.6"
    assert words.percent(0.117) == "11.7\u202f%"
    assert words.percent(math.nan) == "not defined"


def test_counts_have_thin_spaces_and_plurals():
    """Thousands are parted, and one is singular."""
    assert words.counted(13564, "row") == "13\u202f564 rows"
    assert words.counted(1, "class", "classes") == "1 class"


@pytest.mark.parametrize(
    ("difference", "written"),
    [
        ((0.02, 0.005, 0.035), "F1 better by 0.020 (0.005 to 0.035)"),
        ((-0.02, -0.035, -0.005), "F1 worse by 0.020 (0.005 to 0.035)"),
        ((0.02, -0.01, 0.05), "F1 +0.020 (\u22120.010 to +0.050), no clear difference"),
        ((math.nan, math.nan, math.nan), "F1 not to be compared"),
    ],
)
def test_differences_say_their_direction(difference, written):
    """Better, worse, or the signed difference where the bounds hold both."""
    assert written == words.comparison("F1", *difference)


def test_long_names_are_cut_in_the_middle():
    """Beginning and end stay, and control characters go."""
    assert words.short("a" * 50 + "z" * 50, 11) == "aaaaa\u2026zzzzz"
    assert words.short("short") == "short"
    assert words.printable("a\x00b\nc") == "a b c"


def test_every_figure_has_a_name_and_a_meaning():
    """No figure is shown by its key."""
    assert set(METRICS) == set(words.NAMES) == set(words.MEANINGS) == set(words.MEANINGS_OF_MANY)


def test_tiny_thresholds_keep_their_digits():
    """A threshold of a rare class is not rounded to nothing."""
    assert [words.cut(threshold) for threshold in (0.0, 0.000123, 0.5)] == ["0.000", "0.000123", "0.500"]
