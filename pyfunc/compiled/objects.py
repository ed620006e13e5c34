"""Object files of loops: made once, and kept.

Kept files stand in the user's cache, or else beside the sources. Their names tell of the sources, the compiler and the
processor that they were made from, by and for. What is not kept is made by a process of its own, so that this one stays
as small and as quick to answer as it was.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
BESIDE = HERE / "__pycache__"
MADE_IN_S = 300.0
KEPT_BACK = ("CRISOL_", "MLFLOW_")  # variables with keys and passwords
GROUPS = (("descend", "find", "sum_up", "sum_up_levels"), ("walk", "walk_alone"))  # who needs one needs all
DIGEST = hashlib.sha256().digest_size
log = logging.getLogger(__name__)


class NoMachineError(Exception):
    """Numba is not installed, and nobody has made the loop before."""


def of(name: str) -> dict[str, bytes]:
    """The object files of a loop and of those that it is used with, by name: kept, or made and kept from now on.

    Raises:
        NoMachineError: Numba is not installed, and nobody has made them before.
        ImportError: llvmlite is not.
    """
    (names,) = (group for group in GROUPS if name in group)
    found = {each: content for each in names if (content := _kept(each)) is not None}
    missing = [each for each in names if each not in found]
    made = _make(missing) if missing else {}
    for each, content in made.items():
        for folder in _folders():
            if _keep(folder / _file(each), content):
                break
    return {**found, **made}


def _kept(name: str) -> bytes | None:
    """The object file of a loop, if it is there."""
    return next((found for folder in _folders() if (found := _read(folder / _file(name))) is not None), None)


def _file(name: str) -> str:
    """What it is called."""
    return f"{name}-{_made_from()}.o"


@cache
def _made_from() -> str:
    """What machine code depends on, in few letters."""
    import llvmlite.binding as llvm  # noqa: PLC0415 (takes 40 MB: not before there are trees to ask)

    found = hashlib.sha256()
    for source in (*sorted(HERE.rglob("*.py")), HERE.parent / "boosters.py"):
        found.update(source.read_bytes())
    compiler = _version("numba"), _version("llvmlite")
    processor = llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    found.update(repr((compiler, processor)).encode())
    return found.hexdigest()[:24]


def _version(package: str) -> str:
    """Of what is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _folders() -> Iterator[Path]:
    """Where files may be kept, the best one first."""
    with contextlib.suppress(RuntimeError):  # a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crisol"
    yield BESIDE


def _read(file: Path) -> bytes | None:
    """A kept file, unless it is another's or not as it was written: machine code is run unseen."""
    try:
        if hasattr(os, "getuid") and file.stat().st_uid not in {os.getuid(), 0}:
            return None
        kept = file.read_bytes()
    except OSError:
        return None
    known, found = kept[:DIGEST], kept[DIGEST:]
    return found if hashlib.sha256(found).digest() == known else None


def _keep(file: Path, made: bytes) -> bool:
    """Whether the folder takes the file; nobody meets half of it."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_bytes(hashlib.sha256(made).digest() + made)
        unfinished.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        return False
    return True


def _make(names: list[str]) -> dict[str, bytes]:
    """Have loops made: their object files by name.

    Raises:
        NoMachineError: Numba is not installed.
    """
    if importlib.util.find_spec("numba") is None:
        raise NoMachineError
    environment = {name: value for name, value in os.environ.items() if not name.startswith(KEPT_BACK)}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), *filter(None, sys.path)])
    try:
        ended = subprocess.run(  # noqa: S603 (a list without a shell, of our own names)
            [sys.executable, "-W", "ignore", "-m", "pyfunc.compiled.loops.making", *names],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=MADE_IN_S, check=True,
        )  # fmt: skip
        return {name: base64.b64decode(content) for name, content in json.loads(ended.stdout).items()}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.info("loops are made in this process: %s", type(error).__name__)
        from pyfunc.compiled.loops.making import made  # noqa: PLC0415 (imports Numba)

        return {name: made(name) for name in names}
