"""Plans answer as their pipelines do, whatever the cells hold, in batches, alone, and read back from their files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pyfunc import package
from pyfunc.bags import Bag, Stacked, heard
from pyfunc.cells import Kind
from pyfunc.codes import Codes
from pyfunc.compiled import catboost_json, files, models
from pyfunc.compiled.catboost_json import hash_of
from pyfunc.compiled.checking import SAME, difference, odd_rows
from pyfunc.compiled.counts import BOUND, CATEGORY
from pyfunc.compiled.extract import extract
from pyfunc.compiled.rounding import at_most, less_than
from pyfunc.compiled.unfit import NotCompiledError
from pyfunc.enforced import columns_of
from pyfunc.errors import ArtifactMismatchError
from pyfunc.estimators import Blend, Calibrated, Columns, Matrix
from pyfunc.model import Scorer
from pyfunc.recalibration import Recalibration
from pyfunc.schema import Column, InputSchema, Target
from steps.search.table import splits_of

PROJECT = Path(__file__).parents[3]
ROWS = 400
LEARNERS = {
    "lightgbm": ("lightgbm", {"learning_rate": 0.2, "num_leaves": 8}),
    "lightgbm extra": ("lightgbm", {"learning_rate": 0.3, "extra_trees": True, "max_cat_to_onehot": 64}),
    "xgboost": ("xgboost", {"learning_rate": 0.3, "max_depth": 4}),
    "catboost": ("catboost", {"learning_rate": 0.3, "depth": 4, "boosting_type": "Plain", "one_hot_max_size": 60}),
    "et": ("et", {"n_estimators": 10, "min_samples_leaf": 3}),
    "rf": ("rf", {"n_estimators": 10}),
}


def table() -> tuple[pd.DataFrame, InputSchema]:
    """Enforced rows with gaps, of every kind."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(ROWS, 3)) * [1, 1000, 1e-3], columns=["one", "two", "three"])
    frame["flag"] = random.integers(0, 2, ROWS).astype(float)
    for name, levels in (("few", 4), ("many", 40)):
        frame[name] = np.array([f"{name} {at}" for at in range(levels)], dtype=object)[random.integers(0, levels, ROWS)]
    frame["when"] = pd.Timestamp("2021-03-04 05:06") + pd.to_timedelta(random.integers(0, 10**8, ROWS), "s")
    frame["says"] = np.array(["Mr. A 12", "Mrs B", "dr C 3", "!"], dtype=object)[random.integers(0, 4, ROWS)]
    for name in frame:
        frame.loc[random.random(ROWS) < 0.1, name] = pd.NaT if name == "when" else np.nan
    kinds = {
        "flag": Kind.BOOLEAN,
        "few": Kind.CATEGORY,
        "many": Kind.CATEGORY,
        "when": Kind.DATETIME,
        "says": Kind.TEXT,
    }
    columns = []
    for name in frame:
        kind = kinds.get(name, Kind.NUMBER)
        known = tuple(sorted(frame[name].dropna().unique())) if kind is Kind.CATEGORY else ()
        ends = (float(frame[name].min()), float(frame[name].max())) if kind is Kind.NUMBER else (None, None)
        columns.append(Column(name, kind, categories=known, minimum=ends[0], maximum=ends[1]))
    return frame, InputSchema(tuple(columns), Target("label", ("0", "1"), integer=True, positive="1"))


FRAME, SCHEMA = table()
STEPS = Pipeline([("columns", Columns((7,), keep_texts=True)), ("codes", Codes())])
MATRIX = STEPS.fit_transform(FRAME)


def labels(classes: int) -> np.ndarray:
    """Something to learn."""
    heard_of = FRAME["one"].fillna(0) + (FRAME["few"] == "few 1") + (FRAME["says"] == "Mrs B") - FRAME["flag"].fillna(0)
    return np.digitize(heard_of, np.quantile(heard_of, np.linspace(0, 1, classes + 1)[1:-1]))


def bagged(learner: str, y: np.ndarray) -> Bag:
    """Three members."""
    name, given_to = LEARNERS[learner]
    wide = [] if name == "catboost" else [5]
    bag = Bag(name, given_to, STEPS[-1].categories_, wide).fit(MATRIX, y, splits_of(y, 3, 1))
    bag.out_of_fold = bag.forget()
    return bag


def piped(classifier: object) -> Pipeline:
    """A pipeline as the search makes it."""
    return Pipeline([*STEPS.steps, ("model", classifier)])


def linear(y: np.ndarray, **drawn: object) -> Pipeline:
    """A logistic regression behind PyCaret's preprocessing."""
    with warnings.catch_warnings(action="ignore"):  # importing PyCaret gives many
        from steps.search.experiment import prepare  # noqa: PLC0415

        prepared = prepare(FRAME, y, "scaled", 1, (7,))
    matrix = prepared.preprocessing.fit_transform(FRAME, pd.Series(y, name="label"))
    return Pipeline([*prepared.preprocessing.steps, ("model", prepared.learners["lr"].make(drawn, 1).fit(matrix, y))])


def far(pipeline: object, tmp_path: Path, schema: InputSchema = SCHEMA) -> float:
    """The largest difference, on training rows and on odd ones, of the plan as read from its files."""
    files.save(extract(pipeline, schema), tmp_path)
    plan = files.load(tmp_path)
    return max(difference(plan, pipeline, rows, schema) for rows in (odd_rows(schema), FRAME))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_bag_answers_as_its_pipeline(learner, classes, tmp_path):
    """Numbers beyond all that was seen, gaps, texts nobody has heard of."""
    assert far(piped(bagged(learner, labels(classes))), tmp_path) <= SAME


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("features", ["plain", "splines", "waves"])
def test_a_linear_model_answers_as_its_pipeline(features, classes, tmp_path):
    """Imputed, encoded and scaled by PyCaret, laid through splines or into random cosines by scikit-learn."""
    assert far(linear(labels(classes), C=0.5, features=features), tmp_path) <= SAME


@pytest.mark.parametrize("method", [("sigmoid", [1.3, -0.2]), ("isotonic", [[0, 0.4, 1], [0.1, 0.5, 0.9]])])
def test_blends_stacks_and_maps_behind_them_are_compiled_too(method, tmp_path):
    """All at once."""
    blend = blended(labels(2))

    assert far(Calibrated(blend, Recalibration(method[0], np.array(method[1]))), tmp_path) <= SAME


def test_a_bag_that_is_a_part_and_a_base_is_kept_and_asked_once(tmp_path, monkeypatch):
    """The forest is a base of the stack and beside it: with the booster and the top there are three bags, not four."""
    asked: list[str] = []
    sums = models.Bag._sums
    monkeypatch.setattr(models.Bag, "_sums", lambda bag, matrix: asked.append(bag.said) or sums(bag, matrix))

    named = files.save(extract(blended(labels(2)), SCHEMA), tmp_path)
    files.load(tmp_path).score(columns_of(FRAME, [column.kind for column in SCHEMA.columns]))

    assert [name for name in named if name.startswith("trees")] == ["trees-0.bin", "trees-1.bin", "trees-2.bin"]
    assert sorted(asked) == [models.MARGINS, models.MARGINS, models.SHARES]


def blended(y):
    """A stack on a booster and a forest, the same forest, and a linear model."""
    bags = {name: bagged(name, y) for name in ("lightgbm", "et")}
    top = Bag("lightgbm", {"learning_rate": 0.2, "num_leaves": 4}, STEPS[-1].categories_)
    top.fit(heard(MATRIX, [bag.out_of_fold for bag in bags.values()]), y, splits_of(y, 3, 1)).forget()
    stacked = Stacked(list(bags.values()), top)
    other = linear(y)
    return Blend([(STEPS, [(0.5, stacked), (0.2, bags["et"])]), (other[:-1], [(0.3, other[-1])])])


def test_texts_that_are_handed_on_unseen_are_compiled_too(tmp_path):
    """Where the schema warns of unseen categories only, the pipeline meets them."""
    schema = InputSchema(SCHEMA.columns, SCHEMA.target, unseen_category="warn")

    assert far(linear(labels(2)), tmp_path, schema) <= SAME


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (piped(KNeighborsClassifier()), "KNeighborsClassifier"),
        (Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]), "StandardScaler"),
        (LogisticRegression(), "LogisticRegression"),
    ],
)
def test_what_no_plan_has_a_place_for_is_named(pipeline, reason):
    """Then the pipeline answers, and says why."""
    with pytest.raises(NotCompiledError, match=reason):
        extract(pipeline, SCHEMA)


def counted(classes: int, **more: Any) -> Pipeline:
    """A bag of CatBoost's with counts of labels by categories, and by what else they are combined with."""
    given_to = {"learning_rate": 0.3, "depth": 4, "one_hot_max_size": 2, "max_ctr_complexity": 4, **more}
    y = labels(classes)
    return piped(Bag("catboost", given_to, STEPS[-1].categories_).fit(MATRIX, y, splits_of(y, 3, 1)))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "more",
    [
        {"boosting_type": "Plain"},
        {"one_hot_max_size": 10, "simple_ctr": ["Buckets:Prior=0.3", "Counter"], "combinations_ctr": ["Borders"]},
        {"counter_calc_method": "Full", "nan_mode": "Max"},
    ],
    ids=["plain", "kinds", "full"],
)
def test_counts_of_labels_by_category_are_numbers_behind_the_matrix(classes, more, tmp_path):
    """Of single categories and of combinations; also of those that training has not seen together."""
    pipeline = counted(classes, **more)
    kinds = {what for part in extract(pipeline, SCHEMA).parts for what in kinds_of(part.model)}

    assert CATEGORY in kinds
    assert BOUND in kinds or more.get("boosting_type") != "Plain"
    assert far(pipeline, tmp_path) <= SAME


def test_a_model_without_numbers_has_counts_too(tmp_path):
    """It states no list of numbers at all."""
    numbers = tuple(at for at in range(MATRIX.shape[1]) if at not in STEPS[-1].categories_)
    y = labels(2)
    bag = Bag("catboost", {"depth": 3, "one_hot_max_size": 2}, STEPS[-1].categories_, left_out=numbers)

    assert far(piped(bag.fit(MATRIX, y, splits_of(y, 3, 1))), tmp_path) <= SAME


def kinds_of(model: Any) -> set[float]:
    """What the counts of a bag are counts of."""
    _, combinations = model.counts._read
    return {what for each in combinations for what in each.elements[:, 0].tolist()}


def test_equal_bags_with_counts_are_one():
    """A part of a blend is a base of its stacks too: what is packed tells whether they are equal."""
    one, again = (extract(counted(2, boosting_type="Plain"), SCHEMA).parts[0].model for _ in range(2))

    assert one == again
    assert hash(one) == hash(again)


def test_an_unknown_kind_of_count_is_left_to_catboost():
    """Nothing in the portfolio asks for it."""
    stated = {"hash_stride": 3, "hash_map": ["7", 0.5, 2], "counter_denominator": 0}

    with pytest.raises(NotCompiledError, match="of the kind FloatTargetMeanValue"):
        catboost_json.Table(stated, {"ctr_type": "FloatTargetMeanValue", "target_border_idx": 0})


@pytest.mark.parametrize("code", [-1, 0, 9, 10, 99, 100, 999, 1000, 4999, 9999])
def test_a_code_is_known_as_catboost_knows_it(code):
    """By the hash of its text."""
    pool = catboost.Pool([[str(code)], ["x"], ["y"], ["z"]] * 20, [1, 0, 0, 0] * 20, cat_features=[0])
    booster = catboost.CatBoostClassifier(iterations=1, depth=1, one_hot_max_size=5, logging_level="Silent").fit(pool)
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(f"{folder}/model.json", format="json")
        stated = json.loads(Path(folder, "model.json").read_text())

    values = {value % 2**32 for each in stated["features_info"]["categorical_features"] for value in each["values"]}

    assert hash_of(str(code)) in values


def test_large_forests_are_refused_before_any_work():
    """Their text would take longer to load than they are worth."""
    with pytest.raises(NotCompiledError, match="forests of more than 10 nodes"):
        extract(piped(bagged("rf", labels(2))), SCHEMA, most_nodes=10)


@settings(max_examples=300, deadline=None)
@given(st.floats(-(2.0**99), 2.0**99, width=32), st.floats(-1e30, 1e30))
def test_comparisons_in_float32_are_one_in_float64(bound, number):
    """At the border, beside it, and anywhere."""
    highest = at_most(np.array([bound]))[0]
    for each in (number, bound, highest, np.nextafter(highest, np.inf), np.nextafter(bound, np.inf)):
        assert (np.float32(each) <= bound) == (each <= highest)
        assert (np.float32(each) < np.float32(bound)) == (each <= less_than(np.array([bound]))[0])


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """A package with a plan."""
    pipeline = piped(bagged("lightgbm", labels(2)))
    package.save(tmp_path, pipeline, SCHEMA, 0.5, files.save(extract(pipeline, SCHEMA), tmp_path))
    return tmp_path


def test_a_compiled_package_answers_like_its_pipeline_through_the_gate(packaged):
    """Columns in another order, None for a gap, a column too many: the traps of bare pipelines."""
    loaded = package.load(packaged)
    pipeline = package.read_pipeline((packaged / package.PIPELINE).read_bytes())
    rows = (
        FRAME.assign(extra=1)
        .astype({"few": object})
        .where(FRAME.assign(extra=1).notna(), None)[["extra", *FRAME[::-1]]]
    )

    answers, _ = Scorer(loaded).answer(rows, "rows")

    wanted = pipeline.predict_proba(FRAME)[:, 1]
    np.testing.assert_allclose(answers["probability_1"], wanted, rtol=0, atol=SAME)
    assert loaded.manifest["scorer"] == package.COMPILED
    assert isinstance(loaded.pipeline, package.Unread)
    np.testing.assert_array_equal(loaded.pipeline.predict_proba(FRAME)[:, 1], wanted)


@pytest.mark.parametrize("what", ["changed after the model was saved", "is not there any more"])
def test_a_pickle_is_checked_when_it_is_read_which_is_late(packaged, what):
    """The plan answers all the same; somebody who asks for the pipeline is told, and nothing of it is run."""
    loaded = package.load(packaged)
    pickle = packaged / package.PIPELINE
    pickle.unlink() if "there" in what else pickle.write_bytes(b"something else")

    assert len(Scorer(loaded).answer(FRAME, "rows")[0]) == ROWS
    with pytest.raises(ArtifactMismatchError, match=what):
        loaded.pipeline.predict_proba(FRAME)


@pytest.mark.parametrize("name", [files.PLAN, files.ARRAYS, "trees-0.bin"])
def test_a_changed_file_of_the_plan_is_refused(packaged, name):
    """Each of them is in the manifest."""
    (packaged / name).write_bytes((packaged / name).read_bytes() + b" ")

    with pytest.raises(ArtifactMismatchError, match="changed after the model was saved"):
        package.load(packaged)


def test_a_plan_answers_without_the_libraries_that_made_it(packaged):
    """Read in a fresh process, which meets none of them."""
    code = (
        "import sys; from pathlib import Path; from pyfunc.compiled import files\n"
        "plan = files.load(Path(sys.argv[1]))\n"
        "plan.score_row([0.5, 1.0, float('nan'), 1.0, 'few 1', None, __import__('numpy').datetime64('NaT'), 'Mrs B'])\n"
        "print(*sorted({'pandas', 'sklearn', 'pycaret', 'scipy', 'lightgbm', 'mlflow'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(packaged)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == ""


def test_a_matrix_step_alone_is_no_columns_step():
    """What does not begin as the search's pipelines do is not guessed at."""
    with pytest.raises(NotCompiledError, match="Matrix"):
        extract(Pipeline([("matrix", Matrix()), ("model", LogisticRegression())]), SCHEMA)
