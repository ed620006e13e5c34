"""The first screen: whether to trust the test, how good the model is against others, what to watch. A sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steps.judging import seen, slices, treated, verdict, where, words
from steps.judging.intervals import Figure
from steps.judging.words import count, counted, figure, number, percent, short

CODES_LISTED = 3
Doc = Mapping[str, Any]


def sentences(doc: Doc) -> list[tuple[str, str]]:
    """Three questions in a word or two, each with the sentence that answers it."""
    return [("Trust", trust(doc)), ("Quality", quality(doc)), ("Watch", watch(doc))]


def trust(doc: Doc) -> str:
    """Whether the test can be trusted, and all that speaks against it."""
    checks = doc["dataset"]["checks"]
    refused = [check["code"] for check in checks if check["level"] == "refused"]
    warned = [check["code"] for check in checks if check["level"] == "warning"]
    found = [_checks(refused, "refuses", "refuse")] if refused else []
    found += [_checks(warned, "warns", "warn")] if warned else []
    few = len(verdict.scarce(doc))
    if few:
        found.append(f"{counted(few, 'class has', 'classes have')} too few test rows for a verdict")
    before = doc["dataset"]["judged_before"]
    if before >= verdict.OFTEN_JUDGED or (found and before):
        found.append(f"the test file has judged {counted(before, 'model')} before")
    if seen.matters(doc):
        said = seen.verdict(doc).removesuffix(".")
        found.append(f"{said[0].lower()}{said[1:]}")
    if not found:
        judged = f"has judged {counted(before, 'model')} before" if before else "judges its first model"
        return (
            f"The test can be trusted as far as {counted(doc['dataset']['rows'], 'row')} can tell: "
            f"{_in_order(len(checks))} and the test file {judged}."
        )
    least = refused or (seen.matters(doc) and doc["shared_rows"]["figures_without"] is None)
    return f"The test can be trusted {'only in part' if least else 'with care'}: {'; '.join(found)}."


def quality(doc: Doc) -> str:
    """The differences from the constant answer and from the champion in the primary figure."""
    name = words.NAMES[doc["metric"]]
    against = _compared(name, Figure.from_dict(doc["constant"]["difference"]))
    said = f"{name} against the constant answer: {against}"
    champion = doc["champion"]
    if not champion:
        return f"{said}{_saved(doc)}."
    if not champion["comparable"]:
        return (
            f"{said}; the champion, version {champion['version']}, cannot be compared on these rows: "
            f"{champion['reason']}"
        )
    better = _compared(name, Figure.from_dict(champion["differences"][doc["metric"]]))
    return f"{said}; against the champion, version {champion['version']}, on the same rows: {better}."


def watch(doc: Doc) -> str:
    """What is answered worst, probabilities that are off, groups that are treated differently, and the threshold."""
    worst, groups = _worst(doc), _groups(doc)
    is_off = doc["calibration"]["ece"] > doc["calibration"]["ece_noise_high"]
    found = [each for each in (worst, groups) if each]
    if is_off:
        ece = number(doc["calibration"]["ece"])
        found.append(f"probabilities that are off by {ece} on average, more than chance explains")
    if doc["model"]["positive"] is not None:
        found.append(_threshold(doc))
    calm = []
    if doc.get("slices") and doc["slices"]["asked"] and not worst:
        calm.append("no part of the rows is answered worse than the others beyond chance")
    if not is_off:
        calm.append("its probabilities are off by no more than chance explains")
    said = "; ".join([*found, *([" and ".join(calm)] if calm else [])])
    return f"{said[0].upper()}{said[1:]}."


def _checks(codes: list[str], one: str, more: str) -> str:
    """`2 checks warn (rows_in_both_files, duplicates)`."""
    kinds = list(dict.fromkeys(codes))
    rest = len(kinds) - CODES_LISTED
    listed = ", ".join(kinds[:CODES_LISTED]) + (f" and {rest} more" if rest > 0 else "")
    return f"{counted(len(codes), f'check {one}', f'checks {more}')} ({listed})"


def _in_order(checks: int) -> str:
    """What the checks came to where none found anything."""
    return f"none of {counted(checks, 'check')} found anything" if checks > 1 else "its check found nothing"


def _compared(name: str, found: Figure) -> str:
    """`better by 0.004 (0.001 to 0.007)`."""
    return words.comparison(name, found.value, found.low, found.high).removeprefix(f"{name} ")


def _saved(doc: Doc) -> str:
    """What it takes from the constant answer's log loss; nothing where it takes nothing."""
    own, none = doc["figures"]["log_loss"]["value"], doc["constant"]["figures"]["log_loss"]["value"]
    if not doc["constant"]["beaten"] or not none or own >= none:
        return ""
    return f", and {percent(1 - own / none)} of the log loss is gone"


def _worst(doc: Doc) -> str:
    """The worst slice; for more than two classes without one, the class that is answered worst."""
    found = slices.from_json(doc["slices"]) if doc.get("slices") else None
    if found and found.worst:
        one = found.worst[0]
        wrong, elsewhere = percent(one.error_rate.value), percent(one.error_rate_elsewhere)
        return (
            f"the rows where {where.name(one)}: of {count(one.rows)}, {wrong} are wrong against {elsewhere} elsewhere"
        )
    occurring = [each for each in doc["per_class"] if each["rows"]]
    if doc["model"]["positive"] is not None or not occurring:
        return ""
    worst = min(occurring, key=lambda each: each["f1"]["value"])
    f1 = figure(Figure.from_dict(worst["f1"]))
    return f"the class \u201c{short(worst['label'])}\u201d, answered worst: F1 {f1} on {counted(worst['rows'], 'row')}"


def _groups(doc: Doc) -> str:
    """The declared columns whose groups differ beyond chance."""
    differ = [one["column"] for one in doc.get("sensitive") or [] if treated.limits({"sensitive": [one]})]
    listed = ", ".join(f"\u201c{short(column)}\u201d" for column in differ)
    return f"the groups of {listed}, treated differently beyond chance" if differ else ""


def _threshold(doc: Doc) -> str:
    """What the threshold costs in rows."""
    at = doc["dataset"]["classes"].index(doc["model"]["positive"])
    hits = doc["confusion"][at][at]
    missed = sum(doc["confusion"][at]) - hits
    alarms = sum(row[at] for row in doc["confusion"]) - hits
    return (
        f"the threshold: at {words.cut(doc['model']['threshold'])} it misses {count(missed)} of "
        f"{counted(missed + hits, 'positive')} and raises {counted(alarms, 'false alarm')}"
    )
