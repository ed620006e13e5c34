"""Loops as machine code: made once, kept, and called without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyfunc.compiled import machine, objects
from pyfunc.compiled.loops import making
from pyfunc.compiled.machine import Loop
from pyfunc.compiled.objects import NoMachineError
from pyfunc.compiled.places import CODE, RIGHT
from pyfunc.compiled.signatures import SIGNATURES

NONE, INTS = np.zeros(0), np.zeros(0, dtype=np.int64)
PROJECT = Path(__file__).parents[3]


def found_places(loop: Loop) -> list[list[int]]:
    """Of a number among two bounds, and of a code."""
    out = np.empty((2, 3), dtype=np.uint16)
    loop(np.array([[0.0, 5.0], [1.5, np.nan], [9.0, 70.0]]), out)
    return out.tolist()


def places() -> Loop:
    """The loop that finds them."""
    kinds, starts = np.array([RIGHT, CODE]), np.array([0, 2, 2])
    return Loop("find", np.array([0, 1]), kinds, np.array([1.0, 2.0]), starts, INTS, np.zeros(3, dtype=np.int64))


EXPECTED = [[0, 1, 2], [5, 63, 63]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For kept files; nothing is loaded yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(objects, "BESIDE", tmp_path / "beside")
    monkeypatch.setattr(machine, "_functions", {})
    return tmp_path / "crisol"


def never(*_: object, **__: object) -> bytes:
    """Must not be asked."""
    raise AssertionError


def test_a_loop_is_made_once_and_kept(folder: Path, monkeypatch):
    """In a process of its own, the first time; the next process reads the file."""
    assert found_places(places()) == EXPECTED
    assert sorted(file.name.split("-")[0] for file in folder.iterdir()) == sorted(objects.GROUPS[0])
    monkeypatch.setattr(objects, "_make", never)
    monkeypatch.setattr(machine, "_functions", {})

    assert found_places(places()) == EXPECTED


def test_who_answers_does_not_import_the_compiler(folder: Path):
    """Whether the loop is there already or not."""
    program = (
        "import sys, numpy as np; from pyfunc.compiled.machine import Loop; from pyfunc.compiled.places import Places; "
        "ints = np.zeros(0, dtype=np.int64); one = np.zeros(1, dtype=np.int64); "
        "Loop('find', ints, ints, np.zeros(0), one, ints, one)(np.zeros((1, 1)), np.zeros((0, 1), dtype=np.uint16)); "
        "print(sorted({'numba', 'pandas'} & set(sys.modules)))"
    )
    for _ in range(2):
        ended = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
        assert ended.stdout == "[]\n"
    assert len(list(folder.iterdir())) == len(objects.GROUPS[0])


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_a_file_that_is_not_as_it_was_written_is_made_again(folder: Path, monkeypatch, harm: str):
    """Machine code is run unseen."""
    monkeypatch.setattr(objects, "GROUPS", (("find",),))
    made = {"find": making.made("find")}
    monkeypatch.setattr(objects, "_make", lambda _: made)
    places()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    changed = {"cut": whole[:-1], "changed": whole[:-1] + bytes([whole[-1] ^ 1]), "empty": b""}[harm]
    file.write_bytes(changed)
    monkeypatch.setattr(machine, "_functions", {})

    assert found_places(places()) == EXPECTED
    assert file.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_what_another_has_put_there_is_not_run(folder: Path, monkeypatch):
    """It is made again."""
    monkeypatch.setattr(objects, "GROUPS", (("find",),))
    made = {"find": making.made("find")}
    monkeypatch.setattr(objects, "_make", lambda _: made)
    places()
    monkeypatch.setattr(objects, "_make", never)
    monkeypatch.setattr(machine, "_functions", {})
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    if owner == 0:  # whose files are everybody's
        (file,) = folder.iterdir()
        os.chown(file, 12345, -1)

    with pytest.raises(AssertionError):
        places()


def test_without_a_folder_that_takes_it_a_loop_is_made_all_the_same(tmp_path: Path, monkeypatch):
    """In each process again."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(objects, "BESIDE", tmp_path / "file")
    monkeypatch.setattr(machine, "_functions", {})

    assert found_places(places()) == EXPECTED


def test_without_a_folder_of_the_user_files_stand_beside_the_sources(folder: Path, monkeypatch):
    """As Python keeps its own."""
    folder.write_text("")
    monkeypatch.setattr(objects, "GROUPS", (("find",),))
    made = {"find": making.made("find")}
    monkeypatch.setattr(objects, "_make", lambda _: made)
    places()
    monkeypatch.setattr(machine, "_functions", {})
    monkeypatch.setattr(objects, "_make", never)

    assert found_places(places()) == EXPECTED
    assert len(list(objects.BESIDE.iterdir())) == 1


def test_where_no_process_can_be_started_this_one_makes_it(folder: Path, monkeypatch):
    """An interpreter inside of another program may not be one that can be started."""
    monkeypatch.setattr(objects, "GROUPS", (("find",),))
    monkeypatch.setattr(sys, "executable", "/nowhere")

    assert found_places(places()) == EXPECTED
    assert len(list(folder.iterdir())) == 1


def test_who_makes_loops_is_given_no_keys(folder: Path, monkeypatch):
    """It needs none, and every process that has one may show it."""
    given = {}

    def ran(_: list[str], env: dict[str, str], **__: object) -> None:
        given.update(env)
        raise OSError

    monkeypatch.setattr(objects, "GROUPS", (("find",),))
    monkeypatch.setattr(objects.subprocess, "run", ran)
    for name in ("CRISOL_API_KEY", "MLFLOW_TRACKING_PASSWORD", "OTHER"):
        monkeypatch.setenv(name, "secret")
    places()

    assert (given["OTHER"], [name for name in given if name.startswith(objects.KEPT_BACK)]) == ("secret", [])


@pytest.mark.parametrize("gone", ["numba", "llvmlite"])
def test_without_a_compiler_there_are_no_loops(folder: Path, monkeypatch, gone: str):
    """Which is for the caller to see to."""

    def missing() -> None:
        raise ImportError

    if gone == "numba":
        monkeypatch.setattr(objects.importlib.util, "find_spec", lambda _: None)
    else:
        monkeypatch.setattr(machine, "_engine", missing)

    with pytest.raises(NoMachineError):
        places()
    assert not folder.exists()


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((4, 4))[::2],
        np.zeros(3),
        np.zeros((1, 1), dtype=np.float32),
    ],
    ids=["gaps", "axes", "type"],
)
def test_arrays_of_another_kind_are_refused(given):
    """Addresses are reckoned by hand, and would be others."""
    with pytest.raises(TypeError, match="without gaps"):
        places()(given, np.zeros((2, 1), dtype=np.uint16))


def test_loops_stand_alone(monkeypatch):
    """A loop that takes memory, or raises, needs Numba where it runs: it is not made."""

    def takes_memory(features, kinds, bounds, bound_starts, words, word_starts, matrix, out):
        more = np.empty(len(matrix))
        for at in range(len(matrix)):
            more[at] = matrix[at, 0]
        out[0, 0] = np.uint16(more.sum())

    monkeypatch.setitem(making.LOOPS, "find", takes_memory)

    with pytest.raises(making.ForeignCodeError, match="find calls NRT_"):
        making.made("find")


def test_every_loop_has_its_signature():
    """One list for those who call and for the one who makes them."""
    assert set(making.LOOPS) == set(SIGNATURES) == {name for names in objects.GROUPS for name in names}
    for name, loop in making.LOOPS.items():
        assert loop.__code__.co_argcount == len(SIGNATURES[name])
