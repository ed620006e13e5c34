"""The model on disk: what is saved is what is loaded, in every format that is read, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyfunc import package
from pyfunc.cells import Kind
from pyfunc.errors import ArtifactMismatchError
from pyfunc.schema import Column, InputSchema, Target

SCHEMA = InputSchema((Column("x", Kind.NUMBER, minimum=0.0, maximum=1.0),), Target("y", ("no", "yes"), positive="yes"))


class Echo:
    """A pipeline whose probability of the second class is `x`."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities (n_rows, 2)."""
        return np.column_stack([1 - frame["x"], frame["x"]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved package."""
    package.save(tmp_path, Echo(), SCHEMA, 0.3, model="lr")
    return tmp_path


def rewrite(folder: Path, **facts: object) -> None:
    """Change the manifest, and let it vouch for the files as they are; the first ones did not vouch for themselves."""
    manifest = json.loads((folder / package.MANIFEST).read_text())
    del manifest[package.ITSELF]
    manifest["files"][package.SCHEMA] = package._sha256(folder / package.SCHEMA)
    (folder / package.MANIFEST).write_text(json.dumps(manifest | facts))


def test_what_is_saved_is_loaded(folder):
    """Schema, threshold and facts come back, and the pipeline answers."""
    loaded = package.load(folder)

    assert (loaded.schema, loaded.threshold, loaded.manifest["model"]) == (SCHEMA, 0.3, "lr")
    assert loaded.pipeline.predict_proba(pd.DataFrame({"x": [0.25]})).tolist() == [[0.75, 0.25]]
    assert loaded.manifest["format"] == package.PACKAGE_FORMAT == max(package.READABLE)


def test_a_model_of_format_1_is_still_read(folder):
    """Its columns had a time zone where spellings are now."""
    stored = json.loads((folder / package.SCHEMA).read_text())
    for column in stored["columns"]:
        del column["spelling"]
        column["timezone"] = None
    (folder / package.SCHEMA).write_text(json.dumps({**stored, "format": 1}))
    rewrite(folder, format=1)

    assert package.load(folder).schema == SCHEMA


@pytest.mark.parametrize("number", [0, 5, "2", None])
def test_another_format_is_refused_before_the_pickle_is_opened(folder, number):
    """The number is looked at first: what is behind it may not be read at all."""
    (folder / package.PIPELINE).write_bytes(b"not a pickle")
    rewrite(folder, format=number)

    with pytest.raises(ArtifactMismatchError, match="reads format 1 and 2 and 3 and 4"):
        package.load(folder)


@pytest.mark.parametrize("name", [package.PIPELINE, package.SCHEMA])
def test_a_changed_file_is_refused(folder, name):
    """One bit is enough."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))

    with pytest.raises(ArtifactMismatchError, match="changed after the model was saved"):
        package.load(folder)


@pytest.mark.parametrize("name", [package.PIPELINE, package.SCHEMA, package.MANIFEST])
def test_a_missing_file_is_refused(folder, name):
    """Nothing is loaded from what is left."""
    (folder / name).unlink()

    with pytest.raises(ArtifactMismatchError):
        package.load(folder)


def test_any_changed_byte_is_noticed(folder):
    """Also one in the manifest, where another threshold would be another answer; only white space says nothing."""
    known = package.load(folder).manifest
    for name in (package.MANIFEST, package.SCHEMA, package.PIPELINE):
        content = (folder / name).read_bytes()
        for at in range(0, len(content), max(1, len(content) // 97)):
            (folder / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            if name == package.MANIFEST and _says_the_same(folder, known):
                continue
            with pytest.raises(ArtifactMismatchError):
                package.load(folder)
        (folder / name).write_bytes(content)

    changed = json.loads((folder / package.MANIFEST).read_text()) | {"threshold": 0.4}
    (folder / package.MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(ArtifactMismatchError, match=r"manifest\.json changed"):
        package.load(folder)


def _says_the_same(folder: Path, known: dict) -> bool:
    """Whether a manifest still says what it did, be it in other white space or without vouching for itself."""
    try:
        said = json.loads((folder / package.MANIFEST).read_text())
    except ValueError:
        return False
    return {**said, package.ITSELF: ""}.items() >= {**known, package.ITSELF: ""}.items()
