"""From a fitted pipeline to a plan. Runs where the model was made: it reads scikit-learn's and PyCaret's objects."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pyfunc import bags
from pyfunc.boosters import Forest
from pyfunc.cells import Kind
from pyfunc.codes import Codes
from pyfunc.compiled import lightgbm_text, linear, trees
from pyfunc.compiled.catboost_json import Counted
from pyfunc.compiled.features import (
    AGE,
    CATEGORY,
    HEAD,
    MOMENTS,
    NUMBER,
    TEXT_NUMBER,
    Feature,
    Features,
)
from pyfunc.compiled.models import MARGINS, SHARES, Bag, Model, Stack
from pyfunc.compiled.plan import Part, Plan
from pyfunc.compiled.unfit import NotCompiledError
from pyfunc.estimators import Blend, Calibrated, Columns
from pyfunc.schema import InputSchema

PACKING = 1  # level of gzip: digits shrink to a third, and the rest would take long
MOST_NODES = 2_000_000  # of forests in one bag: more would take longer to load than they are worth


def extract(pipeline: Any, schema: InputSchema, most_nodes: int = MOST_NODES) -> Plan:
    """The plan of a pipeline.

    Args:
        pipeline: as a package holds it.
        schema: of its rows.
        most_nodes: that the forests of a bag may have.

    Raises:
        NotCompiledError: a step that no plan has a place for.
    """
    recalibration = None
    if isinstance(pipeline, Calibrated):
        pipeline, recalibration = pipeline.classifier, pipeline.recalibration
    if not isinstance(pipeline, Blend | Pipeline):
        raise NotCompiledError(f"the pipeline {type(pipeline).__name__}")
    _limit(pipeline, most_nodes)
    if isinstance(pipeline, Blend):
        branches = [(list(before.steps), classifiers) for before, classifiers in pipeline.branches]
    else:
        steps = list(pipeline.steps)
        branches = [(steps[:-1], [(1.0, steps[-1][1])])]
    matrices: list[Features] = []
    parts: list[Part] = []
    for before, classifiers in branches:
        for weight, classifier in classifiers:
            made, model = _of(before, classifier, schema)
            if made not in matrices:
                matrices.append(made)
            parts.append(Part(float(weight), matrices.index(made), model))
    return Plan(tuple(matrices), _sharing(parts), recalibration)


def _sharing(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, in which equal bags are one: a part of a blend is a base of its stacks too, as a rule."""
    known: dict[Bag, Bag] = {}

    def shared(model: Model) -> Model:
        if isinstance(model, Stack):
            return replace(model, bases=tuple(known.setdefault(base, base) for base in model.bases))
        return known.setdefault(model, model) if isinstance(model, Bag) else model

    return tuple(replace(part, model=shared(part.model)) for part in parts)


def _limit(pipeline: Any, most_nodes: int) -> None:
    """Refuse forests that are too large, before any work."""
    blended = (
        [one for _, held in pipeline.branches for _, one in held] if isinstance(pipeline, Blend) else [pipeline[-1]]
    )
    for classifier in blended:
        for bag in [*classifier.bases, classifier.top] if isinstance(classifier, bags.Stacked) else [classifier]:
            grown = [tree for each in getattr(bag, "members_", ()) if isinstance(each, Forest) for tree in each.trees]
            if sum(tree.node_count for tree in grown) > most_nodes:
                raise NotCompiledError(f"forests of more than {most_nodes} nodes")


def _of(before: list[tuple[str, Any]], classifier: Any, schema: InputSchema) -> tuple[Features, Model]:
    """One classifier and the matrix that it sees."""
    columns = before[0][1]
    if not isinstance(columns, Columns):
        raise NotCompiledError(f"the step {type(columns).__name__}")
    listed, texts = _made(columns, schema)
    if len(before) == 2 and isinstance(before[1][1], Codes):  # noqa: PLR2004
        coded = before[1][1].levels_
        features = Features(
            tuple(_with_levels(each, coded[at]) if at in coded else each for at, each in enumerate(listed)), texts
        )
        levels = {at: len(known) for at, known in coded.items()}
        if isinstance(classifier, bags.Stacked):
            return features, _stack(classifier, len(listed), levels)
        if isinstance(classifier, bags.Bag):
            return features, _bag(classifier, len(listed), levels)
        raise NotCompiledError(f"the classifier {type(classifier).__name__}")
    return linear.of(before, classifier, listed, texts, schema)


def _made(columns: Columns, schema: InputSchema) -> tuple[list[Feature], Mapping[int, Any]]:
    """What `Columns` makes, in its order."""
    first: list[Feature] = []
    last: list[Feature] = []
    for at, column in enumerate(schema.columns):
        if at in columns.features_:
            first.append(Feature(at, HEAD))
            if columns.keep_texts:
                first.append(Feature(at, CATEGORY))
            last += [Feature(at, TEXT_NUMBER, place=place) for place in range(len(columns.features_[at].names))]
        elif at in columns.latest_:
            latest = np.datetime64(columns.latest_[at].to_datetime64(), "ns")
            first += [Feature(at, part, latest=latest if part == AGE else None) for part in MOMENTS]
        else:
            first.append(Feature(at, NUMBER if column.kind in (Kind.NUMBER, Kind.BOOLEAN) else CATEGORY))
    return [*first, *last], dict(columns.features_)


def _with_levels(feature: Feature, levels: Mapping[str, int]) -> Feature:
    """With the texts that have a code."""
    return Feature(feature.at, feature.what, tuple(sorted(levels, key=lambda text: levels[text])))


def _bag(bag: bags.Bag, columns: int, levels: Mapping[int, int]) -> Bag:
    """All members in one engine."""
    left_out = set(bag.left_out)
    places = np.array([at for at in range(columns) if at not in left_out], dtype=np.int64)
    members: list[Any] = bag.members_
    counted = Counted(columns)
    channels = [channel for member in members for channel in trees.channels_of(member, places, levels, counted)]
    is_forest = isinstance(members[0], Forest)
    grown = [len(member.trees) if is_forest else 0 for member in members]
    if len(set(grown)) > 1:
        raise NotCompiledError("forests of different sizes in one bag")
    classes = members[0].classes if is_forest else max(2, len(channels) // len(members))
    packed = gzip.compress(lightgbm_text.model(channels, counted.width).encode(), PACKING, mtime=0)
    said = SHARES if is_forest else MARGINS
    return Bag(packed, len(members), classes, said, grown[0], counted.width, counted.counts())


def _stack(stacked: bags.Stacked, columns: int, levels: Mapping[int, int]) -> Stack:
    """The bases, and the top on the matrix with what they say behind it."""
    bases = tuple(_bag(base, columns, levels) for base in stacked.bases)
    said = sum(1 if base.classes == 2 else base.classes for base in bases)  # noqa: PLR2004
    return Stack(bases, _bag(stacked.top, columns + said, levels))
