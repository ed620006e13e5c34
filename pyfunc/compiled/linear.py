"""Linear models behind PyCaret's preprocessing: what each column adds to the margins, found by asking the pipeline.

Every step of that preprocessing looks at one column at a time, so a row in which one cell is changed tells what the
cell adds. Categories are asked for level by level; of numbers the places of two tell the line, and a spline on it is
read from its knots and coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import BSpline, PPoly
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import SplineTransformer

from pyfunc.compiled.features import CATEGORY, HEAD, NUMBER, TEXT_NUMBER, Feature, Features
from pyfunc.compiled.models import Curve, Linear, Waves
from pyfunc.compiled.unfit import NotCompiledError
from pyfunc.estimators import Within
from pyfunc.schema import InputSchema
from pyfunc.texts import MISSING, NO_LETTERS, REST

CLASSIFIERS = (LogisticRegression, LinearDiscriminantAnalysis)
FIRST, SECOND = 0.0, 4096.0  # numbers that tell a line; their difference is exact
UNHEARD = "\x00unseen"  # a text that no training row holds

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class _Asked:
    """The preprocessing behind `Columns`, and the classifier."""

    steps: Pipeline
    classifier: Any
    names: Sequence[str]
    is_text: Sequence[bool]
    base: Sequence[Any]

    def matrix(self, rows: Sequence[Sequence[Any]]) -> Floats:
        """What rows of made columns look like to the classifier."""
        frame = pd.DataFrame(
            {
                name: pd.Series([row[at] for row in rows], dtype=object if self.is_text[at] else np.float64)
                for at, name in enumerate(self.names)
            }
        )
        return np.asarray(self.steps.transform(frame), dtype=np.float64)

    def changed(self, at: int, cells: Sequence[Any]) -> Floats:
        """The base row with one cell changed."""
        return self.matrix([[*self.base[:at], cell, *self.base[at + 1 :]] for cell in cells])

    def margins(self, matrix: Floats) -> Floats:
        """Margins (n_rows, n_margins)."""
        found = np.asarray(self.classifier.decision_function(matrix), dtype=np.float64)
        return found.reshape(len(matrix), -1)


def of(
    before: list[tuple[str, Any]], classifier: Any, listed: Sequence[Feature], texts: Mapping[int, Any],
    schema: InputSchema,
) -> tuple[Features, Linear | Waves]:  # fmt: skip
    """A linear model and the matrix that it sees.

    Args:
        before: the steps before the classifier, `Columns` first.
        classifier: fitted.
        listed: what `Columns` makes.
        texts: its text features.
        schema: of the rows.

    Raises:
        NotCompiledError: another classifier, or columns that are looked at together.
    """
    if _is_of_waves(classifier):
        matrix, inner = of(before, _Itself(classifier[0].n_features_in_), listed, texts, schema)
        assert isinstance(inner, Linear)
        return matrix, _waves(inner, *(step for _, step in classifier.steps))
    last, splines = (classifier, {}) if isinstance(classifier, _Itself) else _parts(classifier)
    heads = {at: [REST, NO_LETTERS, MISSING, *features.heads_] for at, features in texts.items()}
    features = [_with_levels(each, schema, heads) for each in listed]
    is_text = [each.what in (CATEGORY, HEAD) for each in features]
    base = [each.levels[0] if each.levels else FIRST for each in features]
    names = [_name(each, texts) for each in features]
    asked = _Asked(Pipeline(before[1:]), classifier, names, is_text, base)
    said = asked.margins(asked.matrix([base]))[0]
    intercept = said
    tables: dict[int, Floats] = {}
    curves: dict[int, Curve] = {}
    for at, each in enumerate(features):
        if is_text[at]:
            tables[at] = asked.margins(asked.changed(at, [*each.levels, UNHEARD, np.nan])) - said
        else:
            curves[at], own = _curve(asked, at, last.coef_, splines)
            intercept = intercept - own
    return Features(tuple(features), texts), Linear(intercept, curves, tables)


class _Itself:
    """In the place of a classifier: the matrix's own columns as margins."""

    def __init__(self, width: int) -> None:
        self.coef_ = np.eye(width)

    def decision_function(self, matrix: Floats) -> Floats:
        """The matrix (n_rows, width)."""
        return matrix


def _is_of_waves(classifier: Any) -> bool:
    """Whether it is a logistic regression on random cosines."""
    return isinstance(classifier, Pipeline) and [type(step) for _, step in classifier.steps] == [
        Within,
        RBFSampler,
        LogisticRegression,
    ]


def _waves(inner: Linear, within: Within, sampler: RBFSampler, last: LogisticRegression) -> Waves:
    """The cosines' scale goes into the weights."""
    scale = (2.0 / sampler.n_components) ** 0.5
    return Waves(
        inner,
        float(within.limit),
        sampler.random_weights_,
        sampler.random_offset_,
        last.coef_.T * scale,
        last.intercept_,
    )


def _parts(classifier: Any) -> tuple[Any, dict[int, tuple[Any, int]]]:
    """The linear model, and for each matrix column with a spline the spline and the place of its first coefficient."""
    steps = [step for _, step in classifier.steps] if isinstance(classifier, Pipeline) else [classifier]
    if not isinstance(steps[-1], CLASSIFIERS) or len(steps) > 2:  # noqa: PLR2004
        raise NotCompiledError(f"the classifier {type(steps[-1]).__name__}")
    if len(steps) == 1:
        return steps[-1], {}
    splines: dict[int, tuple[Any, int]] = {}
    for _, transformer, columns in steps[0].transformers_:
        if isinstance(transformer, SplineTransformer):
            width = transformer.n_features_out_ // max(1, len(columns))
            for number, column in enumerate(columns):
                splines[int(column)] = (transformer.bsplines_[number], number * width)
    return steps[-1], splines


def _with_levels(each: Feature, schema: InputSchema, heads: Mapping[int, Sequence[str]]) -> Feature:
    """With the texts that are asked for."""
    if each.what == CATEGORY:
        levels = tuple(schema.columns[each.at].categories)
    elif each.what == HEAD:
        levels = tuple(heads[each.at])
    else:
        return each
    return replace(each, levels=levels or ("",), unseen=len(levels or ("",)))


def _name(each: Feature, texts: Mapping[int, Any]) -> str:
    """As `Columns` calls it."""
    if each.what == TEXT_NUMBER:
        return f"x{each.at}{texts[each.at].names[each.place]}"
    return f"x{each.at}{'' if each.what in (NUMBER, CATEGORY) else each.what}"


def _curve(
    asked: _Asked, at: int, coefficients: Floats, splines: Mapping[int, tuple[Any, int]]
) -> tuple[Curve, Floats]:
    """What a number adds, and what it adds in the base row."""
    rows = asked.changed(at, [FIRST, SECOND, np.nan])
    moved = np.flatnonzero((rows != rows[0]).any(axis=0))
    base = asked.margins(rows)
    missing = base[2] - base[0]
    if not len(moved):
        return Curve(0.0, 1.0, np.zeros(0), np.zeros((1, 1, base.shape[1])), missing), np.zeros(base.shape[1])
    if len(moved) > 1:
        raise NotCompiledError("columns that are looked at together")
    place = int(moved[0])
    scale = (SECOND - FIRST) / (rows[1, place] - rows[0, place])
    center = FIRST - rows[0, place] * scale
    if place not in splines:
        inner = [column for column in range(rows.shape[1]) if column not in splines]
        width = sum(spline.c.shape[1] for spline, _ in splines.values())
        slope = coefficients[:, width + inner.index(place)]
        curve = Curve(center, scale, np.zeros(0), slope[np.newaxis, np.newaxis], missing)
    else:
        spline, first = splines[place]
        weights = coefficients[:, first : first + spline.c.shape[1]].T
        made = [PPoly.from_spline(BSpline(spline.t, spline.c @ each, spline.k)) for each in weights.T]
        kept = slice(spline.k, len(spline.t) - spline.k)
        breaks = made[0].x[kept]
        pieces = np.stack([each.c[:, spline.k : spline.k + len(breaks) - 1] for each in made], axis=-1)
        curve = Curve(center, scale, breaks, np.moveaxis(pieces, 0, 1), missing)
    own = curve(np.array([FIRST]))[0]
    return replace(curve, missing=missing + own), own
