"""Refused checks that a user takes upon himself, by code (`accept=`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pyfunc.errors import Problem, quoted
from pyfunc.schema import WHAT_OF
from steps.data import noticed
from steps.data.targets import nearest
from steps.records import Check

ACCEPTABLE = ("target_leak",)  # without the others' answer there is nothing that could be learned or judged
CODES = (
    "ignored_unknown", "kinds_unknown",
    "target_missing", "target_gaps", "one_class", "class_too_small", "class_in_one_file",
    "class_balance", "few_rows_a_class", "label_shift", "column_in_one_file", "no_columns", "type_mismatch",
    "unseen_category", "rows_in_both_files", "rows_in_both_without_label", "duplicates", "target_leak", "drift",
    "column_drift", "constant_column", "identifier_column", "text_column", "near_identifier", "duplicate_columns",
    "time_order", "mixed_column", "ambiguous_dates", "ambiguous_numbers", *noticed.CODES, *WHAT_OF,
)  # fmt: skip


def codes_in(text: str) -> tuple[str, ...]:
    """Codes from a text such as `target_leak, drift`: sorted, each once."""
    return tuple(sorted({code.strip() for code in text.split(",") if code.strip()}))


def problems_with(codes: Collection[str]) -> list[Problem]:
    """Codes that no check has."""
    return [
        Problem("accept_unknown", f"There is no check '{code[:80]}' to accept.", "accept", nearest(code, CODES))
        for code in codes
        if code not in CODES
    ]


def accepted(check: Check, codes: Collection[str]) -> Check:
    """The check as it counts: a refused one that is accepted warns; one that cannot be accepted says so."""
    if check.level != "refused" or check.code not in codes:
        return check
    if check.code in ACCEPTABLE:
        fix = check.fix.replace(f"; then accept {check.code}", "")
        return replace(check, level="warning", what=f"{check.what} Accepted on request.", fix=fix)
    return replace(check, fix=f"{check.fix} It cannot be accepted; only {quoted(ACCEPTABLE)} can.".strip())
