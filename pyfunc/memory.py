"""Memory that is not needed any more goes back to the system, where system and C library can do it (Linux, glibc)."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import re
from pathlib import Path

M_ARENA_MAX = -8  # mallopt(3)
MAPPING = re.compile(r"^(?=[0-9a-f]+-[0-9a-f]+ )", re.MULTILINE)  # where one begins in proc(5)'s smaps
IS_UNWRITTEN = re.compile(r"^Anonymous: +0 kB", re.MULTILINE)


def _where_it_can() -> contextlib.suppress:
    """Elsewhere there is no such library, function or file; Windows has none that CDLL takes without a name."""
    return contextlib.suppress(OSError, AttributeError, TypeError, ValueError)


def share() -> None:
    """Let all threads of this process take memory from one place.

    Else each has a place of its own whose end is never handed back: a thread that loads a model keeps 20 MB.
    """
    with _where_it_can():
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def trim() -> None:
    """Hand freed memory back: making trees ready takes much of it."""
    with _where_it_can():
        ctypes.CDLL(None).malloc_trim(0)


def let_go(library: str) -> None:
    """Hand back the pages of a shared library that nobody uses for now.

    Pages that were written to stay; the others are read again where they are used again.

    Args:
        library: a part of its path.
    """
    with _where_it_can():
        madvise = ctypes.CDLL(None).madvise
        for mapping in MAPPING.split(Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")):
            first = mapping.partition("\n")[0]
            if library in first and IS_UNWRITTEN.search(mapping):
                begin, end = (int(each, 16) for each in first.split()[0].split("-"))
                madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
