"""The sentences of report and card below the first screen: what a statistician and a product owner would both sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steps.judging import words
from steps.judging.intervals import Figure
from steps.judging.words import count, counted, figure, number, percent, short

FEW_OF_A_CLASS = 30  # fewer, and no verdict on the class should be drawn
TOO_FEW_OF_A_CLASS = 5  # fewer, and bounds of log loss, Brier score and correlation hold less often than 95 %
ROUGH = (
    " Below five, the bounds of log loss, Brier score and correlation hold less often than they say: with two "
    "rows 87 to 91\u202f% of the time, as measured."
)
OFTEN_JUDGED = 10  # models by one test file: from here on it is chosen on, not only tested on

Doc = Mapping[str, Any]


def headline(doc: Doc) -> str:
    """The primary figure, what it rests on, and how it stands against champion and constant answer."""
    metric, found = doc["metric"], Figure.from_dict(doc["figures"][doc["metric"]])
    return f"{words.NAMES[metric]} {figure(found)} on {_rows(doc)}: {_standing(doc)}"


def trust(doc: Doc) -> str:
    """The test file, its checks and its history in one or two sentences."""
    checks = doc["dataset"]["checks"]
    warned = sum(check["level"] == "warning" for check in checks)
    refused = sum(check["level"] == "refused" for check in checks)
    found = [counted(refused, "refusal")] if refused else []
    found += [counted(warned, "warning")] if warned else []
    said = f"{counted(len(checks), 'check')} of the two files: {' and '.join(found) or 'nothing found'}."
    if not found and doubts(doc):
        said = f"{counted(len(checks), 'check')} of the two files found nothing; what weakens the test stands below."
    before = doc["dataset"]["judged_before"]
    if not before:
        return f"{said} This test file judges its first model."
    return f"{said} This test file has judged {counted(before, 'model')} before this one."


def doubts(doc: Doc) -> list[str]:
    """Why the figures may deserve less trust than their bounds say."""
    found = []
    counts, labels = doc["dataset"]["counts"], doc["dataset"]["classes"]
    absent = [f"\u201c{short(label)}\u201d" for label, rows in zip(labels, counts, strict=True) if not rows]
    if absent:
        found.append(f"The test file has no row of {_listed(absent)}: nothing is known of how they are answered.")
    few = [
        f"\u201c{short(label)}\u201d ({rows})"
        for label, rows in zip(labels, counts, strict=True)
        if 0 < rows < FEW_OF_A_CLASS
    ]
    if few:
        least = min(rows for rows in counts if rows)
        rough = ROUGH if least < TOO_FEW_OF_A_CLASS else ""
        found.append(f"Fewer than {FEW_OF_A_CLASS} test rows of {_listed(few)}: too few for a verdict.{rough}")
    if doc["dataset"]["judged_before"] >= OFTEN_JUDGED:
        found.append(
            f"The more models one test file judges, the more the best of them is best by luck; this is number "
            f"{count(doc['dataset']['judged_before'] + 1)}. A fresh test file would say more."
        )
    return found


def scarce(doc: Doc) -> list[str]:
    """The classes with too few test rows for a verdict, or none."""
    of = zip(doc["dataset"]["classes"], doc["dataset"]["counts"], strict=True)
    return [label for label, rows in of if rows < FEW_OF_A_CLASS]


def goodness(doc: Doc) -> str:
    """Whether the model knows anything, in log loss, the figure in which knowing anything shows."""
    own, none = doc["figures"]["log_loss"]["value"], doc["constant"]["figures"]["log_loss"]["value"]
    saved = 1 - own / none if none else 0.0
    if not doc["constant"]["beaten"]:
        return (
            "The test rows do not show that the model is better than the constant answer, which gives every row the "
            "shares of the training labels."
        )
    if saved <= 0:
        return (
            "It is better than the constant answer, which gives every row the shares of the training labels, but its "
            "probabilities as such are not: their log loss is higher."
        )
    return (
        f"It takes away {percent(saved)} of the log loss of the constant answer, which gives every row the shares of "
        "the training labels."
    )


def method(doc: Doc) -> str:
    """How the bounds were made."""
    resamples = count(doc["resampling"]["resamples"])
    return (
        f"Bounds: 95 %. Shares and F1 by Wilson's score interval and ROC AUC by Newcombe's (two classes), the rest "
        f"from {resamples} resamples of the test rows, seed {doc['resampling']['seed']} (losses studentised, others by "
        "their spread on the scale of the logit); differences from the same ones. They tell how much other test rows "
        "would change a figure, not how much other training rows would."
    )


def at_threshold(doc: Doc) -> str:
    """What the answers come to."""
    accuracy = figure(Figure.from_dict(doc["figures"]["accuracy"]))
    if doc["model"]["positive"] is None:
        return f"The answer is the likeliest class. The share of rows answered rightly is {accuracy}."
    classes = doc["dataset"]["classes"]
    at = classes.index(doc["model"]["positive"])
    said = sum(row[at] for row in doc["confusion"])
    rows, hits = doc["dataset"]["rows"], doc["confusion"][at][at]
    return (
        f"A row is called positive from the probability {words.cut(doc['model']['threshold'])} on: {count(said)} of "
        f"{counted(rows, 'row')} ({percent(said / rows)}), {count(hits)} of them rightly. The share of rows answered "
        f"rightly is {accuracy}."
    )


def probabilities(doc: Doc) -> str:
    """Calibration in a sentence."""
    if doc["brier_parts"] is None:
        return (
            "They are judged by that of the likeliest class: a model that says 0.8 should be right in 80 of 100 rows."
        )
    lost = doc["brier_parts"]["miscalibration"]
    total = doc["figures"]["brier"]["value"]
    share = percent(lost / total) if total else percent(0)
    return (
        f"Of the Brier score {number(total, 4)}, {number(lost, 4)} ({share}) comes from probabilities that are off; "
        "the rest is what these columns leave open. Some miscalibration is measured on any finite file."
    )


def drivers(doc: Doc) -> str:
    """What was measured, and what it does not mean."""
    found = doc["importance"]
    if not found["columns"]:
        return "Not measured: the test rows do not define the figure."
    left = f" There was no time for {counted(found['left_out'], 'column')}." if found["left_out"] else ""
    return (
        f"Each column's cells were shuffled among {counted(found['rows'], 'test row')}, "
        f"{counted(found['repeats'], 'time')}, and the loss measured.{left} This says what the model uses. It does not "
        "say what causes what, nor what would happen if somebody changed a cell."
    )


def search(doc: Doc) -> str:
    """How many candidates there were."""
    total, shown = doc["tried"]["number"], len(doc["tried"]["candidates"])
    if not total:
        return "The run that trained the model left no list of candidates."
    first = f" The best {shown}:" if shown < total else ""
    return (
        f"{counted(total, 'candidate')}, ranked by {words.NAMES[doc['metric']]} on the training file only "
        f"(cross-validated), as they came out of the search; the one judged here is in bold.{first}"
    )


def _rows(doc: Doc) -> str:
    """`13 564 test rows, 1 587 of them positive`."""
    rows = counted(doc["dataset"]["rows"], "test row")
    positive = doc["model"]["positive"]
    if positive is None:
        return f"{rows} of {counted(len(doc['dataset']['classes']), 'class', 'classes')}"
    return f"{rows}, {count(doc['dataset']['counts'][doc['dataset']['classes'].index(positive)])} of them positive"


def _standing(doc: Doc) -> str:
    """Against whom it holds."""
    champion = doc["champion"]
    if not doc["constant"]["beaten"]:
        return "not shown to be better than the constant answer"
    if not champion:
        return "better than the constant answer; there is no champion yet"
    if not champion["comparable"]:
        return f"better than the constant answer; not comparable with the champion, version {champion['version']}"
    difference = Figure.from_dict(champion["differences"][doc["metric"]])
    if difference.low > 0:
        bound = champion.get("gate")
        unsure = bound and not (bound["low"] or 0) > 0
        but = ", though not at the level that promotion asks for" if unsure else ""
        return f"better than the champion, version {champion['version']}{but}"
    if difference.high < 0:
        return f"worse than the champion, version {champion['version']}"
    return f"no clear difference from the champion, version {champion['version']}"


def _listed(names: list[str]) -> str:
    """Names for a sentence, the rest counted."""
    shown = names[:5]
    rest = len(names) - len(shown)
    return f"{', '.join(shown)} and {rest} more" if rest else ", ".join(shown)
