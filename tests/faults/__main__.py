"""A table of faults: `python -m tests.faults [--tries 20] [--only server,store] [--out FILE]`.

Each fault is made on the real thing (a server with a champion, an MLflow server, a step in a process of its own), as
often as asked for. After each, nothing may be lost or half there, the champion has to answer as before, users have to
be told, and a second try has to succeed. Kills of servers and jobs are `tests.bench.kills`.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import numpy as np

from tests.api.served import register
from tests.conftest import Store
from tests.faults import serving
from tests.faults.artifacts import Refusing, behind_a_door, no_downloads
from tests.faults.borders import BORDERS, Training
from tests.faults.environments import Starts
from tests.faults.scoring import Scored, may_mount, small_disk
from tests.faults.trials import Fault

DISK = 100_000_000  # bytes, for the store of twenty trainings
WELL = "a version is registered, and all is whole"


@click.command()
@click.option("--tries", default=20, show_default=True, help="Of each fault.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--only", default="server,store,score,main,downloads,uploads,room,environment", show_default=True, help="Parts."
)
@click.option("--out", type=click.Path(path_type=Path))
def main(tries: int, seed: int, only: str, out: Path | None) -> None:
    """Run the trials, and tell."""
    draw = np.random.default_rng(seed)
    logging.disable(logging.ERROR)  # what is broken on purpose
    with tempfile.TemporaryDirectory() as folder:
        faults: list[Fault] = []
        for part in only.split(","):
            faults += PARTS[part](Path(folder) / part, tries, draw)
    text = page(faults, tries, only)
    print(text)
    if out:
        out.write_text(text)
    sys.exit(any(fault.lost for fault in faults))


def opened(folder: Path) -> Store:
    """An empty store."""
    folder.mkdir()
    store = Store(folder)
    store.artifacts.mkdir()
    return store


def of_a_server(folder: Path, tries: int, draw: np.random.Generator) -> list[Fault]:
    """Whose store is a sqlite file."""
    with opened(folder).active() as store, serving.answering(store, store.uri) as served:
        held = "the old champion answers, the next good version follows"
        trials = {
            f"one byte of `{name}` of a new champion": partial(serving.damaged_byte, name=name)
            for name in (*serving.FILES, *serving.COMPILED_FILES)
        }
        trials["the files of a new champion are gone"] = serving.no_artifacts
        found = [Fault(name, held).run(tries, lambda one=one: one(served, draw)) for name, one in trials.items()]
        found.append(
            Fault("the store is locked for a second", "rows are answered; `/models` waits or says why").run(
                tries, lambda: serving.locked(served, draw)
            )
        )
        found.append(
            Fault("two promotions at once", "one is the champion, and answers").run(
                tries, lambda: serving.two_promotions(served, draw)
            )
        )
    return found


def of_the_store(folder: Path, tries: int, _: np.random.Generator) -> list[Fault]:
    """An MLflow server that dies and comes back."""
    with opened(folder).active() as store:
        tracking = serving.Tracking(store)
        try:
            with serving.answering(store, tracking.uri) as served:
                fault = Fault(
                    "the MLflow server is killed and started again",
                    "rows are answered; what needs it answers 503 at once; all is well when it is back",
                )
                return [fault.run(tries, lambda: serving.store_restarts(served, tracking))]
        finally:
            tracking.kill()


def of_score(folder: Path, tries: int, draw: np.random.Generator) -> list[Fault]:
    """From file to file."""
    with opened(folder).active() as store:
        register(serving.NAME)
        files = folder / "files"
        files.mkdir()
        scored = Scored(store, files)
        whole = "no output, and a reason; again, it is whole"
        trials = {
            (
                "`score` is killed",
                "its output is whole or absent; again, it is whole, and nothing else is left",
            ): partial(scored.killed, draw),
            ("`score` may write no more", whole): scored.limited,
            ("the store of `score` takes no writes", whole): scored.read_only,
        }
        if may_mount(folder / "small"):
            trials["`score` meets a full disk", whole] = scored.full
        return [Fault(name, held).run(tries, trial) for (name, held), trial in trials.items()]


def of_downloads(folder: Path, tries: int, _: np.random.Generator) -> list[Fault]:
    """A store of files that gives none for a while, before a server."""
    with behind_a_door(opened(folder)) as (store, door), serving.answering(store, store.uri) as served:
        fault = Fault(
            "the artifact store gives no files of a new champion",
            "the old champion answers, the new one follows by itself",
        )
        return [fault.run(tries, lambda: no_downloads(served, door))]


def of_uploads(folder: Path, tries: int, draw: np.random.Generator) -> list[Fault]:
    """A store of files that takes none from some file on, before trainings."""
    with behind_a_door(opened(folder)) as (store, door):
        refusing = Refusing(store, door, draw)
        held = "a reason; nothing is half there, and the champion of before is one still"
        fault = Fault("the artifact store takes no files from some file of `main` on", held)
        return [fault.run(tries, refusing.trial), Fault("none, after these", WELL).run(1, refusing.training.again)]


def of_main(folder: Path, tries: int, _: np.random.Generator) -> list[Fault]:
    """A training, between its steps."""
    with opened(folder).active() as store:
        training = Training(store)
        held = "what stands in the store is whole, and a champion answers"
        found = [
            Fault(f"`main` is killed when {border}", held).run(tries, partial(training.killed_at, border))
            for border in BORDERS
        ]
        return [*found, Fault("none, after all of these", WELL).run(1, training.again)]


def of_room(folder: Path, tries: int, draw: np.random.Generator) -> list[Fault]:
    """A training without room."""
    held = "a reason; what stands in the store is whole, and a champion answers"
    with opened(folder).active() as store:
        training = Training(store)
        training.again()
        found = [Fault("the files of `main` may not grow", held).run(tries, partial(training.without_room, draw))]
        found.append(Fault("none, after these", WELL).run(1, training.again))
    if may_mount(folder / "small"):
        with small_disk(folder / "disk", DISK) as disk, opened(disk / "store").active() as store:
            training = Training(store, folder)
            training.again()
            full = partial(training.on_a_full_disk, draw)
            found.append(Fault("the disk of `main` is full", held).run(tries, full))
            found.append(Fault("none, after these", WELL).run(1, training.again))
    return found


def of_environments(folder: Path, tries: int, draw: np.random.Generator) -> list[Fault]:
    """The first start of all."""
    with opened(folder).active() as store:
        store.client.search_experiments()  # makes the database
        starts = Starts(store, folder)
        held = "both succeed, and so does a third start"
        return [Fault("two first starts of the environment at once", held).run(tries, lambda: starts.at_once(draw))]


PARTS = {
    "server": of_a_server, "store": of_the_store, "score": of_score, "main": of_main,
    "downloads": of_downloads, "uploads": of_uploads,
    "room": of_room,
    "environment": of_environments,
}  # fmt: skip


def page(faults: list[Fault], tries: int, only: str) -> str:
    """The results as Markdown."""
    lines = [
        "| fault | tries | what has to hold | users are told | lost | s |",
        "|---|---:|---|---|---|---:|",
        *(
            f"| {fault.name} | {fault.tries} | {fault.held} | {told(fault.said)} | {told(fault.lost) or 'nothing'} "
            f"| {fault.took_s:.0f} |"
            for fault in faults
        ),
    ]
    table = "\n".join(lines)
    return f"""# Faults

{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}:

```sh
python -m tests.faults --tries {tries} --only {only}
```

{table}

Kills of servers and jobs: [kills.md](kills.md).
"""


def told(counted: dict[str, int]) -> str:
    """What was counted."""
    return ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))


if __name__ == "__main__":
    main()
