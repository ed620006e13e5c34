import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pyfunc.columns import DAY_NS, FARTHEST_NS, days_before
from pyfunc.estimators import Blend, Calibrated, Columns, Matrix, Recalibration

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


MAPS = [
    Recalibration("temperature", np.array([1.7])),
    Recalibration("sigmoid", np.array([0.8, -0.3])),
    Recalibration("isotonic", np.array([[0.0, 0.4, 1.0], [0.1, 0.2, 0.9]])),
]
SCORE = """
import sys
import cloudpickle, numpy as np, pandas as pd
model = cloudpickle.loads(open(sys.argv[1], "rb").read())
np.save(sys.argv[2], model.predict_proba(pd.read_pickle(sys.argv[3])))
"""


@pytest.mark.parametrize("recalibration", MAPS, ids=lambda each: each.method)
def test_a_recalibrated_blend_answers_the_same_in_a_fresh_process(recalibration, tmp_path):
    """Pickled by reference and loaded where nothing of this process is in memory: equal within 1e-9."""
    frame = pd.DataFrame({"a": np.linspace(-2, 2, 60)})
    y = (np.linspace(0, 7, 60) % 2 > 1).astype(int)
    preprocessing = make_pipeline(Columns(), Matrix()).fit(frame)
    fitted = [LogisticRegression(C=c).fit(preprocessing.transform(frame), y) for c in (0.01, 10)]
    model = Calibrated(Blend([(preprocessing, [(0.25, fitted[0]), (0.75, fitted[1])])]), recalibration)
    file, rows, out = tmp_path / "model.pkl", tmp_path / "rows.pkl", tmp_path / "out.npy"
    file.write_bytes(cloudpickle.dumps(model))
    frame.to_pickle(rows)

    project = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", SCORE, file, out, rows], check=True, cwd=project)

    np.testing.assert_allclose(np.load(out), model.predict_proba(frame), rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(frame).sum(axis=1), 1, rtol=0, atol=1e-12)
    assert b"class Calibrated" not in file.read_bytes()  # by reference: the package ships beside the pickle


def test_the_maps_do_what_they_are_called():
    """A temperature divides the logits, a sigmoid is a line through them, isotonic joins points."""
    scores = np.array([[0.8, 0.2], [0.4, 0.6]])
    logits = np.log(scores[:, 1] / scores[:, 0])
    temperature, sigmoid, isotonic = (each(scores)[:, 1] for each in MAPS)

    np.testing.assert_allclose(temperature, 1 / (1 + np.exp(-logits / 1.7)))
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-(0.8 * logits - 0.3))))
    np.testing.assert_allclose(isotonic, [0.15, 0.2 + 0.7 / 3])


def test_times_that_are_farther_apart_than_nanoseconds_can_say_have_the_farthest_age():
    """No error, and no sign that turns: 292 years, in both directions; a gap stays a gap."""
    days = pd.to_datetime(["1678-01-01", "2262-01-01", "2000-01-01", None])
    late, early = np.datetime64("2262-01-01", "ns"), np.datetime64("1678-01-01", "ns")

    after, before = days_before(late, days.to_numpy()), days_before(early, days.to_numpy())

    assert after[:3].tolist() == pytest.approx([FARTHEST_NS / DAY_NS, 0, 262 * 365.2425], rel=1e-3)
    assert before[:3].tolist() == pytest.approx([0, -FARTHEST_NS / DAY_NS, -FARTHEST_NS / DAY_NS])
    assert np.isnan([after[3], before[3]]).all()
    assert np.isnan(days_before(np.datetime64("NaT", "ns"), days.to_numpy())).all()
    moments = Columns().fit(pd.DataFrame({"since": days[2:]}))
    assert moments.transform(pd.DataFrame({"since": days[:1]}))["x0age"].item() > 106_000  # the model answers
