"""A file or folder that appears when it is complete, and not at all where that fails.

It is written under another name in the same folder, which tells the process that writes; what a killed process has
left is removed by whoever writes the same file next.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pyfunc.errors import FileRefusedError, Problem
from steps import tracking

NAME_KEPT = 50  # characters of the file's name; the whole has to fit into 255
OWNER = re.compile(r"(.+)-(\d+)-(\d+\.\d+)-\w+")


@contextmanager
def complete(out: Path) -> Iterator[BinaryIO]:
    """An open file that becomes `out` at the end of the block, in the place of an older one.

    Args:
        out: its folder exists.

    Raises:
        FileRefusedError: the folder does not take the file, or the disk is full.
    """
    with writing(out):
        _remove_left(out)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=_unfinished(out))
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            with writing(out):
                file.flush()
                os.fsync(file.fileno())
        with writing(out):
            part.chmod(0o666 & ~_umask())
            part.replace(out)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def complete_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes `out` at the end of the block.

    Args:
        out: its own folder exists; it is absent or empty.

    Raises:
        FileRefusedError: its place does not take it.
    """
    with writing(out):
        _remove_left(out)
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=_unfinished(out)))
    try:
        yield folder
        with writing(out):
            folder.chmod(0o777 & ~_umask())
            folder.replace(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn what the system says of a file that is written into a refusal.

    Raises:
        FileRefusedError: it did not take the bytes.
    """
    try:
        yield
    except OSError as error:
        what = f"'{out}' cannot be written ({error.strerror or type(error).__name__})."
        raise FileRefusedError(Problem("out_not_writable", what, "out", "Choose another place.")) from error


def _unfinished(out: Path) -> str:
    """How the name begins of what this process has not finished."""
    return _beginning(out) + tracking.owner()


def _beginning(out: Path) -> str:
    """How the names of the unfinished begin."""
    return f".{out.name[:NAME_KEPT]}.crisol-"


def _remove_left(out: Path) -> None:
    """Remove what processes that are gone have left of the same file."""
    beginning = _beginning(out)
    for entry in out.parent.iterdir():
        owner = OWNER.fullmatch(entry.name[len(beginning) :]) if entry.name.startswith(beginning) else None
        if owner is not None and not tracking.is_process_alive(dict(zip(tracking.OWNER, owner.groups(), strict=True))):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
