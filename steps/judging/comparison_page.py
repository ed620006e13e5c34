"""`comparison.html`: all versions beside each other, on one page that needs nothing else; and its plot."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from steps.judging import comparison_words, pages, sorting, words
from steps.judging.canvas import COLOUR, WIDTH, Plot, axes, draw, label
from steps.judging.intervals import Figure
from steps.judging.metrics import METRICS

DRAWN = 30  # versions in the plot; the table has all
ROW_HEIGHT, FRAME = 26, 88  # px of a version, and of what stands around them
NAMED_FIRST = ("roc_auc", "log_loss", "accuracy", "f1")  # beside the primary figure
FIGURES_SHOWN = 3
LEAST_OF_AXIS = 0.4  # share of it that the versions' lines take
LONGEST_ALIAS = 16  # characters beside a number
KIB, MIB = 1024, 1024 * 1024
Doc = Mapping[str, Any]


def render(doc: Doc, plot: Plot | None) -> str:
    """The page.

    Args:
        doc: as `steps.judging.comparison` describes it.
        plot: of the same; None where no version could be judged.
    """
    judged = [each for each in doc["versions"] if each["figures"]]
    others = [name for name in NAMED_FIRST if name != doc["metric"]][:FIGURES_SHOWN]
    return pages.render(
        "comparison.html",
        script=Markup(sorting.SCRIPT),  # noqa: S704 (our own file)
        name=words.printable(doc["name"]),
        target=words.printable(doc["dataset"]["target"]),
        created=doc["created"],
        headline=comparison_words.headline(doc),
        sentences=[words.printable(sentence) for sentence in comparison_words.sentences(doc)],
        method=comparison_words.method(doc),
        metric=words.NAMES[doc["metric"]],
        others=[words.NAMES[name] for name in others],
        has_champion=any(each["differences"] for each in judged),
        rows=[_row(doc, each, others) for each in judged],
        constant=[words.number(Figure.from_dict(doc["constant"][name]).value) for name in (doc["metric"], *others)],
        all_names=[words.NAMES[name] for name in METRICS],
        all_rows=[(each["version"], [_figure(each, name) for name in METRICS]) for each in judged],
        origins=[_origin(each) for each in judged],
        refused=[(*_naming(each), words.printable(each["reason"])) for each in doc["versions"] if not each["figures"]],
        plot=None if plot is None else {"svg": Markup(plot.embedded()), **vars(plot)},  # noqa: S704 (canvas escapes)
        facts=[
            ("Dataset run", doc["dataset"]["run_id"]),
            ("Evaluate run", doc["run_id"]),
            ("Test file", f"sha256 {doc['dataset']['test_sha256']}"),
            ("Bounds", f"{doc['resampling']['resamples']} resamples, seed {doc['resampling']['seed']}"),
        ],
        command=_command(doc),
    )


def versions_plot(doc: Doc) -> Plot | None:
    """The primary figure of every version with its bounds, the best on top; None where no version has it."""
    metric = doc["metric"]
    defined = [each for each in doc["versions"] if each["figures"] and each["figures"][metric]["value"] is not None]
    if not defined:
        return None
    shown = defined[:DRAWN]
    champion = next((each for each in defined if each["version"] == doc["champion"]), None)
    if champion is not None and champion not in shown:
        shown = [*shown[:-1], champion]
    constant = _constant(doc, shown)
    height = FRAME + ROW_HEIGHT * len(shown)

    def paint(drawing: Drawing) -> None:
        names = [" ".join(_short(each)) for each in shown]
        area = axes(drawing, left=30 + 6.9 * max(map(len, names)), top=28)
        if constant is not None:
            area.axvline(constant, color=COLOUR["muted"], linewidth=1.2, linestyle="--")
            place = {"transform": area.get_xaxis_transform(), "va": "bottom", "ha": "center", "fontsize": 11}
            area.text(constant, 1.01, "constant answer", color=COLOUR["muted"], **place)
        for at, each in enumerate(shown):
            figure = Figure.from_dict(each["figures"][metric])
            ours = each is champion
            colour, mark = COLOUR["ink" if ours else "accent"], "s" if ours else "o"
            area.plot([figure.low, figure.high], [at, at], color=colour, linewidth=2.4 if ours else 1.6)
            area.plot([figure.value], [at], marker=mark, markersize=6, color=colour)
        area.set_yticks(range(len(shown)), names)
        area.set_ylim(len(shown) - 0.4, -0.6)
        area.margins(x=0.12)
        area.grid(visible=False, axis="y")
        area.locator_params(axis="x", nbins=6)
        label(area, words.NAMES[metric], "")

    caption = (
        f"{words.NAMES[metric]} of every version on {words.counted(doc['dataset']['rows'], 'test row')}, the best on "
        "top: point, the figure; line, its 95 % bounds"
        + ("; square, the champion" if champion is not None else "")
        + ". Lines that overlap do not mean that two versions are alike: the differences stand in the table."
    )
    if constant is None and doc["constant"][metric]["value"] is not None:
        caption += f" The constant answer, {words.number(doc['constant'][metric]['value'])}, lies far outside."
    if len(shown) < len(defined):
        caption += f" Drawn: {len(shown)} of {len(defined)} versions; the table has all."
    rows = tuple((f"{' '.join(_short(each))}", _figure(each, metric), _difference(doc, each)) for each in defined)
    header = ("Version", f"{words.NAMES[metric]} (95 %)", "Better than the champion by")
    drawn = draw("versions", paint, height=height)
    return Plot("versions", comparison_words.spread(doc), caption, header, rows, drawn, (WIDTH, height))


def _constant(doc: Doc, shown: Sequence[Doc]) -> float | None:
    """The constant answer's figure, where drawing it leaves the versions enough of the axis to be told apart."""
    value = doc["constant"][doc["metric"]]["value"]
    if value is None:
        return None
    found = [Figure.from_dict(each["figures"][doc["metric"]]) for each in shown]
    low, high = min(figure.low for figure in found), max(figure.high for figure in found)
    whole = max(high, value) - min(low, value)
    return float(value) if high - low >= LEAST_OF_AXIS * whole else None


def _row(doc: Doc, each: Doc, others: list[str]) -> dict[str, Any]:
    """A version of the main table."""
    version, badges = _naming(each)
    value, _, bounds = _figure(each, doc["metric"]).partition(" (")
    difference, _, difference_bounds = _difference(doc, each).partition(" ")
    return {
        "version": version,
        "badges": badges,
        "learner": words.printable(each["learner"]),
        "main": each["version"] == doc["champion"],
        "value": value,
        "bounds": bounds and f"({bounds}",
        "difference": difference,
        "difference_bounds": difference_bounds,
        "others": [words.number(Figure.from_dict(each["figures"][name]).value) for name in others],
        "size": _size(each["size_bytes"]),
        "bytes": each["size_bytes"] or 0,
    }


def _origin(each: Doc) -> tuple[str, ...]:
    """Where a version comes from: number, day, what its own evaluation said, on which file, in which run."""
    before = each["before"] or {}
    figure, where = comparison_words.before_of(each)
    return each["version"], each["registered"][:10], figure, where, before.get("run_id") or ""


def _naming(each: Doc) -> tuple[str, list[tuple[str, str]]]:
    """Number, and the aliases: short and whole."""
    aliases = [(words.short(alias, LONGEST_ALIAS), words.printable(alias)) for alias in each["aliases"]]
    return each["version"], aliases


def _short(each: Doc) -> list[str]:
    """Number and our two aliases, for a plot."""
    return [each["version"], *(alias for alias in ("champion", "previous") if alias in each["aliases"])]


def _figure(each: Doc, name: str) -> str:
    """A figure with its bounds."""
    return words.figure(Figure.from_dict(each["figures"][name]))


def _difference(doc: Doc, each: Doc) -> str:
    """How much better than the champion; nothing without one."""
    if not each["differences"]:
        return ""
    figure = Figure.from_dict(each["differences"][doc["metric"]])
    return words.difference(figure.value, figure.low, figure.high)


def _size(size_bytes: int | None) -> str:
    """Bytes in words."""
    if size_bytes is None:
        return ""
    if size_bytes < MIB:
        return f"{words.number(size_bytes / KIB, 0)} KiB"
    return f"{words.number(size_bytes / MIB, 1)} MiB"


def _command(doc: Doc) -> str:
    """How the comparison is repeated."""
    options = {"model": "all", "dataset": doc["dataset"]["run_id"], "name": doc["name"]}
    given = " ".join(f"-P {key}={shlex.quote(str(value))}" for key, value in options.items())
    return f"mlflow run . --env-manager uv -e evaluate {given}"
