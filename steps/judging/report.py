"""`report.html`: the evaluation as one page that needs nothing else, in the order in which a reader doubts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from steps.judging import (
    cuts,
    frontier,
    pages,
    reliability,
    row_cost,
    seen,
    sorting,
    summary,
    treated,
    verdict,
    versus,
    where,
    words,
)
from steps.judging.canvas import Plot
from steps.judging.intervals import Figure
from steps.judging.metrics import METRICS

CLASSES_LISTED = 100
KIB = 1024
LEADERBOARD_FIGURES = 4  # columns of figures in the list of candidates


def render(doc: Mapping[str, Any], plots: Sequence[Plot]) -> str:
    """The page for an evaluation and its plots.

    Args:
        doc: as `steps.judging.document` describes it.
        plots: drawn from the same judgement.
    """
    target = str(doc["dataset"]["target"])
    return pages.render(
        "report.html",
        doc=doc,
        two=doc["model"]["positive"] is not None,
        target={"whole": words.printable(target), "short": words.short(target)},
        script=Markup(sorting.SCRIPT),  # noqa: S704 (our own file)
        positive=words.short(str(doc["model"]["positive"])),
        verdict={"headline": verdict.headline(doc), "sentences": summary.sentences(doc)},
        trust=_trust(doc),
        good=_good(doc),
        at_threshold=verdict.at_threshold(doc),
        cuts=_cuts(doc),
        probabilities=_probabilities(doc),
        wrong=[(words.count(each["row"]), words.probability(each["probability"])) for each in doc["least_likely"]],
        slices={"summary": where.summary(doc), "lines": where.lines(doc)},
        treated=treated.sections(doc),
        drives=verdict.drivers(doc),
        tried=_tried(doc),
        cost=row_cost.section(doc),
        made=_made(doc),
        plots={plot.name: _embedded(plot) for plot in plots},
    )


def _embedded(plot: Plot) -> dict[str, Any]:
    """A plot as the template takes it."""
    svg = Markup(plot.embedded())  # noqa: S704 (matplotlib and `canvas` escape all text in it)
    return {
        "name": plot.name,
        "title": plot.title,
        "caption": plot.caption,
        "header": plot.header,
        "rows": plot.rows,
        "svg": svg,
        "is_sorted": plot.name in sorting.SORTED,
    }


def _trust(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Checks of the two files, those that found something first."""
    checks = [
        {
            **check,
            "what": words.printable(check["what"]),
            "columns": ", ".join(words.short(name) for name in check["columns"]),
        }
        for check in doc["dataset"]["checks"]
    ]
    rank = {"refused": 0, "warning": 1}
    problems = sorted((c for c in checks if c["level"] in rank), key=lambda check: rank[check["level"]])
    passed = [check for check in checks if check["level"] == "ok"]
    return {
        "summary": verdict.trust(doc),
        "notes": verdict.doubts(doc),
        "shared": seen.sentence(doc),
        "without": seen.table(doc),
        "rows": words.count(doc["dataset"]["rows"]),
        "rows_without": words.count(doc["shared_rows"]["rows_without"]) if doc.get("shared_rows") else "",
        "problems": problems,
        "passed": passed,
        "passed_summary": f"{words.counted(len(passed), 'check is', 'checks are')} in order",
    }


def _good(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The main table and the classes."""
    champion = doc["champion"] if doc["champion"] and doc["champion"]["comparable"] else None
    positive = doc["model"]["positive"]
    names = [doc["metric"], *(name for name in METRICS if name != doc["metric"])]
    classes = [
        {
            "label": words.short(each["label"]),
            "whole": words.printable(each["label"]),
            "positive": each["label"] == positive,
            "rows": words.count(each["rows"]),
            "cells": [words.figure(Figure.from_dict(each[name])) for name in ("precision", "recall", "f1", "roc_auc")],
        }
        for each in doc["per_class"][:CLASSES_LISTED]
    ]
    return {
        "summary": verdict.goodness(doc),
        "versus": versus.sentences(doc),
        "has_champion": champion is not None,
        "rows": [_row(doc, name, champion) for name in names],
        "classes": classes,
        "averages": _averages(doc),
        "method": verdict.method(doc),
    }


def _averages(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All classes together: two rows under the classes."""
    named = (("macro", "Macro average"), ("weighted", "Weighted average"))
    shown = [(name, doc[how].values()) for how, name in named if how in doc]
    return [{"name": name, "cells": [words.figure(Figure.from_dict(each)) for each in found]} for name, found in shown]


def _row(doc: Mapping[str, Any], name: str, champion: Mapping[str, Any] | None) -> dict[str, Any]:
    """One figure beside the champion's and the constant answer's."""
    found = Figure.from_dict(doc["figures"][name])
    constant = Figure.from_dict(doc["constant"]["figures"][name])
    theirs = Figure.from_dict(champion["figures"][name]) if champion else None
    decimals = words.decimals_of(found)
    meanings = words.MEANINGS if doc["model"]["positive"] is not None else words.MEANINGS_OF_MANY
    row = {
        "name": words.NAMES[name],
        "meaning": meanings[name],
        "main": name == doc["metric"],
        "value": words.number(found.value, decimals),
        "bounds": words.bounds(found),
        "drawn": _interval(found, constant, theirs),
        "constant": words.number(constant.value, decimals),
        "champion": "",
        "difference": "",
        "difference_bounds": "",
    }
    if champion and theirs:
        better = Figure.from_dict(champion["differences"][name])
        row["champion"] = words.number(theirs.value, decimals)
        row["difference"], _, row["difference_bounds"] = words.difference(
            better.value, better.low, better.high
        ).partition(" ")
    return row


def _interval(found: Figure, constant: Figure, champion: Figure | None) -> Markup:
    """Bounds of a figure as a bar on a scale with ticks at 0 and 1, and marks for the champion and the constant answer.

    The scale reaches below 0 for a negative correlation and beyond 1 for figures that do: nothing is cut off.
    """
    drawn = [figure for figure in (found, constant, champion) if figure is not None and figure.is_defined]
    if not found.is_defined:
        return Markup()
    low = min(0.0, *(figure.low for figure in drawn))
    high = max(1.0, *(figure.high for figure in drawn))

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    lines = ['<line x1="0" x2="100%" y1="8" y2="8"/>']
    lines += [f'<line x1="{at(end)}" x2="{at(end)}" y1="5" y2="11"/>' for end in (0.0, 1.0)]
    if constant.is_defined:
        lines.append(f'<line class="constant" x1="{at(constant.value)}" x2="{at(constant.value)}" y1="2" y2="14"/>')
    lines.append(f'<line class="bar candidate" x1="{at(found.low)}" x2="{at(found.high)}" y1="8" y2="8"/>')
    lines.append(f'<circle class="candidate" cx="{at(found.value)}" cy="8" r="4"/>')
    if champion is not None and champion.is_defined:
        lines.append(f'<line class="champion" x1="{at(champion.low)}" x2="{at(champion.high)}" y1="14" y2="14"/>')
        lines.append(f'<line class="champion" x1="{at(champion.value)}" x2="{at(champion.value)}" y1="11" y2="16"/>')
    scale = f"scale from {words.number(low, 2)} to {words.number(high, 2)}"
    return Markup(f'<svg class="interval" role="img" aria-label="{scale}">{"".join(lines)}</svg>')  # noqa: S704 (numbers only)


def _probabilities(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The summary and the parts of the Brier score."""
    found = doc["brier_parts"]
    parts = []
    if found:
        parts = [
            ("Brier score", words.number(doc["figures"]["brier"]["value"], 4)),
            ("= uncertainty", f"{words.number(found['uncertainty'], 4)} of always saying the share of positives"),
            ("\u2212 discrimination", f"{words.number(found['discrimination'], 4)} gained by telling rows apart"),
            ("+ miscalibration", f"{words.number(found['miscalibration'], 4)} lost by saying the wrong probability"),
        ]
    return {"summary": verdict.probabilities(doc), "sentences": reliability.sentences(doc), "parts": parts}


def _cuts(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The rules for a threshold side by side."""
    rows = cuts.rows(doc)
    return {"sentences": cuts.sentences(doc), "rows": rows, "priced": any(row["cost"] for row in rows)}


def _tried(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The best candidates of the training."""
    candidates = doc["tried"]["candidates"]
    names = [doc["metric"], *(n for n in ("log_loss", "roc_auc", "accuracy", "f1") if n != doc["metric"])]
    shown = [n for n in names if any(f"cv_{n}" in each for each in candidates)][:LEADERBOARD_FIGURES]
    rows = [
        (
            frontier.name(each),
            *(_cell(each.get(f"cv_{name}"), 4) for name in shown),
            _cell(each.get("seconds"), 1),
            _kib(each.get("size_bytes")),
            words.printable(str(each.get("error") or "")),
        )
        for each in candidates
    ]
    header = ["Model", *(words.NAMES[name] for name in shown), "Seconds", "KiB", "Ended early"]
    if not any(row[-1] for row in rows):
        rows, header = [row[:-1] for row in rows], header[:-1]
    chosen = next((at for at, each in enumerate(candidates) if each.get("chosen")), 0)
    return {"summary": verdict.search(doc), "header": header, "rows": rows, "chosen": chosen}


def _kib(size: Any) -> str:
    """Bytes as KiB; nothing for none."""
    return words.count(round(size / KIB)) if isinstance(size, int | float) else ""


def _cell(value: Any, decimals: int) -> str:
    """A number of a table, nothing for none."""
    return words.number(float(value), decimals) if isinstance(value, int | float) else ""


def _made(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes, ids, versions and the command that repeats the evaluation."""
    model, dataset = doc["model"], doc["dataset"]
    facts = [
        ("Model", model["uri"]),
        ("Train run", model["run_id"]),
        ("Dataset run", dataset["run_id"]),
        ("Evaluate run", doc["run_id"]),
        ("Training file", f"sha256 {dataset['train_sha256']}"),
        ("Test file", f"sha256 {dataset['test_sha256']}"),
        ("Bounds", f"{doc['resampling']['resamples']} resamples, seed {doc['resampling']['seed']}"),
        ("Made", doc["created"]),
    ]
    options = {"model": model["uri"], "dataset": dataset["run_id"], "name": doc["name"]}
    given = " ".join(f"-P {key}={shlex.quote(str(value))}" for key, value in options.items())
    return {
        "facts": [(name, value) for name, value in facts if value],
        "parameters": sorted(model["parameters"].items()),
        "libraries": sorted(model["libraries"].items()),
        "command": f"mlflow run . --env-manager uv -e evaluate {given}",
    }
