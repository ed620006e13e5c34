"""`results/quality.md`: the head (when, where, how, versions) and what `report` makes of the cache."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.bench.quality import figures, report, running
from tests.bench.quality.report import Measured
from tests.bench.quality.running import SYSTEMS, Terms

SAID = """\
One process at a time, pinned to the cores, thread settings to their number; every system gets the same `train.csv`,
read by `pandas.read_csv`, no column dropped by hand, the target as class labels. Its script
(`tests/bench/quality/peers`) runs in an environment of its own and writes probabilities for `test.csv`; both figures
are computed here, alike for all, with scikit-learn: AUC (more than two classes: one against the rest, mean over the
classes) and log loss (clipped at 1e-15). Other systems never see the test file's labels; `crisol` is given the file, as
its users do, and reads it only to check and to judge. A system that takes five times its budget is ended and has
failed.

- FLAML, AutoGluon, mljar and H2O are told to rank by log loss, one of the two figures, where that is not their default.
- AutoGluon comes without its neural nets (torch), whose share of a minute on one core would be small.
- PyCaret is stock: `setup`, `compare_models(budget_time=...)`, sorted by AUC instead of accuracy, without the two
  learners that give no probabilities, with XGBoost and CatBoost installed.
- `crisol`'s seconds are those of the whole command, with checks, evaluation and report; in brackets its
  training step alone.
- One split and one seed: on a few hundred test rows most differences are noise, as the bounds say.
"""


def measured(folder: Path, cache: Path, terms: Terms) -> Measured:
    """What the cache holds for the tables of a folder, and the figures on the resamples."""
    outcomes = running.read(cache).get(terms.words(), {})
    rows, resamples = {}, {}
    for table in sorted(each.parent for each in folder.glob("*/target.txt")):
        classes, y = figures.truth(table)
        rows[table.name] = len(y)
        for system in SYSTEMS:
            key = f"{table.name}/{system}"
            if key in outcomes and not outcomes[key]["error"]:
                path = running.probabilities_file(cache, terms, system, table.name)
                resamples[key] = figures.resamples(y, figures.answers(path, classes))
    systems = [system for system in SYSTEMS if any(f"{table}/{system}" in outcomes for table in rows)]
    mine = {f"{table}/{system}" for table in rows for system in systems}
    return Measured(systems, rows, {key: found for key, found in outcomes.items() if key in mine}, resamples)


def text(found: Measured, terms: Terms) -> str:
    """The whole file."""
    return "\n".join([*_head(found, terms), *report.lines(found)]) + "\n"


def _head(found: Measured, terms: Terms) -> Iterator[str]:
    """When, where, how and with what."""
    cores = len(running.cores_of(terms.cores))
    memory = psutil.virtual_memory().total / 2**30
    yield from ("# Model quality beside other products", "")
    today = dt.datetime.now(tz=dt.UTC)
    yield f"{today:%Y-%m-%d}, {_processor()}, {cores} of its {os.cpu_count()} cores used,"
    yield f"{memory:.0f} GiB of memory, Python {platform.python_version()}, {terms.budget} s for each system and table:"
    yield from ("", "```sh")
    yield f"python -m tests.bench.quality FOLDER --budget {terms.budget} --cores {terms.cores} --seed {terms.seed}"
    yield from ("```", "", SAID, "Versions:", "")
    for system in found.systems:
        versions = _versions(found, system)
        if versions:
            yield f"- {system}: {', '.join(f'{name} {version}' for name, version in versions.items())}"
    yield ""


def _versions(found: Measured, system: str) -> dict[str, Any]:
    """Of the first table that the system answered."""
    facts = (found.outcomes.get(f"{table}/{system}", {}).get("facts", {}) for table in found.rows)
    return next((each["versions"] for each in facts if each), {})


def _processor() -> str:
    """Its name, where the machine tells."""
    path = Path("/proc/cpuinfo")
    told = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return names[0] if names else platform.processor()
