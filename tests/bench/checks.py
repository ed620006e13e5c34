"""How often each check warns where nothing is wrong: `python -m tests.bench.checks FOLDER [SPLITS]`.

FOLDER holds folders with `train.csv`, `test.csv` and `target.txt`. The two files of each are put together, shuffled and
split again to the same sizes; whatever a check then says about the two files against each other is a false alarm, and
what it says about the table itself (rows that repeat) is true of every split.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from steps.data.checks import compare
from steps.data.readers import read

SPLITS = 100


def splits(folder: Path, count: int):
    """Random splits (train, test) of a folder's table, and the target."""
    train, test = (read((folder / name).read_bytes(), name, name).frame for name in ("train.csv", "test.csv"))
    whole = pd.concat([train, test], ignore_index=True)
    for seed in range(count):
        rows = np.random.default_rng(seed).permutation(len(whole))
        first, second = (whole.iloc[part].reset_index(drop=True) for part in np.split(rows, [len(train)]))
        yield first, second, (folder / "target.txt").read_text().strip()


def alarms(folder: Path, count: int) -> tuple[Counter[str], set[str], float]:
    """How often each check warned or refused, the checks that were asked, and seconds for one comparison (median)."""
    found: Counter[str] = Counter()
    asked: set[str] = set()
    seconds = []
    for train, test, target in splits(folder, count):
        began = time.perf_counter()
        checks = compare(train, test, target).checks
        seconds.append(time.perf_counter() - began)
        asked |= {check.code for check in checks}
        found.update(check.code for check in checks if check.level != "ok")
    return found, asked, float(np.median(seconds))


def main(where: str, count: int = SPLITS) -> None:
    """Print the table."""
    folders = sorted(path for path in Path(where).iterdir() if (path / "target.txt").exists())
    results = {folder.name: alarms(folder, count) for folder in folders}
    codes = sorted(set().union(*(asked for _, asked, _ in results.values())))
    print(f"| Check | {' | '.join(results)} | all |")
    print(f"|---|{'---:|' * (len(results) + 1)}")
    for code in codes:
        counts = [found[code] for found, _, _ in results.values()]
        shares = [*(n / count for n in counts), sum(counts) / (count * len(counts))]
        print(f"| `{code}` | {' | '.join(f'{share:.0%}' for share in shares)} |")
    print(f"| seconds | {' | '.join(f'{seconds:.2f}' for _, _, seconds in results.values())} | |")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
