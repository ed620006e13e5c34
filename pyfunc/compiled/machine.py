"""Loops over trees as machine code, made by Numba where it is first worth it.

Numba takes half a second and 70 MB to import, so no process meets it before it has trees to ask; what it makes it
keeps beside the sources, or in its own cache, and the next process reads it in a tenth of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

_lock = threading.Lock()
_made: dict[str, Callable[..., None]] = {}


class NoMachineError(Exception):
    """Numba is not installed."""


def lanes() -> ModuleType:
    """The loops of `pyfunc.compiled.lanes`, which imports Numba.

    Raises:
        NoMachineError: Numba is not installed.
    """
    with _lock:
        try:
            return importlib.import_module("pyfunc.compiled.lanes")
        except ImportError as error:
            raise NoMachineError from error


def compiled(function: Callable[..., None], arguments: Callable[[], tuple[Any, ...]]) -> Callable[..., None]:
    """A function as machine code.

    Args:
        function: of arrays and numbers.
        arguments: gives some of the types that it will be called with, as small as they may be.

    Raises:
        NoMachineError: Numba is not installed.
    """
    with _lock:
        if function.__qualname__ not in _made:
            try:
                import numba  # noqa: PLC0415 (see the module)
            except ImportError as error:
                raise NoMachineError from error
            try:
                made = numba.njit(function, nogil=True, error_model="numpy", cache=True)
            except RuntimeError:  # no folder takes the cache
                made = numba.njit(function, nogil=True, error_model="numpy")
            made(*arguments())
            _made[function.__qualname__] = made
        return _made[function.__qualname__]


def give_back() -> None:
    """Hand freed memory back to the system, where the C library can (glibc): making trees ready takes much of it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
