"""What a row costs, in words: the best candidate by the figure alone, its time, and why the chosen one was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steps.judging import frontier
from steps.judging.frontier import COMPOSED, LEAST_MS, Candidate, priced
from steps.judging.words import NAMES, THIN_SPACE, count, counted, number, percent, printable

SAME_TIME = 0.05  # by how much two times may differ that are called the same
TEN = 10
Doc = Mapping[str, Any]

RULE = (
    "The rule: the candidate that is best by {metric} and those that fall short of it by no more than luck over the "
    "folds are equals. Of equals, the one with the lowest log loss is taken, {price}. A blend or a stack is taken "
    "where it is ahead after that too, surely so in resamples of the training rows, and as good by {metric}. All of "
    "this is cross-validated on the training file; the test file has no part in it."
)
MEASURED = (
    "These times are those of one row sent alone through schema and pipeline, measured on the machine that trained, "
    "while the search was at work. What is chosen is compiled where that can be done, and takes less; that is what "
    "max_latency_ms is held against. The size is that of the stored pipeline."
)


def section(doc: Doc) -> dict[str, Any] | None:
    """The section of the report; None without times."""
    stated = doc.get("frontier")
    if not stated:
        return None
    metric = stated["metric"]
    figures = ("value", "log_loss") if metric != "log_loss" else ("value",)
    names = [NAMES[metric], NAMES["log_loss"]][: len(figures)]
    best = frontier.best(stated["candidates"], metric)
    rows = [
        {
            "name": printable(each["name"]),
            "chosen": each["chosen"],
            "note": _note(each, best),
            "cells": [
                *(number(each[figure], 4) for figure in figures), milliseconds(each["latency_ms"]).partition(" ")[0],
            ],
            "size": size(each["size_bytes"]),
            "size_bytes": each["size_bytes"] or 0,
        }
        for each in stated["candidates"]
        if each["is_ahead"] or each["chosen"] or each is best
    ]  # fmt: skip
    price = stated["latency_price"]
    paid = f"a candidate paying {share(price)} of its own for each doubling of the fastest one's time"
    return {
        "sentences": sentences(stated),
        "rule": RULE.format(metric=NAMES[metric], price=paid if price else "whatever a row takes"),
        "measured": MEASURED,
        "header": [*names, "Milliseconds a row"],
        "rows": rows,
    }


def fact(doc: Doc) -> str:
    """What a row of the chosen one takes, for the card; nothing without times."""
    stated = doc.get("frontier")
    if not stated:
        return ""
    chosen = frontier.chosen(stated)
    alone = stated["latency_ms"] if frontier.is_number(stated["latency_ms"]) else chosen["latency_ms"]
    limit = stated["max_latency_ms"]
    within = f", at most {milliseconds(limit)} allowed" if limit else ""
    holds = f"; the pipeline holds {size(chosen['size_bytes'])}" if chosen["size_bytes"] else ""
    return f"a row in {milliseconds(alone)} where it was trained{within}{holds}"


def sentences(stated: Mapping[str, Any]) -> list[str]:
    """Which candidate is the best by the figure alone, what it costs, and why the chosen one was taken."""
    listed, metric = stated["candidates"], stated["metric"]
    chosen, best = frontier.chosen(stated), frontier.best(listed, metric)
    quick = [each for each in listed if each["chosen"] or not each["is_slow"]]
    leader = frontier.best(quick, metric)
    said = [_first(best, chosen, listed, metric)]
    if leader is not best:
        limit = milliseconds(stated["max_latency_ms"])
        within = "the chosen one is" if leader is chosen else f"{leader['name']} is"
        said.append(
            f"As it would be served, that is longer than max_latency_ms allows ({limit}); of the others, {within} the "
            "best."
        )
    others = [each for each in quick if each is not chosen]
    if chosen["model"] in COMPOSED:
        others = [each for each in others if each["model"] not in COMPOSED] or others
    if others:
        cheapest = min(others, key=lambda each: priced(each, quick, stated["latency_price"]))
        said.append(_why(chosen, cheapest if leader is chosen else leader, quick, stated))
    if frontier.is_number(stated["latency_ms"]):
        alone = milliseconds(stated["latency_ms"])
        said.append(f"As it is served, with nothing else at work, a row of the chosen one takes {alone}.")
    return said


def milliseconds(value: float) -> str:
    """`1.23 ms`, with three digits."""
    return f"{count(round(value)) if value >= 100 else f'{value:.3g}'} ms"  # noqa: PLR2004 (three digits)


def size(size_bytes: int | None) -> str:
    """`812 kB` or `1.2 MB`; nothing for none."""
    if not size_bytes:
        return ""
    return f"{count(max(round(size_bytes / 1e3), 1))} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"  # noqa: PLR2004


def share(value: float) -> str:
    """A small share as `0.3 %`, with two digits however small."""
    return percent(value) if value >= 0.1 else f"{100 * value:.2g}{THIN_SPACE}%"  # noqa: PLR2004 (two digits)


def ratio(one: Candidate, other: Candidate) -> str:
    """How many times the other's time a row takes."""
    times = max(one["latency_ms"], LEAST_MS) / max(other["latency_ms"], LEAST_MS)
    if abs(times - 1) <= SAME_TIME:
        return "about the time"
    return f"{count(round(times)) if times >= TEN else f'{times:.2g}'} times the time"


def _first(best: Candidate, chosen: Candidate, listed: Sequence[Candidate], metric: str) -> str:
    """The best by the figure alone."""
    of = f"the best of {counted(len(listed), 'candidate')}" if len(listed) > 1 else "the only candidate"
    value, takes = number(best["value"], 4), milliseconds(best["latency_ms"])
    if best is chosen:
        return f"By {NAMES[metric]} alone, {of} is {best['name']} ({value}; {takes} a row). It is the one chosen."
    theirs = f"{number(chosen['value'], 4)}; {milliseconds(chosen['latency_ms'])}"
    return (
        f"By {NAMES[metric]} alone, {of} is {best['name']} ({value}): a row takes {takes}, {ratio(best, chosen)} of "
        f"the chosen one, {chosen['name']} ({theirs})."
    )


def _why(chosen: Candidate, other: Candidate, quick: Sequence[Candidate], stated: Mapping[str, Any]) -> str:
    """The chosen one against its strongest rival, by log loss and time."""
    price = stated["latency_price"]
    fast, slow = sorted((chosen, other), key=lambda each: (each["latency_ms"], each["log_loss"]))
    less = 1 - slow["log_loss"] / fast["log_loss"] if fast["log_loss"] else 0.0
    if less <= 0:
        said, preferred = f"{_less(fast, slow)} for {ratio(fast, slow)}", fast
    else:
        ahead = priced(slow, quick, price) < priced(fast, quick, price)
        said, preferred = f"{_less(slow, fast)} for {ratio(slow, fast)}", slow if ahead else fast
        said += f"; {_price(slow, fast, quick, price, is_worth=ahead)}"
    if preferred is chosen:
        return f"{said}. So {chosen['name']} is taken."
    reason = f"{other['name']} falls short by {NAMES[stated['metric']]}, by more than luck"
    if other["model"] in COMPOSED:
        reason = f"what the {other['model']} gains may be luck"
    return f"{said}. But {reason}, so {chosen['name']} is taken."


def _less(one: Candidate, other: Candidate) -> str:
    """`Against lr #1, blend of up to 10 has 0.3 % less log loss`."""
    less = 1 - one["log_loss"] / other["log_loss"] if other["log_loss"] else 0.0
    if less <= 0:
        return f"Against {other['name']}, {one['name']} has the same log loss"
    return f"Against {other['name']}, {one['name']} has {share(less)} less log loss"


def _price(slow: Candidate, fast: Candidate, quick: Sequence[Candidate], price: float, *, is_worth: bool) -> str:
    """What the slower one's time has to bring."""
    if not price:
        return "the time has no price (latency_price is 0)"
    flat = [{**each, "log_loss": 1.0} for each in quick]
    paid = [priced({**each, "log_loss": 1.0}, flat, price) for each in (slow, fast)]
    needed = share(1 - paid[1] / paid[0])
    return (
        f"at a price of {share(price)} a doubling, that time has to bring {needed}, so it is "
        f"{'worth it' if is_worth else 'not worth it'}"
    )


def _note(each: Candidate, best: Candidate) -> str:
    """What is said beside a candidate's name."""
    notes = [
        "chosen" if each["chosen"] else "",
        "best figure" if each is best else "",
        "over the limit" if each["is_slow"] else "",
        "" if each["is_ahead"] else "not on the frontier",
    ]
    return ", ".join(note for note in notes if note)
