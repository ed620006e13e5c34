# ruff: noqa: INP001 (a script that was run once, in no package)
"""Made `train.csv` and `test.csv` from Orange's `heart_disease.tab`; kept to show how, run once.

python steps/sample/split.py <site-packages>/Orange/datasets/heart_disease.tab
"""

from __future__ import annotations

import csv
import random
import sys
from collections import defaultdict
from pathlib import Path

HEADER_LINES = 3  # Orange: names, types, flags (`class` marks the target)
TEST_SHARE = 0.3
SEED = 1988  # the year the data were given to the public


def main(source: Path, folder: Path) -> None:
    """Read Orange's tab-separated file and write the two parts into `folder`, stratified by the target."""
    with source.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, delimiter="\t"))
    names, flags = lines[0], lines[HEADER_LINES - 1]
    target = flags.index("class")
    rows = [["" if cell == "?" else cell for cell in line] for line in lines[HEADER_LINES:] if line]
    by_label: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        by_label[row[target]].append(at)
    rng = random.Random(SEED)  # noqa: S311 (a split is no secret)
    test: set[int] = set()
    for label in sorted(by_label):
        test |= set(rng.sample(by_label[label], round(TEST_SHARE * len(by_label[label]))))
    parts = {"train.csv": [at for at in range(len(rows)) if at not in test], "test.csv": sorted(test)}
    for name, chosen in parts.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(rows[at] for at in chosen)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
