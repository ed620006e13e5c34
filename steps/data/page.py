"""`checks.html`: what was found out about the two files, for somebody who has a minute."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from steps.data.accepting import ACCEPTABLE
from steps.judging import pages
from steps.judging.words import count, counted, number, percent, printable, short
from steps.records import Check

TEMPLATES = Path(__file__).parent / "templates"
COLUMNS_LISTED = FIGURES_LISTED = 12
SHARES = {"share"}  # figures that are shares of rows
NAMES_OF_FIGURES = {
    "rows": "Rows", "share": "Share of the rows", "rounded": "Equal after rounding only", "alike": "Told apart by text",
    "agree": "With the same label", "disagree": "With another label only", "conflicts": "With contradicting labels",
    "smallest": "Rows of the smallest class", "classes": "Classes", "cells": "Cells", "columns": "Columns",
    "auc": "AUC (0.5 is chance)", "p": "p-value", "difference": "Difference of the shares (0 to 1)",
}  # fmt: skip
OF_COLUMNS = {
    "target_leak": "AUC of {} alone",
    "column_drift": "Difference in {} (0 to 1)",
    "near_identifier": "Values of {} that occur once",
    "time_order": "Test row is the later one, by {}",
}
SHARES_OF_COLUMNS = {"near_identifier", "time_order"}


def checks_html(checks: Iterable[Check]) -> str:
    """A self-contained page: the verdict, what stops training, what to look at, and what is in order, folded."""
    listed = list(checks)
    by_level = {level: [check for check in listed if check.level == level] for level in ("refused", "warning", "ok")}
    return pages.render(
        "checks.html",
        TEMPLATES,
        verdict=_verdict(len(by_level["refused"]), len(by_level["warning"])),
        asked=f"{counted(len(listed), 'question')} about the two files, asked before anything is learned.",
        parts=[
            (title, [_item(check) for check in by_level[level]])
            for title, level in (("What stops training", "refused"), ("What to look at", "warning"))
            if by_level[level]
        ],
        passed=[(check.code, printable(check.what)) for check in by_level["ok"]],
        passed_summary=f"{counted(len(by_level['ok']), 'question')} with a good answer",
    )


def _verdict(refused: int, warned: int) -> str:
    """What it comes to, in a sentence."""
    if refused:
        look = f", {count(warned)} to look at" if warned else ""
        return f"Training cannot start: {counted(refused, 'thing')} to mend{look}."
    if warned:
        return f"Training can start; {counted(warned, 'thing')} to look at."
    return "Training can start: nothing speaks against the two files."


def _item(check: Check) -> dict[str, Any]:
    """A finding as the template takes it; columns that its sentence names are not listed once more."""
    columns = () if all(f"'{name}'" in check.what for name in check.columns) else check.columns
    return {
        "code": check.code,
        "level": check.level,
        "where": {"": "", "both files": "in both files"}.get(check.where, f"in the {check.where}"),
        "what": printable(check.what),
        "columns": [(short(name), printable(name)) for name in columns[:COLUMNS_LISTED]],
        "more_columns": max(0, len(columns) - COLUMNS_LISTED),
        "figures": [_figure(check, name, value) for name, value in list(check.figures.items())[:FIGURES_LISTED]],
        "fix": printable(check.fix),
        "accept": f"accept={check.code}" if check.level == "refused" and check.code in ACCEPTABLE else "",
    }


def _figure(check: Check, name: str, value: float) -> tuple[str, str]:
    """A figure's name and value in words."""
    if name in check.columns and check.code in OF_COLUMNS:
        shown = percent(value) if check.code in SHARES_OF_COLUMNS else number(value)
        return OF_COLUMNS[check.code].format(short(name)), shown
    if name == "p":
        return NAMES_OF_FIGURES[name], "below 0.001" if value < 0.001 else number(value)  # noqa: PLR2004 (as shown)
    shown = percent(value) if name in SHARES else count(value) if float(value).is_integer() else number(value)
    return NAMES_OF_FIGURES.get(name, printable(name)), shown
