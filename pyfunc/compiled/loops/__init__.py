"""Loops as Numba takes them. Only the process that makes machine code of them imports this package (`making`)."""
