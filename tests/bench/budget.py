"""Whether the budget is kept, and what it buys: `python -m tests.bench.budget FOLDER`.

Every sub-folder of FOLDER is a table (`train.csv` or `.parquet`, `test.` likewise, and `target.txt` with the column to
predict); further ones are generated (`--generated`, see `tests.bench.tables`). Each table gets the command of the
README in a store of its own, once a budget. Outcomes are kept in `--cache`, so that single ones can be run again; those
that are there are not, unless `--again`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow.artifacts import load_dict
from mlflow.entities import Run

from steps import tracking
from tests.bench import budget_page, commands, tables
from tests.bench.tables import Shape
from tests.conftest import Store

RESULTS = Path(__file__).parent / "results" / "budget.md"
CACHE = Path.home() / ".cache" / "crisol-budget"
GENERATED = "50x5,2000x1,200x10xseldom,500x2000,5000x20xgaps,20000x8xlevels,20000x10xrare,20000x30x50classes,1000000x30"
PATIENCE_S = 1800.0  # beyond the budget; then something hangs


def main() -> None:
    """Run what is missing and write the page."""
    given = _parameters()
    commands.pin(given.cores)
    given.cache.mkdir(parents=True, exist_ok=True)
    kept = given.cache / "outcomes.json"
    if not given.only_report:
        for name, folder in _tables(given):
            for budget_s in map(int, given.budgets.split(",")):
                key = f"{name} {budget_s} {given.cores}"
                done = budget_page.read(kept)
                if key in done and not given.again:
                    continue
                outcome = run(name, folder, budget_s, given.cores)
                kept.write_text(json.dumps({**budget_page.read(kept), key: outcome}, indent=1))
                print(json.dumps(outcome), flush=True)
    given.out.write_text(budget_page.text(budget_page.read(kept), given.cores))


def run(name: str, folder: Path, budget_s: int, cores: str) -> dict[str, Any]:
    """Train on a table with a budget, in a fresh store."""
    files = {part: str(next(folder.glob(f"{part}.*"))) for part in ("train", "test")}
    options = {**files, "target": (folder / "target.txt").read_text().strip(), "budget-s": str(budget_s)}
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place))
        began = time.monotonic()
        process = commands.start("main", options, store.environment, store.folder)
        seen = commands.watch(process, store.folder, began, budget_s + PATIENCE_S)
        return {
            "table": name,
            "budget_s": budget_s,
            "cores": cores,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "exit_code": seen.exit_code,
            "seconds": seen.seconds,
            "peak_bytes": seen.peak_bytes,
            **_from_store(store),
            "last_words": "" if not seen.exit_code else (store.folder / "stderr.txt").read_text()[-1500:],
        }


def _from_store(store: Store) -> dict[str, Any]:
    """What the runs say."""
    runs = store.client.search_runs([one.experiment_id for one in store.client.search_experiments()], max_results=1000)
    steps: dict[str, list[Run]] = {}
    for one in runs:
        steps.setdefault(one.data.tags.get(tracking.STEP, ""), []).append(one)
    found: dict[str, Any] = {
        f"{step}_s": _seconds(steps[step][0]) for step in ("ingest", "train", "evaluate") if step in steps
    }
    if "ingest" in steps:
        found |= {key: int(steps["ingest"][0].data.metrics.get(key, 0)) for key in ("train_rows", "columns")}
    if "train" in steps:
        train = steps["train"][0]
        found |= {"error": train.data.tags.get(tracking.ERROR_CODE, ""), "model": train.data.tags.get(tracking.MODEL)}
        found |= _candidates(steps.get("candidate", []), train)
    with store.active():
        for one in steps.get("evaluate", []):
            found |= _judged(load_dict(f"runs:/{one.info.run_id}/{tracking.EVALUATION}"))
    for one in steps.get("main", []):
        found["promoted"] = one.data.tags.get(tracking.PROMOTED) == "true"
        found["decision"] = one.data.tags.get(tracking.DECISION, one.data.tags.get(tracking.ERROR_CODE, ""))
    return found


def _candidates(runs: list[Run], train: Run) -> dict[str, Any]:
    """How many came to which end, and how long the search was."""
    ended = {status: sum(one.info.status == status for one in runs) for status in ("FINISHED", "KILLED")}
    errors = [one.data.tags[tracking.ERROR_WHAT] for one in runs if one.data.tags.get(tracking.ERROR_WHAT)]
    cut = sum("cut off" in what for what in errors)
    begun = min((one.info.start_time for one in runs), default=train.info.start_time)
    last = max((one.info.end_time for one in runs), default=train.info.start_time)
    thinned = sum("rows" in one.data.params for one in runs)
    return {
        "done": ended["FINISHED"],
        "behind": ended["KILLED"],
        "cut_off": cut,
        "failed": sorted({what for what in errors if "cut off" not in what}),
        "on_fewer_rows": thinned,
        "search_s": (last - begun) / 1000,
        "before_s": (begun - train.info.start_time) / 1000,
    }


def _judged(doc: dict[str, Any]) -> dict[str, Any]:
    """The figures on the test file, beside those of the constant answer."""
    metric = doc["metric"]
    return {
        "metric": metric,
        "classes": len(doc["per_class"]),
        "figure": doc["figures"][metric]["value"],
        "constant_figure": doc["constant"]["figures"][metric]["value"],
        "log_loss": doc["figures"]["log_loss"]["value"],
        "constant_log_loss": doc["constant"]["figures"]["log_loss"]["value"],
        "beaten": doc["constant"]["beaten"],
    }


def _seconds(run: Run) -> float:
    """How long a run took."""
    return float(((run.info.end_time or run.info.start_time) - run.info.start_time) / 1000)


def _tables(given: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """The tables asked for, the generated ones made where they are not yet there."""
    asked = given.tables.split(",") if given.tables else None
    for file in sorted(given.folder.glob("*/target.txt")) if given.folder else ():
        if asked is None or file.parent.name in asked:
            yield file.parent.name, file.parent
    for name in filter(None, given.generated.split(",")):
        folder = given.cache / "tables" / name
        if not (folder / "target.txt").exists():
            tables.write(Shape.of(name), folder)
        yield name, folder


def _parameters() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--budgets", default="10,15,60,300", help="Seconds.")
    parser.add_argument("--tables", default="", help="Of FOLDER; all where empty.")
    parser.add_argument("--generated", default=GENERATED)
    parser.add_argument("--cores", default="", help="Such as 0,1; all where empty.")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--again", action="store_true", help="Run also what is in the cache.")
    parser.add_argument("--only-report", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
