"""`read` beside pandas on the same bytes: `python -m tests.bench.readers [MIB] [REPEATS]`.

Every reading has a process of its own, and the readers take turns, so that a busy machine slows all of them. Memory is
the process's peak (`ru_maxrss`) less its peak after the imports and a table of one row, as a multiple of the file's
size; both readers are handed the file's bytes, which count once.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from steps.data.readers import read

MIB, REPEATS = 200, 5
COMMAND = [sys.executable, "-m", "tests.bench.readers"]
BLOCK_ROWS = 50_000
JSON_BLOCKS, EXCEL_ROWS = 2, 10_000
NAMES = ["n1", "n2", "n3", "n4", "i1", "i2", "i3", "c1", "c2", "c3", "c4", "flag", "day", "note", "label"]
TINY = {"csv": b"a,b\n1,2\n", "jsonl": b'{"a": 1}\n'}
READERS = {
    "csv": {
        "pandas.read_csv": lambda content: pd.read_csv(io.BytesIO(content)),
        "pandas.read_csv(dtype=str)": lambda content: pd.read_csv(io.BytesIO(content), dtype=str),
        'pandas.read_csv(engine="pyarrow")': lambda content: pd.read_csv(io.BytesIO(content), engine="pyarrow"),
    },
    "parquet": {"pandas.read_parquet": lambda content: pd.read_parquet(io.BytesIO(content))},
    "jsonl": {"pandas.read_json": lambda content: pd.read_json(io.BytesIO(content), lines=True)},
    "xlsx": {"pandas.read_excel": lambda content: pd.read_excel(io.BytesIO(content))},
}


def block(seed: int, rows: int = BLOCK_ROWS) -> list[list[str]]:
    """Rows of numbers, whole numbers, categories, true/false, days, quoted prose and a label, one cell in 20 empty."""
    draw = np.random.default_rng(seed)
    kinds = np.array([f"category {at}" for at in range(12)])
    days = np.datetime64("2024-01-01") + draw.integers(0, 700, rows)
    columns = [
        *(np.char.mod("%.4f", draw.normal(size=rows) * 100) for _ in range(4)),
        *(draw.integers(0, 5000, rows).astype(str) for _ in range(3)),
        *(kinds[draw.integers(0, len(kinds), rows)] for _ in range(4)),
        np.array(["true", "false"])[draw.integers(0, 2, rows)],
        np.datetime_as_string(days),
        np.char.add(np.char.add('Note "', draw.integers(0, 10**6, rows).astype(str)), '", said twice'),
        np.array(["yes", "no"])[draw.integers(0, 2, rows)],
    ]
    cells = np.array(columns, dtype=object)
    cells[:-1][draw.random((len(columns) - 1, rows)) < 1 / 20] = ""
    return cells.T.tolist()


def write_files(folder: Path, mib: float) -> None:
    """The same kind of table in each format; CSV of `mib` MiB, the others smaller."""
    paths = {kind: folder / f"table.{kind}" for kind in READERS}
    with paths["csv"].open("w", encoding="utf-8", newline="") as file:
        pd.DataFrame(columns=NAMES).to_csv(file, index=False)
        seed = 0
        while file.tell() < mib * 2**20:
            pd.DataFrame(block(seed), columns=NAMES).to_csv(file, index=False, header=False)
            seed += 1
    typed = pd.read_csv(io.StringIO(pd.DataFrame(block(0), columns=NAMES).to_csv(index=False)))
    pd.concat([typed] * max(1, int(mib // 10)), ignore_index=True).to_parquet(paths["parquet"])
    pd.concat([typed] * JSON_BLOCKS, ignore_index=True).to_json(paths["jsonl"], orient="records", lines=True)
    typed[:EXCEL_ROWS].to_excel(paths["xlsx"], index=False)


def once(how: str, kind: str, path: str) -> dict[str, float]:
    """Read a file in this process: seconds, and peak memory as a multiple of the file's size."""
    reader = READERS[kind].get(how, lambda content: read(content, f"table.{kind}").frame)
    reader(TINY[kind]) if kind in TINY else None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content = Path(path).read_bytes()
    began = time.perf_counter()
    frame = reader(content)
    seconds = time.perf_counter() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / len(content)
    return {"seconds": seconds, "peak": peak, "rows": len(frame)}


def compare(kind: str, path: Path, repeats: int) -> list[str]:
    """Table rows: `read` and every other reader of a format, in turns."""
    hows = ["read", *READERS[kind]]
    found: dict[str, list[dict[str, float]]] = {how: [] for how in hows}
    for _ in range(repeats):
        for how in hows:
            command = [*COMMAND, "--once", how, kind, str(path)]
            found[how].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    ours = [one["seconds"] for one in found["read"]]
    rows = []
    for how in hows:
        seconds = [one["seconds"] for one in found[how]]
        ratio = np.median(np.array(ours) / seconds)
        peak = np.median([one["peak"] for one in found[how]])
        size = f"{path.stat().st_size / 2**20:.0f}"
        times = f"{min(seconds):.2f} | {np.median(seconds):.2f}"
        rows.append(f"| {kind} | {size} | {found[how][0]['rows']:.0f} | `{how}` | {times} | {ratio:.2f} | {peak:.1f} |")
    return rows


def main(mib: float = MIB, repeats: int = REPEATS) -> None:
    """Print the table."""
    print("| Format | MiB | rows | reader | s (min) | s (median) | `read` / reader | peak / file |")
    print("|---|---:|---:|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*COMMAND, "--write", folder, str(mib)], check=True)  # memory of this process would be inherited
        for kind in READERS:
            print("\n".join(compare(kind, Path(folder) / f"table.{kind}", repeats)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        print(json.dumps(once(*sys.argv[2:5])))
    elif sys.argv[1:2] == ["--write"]:
        write_files(Path(sys.argv[2]), float(sys.argv[3]))
    else:
        main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))
