"""A stack as a candidate: three bags are tried in this process, then the one on top of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pyfunc.bags import Stacked, heard
from pyfunc.cells import Kind
from pyfunc.schema import Column, InputSchema, Target
from steps.search.attempts import attempt, out_of_fold_of
from steps.search.learners import NATIVE
from steps.search.outcome import Outcome
from steps.search.portfolio import STACK, TOP, Spec
from steps.search.table import FRAME, NATIVE_STEPS, Table, folds_for, lay_out, read
from tests.steps.judging import models

BAGS = (
    Spec("lightgbm", 0, {"learning_rate": 0.3, "num_leaves": 4}, "portfolio"),
    Spec("et", 0, {"n_estimators": 20}, "portfolio"),
    Spec("catboost", 1, {"learning_rate": 0.3, "depth": 3}, "tuned"),
)
FILES = tuple(spec.file for spec in BAGS)
STACKED = Spec(STACK, 0, {TOP: "lightgbm", "learning_rate": 0.2, "num_leaves": 4}, "stacked", FILES)
FOREST = Spec(STACK, 1, {TOP: "et", "n_estimators": 20, "min_samples_leaf": 5}, "stacked", FILES)


def laid_out(folder: Path, classes: tuple[str, ...] = ("no", "yes")) -> tuple[Table, pd.DataFrame]:
    """A table as workers find it, with the bags tried, and its frame."""
    data = models.dataset(classes, rows=160)
    table = Table(data.y_train, folds_for(data.y_train), 1, data.schema, 0.5, data.train.head(1))
    lay_out(folder, data.train, table)
    for spec in BAGS:
        assert tried(folder, spec).error is None
    return table, data.train


def tried(folder: Path, spec: Spec) -> Outcome:
    """What comes of a candidate with all the time that it needs."""
    return attempt(folder, spec, NATIVE, None, None)


@pytest.mark.parametrize("spec", [STACKED, FOREST], ids=["boosted", "forest"])
@pytest.mark.parametrize("classes", [("no", "yes"), ("a", "b", "c")], ids=["two", "three"])
def test_a_stack_is_a_candidate_whose_pipeline_answers_a_frame(tmp_path, spec, classes):
    """By hand: the table's matrix, what the pipelines in the folder say of it, and the bag on top of both."""
    table, frame = laid_out(tmp_path, classes)

    outcome = tried(tmp_path, spec)

    assert outcome.error is None
    assert outcome.out_of_fold.shape == (len(frame), len(classes))
    assert outcome.hyperparameters["bases"] == "lightgbm-0, et-0, catboost-1"
    assert outcome.hyperparameters[TOP] == spec.hyperparameters[TOP]
    assert outcome.pipeline_bytes == (tmp_path / spec.file).stat().st_size
    pipeline = read(tmp_path, spec.file)
    stack: Stacked = pipeline[-1]
    answers = [read(tmp_path, file).predict_proba(frame) for file in FILES]
    matrix = read(tmp_path, NATIVE_STEPS).transform(frame)
    np.testing.assert_array_equal(pipeline.predict_proba(frame), stack.top.predict_proba(heard(matrix, answers)))
    np.testing.assert_allclose(pipeline.predict_proba(table.row).sum(axis=1), 1, rtol=0, atol=1e-9)


def test_a_stack_learns_from_what_its_bases_say_out_of_fold(tmp_path):
    """A base whose saved probabilities are the truth makes it all but right, one of another order makes it differ."""
    table, _ = laid_out(tmp_path)
    saved = tmp_path / out_of_fold_of(FILES[0])
    honest = tried(tmp_path, STACKED)

    np.save(saved, np.load(saved)[::-1])
    turned = tried(tmp_path, STACKED)
    np.save(saved, np.eye(2)[table.y])
    told = tried(tmp_path, STACKED)

    assert abs(turned.out_of_fold - honest.out_of_fold).max() > 0.01
    assert honest.figures["log_loss"] > 0.1
    assert told.figures["log_loss"] < 0.02


def test_a_stack_hears_nothing_but_what_is_out_of_fold(tmp_path):
    """Its own out-of-fold probabilities need no base's pipeline: two that change places change the answers alone."""
    _, frame = laid_out(tmp_path)
    before = tried(tmp_path, STACKED)
    answers = read(tmp_path, STACKED.file).predict_proba(frame)
    first, second = ((tmp_path / file).read_bytes() for file in FILES[:2])

    (tmp_path / FILES[0]).write_bytes(second)
    (tmp_path / FILES[1]).write_bytes(first)
    after = tried(tmp_path, STACKED)

    np.testing.assert_array_equal(after.out_of_fold, before.out_of_fold)
    assert abs(read(tmp_path, STACKED.file).predict_proba(frame) - answers).max() > 1e-3


def noise(folder: Path, levels: int, seed: int, rows: int = 400) -> Table:
    """A table whose labels were drawn without a look at its columns, one of them a category of so many levels."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(rows) % 2)
    texts = [f"v{level}" for level in random.permutation(np.arange(rows) % levels)]
    frame = pd.DataFrame({"a": random.normal(size=rows), "b": random.normal(size=rows), "c": texts})
    columns = (Column("a", Kind.NUMBER), Column("b", Kind.NUMBER), Column("c", Kind.CATEGORY))
    schema = InputSchema(columns, Target("y", ("n", "y"), positive="y"))
    table = Table(y, folds_for(y), 1, schema, 0.5, frame.head(1))
    lay_out(folder, frame, table)
    return table


def lead(table: Table, spec: Spec, folder: Path) -> float:
    """How far the AUC of a candidate's out-of-fold probabilities is above that of a guess."""
    return float(roc_auc_score(table.y, tried(folder, spec).out_of_fold[:, 1])) - 0.5


@pytest.mark.parametrize("levels", [60, 200], ids=["many", "nearly_a_key"])
def test_labels_without_a_signal_stay_unknown_out_of_fold(tmp_path, levels):
    """Neither bags nor stacks rank rows by labels that nothing tells, in the mean of three draws."""
    # One draw of 400 labels alone is worth 0.03. Stacks are above it: what bases say of a row in another fold has seen
    # the labels of the judged one. Under a forest that is about 0.05 here and 0.03 on 1000 rows.
    leads = []
    for seed in (1, 2, 3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        table = noise(folder, levels, seed)
        leads.append([lead(table, spec, folder) for spec in (*BAGS, STACKED, FOREST)])

    assert (abs(np.mean(leads, axis=0)) < 0.1).all()


def test_a_stack_that_heard_of_rows_by_those_who_learned_them_would_be_noticed(tmp_path):
    """The same table with answers in the place of out-of-fold probabilities: far above the bound of the test above."""
    table = noise(tmp_path, 60, seed=1)
    frame = read(tmp_path, FRAME)
    for spec in BAGS:
        tried(tmp_path, spec)
        np.save(tmp_path / out_of_fold_of(spec.file), read(tmp_path, spec.file).predict_proba(frame))

    assert lead(table, STACKED, tmp_path) > 0.2
