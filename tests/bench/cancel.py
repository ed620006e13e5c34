"""What a killed training leaves behind: `python -m tests.bench.cancel [--kills 10]`.

`python -m steps.main` on the sample is ended at random moments between its first second and its end, in three ways:
SIGKILL to all its processes at once, SIGKILL to the trainer alone, and SIGTERM to the trainer alone. The trials of one
way share a store, as a user's would. After each, what the next step does first is done (`end_orphans`), and everything
that stands in the store must be whole; a training that nobody disturbs must then succeed there.

Whole is: a registered version loads, answers the test rows with probabilities, and keeps its evaluation; an alias
points to such a version; a run of a candidate that says FINISHED has its figures and its `folds.csv`; a train run that
says FINISHED has its leaderboard and a model that loads; nothing is RUNNING. Candidates are not stored as models one by
one: the chosen one is, so "a complete, loadable candidate" is the train run's model, and the version made of it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import psutil
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from steps import kept, tracking, versions
from steps.ingest import SAMPLE, SAMPLE_TARGET
from steps.promote import DEFAULT_NAME
from tests.bench import commands
from tests.conftest import Store

RESULTS = Path(__file__).parent / "results" / "cancel.md"
GONE_S = 30.0  # within which all processes have to be gone
FIRST_S = 1.0  # no kill before
ROWS = 5  # that every version has to answer

Process = subprocess.Popen[str]
WAYS: Mapping[str, Callable[[Process], None]] = {
    "SIGKILL to all": lambda process: os.killpg(process.pid, signal.SIGKILL),
    "SIGKILL to the trainer": lambda process: process.send_signal(signal.SIGKILL),
    "SIGTERM to the trainer": lambda process: process.send_signal(signal.SIGTERM),
}


@dataclass(frozen=True)
class Trial:
    """One kill: when, in which step, what was left, and what was wrong with it."""

    way: str
    after_s: float
    during: str
    gone_s: float
    candidates: int  # FINISHED, of this training
    versions: int  # in the store
    files_bytes: int  # in the temporary folder, before the next step
    left_bytes: int  # behind it
    faults: tuple[str, ...]


def main() -> None:
    """Run the trials and write the page."""
    given = _parameters()
    commands.pin(given.cores)
    draw = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as place:
        whole_s, _ = _undisturbed(_store(Path(place)), given.budget)
    print(f"undisturbed: {whole_s:.1f} s", flush=True)
    trials, last = [], {}
    for way in WAYS if not given.ways else given.ways.split(","):
        with tempfile.TemporaryDirectory() as place:
            store = _store(Path(place))
            for _ in range(given.kills):
                trials.append(trial(store, way, float(draw.uniform(FIRST_S, whole_s)), given.budget))
                print(trials[-1], flush=True)
            last[way] = _last(store, given.budget)
            print(way, last[way], flush=True)
            given.out.write_text(page(trials, last, whole_s, given))


def trial(store: Store, way: str, after_s: float, budget_s: float) -> Trial:
    """Start a training, end it after some seconds, and look at what is left."""
    before = {run.info.run_id for run in runs_of(store)}
    process = _start(store, budget_s)
    time.sleep(after_s)
    family = commands.tree(process.pid)
    during = _open_steps(store)
    if process.poll() is None:
        WAYS[way](process)
    ended = time.monotonic()
    faults = [f"{one} still there" for one in _left(family, process)]
    gone_s = time.monotonic() - ended
    files_bytes = _size(_scratch(store))
    with store.active():
        tracking.end_orphans()  # this and the next are the first things that any step does
        tracking.sweep(_scratch(store))
    faults += whole(store)
    runs = [run for run in runs_of(store) if run.info.run_id not in before]
    done = [run for run in runs if _step(run) == "candidate" and run.info.status == "FINISHED"]
    registered = len(store.client.search_model_versions(f"name='{DEFAULT_NAME}'"))
    left_bytes = _size(_scratch(store))
    faults += [f"{path.name} left behind" for path in _scratch(store).glob("crisol-*")]
    return Trial(way, after_s, during, gone_s, len(done), registered, files_bytes, left_bytes, tuple(faults))


def whole(store: Store) -> list[str]:
    """Everything in a store that is not whole; see the module."""
    with store.active():
        return [*_broken_runs(store), *_broken_versions(store)]


def _broken_runs(store: Store) -> Iterator[str]:
    """Runs that are still open, and finished ones without what they promise."""
    promised = {
        "candidate": (tracking.FOLDS,),
        "train": (tracking.LEADERBOARD, tracking.OUT_OF_FOLD),
        "evaluate": (tracking.EVALUATION, tracking.REPORT, tracking.CARD),
        "ingest": (tracking.SCHEMA_FILE, tracking.CHECKS_FILE),
    }
    for run in runs_of(store):
        name = f"{_step(run)} run {run.info.run_id}"
        if run.info.status in ("RUNNING", "SCHEDULED"):
            yield f"{name} is {run.info.status}"
        if run.info.status != "FINISHED":
            continue
        there = {one.path for one in store.client.list_artifacts(run.info.run_id)}
        yield from (f"{name} has no {path}" for path in promised.get(_step(run), ()) if path not in there)
        if _step(run) == "candidate" and "cv_log_loss" not in run.data.metrics:
            yield f"{name} has no figures"
        if _step(run) == "train":
            yield from _fails(run.data.tags.get(tracking.MODEL_URI, ""), f"the model of {name}")


def _broken_versions(store: Store) -> Iterator[str]:
    """Versions that do not load or answer or keep no evaluation, and aliases without a version."""
    answering = set()
    for version in store.client.search_model_versions(f"name='{DEFAULT_NAME}'"):
        name = f"version {version.version}"
        faults = list(_fails(f"models:/{DEFAULT_NAME}/{version.version}", name))
        if version.status != "READY" or tracking.DECISION not in version.tags:
            faults.append(f"{name} is {version.status}, without a decision")
        answering |= set() if faults else {str(version.version)}
        yield from faults
    for one in versions.versions_of(DEFAULT_NAME):
        if kept.evaluation_of(one) is None:
            yield f"version {one.version} keeps no evaluation"
    for model in store.client.search_registered_models():
        for alias, number in model.aliases.items():
            if str(number) not in answering:
                yield f"alias {alias} points to version {number}, which is not whole"


def _fails(uri: str, name: str) -> Iterator[str]:
    """What is wrong with a model's answers to the first test rows."""
    rows = pd.read_csv(SAMPLE / "test.csv", dtype=str, keep_default_na=False).head(ROWS)
    try:
        answers = mlflow.pyfunc.load_model(uri).predict(rows.drop(columns=SAMPLE_TARGET))
    except (MlflowException, OSError, ValueError) as error:
        yield f"{name} does not load or answer: {type(error).__name__}"
        return
    probabilities = answers.filter(like="probability_").to_numpy(np.float64)
    if len(answers) != ROWS or not np.isfinite(probabilities).all() or not probabilities.size:
        yield f"{name} answers without probabilities"


def _left(family: list[psutil.Process], process: Process) -> list[str]:
    """Processes that are there `GONE_S` after the end was asked for."""
    until = time.monotonic() + GONE_S
    while time.monotonic() < until:
        process.poll()  # takes leave of it
        alive = [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return []
        time.sleep(0.1)
    words = [" ".join(one.cmdline()[-3:]) for one in alive if one.is_running()]
    commands.end(alive)
    return words


def _undisturbed(store: Store, budget_s: float) -> tuple[float, int]:
    """A training to its end: seconds, and its exit code."""
    began = time.monotonic()
    code = _start(store, budget_s).wait()
    return time.monotonic() - began, code


def _last(store: Store, budget_s: float) -> str:
    """What a training that nobody disturbs finds in a store after all the kills."""
    _, code = _undisturbed(store, budget_s)
    faults = whole(store)
    left = sorted(path.name.split("-")[0] for path in _scratch(store).iterdir())
    said = f"exit code {code}, faults: {'; '.join(faults) or 'none'}"
    return (
        f"{said}, temporary entries: {', '.join(f'{left.count(one)} {one}-*' for one in sorted(set(left))) or 'none'}"
    )


def _start(store: Store, budget_s: float) -> Process:
    """The command, with a temporary folder of its store's own."""
    _scratch(store).mkdir(exist_ok=True)
    environment = {**store.environment, "TMPDIR": str(_scratch(store))}
    return commands.start("main", {"budget-s": f"{budget_s:g}"}, environment, store.folder)


def _store(folder: Path) -> Store:
    """A new store."""
    store = Store(folder)
    with store.active():
        mlflow.search_experiments()
    return store


def _scratch(store: Store) -> Path:
    """The temporary folder of a store's trainings."""
    return store.folder / "tmp"


def _size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def runs_of(store: Store) -> list[Run]:
    """All runs."""
    return list(store.client.search_runs([one.experiment_id for one in store.client.search_experiments()]))


def _step(run: Run) -> str:
    """The step that a run is of."""
    return str(run.data.tags.get(tracking.STEP, "unknown"))


def _open_steps(store: Store) -> str:
    """The steps at work, the innermost last."""
    open_runs = [run for run in runs_of(store) if run.info.status == "RUNNING"]
    return " > ".join(_step(run) for run in sorted(open_runs, key=lambda run: run.info.start_time)) or "nothing open"


def page(trials: list[Trial], last: Mapping[str, str], whole_s: float, given: argparse.Namespace) -> str:
    """The page."""
    about = (__doc__ or "").split("\n\n", 1)[1].strip()
    rows = [
        f"| {one.way} | {one.after_s:.1f} | {one.during} | {one.gone_s:.1f} | {one.candidates} | {one.versions} |"
        f" {one.files_bytes / 1e6:.1f} | {one.left_bytes / 1e6:.1f} | {'; '.join(one.faults) or 'none'} |"
        for one in trials
    ]
    options = f"--kills {given.kills} --budget {given.budget:g}{f' --cores {given.cores}' if given.cores else ''}"
    return "\n".join(
        [
            "# What a killed training leaves behind",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores shared with other work.",
            f"Undisturbed, the command takes {whole_s:.1f} s:",
            "",
            "```sh",
            f"python -m tests.bench.cancel {options}",
            "```",
            "",
            about,
            "",
            "*gone*: seconds until no process was left; *MB left*: of temporary files then, and *later*: once the next",
            "step has begun.",
            "",
            f"Trials: {len(trials)}; with faults: {sum(bool(one.faults) for one in trials)}.",
            "",
            "| killed by | after s | open steps | gone, s | candidates | versions | MB left | later | faults |",
            "|---|---:|---|---:|---:|---:|---:|---:|---|",
            *rows,
            "",
            "Then, undisturbed, in the same store:",
            "",
            *(f"- {way}: {said}" for way, said in last.items()),
            "",
        ]
    )


def _parameters() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="Of each way.")
    parser.add_argument("--ways", default="", help="All where empty.")
    parser.add_argument("--budget", type=float, default=10, help="Seconds of each search.")
    parser.add_argument("--cores", default="", help="Such as 0,1; all where empty.")
    parser.add_argument("--seed", type=int, default=1, help="Of the moments.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
