"""How often each check warns where nothing is wrong: `python -m tests.bench.checks FOLDER [SPLITS]`.

FOLDER holds folders with `train.csv`, `test.csv` and `target.txt`. The two files of each are put together, rows that
repeat another (as the checks compare rows, whatever the label) are dropped, and what is left is shuffled and split
again in the same proportion: whatever a check then says about the two files against each other is a false alarm. What
it says about the table itself is true of every split.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from steps.data.checks import compare
from steps.data.profile import convert, features
from steps.data.readers import read
from steps.data.rows import names_of, rows_of


def pooled(folder: Path) -> tuple[pd.DataFrame, float, str, int]:
    """The rows of both files, each once; the training file's share of them, the target, and how many were dropped."""
    train, test = (read((folder / name).read_bytes(), name, name).frame for name in ("train.csv", "test.csv"))
    target = (folder / "target.txt").read_text().strip()
    whole = pd.concat([train, test], ignore_index=True)
    found = features(whole, target)
    texts = {name: pair[0] for name, pair in names_of(found, whole, whole).items()}
    rows = rows_of({column.name: convert(whole[column.name], column.kind)[0] for column in found.columns}, texts, None)
    repeats = np.any([pd.Series(hashes).duplicated() for hashes in (rows.whole, *rows.rounded)], axis=0)
    once = whole[~repeats].reset_index(drop=True)
    return once, len(train) / len(whole), target, len(whole) - len(once)


def splits(whole: pd.DataFrame, share: float, seeds: range, most: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Random splits (train, test) of at most `most` rows of a table."""
    for seed in seeds:
        rows = np.random.default_rng(seed).permutation(len(whole))[:most]
        parts = np.split(rows, [round(share * len(rows))])
        first, second = (whole.iloc[part].reset_index(drop=True) for part in parts)
        yield first, second


def alarms(folder: Path, seeds: range, most: int) -> tuple[Counter[str], set[str], float, int, int]:
    """How often each check warned or refused, the checks asked, median seconds, rows compared, rows dropped."""
    found: Counter[str] = Counter()
    asked: set[str] = set()
    seconds = []
    whole, share, target, dropped = pooled(folder)
    for train, test in splits(whole, share, seeds, most):
        began = time.perf_counter()
        checks = compare(train, test, target).checks
        seconds.append(time.perf_counter() - began)
        asked |= {check.code for check in checks}
        found.update(check.code for check in checks if check.level != "ok")
    return found, asked, round(float(np.median(seconds)), 2), min(len(whole), most), dropped


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("splits", type=int, nargs="?", default=100)
    parser.add_argument("--rows", type=int, default=10**9, help="Most rows of a table, drawn anew for every split.")
    parser.add_argument("--stride", type=int, default=1, help="Only every so-manieth split.")
    parser.add_argument("--only", nargs="*", default=[], help="Names of tables.")
    given = parser.parse_args()
    folders = sorted(path for path in given.folder.iterdir() if (path / "target.txt").exists())
    folders = [path for path in folders if not given.only or path.name in given.only]
    seeds = range(0, given.splits, given.stride)
    results = {folder.name: alarms(folder, seeds, given.rows) for folder in folders}
    print(f"| Check | {' | '.join(results)} | all |")
    print(f"|---|{'---:|' * (len(results) + 1)}")
    for code in sorted(set().union(*(one[1] for one in results.values()))):
        counts = [one[0][code] for one in results.values()]
        shares = [*(n / len(seeds) for n in counts), sum(counts) / (len(seeds) * len(counts))]
        print(f"| `{code}` | {' | '.join(f'{share:.0%}' for share in shares)} |")
    for name, at in (("seconds", 2), ("rows", 3), ("repeats dropped", 4)):
        print(f"| {name} | {' | '.join(f'{one[at]:.6g}' for one in results.values())} | |")


if __name__ == "__main__":
    main()
