"""What every peer's script does alike: read the table, time the fit, ask for probabilities, say what came of it.

Runs in the peer's own environment, so it imports nothing but pandas and numpy.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

SINGLE_ROWS = 100
WARM_UP_ROWS = 3
LATENCY_S = 15.0  # slow models are asked for fewer than 100 rows


class Peer(Protocol):
    """A product, as its own documentation has people use it.

    One whose `fit` does more than train says in `search_seconds` how long the training took.
    """

    packages: tuple[str, ...]

    def fit(self, train: pd.DataFrame, target: str, given: argparse.Namespace) -> None:
        """Train within `given.budget` seconds."""

    def probabilities(self, rows: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Class labels, and (n_rows, n_classes) probabilities in their order."""

    def save(self, folder: Path) -> Path:
        """Write the model as it would be deployed; the file or folder that holds it."""

    def chosen(self) -> str:
        """What was trained, in the peer's own word."""


def parameters() -> argparse.Namespace:
    """The command line of a peer's script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path, help="Folder with train.csv, test.csv and target.txt.")
    parser.add_argument("out", type=Path, help="Folder for probabilities.csv, facts.json and the model.")
    parser.add_argument("--budget", type=int, default=60, help="Seconds.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--preset", default="", help="Where the peer has several.")
    return parser.parse_args()


def run(peer: Peer) -> None:
    """Train and ask a peer; files in the folder `out` say what came of it."""
    given = parameters()
    given.out.mkdir(parents=True, exist_ok=True)
    target = (given.table / "target.txt").read_text().strip()
    train = pd.read_csv(given.table / "train.csv")
    rows = pd.read_csv(given.table / "test.csv").drop(columns=target)
    start = time.perf_counter()
    peer.fit(train, target, given)
    seconds = time.perf_counter() - start
    searched = getattr(peer, "search_seconds", None)
    classes, probabilities = peer.probabilities(rows)
    pd.DataFrame(probabilities, columns=classes).to_csv(given.out / "probabilities.csv", index=False)
    facts = {
        "seconds": seconds,
        "chosen": peer.chosen(),
        "latency_ms": latency(peer, rows),
        "bytes": size(peer.save(given.out / "model")),
        "versions": {name: importlib.metadata.version(name) for name in peer.packages},
    }
    if searched is not None:
        facts["search_seconds"] = searched
    (given.out / "facts.json").write_text(json.dumps(facts))


def latency(peer: Peer, rows: pd.DataFrame) -> float:
    """Median milliseconds of one row in this process, after a few rows that do not count."""
    for at in range(WARM_UP_ROWS):
        peer.probabilities(rows.iloc[[at % len(rows)]])
    taken: list[float] = []
    end = time.perf_counter() + LATENCY_S
    while len(taken) < SINGLE_ROWS and time.perf_counter() < end:
        row = rows.iloc[[len(taken) % len(rows)]]
        start = time.perf_counter()
        peer.probabilities(row)
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.median(taken))


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
