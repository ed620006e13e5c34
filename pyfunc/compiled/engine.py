"""LightGBM's library without its Python package, which would bring pandas and scikit-learn with it.

Source: LightGBM 4, `include/LightGBM/c_api.h`.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

FLOAT64, ROW_MAJOR = 1, 1
RAW = 1  # what is predicted: the sums of the channels
PARAMETERS = b"num_threads=1"

Matrix = np.ndarray[Any, np.dtype[np.float64]]


@cache
def library() -> Any:
    """The shared library of the installed package.

    Raises:
        OSError: there is none.
    """
    spec = find_spec("lightgbm")
    for folder in spec.submodule_search_locations or () if spec else ():
        for file in sorted(Path(folder).glob("**/lib_lightgbm.*")):
            if file.suffix in (".so", ".dylib", ".dll"):
                found = ctypes.CDLL(str(file))
                found.LGBM_GetLastError.restype = ctypes.c_char_p
                found.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [ctypes.c_void_p] * 4
                return found
    raise OSError("LightGBM's library is not installed")


class Engine:
    """A model file of LightGBM, loaded.

    Args:
        text: the file.
        outputs: channels, of each of which a row gets the sum.
        features: columns of the matrix.
    """

    def __init__(self, text: bytes, outputs: int, features: int) -> None:
        self._library = library()
        self._handle, rounds = ctypes.c_void_p(), ctypes.c_int()
        self._call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(rounds), ctypes.byref(self._handle))
        self.outputs, self.features = outputs, features
        self._row, self._out, self._length = np.empty(features), np.empty(outputs), ctypes.c_int64()
        self._fast = ctypes.c_void_p()
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit", self._handle, RAW, 0, -1, FLOAT64,
            ctypes.c_int32(features), PARAMETERS, ctypes.byref(self._fast),
        )  # fmt: skip
        self._one = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._given = (
            self._fast, self._row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(self._length),
            self._out.ctypes.data_as(ctypes.c_void_p),
        )  # fmt: skip
        self._lock = threading.Lock()  # one buffer for all

    def __del__(self) -> None:
        """Give the memory back."""
        if getattr(self, "_fast", None):
            self._library.LGBM_FastConfigFree(self._fast)
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)

    def batch(self, matrix: Matrix) -> Matrix:
        """Outputs (n_rows, n_outputs) for a matrix (n_rows, n_features)."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        out, length = np.empty((len(rows), self.outputs)), ctypes.c_int64()
        if len(rows):
            self._call(
                "LGBM_BoosterPredictForMat", self._handle, rows.ctypes.data_as(ctypes.c_void_p), FLOAT64,
                ctypes.c_int32(len(rows)), ctypes.c_int32(self.features), ROW_MAJOR, RAW, 0, -1, PARAMETERS,
                ctypes.byref(length), out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            )  # fmt: skip
        return out

    def row(self, row: Matrix) -> Matrix:
        """Outputs (n_outputs,) for one row (n_features,)."""
        with self._lock:
            self._row[:] = row
            if self._one(*self._given):
                raise self._failed()
            return self._out.copy()

    def _call(self, name: str, *arguments: Any) -> None:
        """One function of the library."""
        if getattr(self._library, name)(*arguments):
            raise self._failed()

    def _failed(self) -> RuntimeError:
        """What the library says is wrong."""
        return RuntimeError(f"LightGBM: {self._library.LGBM_GetLastError().decode(errors='replace')}")
