"""`card.md`: the evaluation on one page, for the model's folder, a ticket or a chat. What is not known is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from steps.judging import cuts, row_cost, seen, summary, treated, verdict, versus, where, words
from steps.judging.intervals import Figure
from steps.judging.metrics import METRICS

TEMPLATES = Path(__file__).parent / "templates"
SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&])")
AT_START = re.compile(r"^(\s*)([#+=-]|\d+(?=[.)]))")  # what makes a heading or a list at the beginning of a line
CLASSES_LISTED = 8
DRIVERS_LISTED = 5


def render(doc: Mapping[str, Any]) -> str:
    """The card for an evaluation, as `steps.judging.document` describes it."""
    environment = jinja2.Environment(  # noqa: S701 (Markdown, escaped by `escaped`)
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    champion = doc["champion"] if doc["champion"] and doc["champion"]["comparable"] else None
    text = environment.get_template("card.md").render(
        name=escaped(doc["name"]),
        headline=escaped(verdict.headline(doc)),
        sentences=[escaped(sentence) for sentence in _first(doc)],
        facts=[(key, escaped(value)) for key, value in _facts(doc) if value],
        figures=[_row(doc, name, champion) for name in METRICS],
        champion=champion and champion["version"],
        method=escaped(verdict.method(doc)),
        limits=[escaped(limit) for limit in _limits(doc)],
        drivers=escaped(_drivers(doc)),
        command=_command(doc),
        origin=[(key, escaped(value)) for key, value in _origin(doc) if value],
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: one line, every special character escaped."""
    shown = SPECIAL.sub(r"\\\1", words.printable(str(text)))
    return AT_START.sub(lambda m: f"{m[1]}\\{m[2]}" if not m[2].isdigit() else f"{m[1]}{m[2]}\u200b", shown)


def _first(doc: Mapping[str, Any]) -> list[str]:
    """The report's first screen, and what else is known of the comparison with the champion."""
    return [*(f"{question}: {said}" for question, said in summary.sentences(doc)), *versus.sentences(doc)]


def _facts(doc: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the model is."""
    model, dataset = doc["model"], doc["dataset"]
    classes = [
        f"{words.short(label)} ({words.count(rows)})"
        for label, rows in zip(dataset["classes"], dataset["counts"], strict=True)
    ]
    more = len(classes) - CLASSES_LISTED
    listed = ", ".join(classes[:CLASSES_LISTED]) + (f" and {more} more" if more > 0 else "")
    threshold = words.cut(model["threshold"]) if model["threshold"] is not None else ""
    return [
        ("Predicts", words.short(str(dataset["target"]))),
        ("Positive", words.short(str(model["positive"])) if model["positive"] is not None else ""),
        ("Classes (test rows)", listed),
        ("Positive from", threshold and f"a probability of {threshold} on ({cuts.rule_name(doc['thresholds'][0])})"),
        ("Learner", model["learner"]),
        ("Reads", words.counted(model["columns"], "column")),
        ("Trained on", words.counted(dataset["train_rows"], "row")),
        ("Tested on", words.counted(dataset["rows"], "row")),
        ("Answers", row_cost.fact(doc)),
        ("Date", doc["created"][:10]),
    ]


def _row(doc: Mapping[str, Any], name: str, champion: Mapping[str, Any] | None) -> dict[str, str]:
    """One figure."""
    return {
        "name": words.NAMES[name],
        "value": words.figure(Figure.from_dict(doc["figures"][name])),
        "champion": words.figure(Figure.from_dict(champion["figures"][name])) if champion else "",
        "constant": words.number(Figure.from_dict(doc["constant"]["figures"][name]).value),
    }


def _limits(doc: Mapping[str, Any]) -> list[str]:
    """Doubts about the test, checks that found something, and the class that is answered worst."""
    found = verdict.doubts(doc)
    if (doc.get("shared_rows") or {}).get("count") and not seen.matters(doc):  # else it stands at the top
        found.append(seen.sentence(doc))
    found += [check["what"] for check in doc["dataset"]["checks"] if check["level"] != "ok"]
    found += [*where.limits(doc), *treated.limits(doc)]
    occurring = [each for each in doc["per_class"] if each["rows"]]
    if len(doc["per_class"]) > 2 and occurring:  # noqa: PLR2004 (two classes are in the figures)
        worst = min(occurring, key=lambda each: each["f1"]["value"])
        f1, rows = words.figure(Figure.from_dict(worst["f1"])), words.counted(worst["rows"], "row")
        found.append(f"Answered worst: \u201c{words.short(worst['label'])}\u201d, F1 {f1} on {rows}.")
    return found


def _drivers(doc: Mapping[str, Any]) -> str:
    """The columns that matter most, in a sentence."""
    shown = [each for each in doc["importance"]["columns"] if each["low"] > 0][:DRIVERS_LISTED]
    if not shown:
        return ""
    listed = ", ".join(f"{words.short(each['column'])} ({words.number(each['drop'])})" for each in shown)
    name = words.NAMES[doc["importance"]["metric"]]
    return f"{listed}: how much worse {name} gets when the column is shuffled. This is not what causes what."


def _command(doc: Mapping[str, Any]) -> str:
    """How rows are scored with it."""
    return f"mlflow run . --env-manager uv -e score -P data=rows.csv -P out=answers.csv -P model={doc['model']['uri']}"


def _origin(doc: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Ids and hashes."""
    model, dataset = doc["model"], doc["dataset"]
    return [
        ("model", model["uri"]),
        ("train run", model["run_id"]),
        ("dataset run", dataset["run_id"]),
        ("evaluate run", doc["run_id"]),
        ("training file", f"sha256 {dataset['train_sha256']}"),
        ("test file", f"sha256 {dataset['test_sha256']}"),
        ("test file has judged before", words.counted(dataset["judged_before"], "model")),
    ]
