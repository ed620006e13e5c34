"""A plan on disk: `plan.json`, its arrays in `plan.npz`, the trees of each bag in `trees-<n>.bin`, packed.

Counts of CatBoost's stand in `counts-<n>.bin` beside them.

The name does not end in `.gz`: MLflow tells S3 that such files are packed for the way, and unpacks them on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyfunc.compiled.counts import Counts
from pyfunc.compiled.features import Feature, Features
from pyfunc.compiled.models import Bag, Curve, Linear, Model, Stack, Waves
from pyfunc.compiled.plan import Part, Plan
from pyfunc.recalibration import Recalibration
from pyfunc.texts import TextFeatures

PLAN, ARRAYS = "plan.json", "plan.npz"
WAVES = ("directions", "offsets", "weights", "intercept")  # arrays of `Waves`, in the order of its fields


def save(plan: Plan, folder: Path) -> list[str]:
    """Write a plan; the names of its files."""
    writer = _Writer(folder)
    stated = {
        "features": [writer.features(each) for each in plan.features],
        "parts": [
            {"weight": part.weight, "features": part.features, "model": writer.model(part.model)} for part in plan.parts
        ],
        "recalibration": plan.recalibration
        and {"method": plan.recalibration.method, "numbers": writer.array(plan.recalibration.numbers)},
    }
    (folder / PLAN).write_text(json.dumps(stated, ensure_ascii=False), encoding="utf-8")
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, **writer.arrays)
    return [PLAN, ARRAYS, *writer.files]


def load(folder: Path) -> Plan:
    """Read a plan whose files were checked."""
    stated = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        reader = _Reader(folder, dict(arrays))
    recalibration = stated["recalibration"]
    return Plan(
        tuple(reader.features(each) for each in stated["features"]),
        tuple(Part(part["weight"], part["features"], reader.model(part["model"])) for part in stated["parts"]),
        recalibration and Recalibration(recalibration["method"], reader.arrays[recalibration["numbers"]]),
    )


def counts_of(trees: str) -> str:
    """The file of the counts that the trees of another file ask for."""
    return trees.replace("trees", "counts")


@dataclass
class _Writer:
    """Turns parts of a plan into JSON; what is large goes into files."""

    folder: Path
    arrays: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    bags: dict[int, str] = field(default_factory=dict)  # files of those that are written, by id

    def array(self, values: np.ndarray[Any, Any]) -> str:
        """Keep an array; its name."""
        name = f"array{len(self.arrays)}"
        self.arrays[name] = np.asarray(values)
        return name

    def features(self, features: Features) -> dict[str, Any]:
        """A matrix's columns."""
        listed = [
            {
                "at": each.at, "what": each.what, "levels": each.levels, "unseen": each.unseen, "place": each.place,
                "latest": None if each.latest is None else int(each.latest.astype(np.int64)),
            }
            for each in features.listed
        ]  # fmt: skip
        texts = {
            str(at): {
                "words": made.words_, "heads": made.heads_, "hashes": self.array(made.hashes_),
                "counts": self.array(made.counts_),
            }
            for at, made in features.texts.items()
        }  # fmt: skip
        return {"listed": listed, "texts": texts}

    def model(self, model: Model) -> dict[str, Any]:
        """A classifier."""
        if isinstance(model, Bag):
            name = self.bags.get(id(model))
            if name is None:
                name = self.bags[id(model)] = f"trees-{len(self.files)}.bin"
                (self.folder / name).write_bytes(model.packed)
                self.files.append(name)
                if model.counts is not None:
                    self.files.append(counts_of(name))
                    (self.folder / self.files[-1]).write_bytes(model.counts.packed)
            return {
                "kind": "bag", "trees_in": name, "members": model.members, "classes": model.classes, "said": model.said,
                "trees": model.trees, "features": model.features, "counts": model.counts is not None,
            }  # fmt: skip
        if isinstance(model, Stack):
            return {"kind": "stack", "bases": [self.model(base) for base in model.bases], "top": self.model(model.top)}
        if isinstance(model, Waves):
            arrays = {name: self.array(getattr(model, name)) for name in WAVES}
            return {"kind": "waves", "inner": self.model(model.inner), "limit": model.limit, **arrays}
        assert isinstance(model, Linear)
        curves = {
            str(at): {
                "center": curve.center, "scale": curve.scale, "breaks": self.array(curve.breaks),
                "pieces": self.array(curve.pieces), "missing": self.array(curve.missing),
            }
            for at, curve in model.curves.items()
        }  # fmt: skip
        tables = {str(at): self.array(table) for at, table in model.tables.items()}
        return {"kind": "linear", "intercept": self.array(model.intercept), "curves": curves, "tables": tables}


@dataclass
class _Reader:
    """The way back."""

    folder: Path
    arrays: Mapping[str, np.ndarray[Any, Any]]
    bags: dict[str, Bag] = field(default_factory=dict)  # those that are read, by file

    def features(self, stated: Mapping[str, Any]) -> Features:
        """A matrix's columns."""
        return Features(
            tuple(
                Feature(
                    each["at"], each["what"], tuple(each["levels"]), each["unseen"], each["place"],
                    None if each["latest"] is None else np.datetime64(each["latest"], "ns"),
                )
                for each in stated["listed"]
            ),
            {int(at): self._text(made) for at, made in stated["texts"].items()},
        )  # fmt: skip

    def _text(self, stated: Mapping[str, Any]) -> TextFeatures:
        """What is made of a text column."""
        made = TextFeatures()
        made.words_, made.heads_ = tuple(stated["words"]), tuple(stated["heads"])
        made.hashes_, made.counts_ = self.arrays[stated["hashes"]], self.arrays[stated["counts"]]
        return made

    def model(self, stated: Mapping[str, Any]) -> Model:
        """A classifier."""
        if stated["kind"] == "waves":
            inner = self.model(stated["inner"])
            assert isinstance(inner, Linear)
            return Waves(inner, stated["limit"], *(self.arrays[stated[name]] for name in WAVES))
        if stated["kind"] == "linear":
            curves = {int(at): self._curve(each) for at, each in stated["curves"].items()}
            tables = {int(at): self.arrays[name] for at, name in stated["tables"].items()}
            return Linear(self.arrays[stated["intercept"]], curves, tables)
        if stated["kind"] == "stack":
            return Stack(tuple(map(self._bag, stated["bases"])), self._bag(stated["top"]))
        return self._bag(stated)

    def _bag(self, stated: Mapping[str, Any]) -> Bag:
        """Its trees are loaded; one that is named twice is one."""
        name = stated["trees_in"]
        if name not in self.bags:
            packed = (self.folder / name).read_bytes()
            counts = Counts((self.folder / counts_of(name)).read_bytes()) if stated.get("counts") else None
            facts = {fact: stated[fact] for fact in ("members", "classes", "said", "trees", "features")}
            self.bags[name] = Bag(packed, **facts, counts=counts, is_stored=True)
        return self.bags[name]

    def _curve(self, stated: Mapping[str, Any]) -> Curve:
        """What a number adds."""
        breaks, pieces, missing = (self.arrays[stated[name]] for name in ("breaks", "pieces", "missing"))
        return Curve(stated["center"], stated["scale"], breaks, pieces, missing)
