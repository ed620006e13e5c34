import numpy as np
import pandas as pd

from pyfunc.codes import MOST_LEVELS, Codes

FRAME = pd.DataFrame(
    {"n": [1.5, np.nan, -3.0, 0.0, 7.0, 2.0], "c": ["b", "a", "b", np.nan, "c", "b"], "k": list("uvwxyz")}
)


def test_numbers_stay_and_categories_become_numbers_by_how_often_they_occur():
    """The most frequent category is 0, and equally frequent ones follow the alphabet."""
    matrix = Codes().fit_transform(FRAME)

    np.testing.assert_array_equal(matrix[:, 0], FRAME["n"])
    np.testing.assert_array_equal(matrix[:, 1], [0, 1, 0, np.nan, 2, 0])


def test_what_is_missing_or_unseen_is_nan():
    """A category that training has not seen looks like a gap."""
    new = pd.DataFrame({"n": [np.nan, 1.0], "c": ["never", np.nan], "k": ["u", "never"]})

    np.testing.assert_array_equal(Codes().fit(FRAME).transform(new), [[np.nan, np.nan, 0], [1, np.nan, np.nan]])


def test_labels_never_matter():
    """Fitted with opposite labels, the codes are the same: they may be fitted once for all folds."""
    one, other = (Codes().fit(FRAME, y).transform(FRAME) for y in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]))

    np.testing.assert_array_equal(one, other)


def test_categories_and_those_that_are_nearly_keys_are_told():
    """A column of texts is a category; one where each text has few rows is wide."""
    frame = pd.DataFrame({"n": np.arange(60.0), "c": ["a", "b"] * 30, "k": [str(at // 2) for at in range(60)]})
    fitted = Codes().fit(frame)

    assert (fitted.categories_, fitted.wide_) == ([1, 2], [2])


def test_the_rarest_of_too_many_levels_are_as_good_as_unseen():
    """Beyond the most levels the rarer ones have no code, and the frequent ones keep theirs."""
    texts = [f"t{at:05}" for at in range(MOST_LEVELS + 3)]
    frame = pd.DataFrame({"c": [*texts, *texts[-1:] * 2]})
    codes = Codes().fit(frame).transform(frame)[:, 0]

    assert codes[-1] == 0
    assert np.isnan(codes).sum() == 3
    assert np.nanmax(codes) == MOST_LEVELS - 1
