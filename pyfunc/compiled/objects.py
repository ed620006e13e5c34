"""Object files of loops: made once, and kept.

Kept files stand in the user's cache, or else beside the sources. Their names tell of the sources, the compiler and the
processor that they were made from, by and for. What is not kept is made by a process of its own, so that this one stays
as small and as quick to answer as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
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
DIGEST = hashlib.sha256().digest_size
log = logging.getLogger(__name__)


class NoMachineError(Exception):
    """Numba is not installed, and nobody has made the loop before."""


def of(name: str) -> bytes:
    """The object file of a loop: kept, or made and kept from now on.

    Raises:
        NoMachineError: Numba is not installed, and nobody has made it before.
        ImportError: llvmlite is not.
    """
    file = f"{name}-{_made_from()}.o"
    for folder in _folders():
        found = _read(folder / file)
        if found is not None:
            return found
    made = _make(name)
    for folder in _folders():
        if _keep(folder, file, made):
            break
    return made


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


def _keep(folder: Path, file: str, made: bytes) -> bool:
    """Whether a folder takes a file; nobody meets half of it."""
    unfinished = folder / f".{file}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(hashlib.sha256(made).digest() + made)
        unfinished.replace(folder / file)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        return False
    return True


def _make(name: str) -> bytes:
    """Have a loop made.

    Raises:
        NoMachineError: Numba is not installed.
    """
    if importlib.util.find_spec("numba") is None:
        raise NoMachineError
    path = os.pathsep.join([str(HERE.parents[1]), *filter(None, sys.path)])
    command = [sys.executable, "-W", "ignore", "-m", "pyfunc.compiled.loops.making", name]
    try:
        ended = subprocess.run(  # noqa: S603 (a list without a shell, of our own names)
            command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=MADE_IN_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        log.info("the loop '%s' is made in this process: %s", name, type(error).__name__)
        from pyfunc.compiled.loops.making import made  # noqa: PLC0415 (imports Numba)

        return made(name)
    return ended.stdout
