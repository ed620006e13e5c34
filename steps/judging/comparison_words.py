"""What a comparison of versions comes to, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from steps.judging import words
from steps.judging.intervals import Figure

Doc = Mapping[str, Any]
HASH_SHOWN = 12  # characters of a sha256 in a sentence
LISTED = 8  # versions in a sentence
FEW = 3  # from so many versions on, the best figure owes something to being the best


def headline(doc: Doc) -> str:
    """The finding, one sentence without a full stop."""
    versions, best, champion = doc["versions"], _one(doc, doc["best"]), _one(doc, doc["champion"])
    judged = sum(each["figures"] is not None for each in versions)
    name = words.NAMES[doc["metric"]]
    if best is None:
        if judged:
            return f"{name} is not defined on these rows"
        return f"None of {words.counted(len(versions), 'version')} can be judged on these rows"
    own = f"{name} {words.figure(_figure(doc, best))}"
    if champion is None or champion["figures"] is None:
        return f"Version {best['version']} has the best of {words.counted(judged, 'figure')}: {own}"
    if best is champion:
        others = f" of {judged}" if judged > 1 else ""
        return f"The champion, version {champion['version']}, has the best figure{others}: {own}"
    if doc["better"]:
        better = next(each for each in versions if each["version"] in doc["better"])
        by = words.comparison(name, *astuple(Figure.from_dict(better["differences"][doc["metric"]])))
        return f"Version {better['version']} is better than the champion, version {champion['version']}: {by}"
    return f"No version is shown to be better than the champion, version {champion['version']}"


def sentences(doc: Doc) -> list[str]:
    """What else has to be known, most important first."""
    said = [_champion(doc), _best(doc), _file(doc), _before(doc), _refused(doc), _choice(doc)]
    return [sentence for sentence in said if sentence]


def method(doc: Doc) -> str:
    """How bounds and differences came about."""
    number = words.count(doc["resampling"]["resamples"])
    return (
        "Bounds are 95 % each for itself. Differences to the champion are taken on the same "
        f"{number} resamples of the rows, and are not widened for the number of versions. "
        "Every version answers at its own threshold."
    )


def before_of(each: Doc) -> tuple[str, str]:
    """What a version's own evaluation said: figure, and file."""
    before = each["before"]
    if before is None:
        return "", ""
    figure = words.figure(Figure.from_dict(before["figure"]))
    where = "this file" if before["same_file"] else before["test_sha256"][:HASH_SHOWN]
    return f"{words.NAMES[before['metric']]} {figure}", where


def spread(doc: Doc) -> str:
    """The plot's finding: from where to where the figures reach."""
    name = words.NAMES[doc["metric"]]
    values = [_figure(doc, each).value for each in doc["versions"] if each["figures"]]
    found = sorted(value for value in values if math.isfinite(value))
    if len(found) == 1:
        return f"{name} of the only version that can be judged: {words.number(found[0])}"
    return f"{name} of {len(found)} versions: from {words.number(found[0])} to {words.number(found[-1])}"


def _champion(doc: Doc) -> str:
    """Why there is nothing to compare with, or the champion's own figure where the headline lacks it."""
    champion = _one(doc, doc["champion"])
    if champion is None:
        return "There is no champion, so nothing is compared with one."
    if champion["figures"] is None:
        return f"The champion, version {champion['version']}, could not be judged: {champion['reason']}"
    if doc["best"] in {champion["version"], None}:
        return ""
    return f"{words.NAMES[doc['metric']]} of the champion is {words.figure(_figure(doc, champion))}."


def _best(doc: Doc) -> str:
    """The best figure where it is not the champion's, and the comparison where the headline is about another."""
    best = _one(doc, doc["best"])
    if best is None or not best["differences"]:
        return ""
    said = f"The best is that of version {best['version']}, {words.figure(_figure(doc, best))}"
    if best["version"] in doc["better"][:1]:
        return f"{said}."
    by = Figure.from_dict(best["differences"][doc["metric"]])
    return f"{said}: {words.comparison(words.NAMES[doc['metric']], *astuple(by))}."


def _file(doc: Doc) -> str:
    """Which rows judged."""
    data = doc["dataset"]
    return (
        f"{words.counted(data['rows'], 'test row')} of the file {data['test_sha256'][:HASH_SHOWN]} judged all of them."
    )


def _before(doc: Doc) -> str:
    """Which versions this file has judged when they were registered."""
    known = [each["version"] for each in doc["versions"] if each["before"] and each["before"]["same_file"]]
    if not known:
        return ""
    if len(known) == 1:
        return f"Version {known[0]} was judged on this file before, at its registration: its figures are no news."
    listed = _listed(sorted(known, key=int))
    return f"Versions {listed} were judged on this file before, at their registration: their figures are no news."


def _refused(doc: Doc) -> str:
    """How many could not be judged."""
    number = sum(each["figures"] is None for each in doc["versions"])
    if number in {0, len(doc["versions"])}:
        return ""
    return f"{words.counted(number, 'version')} could not be judged; the reasons stand at the end."


def _choice(doc: Doc) -> str:
    """The best of many is flattered."""
    judged = sum(each["figures"] is not None for each in doc["versions"])
    if judged < FEW:
        return ""
    return f"The best of {judged} figures is flattered by having been picked: expect a little less from new rows."


def _listed(names: Sequence[str]) -> str:
    """Versions for a sentence."""
    if len(names) > LISTED:
        return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _one(doc: Doc, version: str | None) -> Any:
    """A version's part of the document; None for none."""
    return next((each for each in doc["versions"] if each["version"] == version), None)


def _figure(doc: Doc, each: Doc) -> Figure:
    """Its primary figure."""
    return Figure.from_dict(each["figures"][doc["metric"]])
