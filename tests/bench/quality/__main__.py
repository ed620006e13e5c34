"""Crisol against other products on tables of a folder: `python -m tests.bench.quality FOLDER`.

Every sub-folder is a table: `train.csv`, `test.csv`, and `target.txt` with the name of the column to predict. All
systems get the same budget, cores and files; one runs at a time. Outcomes are kept in the cache, so that single ones
can be run again; those that are there already are not, unless `--again`. The peers' environments are made with `uv` on
the first use (4 GB); H2O needs Java.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tests.bench.quality import figures, page, running
from tests.bench.quality.running import SYSTEMS, Terms

RESULTS = Path(__file__).parents[1] / "results" / "quality.md"


def main() -> None:
    """Run what is missing and write the page."""
    given = _parameters()
    terms = Terms(given.budget, given.cores, given.seed)
    tables = sorted(each.parent for each in given.folder.glob("*/target.txt"))
    if given.tables:
        tables = [each for each in tables if each.name in given.tables.split(",")]
    if not given.only_report:
        for table in tables:
            for system in given.systems.split(","):
                done = running.read(given.cache).get(terms.words(), {})
                if given.again or f"{table.name}/{system}" not in done:
                    _one(system, table, given.cache, terms)
    given.out.write_text(page.text(page.measured(given.folder, given.cache, terms), terms))


def _one(system: str, table: Path, cache: Path, terms: Terms) -> None:
    """Run a system on a table, judge its answers and keep both."""
    outcome = running.run(system, table, cache, terms)
    more: dict[str, Any] = {}
    if not outcome.error:
        classes, y = figures.truth(table)
        try:
            more = figures.both(
                y, figures.answers(running.probabilities_file(cache, terms, system, table.name), classes)
            )
        except (OSError, ValueError) as error:
            more = {"error": f"no probabilities: {type(error).__name__}"}
    running.keep(cache, terms, outcome, more)
    print(table.name, system, outcome.error, outcome.facts, more, f"{outcome.wall:.0f} s", flush=True)


def _parameters() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--tables", default="", help="All where empty.")
    parser.add_argument("--budget", type=int, default=60, help="Seconds of each system on each table.")
    parser.add_argument("--cores", default="0", help="As `taskset -c` reads it.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "crisol-quality")
    parser.add_argument("--again", action="store_true", help="Run also what is in the cache.")
    parser.add_argument("--only-report", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
