"""How time and memory grow with rows: `python -m tests.bench.scaling [--rows N]... [--cores 0] [--out FILE]`.

Generated tables (`tests.bench.tables`) of 20 columns, the same number of candidates each, so that nothing is cut off by
a budget; each step is a process of its own, watched from outside. The last line of a table is the exponent: the slope
of the logarithms from the second size on, below which start-up hides the rest.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np

from tests.bench import commands, tables
from tests.bench.tables import Shape
from tests.conftest import Store

RESULTS = Path(__file__).parent / "results"
COLUMNS = 20
LIMIT_S = 3600.0
MIB = 1024 * 1024
STEPS = ("ingest", "train", "evaluate", "score")
PAPER_ROWS = 100_000_000


@dataclass(frozen=True)
class Grown:
    """One step on one table."""

    step: str
    rows: int
    seconds: float
    peak_mib: float


@click.command()
@click.option("--rows", type=int, multiple=True, default=(1_000, 10_000, 100_000, 1_000_000), show_default=True)
@click.option("--models", default="lightgbm", show_default=True)
@click.option("--cores", default="0", show_default=True, help="Of this machine: `0,1`.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "scaling.md", show_default=True)
def main(rows: tuple[int, ...], models: str, cores: str, out: Path) -> None:
    """Measure, and write the page and its plot."""
    if len(rows) < 2:
        raise click.UsageError("Give two sizes or more: --rows 1000 --rows 10000.")
    commands.pin(cores)
    found: list[Grown] = []
    with tempfile.TemporaryDirectory() as place:
        for number in rows:
            for one in measured(number, models, Path(place) / str(number)):
                print(json.dumps(asdict(one)), flush=True)
                found.append(one)
    drawn(found, out.with_suffix(".png"))
    out.write_text(page(found, models, cores, out.with_suffix(".png").name))


def measured(rows: int, models: str, folder: Path) -> list[Grown]:
    """The four steps on a table of so many rows to learn from."""
    tables.write(Shape.of(f"{rows}x{COLUMNS}"), folder)
    store = Store(folder / "store")
    store.artifacts.mkdir(parents=True)
    files = {part: str(next(folder.glob(f"{part}.*"))) for part in ("train", "test")}
    found: list[Grown] = []

    def run(step: str, options: dict[str, str]) -> dict[str, str]:
        began = time.monotonic()
        process = commands.start(step, options, store.environment, folder)
        seen = commands.watch(process, folder, began, LIMIT_S)
        if seen.exit_code:
            raise SystemExit(f"{step} of {rows} rows: {(folder / 'stderr.txt').read_text()[-2000:]}")
        found.append(Grown(step, rows, seen.seconds, seen.peak_bytes / MIB))
        return json.loads(seen.said.splitlines()[-1])

    dataset = run("ingest", {**files, "target": tables.TARGET})["run_id"]
    model = run("train", {"dataset": dataset, "models": models, "candidates": "1"})["model_uri"]
    run("evaluate", {"model": model, "dataset": dataset})
    run("score", {"data": files["train"], "out": str(folder / "out.csv"), "model": model})
    return found


def exponent(points: list[tuple[int, float]]) -> float:
    """Slope of the logarithms, from the second size on."""
    late = sorted(points)[1:]
    if len(late) < 2:
        return math.nan
    sizes, values = np.log(np.array(late)).T
    return float(np.polyfit(sizes, values, 1)[0])


def at_paper(points: list[tuple[int, float]]) -> float:
    """What `PAPER_ROWS` would take by what the last rows took: along a line, or by the exponent where that is more."""
    (size, before), (last, value) = sorted(points)[-2:]
    slope = max(0.0, (value - before) / (last - size))
    power = max(0.0, math.log(value / before) / math.log(last / size))
    return max(value + slope * (PAPER_ROWS - last), value * (PAPER_ROWS / last) ** power)


def drawn(found: list[Grown], out: Path) -> None:
    """Both against rows, on logarithmic axes."""
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 (the backend has to be chosen first)

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name, words in ((axes[0], "seconds", "seconds"), (axes[1], "peak_mib", "peak memory, MiB")):
        for step in STEPS:
            points = sorted((one.rows, getattr(one, name)) for one in found if one.step == step)
            axis.plot(*zip(*points, strict=True), marker="o", label=step)
        axis.set(xscale="log", yscale="log", xlabel="rows", ylabel=words)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(out, dpi=110)


def page(found: list[Grown], models: str, cores: str, picture: str) -> str:
    """The results as a page."""
    sizes = sorted({one.rows for one in found})
    said = f"""# How time and memory grow with rows

{datetime.now(UTC):%Y-%m-%d}, {len(cores.split(","))} of {os.cpu_count()} cores, Python {platform.python_version()}:

```sh
python -m tests.bench.scaling {" ".join(f"--rows {size}" for size in sizes)} --models {models} --cores {cores}
```

Generated tables of {COLUMNS} columns, a third of them categories; one candidate ({models}), without a budget; the test
file has a quarter of the rows, at most 100,000. Each step is a process of its own; memory is what all its processes
hold together. `score` reads the training file. The exponent is the slope of the logarithms from {sizes[1]:,} rows on;
{PAPER_ROWS:,} rows are not measured but reckoned from what the last rows took, of which none goes to starting up.

![Time and memory against rows]({picture})
"""
    lines = [said]
    for name, words in (("seconds", "Seconds"), ("peak_mib", "Peak memory in MiB")):
        lines += [f"## {words}", "", "| rows | " + " | ".join(STEPS) + " |", "|---:|" + "---:|" * len(STEPS)]
        for size in sizes:
            values = {one.step: getattr(one, name) for one in found if one.rows == size}
            lines.append(f"| {size:,} | " + " | ".join(f"{values[step]:,.1f}" for step in STEPS) + " |")
        points = {step: [(one.rows, getattr(one, name)) for one in found if one.step == step] for step in STEPS}
        lines.append("| exponent | " + " | ".join(f"{exponent(points[step]):.2f}" for step in STEPS) + " |")
        carried = " | ".join(f"{at_paper(points[step]):,.0f}" for step in STEPS)
        lines += [f"| {PAPER_ROWS:,}, on paper | {carried} |", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
