"""Loops over trees as machine code, called with the addresses of arrays.

Numba, which makes them (`loops.making`), takes a second to import and 80 MB. Those who answer do without it: LLVM's
loader puts an object file (`objects`) where it can be called in milliseconds.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from pyfunc import memory
from pyfunc.compiled import objects
from pyfunc.compiled.signatures import SIGNATURES, Kind

LOADER = "libllvmlite"
_lock = threading.Lock()
_functions: dict[str, int] = {}
Array = np.ndarray[Any, Any]


class Loop:
    """Machine code, with the arrays that it is given every time.

    Args:
        name: one of `signatures.SIGNATURES`, made where it is first asked for.
        held: the first of what it takes.

    Raises:
        NoMachineError: Numba is not installed, and nobody has made it before.
        TypeError: an array of another kind, or with gaps, whose addresses would be others.

    Attributes:
        briefly: runs it with a block, while other threads wait: it has to take microseconds.
    """

    def __init__(self, name: str, *held: Array) -> None:
        kinds, function = SIGNATURES[name], _function(name)
        first, self._kinds = kinds[: len(held)], kinds[len(held) :]
        self._held, self._begin = held, _packer(first)(*_told(held, first))
        self._pack = _packer(self._kinds)
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(function)
        self.briefly = ctypes.PYFUNCTYPE(None, ctypes.c_char_p)(function)

    def __call__(self, *given: Any) -> None:
        """Run it with the rest of what it takes; other threads go on.

        Raises:
            TypeError: as above.
        """
        self._run(self.block(*given))

    def block(self, *given: Any) -> bytes:
        """What `briefly` takes; arrays have to be kept as long as it is used.

        Raises:
            TypeError: as above.
        """
        return self._begin + self._pack(*_told(given, self._kinds))


def _packer(kinds: tuple[Kind, ...]) -> Callable[..., bytes]:
    """What makes a block of an address and a shape for each array, or a number."""
    return struct.Struct(f"{sum(1 + axes for _, axes in kinds)}q").pack


def _told(given: Iterable[Any], kinds: tuple[Kind, ...]) -> list[int]:
    """The numbers of such a block."""
    numbers: list[int] = []
    for each, (of, axes) in zip(given, kinds, strict=True):
        if not axes:
            numbers.append(each)
            continue
        if each.dtype != np.dtype(of) or each.ndim != axes or not each.flags.c_contiguous:
            raise TypeError(f"not {of} of {axes} axes without gaps: {each.dtype} of {each.ndim}")
        numbers += each.ctypes.data, *each.shape
    return numbers


def _function(name: str) -> int:
    """The address of a loop's function, made where it is first asked for."""
    if name not in _functions:  # what is there does not wait for another one to be made
        with _lock:
            if name not in _functions:
                _functions.update(_loaded(name))
    return _functions[name]


def _loaded(name: str) -> dict[str, int]:
    """The addresses of a loop and of those that it is used with, from their object files."""
    try:
        engine = _engine()
    except ImportError as error:
        raise objects.NoMachineError from error
    from llvmlite.binding import ObjectFileRef  # noqa: PLC0415 (is installed, as `_engine` has seen)

    contents = objects.of(name)
    for content in contents.values():
        engine.add_object_file(ObjectFileRef.from_data(content))
    engine.finalize_object()
    found = {each: int(engine.get_function_address(each)) for each in contents}
    memory.let_go(LOADER)  # 50 MB that its start has touched; nobody uses them any more
    return found


@cache
def _engine() -> Any:
    """LLVM's loader. It has to be kept: what it has loaded goes with it.

    Raises:
        ImportError: it is not installed.
    """
    import llvmlite.binding as llvm  # noqa: PLC0415 (takes 40 MB: not before there are trees to ask)

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault", jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
