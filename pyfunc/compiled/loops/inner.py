"""How loops are compiled: without Python's errors and Numba's memory, so that they stand alone (`making`)."""

from __future__ import annotations

from numba import njit

OPTIONS = {"error_model": "numpy"}


def inner(function):
    """A function that loops are made of; it is put into each."""
    return njit(function, forceinline=True, **OPTIONS)
