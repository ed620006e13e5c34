"""Small real models and datasets to judge, without PyCaret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import pyfunc
from pyfunc import package
from pyfunc.cells import Kind
from pyfunc.compiled import files
from pyfunc.compiled.plan import Plan
from pyfunc.estimators import Columns, Matrix
from pyfunc.model import PACKAGE_ARTIFACT, signature
from pyfunc.schema import Column, InputSchema, Target
from steps.records import Check, Dataset

PROJECT = Path(pyfunc.__file__).resolve().parent.parent
HOSTILE = ("<script>alert(1)</script>", "$x_1$ & \\frac{1}{2}", "\U0001f600 emoji", "n" * 200, "a|b`c`*d*_e_")


def dataset(
    classes: Sequence[str] = ("no", "yes"),
    rows: int = 300,
    seed: int = 0,
    names: Sequence[str] = ("age", "income", "noise"),
    target: str = "loan",
    absent: int = 0,
) -> Dataset:
    """A dataset whose first two columns tell the class; the last `absent` classes have no test rows."""
    source = np.random.default_rng(seed)
    k = len(classes)

    def draw(n: int, of: int) -> tuple[pd.DataFrame, np.ndarray]:
        y = np.concatenate([np.arange(of), source.choice(of, n - of, p=_shares(of))]).astype(np.int64)
        frame = pd.DataFrame(source.normal(size=(n, len(names))), columns=list(names))
        frame.isetitem(0, frame.iloc[:, 0] + 1.2 * y)
        frame.isetitem(1, frame.iloc[:, 1] - 1.6 * (y % 2))
        frame.iloc[0, 0] = np.nan
        return frame, y

    train, y_train = draw(max(rows, 2 * k), k)
    test, y_test = draw(rows, k - absent)
    columns = tuple(Column(name, Kind.NUMBER, minimum=-5.0, maximum=5.0) for name in names)
    schema = InputSchema(columns, Target(target, tuple(classes), positive=classes[-1] if k == 2 else None))
    checks = (
        Check("target_missing", "ok", "Every row has a target."),
        Check("rows_in_both", "warning", "12 test rows stand in the training file too.", (names[0],), "Remove them."),
    )
    return Dataset("d" * 32, schema, train, y_train, test, y_test, checks, "a" * 64, f"{seed:064x}")


def pipeline(data: Dataset, columns: int | None = None) -> Pipeline:
    """A fitted pipeline as training makes them; with `columns`, one that knows only the first so many."""
    made = make_pipeline(
        Columns(),
        SimpleImputer().set_output(transform="pandas"),
        Matrix(),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    frame = data.train if columns is None else data.train.iloc[:, :columns]
    return made.fit(frame, data.y_train)


def log_model(
    data: Dataset,
    folder: Path,
    schema: InputSchema | None = None,
    columns: int | None = None,
    plan: Plan | None = None,
    **facts: object,
) -> str:
    """Log a model of the dataset as `train` does, in a run of its own; its URI."""
    packaged = folder / f"package-{len(list(folder.glob('package-*')))}"
    packaged.mkdir(parents=True)
    own = schema or data.schema
    if columns is not None:
        own = replace(own, columns=own.columns[:columns])
    plan_files = [] if plan is None else files.save(plan, packaged)
    package.save(packaged, pipeline(data, columns), own, 0.5, plan_files, model="lr", **facts)
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PROJECT / "pyfunc" / "entry.py"),
            artifacts={PACKAGE_ARTIFACT: str(packaged)},
            code_paths=[str(PROJECT / "pyfunc")],
            signature=signature(own),
            input_example=own.example(),
            pip_requirements=[],
        )
    return str(info.model_uri)


def _shares(k: int) -> np.ndarray:
    """Unequal class shares."""
    weights = np.linspace(2, 1, k)
    return weights / weights.sum()
