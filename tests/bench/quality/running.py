"""One system on one table: its script in a process of its own, on the given cores, ended when it takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.bench.quality import environments

TIMES = 5  # the budget: a system that takes longer has failed
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")
STORE = "quality.json"


@dataclass(frozen=True)
class System:
    """A script of `peers/`, the environment that it runs in ("": the project's), and what it is told besides."""

    script: str
    environment: str
    extra: tuple[str, ...] = ()


SYSTEMS = {
    "crisol": System("with_crisol.py", ""),
    "flaml": System("with_flaml.py", "flaml"),
    "autogluon_medium": System("with_autogluon.py", "autogluon", ("--preset", "medium_quality")),
    "autogluon_best": System("with_autogluon.py", "autogluon", ("--preset", "best_quality")),
    "h2o": System("with_h2o.py", "h2o"),
    "mljar": System("with_mljar.py", "mljar"),
    "pycaret": System("with_pycaret.py", "pycaret"),
}


@dataclass(frozen=True)
class Terms:
    """What is the same for all systems."""

    budget: int = 60
    cores: str = "0"
    seed: int = 1

    def words(self) -> str:
        """As a part of a file's name."""
        return f"{self.budget}s-cores{self.cores}-seed{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What came of one run; `error` is empty where it went well."""

    system: str
    table: str
    error: str = ""
    wall: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


def probabilities_file(cache: Path, terms: Terms, system: str, table: str) -> Path:
    """Where a run's probabilities of the test file are kept."""
    return cache / "runs" / terms.words() / table / system / "probabilities.csv"


def run(system: str, table: Path, cache: Path, terms: Terms) -> Outcome:
    """Train and ask one system; everything that it wrote and said stays in the cache, but for its models."""
    what = SYSTEMS[system]
    python = environments.python(cache, what.environment) if what.environment else Path(sys.executable)
    out = probabilities_file(cache, terms, system, table.name).parent
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    threads = len(cores_of(terms.cores))
    command = ["taskset", "-c", terms.cores, python, environments.PEERS / what.script, table.resolve(), out.resolve()]
    command += ["--budget", f"{terms.budget}", "--seed", str(terms.seed), "--threads", str(threads), *what.extra]
    start = time.monotonic()
    error = _ended(command, out, threads, TIMES * terms.budget)
    wall = time.monotonic() - start
    facts = out / "facts.json"
    found = json.loads(facts.read_text()) if not error and facts.exists() else {}
    for folder in (each for each in out.iterdir() if each.is_dir()):
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(system, table.name, error, wall, found)


def cores_of(text: str) -> list[int]:
    """`0,2-3` as `taskset` reads it: 0, 2, 3."""
    ends = [part.split("-") for part in text.split(",")]
    return [core for each in ends for core in range(int(each[0]), int(each[-1]) + 1)]


def _ended(command: list[Any], out: Path, threads: int, seconds: float) -> str:
    """Wait for a process and all that it started; why it failed, else nothing."""
    environment = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in THREADS}
    environment |= {"LOKY_MAX_CPU_COUNT": str(threads), "PYTHONHASHSEED": "1", "TMPDIR": str(out.resolve())}
    with (out / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=out, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(family, timeout=10)
            process.wait()
            return f"ended after {seconds:g} s"
    if code == 0:
        return ""
    said = (out / "log.txt").read_text(errors="replace").strip().splitlines()
    kinds = [line.split(":")[0] for line in said if line[:1].isalpha() and "Error" in line.split(":")[0]]
    return kinds[-1] if kinds else f"exit code {code}"


def read(cache: Path) -> dict[str, dict[str, Any]]:
    """All outcomes so far: by terms, then by `table/system`."""
    path = cache / STORE
    return json.loads(path.read_text()) if path.exists() else {}


def keep(cache: Path, terms: Terms, outcome: Outcome, more: dict[str, Any]) -> None:
    """Add an outcome, or put it in place of an older one."""
    found = read(cache)
    found.setdefault(terms.words(), {})[f"{outcome.table}/{outcome.system}"] = asdict(outcome) | more
    unfinished = cache / f"{STORE}.new"
    unfinished.write_text(json.dumps(found, indent=1))
    unfinished.replace(cache / STORE)
