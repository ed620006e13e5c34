"""The pages of `results/quality.md`: all that was measured, also where ours is behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steps.judging.metrics import Floats
from tests.bench.quality import standing
from tests.bench.quality.figures import FIGURES
from tests.bench.quality.standing import Difference

OURS = "crisol"
NAMES = {"roc_auc": "AUC", "log_loss": "log loss"}
LARGE = 1000  # test rows from which on one split says something
MEGA = 1e6
COUNTS = ("better", "equal", "worse", "clearly better", "clearly worse")


@dataclass(frozen=True)
class Measured:
    """What the cache holds under the same terms."""

    systems: list[str]
    rows: dict[str, int]  # test rows by table
    outcomes: Mapping[str, Mapping[str, Any]]  # by `table/system`, as `running.keep` stores them
    resamples: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)  # by `table/system`, then by figure

    def values(self, figure: str) -> dict[str, dict[str, float]]:
        """A figure by table, then by system, where it did not fail."""
        return {
            table: {
                system: found[figure]
                for system in self.systems
                if figure in (found := self.outcomes.get(f"{table}/{system}", {}))
            }
            for table in self.rows
        }

    def of(self, system: str, figure: str) -> dict[str, tuple[float, Floats]]:
        """By table: a system's figure, and the same on the resamples."""
        found = {table: row[system] for table, row in self.values(figure).items() if system in row}
        return {table: (value, self.resamples[f"{table}/{system}"][figure]) for table, value in found.items()}


def lines(measured: Measured) -> Iterator[str]:
    """Everything below the head."""
    yield from ("## AUC / log loss", "")
    yield from _both(measured)
    yield from ("", "## Mean rank", "")
    yield from _ranks(measured)
    if OURS in measured.systems:
        yield from _ours(measured)
    for title, cell in COSTS.items():
        yield from ("", f"## {title}", "")
        yield from _grid(measured, cell)
    failed = [(key, found["error"]) for key, found in measured.outcomes.items() if found["error"]]
    if failed:
        yield from ("", "## Failed", "")
        yield from (f"- {key}: {error}" for key, error in failed)


def _grid(measured: Measured, cell: Callable[[Mapping[str, Any]], str]) -> Iterator[str]:
    """A table with a line for each system and a column for each table."""
    yield from _head(["", *measured.rows])
    for system in measured.systems:
        found = [measured.outcomes.get(f"{table}/{system}") for table in measured.rows]
        yield _row([system, *("" if one is None else "failed" if one["error"] else cell(one) for one in found)])


def _both(measured: Measured) -> Iterator[str]:
    """The figures, the best of a table in bold."""
    values = {figure: measured.values(figure) for figure in FIGURES}
    top = {
        (figure, table): row[standing.best(figure, row)]
        for figure in FIGURES
        for table, row in values[figure].items()
        if row
    }
    yield from _head(["", *(f"{table} ({n:,} rows)" for table, n in measured.rows.items())])
    for system in measured.systems:
        cells = [system]
        for table in measured.rows:
            if f"{table}/{system}" not in measured.outcomes:
                cells.append("")
            elif system not in values["roc_auc"][table]:
                cells.append("failed")
            else:
                shown = [(figure, values[figure][table][system]) for figure in FIGURES]
                cells.append(" / ".join(_bold(f"{v:.4f}", is_it=v == top[figure, table]) for figure, v in shown))
        yield _row(cells)


def _ranks(measured: Measured) -> Iterator[str]:
    """Mean ranks on both figures, over the tables that every system was asked."""
    asked = [t for t in measured.rows if all(f"{t}/{system}" in measured.outcomes for system in measured.systems)]
    if not asked:
        yield "No table was given to all systems yet."
        return
    found = {
        figure: standing.mean_ranks(figure, {t: measured.values(figure)[t] for t in asked}, measured.systems)
        for figure in FIGURES
    }
    mean = {system: sum(found[figure][system] for figure in FIGURES) / len(FIGURES) for system in measured.systems}
    yield f"1 is best of {len(measured.systems)}; {len(asked)} tables; equal values share a rank, failing comes last."
    yield ""
    yield from _head(["", "AUC", "log loss", "both"])
    for system in sorted(measured.systems, key=lambda each: mean[each]):
        yield _row([system, *(f"{found[figure][system]:.2f}" for figure in FIGURES), f"{mean[system]:.2f}"])


def _ours(measured: Measured) -> Iterator[str]:
    """Ours against each other system, with what the test rows can tell."""
    others = [system for system in measured.systems if system != OURS]
    found = {
        figure: [each for system in others for each in _differences(measured, figure, system)] for figure in FIGURES
    }
    yield from ("", f"## {OURS} against each", "")
    yield "Differences are positive where it is better, with 95 % bounds over 2,000 resamples of the test rows"
    yield "(fewer for large files), the same ones for both; clearly: the bounds leave out 0. The bounds of a mean are"
    yield "for other rows of the same tables; over other tables it would vary more."
    for figure in FIGURES:
        yield from _summed(measured, figure, others)
    for figure in FIGURES:
        yield from ("", f"Difference in {NAMES[figure]}, table by table, in bold where it is clear:", "")
        at = {(each.table, each.system): each for each in found[figure]}
        yield from _head(["", *measured.rows])
        for system in others:
            cells = [at.get((table, system)) for table in measured.rows]
            yield _row([system, *("" if each is None else _shown(each) for each in cells)])
    yield from _to_the_best(measured, found)
    yield from _behind(found)


def _summed(measured: Measured, figure: str, others: Sequence[str]) -> Iterator[str]:
    """Wins, losses and the mean difference, a line for each other system."""
    yield ""
    yield from _head([NAMES[figure], *COUNTS, "mean difference"])
    ours = measured.of(OURS, figure)
    for system in others:
        theirs = measured.of(system, figure)
        if set(ours) & set(theirs):
            one = standing.against(figure, system, ours, theirs)
            counts = [one.better, one.equal, one.worse, one.clearly_better, one.clearly_worse]
            yield _row([system, *map(str, counts), _bounds(one.mean, one.low, one.high)])


def _differences(measured: Measured, figure: str, system: str) -> list[Difference]:
    """One system, table by table."""
    ours, theirs = measured.of(OURS, figure), measured.of(system, figure)
    both = [table for table in ours if table in theirs]
    return [standing.difference(figure, table, system, ours[table], theirs[table]) for table in both]


def _to_the_best(measured: Measured, found: Mapping[str, Sequence[Difference]]) -> Iterator[str]:
    """How far the best of all others is, where the test file is large enough to tell."""
    large = [table for table, rows in measured.rows.items() if rows > LARGE]
    if not large:
        return
    heads = [NAMES[figure] + part for figure in FIGURES for part in (": best other", ", difference")]
    yield from ("", f"## Distance to the best other, more than {LARGE:,} test rows", "")
    yield "The best other is picked by the same test rows, which favours it."
    yield ""
    yield from _head(["", *heads])
    for table in large:
        cells = [table]
        for figure in FIGURES:
            row = {each.system: each for each in found[figure] if each.table == table}
            if row:
                nearest = min(row.values(), key=lambda each: each.value)
                value = measured.values(figure)[table][nearest.system]
                cells += [f"{nearest.system} {value:.4f}", _shown(nearest)]
            else:
                cells += ["", ""]
        yield _row(cells)


def _behind(found: Mapping[str, Sequence[Difference]]) -> Iterator[str]:
    """Every comparison that ours loses, the clear ones first."""
    lost = [(figure, each) for figure in FIGURES for each in found[figure] if each.value < 0]
    total = sum(len(found[figure]) for figure in FIGURES)
    clear = [(figure, each) for figure, each in lost if each.is_clear]
    yield from ("", f"## Where {OURS} is behind", "")
    yield f"In {len(lost)} of {total} comparisons, in {len(clear)} of them clearly."
    if clear:
        yield ""
        yield from _head(["clearly behind", "table", "figure", "difference"])
    for figure, each in sorted(clear, key=lambda one: (one[1].table, one[0], one[1].system)):
        yield _row([each.system, each.table, NAMES[figure], _bounds(each.value, each.low, each.high)])


def _head(cells: Sequence[str]) -> Iterator[str]:
    """The first two lines of a table."""
    yield _row(cells)
    yield f"|---|{'---:|' * (len(cells) - 1)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bold(text: str, *, is_it: bool) -> str:
    return f"**{text}**" if is_it else text


def _shown(each: Difference) -> str:
    """A difference with its bounds, in bold where it is clear."""
    return _bold(_bounds(each.value, each.low, each.high), is_it=each.is_clear)


def _bounds(value: float, low: float, high: float) -> str:
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def _seconds(facts: Mapping[str, Any]) -> str:
    """Of the fit; where it does more than search, those of the search in brackets."""
    whole = f"{facts['seconds']:.0f}"
    return f"{whole} ({facts['search_seconds']:.0f})" if "search_seconds" in facts else whole


COSTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "Seconds of training": lambda found: _seconds(found["facts"]),
    "Milliseconds for one row, in process, warm (median)": lambda found: f"{found['facts']['latency_ms']:.3g}",
    "Model on disk, MB": lambda found: f"{found['facts']['bytes'] / MEGA:.3g}",
    "What was chosen": lambda found: str(found["facts"]["chosen"]).replace("|", "/"),
}
