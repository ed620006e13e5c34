import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pyfunc.estimators import Blend, Columns, Matrix

MOMENTS = pd.to_datetime(["2024-03-01 10:00", None, "2023-12-31 00:00"])
FRAME = pd.DataFrame({"a [b]": [1.0, np.nan, 3.0], "when": MOMENTS, "<c>": ["x", "y", np.nan]})


def test_columns_get_plain_names_and_datetimes_become_numbers():
    """Brackets are gone, and a datetime is year, month, weekday, hour and age before the latest."""
    made = Columns().fit_transform(FRAME)

    assert list(made) == ["x0", "x1year", "x1month", "x1weekday", "x1hour", "x1age", "x2"]
    assert made.loc[0, ["x1year", "x1month", "x1weekday", "x1hour", "x1age"]].tolist() == [2024, 3, 4, 10, 0]
    assert made.loc[1].isna().tolist() == [True, True, True, True, True, True, False]
    assert made.loc[2, "x1age"] == 61 + 10 / 24


def test_which_parts_there_are_does_not_depend_on_the_rows():
    """One row with a gap, or no gap, gives the columns that training gave, and ages count from training."""
    fitted = Columns().fit(FRAME)

    assert list(fitted.transform(FRAME.iloc[[1]])) == list(fitted.transform(FRAME))
    assert fitted.transform(FRAME.iloc[[2]])["x1age"].item() == fitted.transform(FRAME)["x1age"][2]


def test_a_blend_is_the_weighted_mean_of_its_classifiers():
    """Each classifier answers on its own preprocessing, and the weights add up."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=50), "b": random.normal(size=50)})
    y = (frame["a"] > 0).astype(int).to_numpy()
    one, other = make_pipeline(Columns(), Matrix()).fit(frame), make_pipeline(Columns(), Matrix()).fit(frame)
    strong, weak = (LogisticRegression(C=c).fit(one.transform(frame), y) for c in (10, 0.01))

    blend = Blend([(one, [(0.75, strong)]), (other, [(0.25, weak)])])

    matrix = frame.to_numpy()
    expected = 0.75 * strong.predict_proba(matrix) + 0.25 * weak.predict_proba(matrix)
    np.testing.assert_allclose(blend.predict_proba(frame), expected, rtol=0, atol=1e-15)
