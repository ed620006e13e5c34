"""Tests of Crisol. `python -m tests` runs all four commands of the continuous integration."""
