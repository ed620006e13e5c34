"""What report and card say of test rows that also stand in the training file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from steps.judging import words
from steps.judging.intervals import Figure
from steps.judging.metrics import METRICS
from steps.judging.words import count, counted, figure, percent

Doc = Mapping[str, Any]


def sentence(doc: Doc) -> str:
    """How many test rows stand in the training file too, and what the primary figure is without them."""
    found = doc.get("shared_rows")
    if not found:
        return ""
    more = found["any_label"] - found["count"]
    but = f" {count(more)} {'stands' if more == 1 else 'stand'} there with another label only." if more else ""
    if not found["count"]:
        return f"No test row also stands in the training file with its label.{but}"
    stand = "stands" if found["count"] == 1 else "stand"
    said = (
        f"{count(found['count'])} of {counted(doc['dataset']['rows'], 'test row')} ({percent(found['share'])}) also "
        f"{stand} in the training file with the same label.{but}"
    )
    without = found["figures_without"]
    if without is None:
        return f"{said} Too few others are left for figures."
    name = words.NAMES[doc["metric"]]
    own = Figure.from_dict(without[doc["metric"]])
    compared = words.comparison(name, *astuple(Figure.from_dict(found["differences"][doc["metric"]])))
    others = counted(found["rows_without"], "other row")
    return f"{said} On the {others} {name} is {figure(own)}: {compared.removeprefix(f'{name} ')}."


def verdict(doc: Doc) -> str:
    """The same for the top of the page: only what it does to the primary figure; nothing where that is chance."""
    if not matters(doc):
        return ""
    found, name = doc["shared_rows"], words.NAMES[doc["metric"]]
    stand = "stands" if found["count"] == 1 else "stand"
    rows = f"{counted(found['count'], 'test row')} ({percent(found['share'])})"
    if found["figures_without"] is None:
        why = "hardly any other: the test cannot tell knowledge from memory"
        return f"{rows} also {stand} in the training file, {why}."
    own = Figure.from_dict(found["figures_without"][doc["metric"]])
    better = Figure.from_dict(found["differences"][doc["metric"]])
    compared = words.comparison(name, *astuple(better)).removeprefix(f"{name} ")
    return f"Without the {rows} that also {stand} in the training file, {name} is {figure(own)}: {compared}."


def matters(doc: Doc) -> bool:
    """Whether rows in both files move the primary figure by more than chance, or leave nothing else to judge by."""
    found = doc.get("shared_rows")
    if not found or not found["count"]:
        return False
    if found["figures_without"] is None:
        return True
    difference = Figure.from_dict(found["differences"][doc["metric"]])
    return difference.is_defined and (difference.high < 0 or difference.low > 0)


def table(doc: Doc) -> list[dict[str, Any]]:
    """The figures with and without the test rows that stand in the training file too; none where there are none."""
    found = doc.get("shared_rows")
    if not found or found["figures_without"] is None:
        return []
    rows = []
    for name in [doc["metric"], *(name for name in METRICS if name != doc["metric"])]:
        own, others = (Figure.from_dict(each[name]) for each in (doc["figures"], found["figures_without"]))
        better = Figure.from_dict(found["differences"][name])
        rows.append(
            {
                "name": words.NAMES[name],
                "main": name == doc["metric"],
                "all": words.figure(own),
                "without": words.figure(others),
                "difference": words.difference(better.value, better.low, better.high),
            }
        )
    return rows
