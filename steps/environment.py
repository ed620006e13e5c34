"""The environment that MLflow has made for the project: another start may still be filling it.

MLflow makes it at the first start, and enters it at every other one, be it still half empty. What is not there yet
cannot be imported, so this module takes the standard library only, and runs before all others.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.txt"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==[^\s;]+ \\$", re.MULTILINE)  # those for some systems only are not looked for
MADE_BY_MLFLOW = re.compile(r"mlflow-[0-9a-f]{40}")
FILLED_WITHIN_S = 900.0  # of its making; later than that nobody is filling it any more
LOOK_S = 1.0
REFUSED = 3  # as `tracking.REFUSED`


def wait_until_complete(
    prefix: Path = Path(sys.prefix), lock: Path = LOCK, within_s: float = FILLED_WITHIN_S, look_s: float = LOOK_S
) -> None:
    """Return when all packages are there; at once in an environment that MLflow has not made.

    Args:
        prefix: the environment's folder.
        lock: the packages that it is to have.
        within_s: how long after its making somebody may still be filling it.
        look_s: between two looks.

    Raises:
        SystemExit: something is missing, and nobody is filling it.
    """
    mark = prefix / "pyvenv.cfg"
    if not MADE_BY_MLFLOW.fullmatch(prefix.name) or not mark.exists():
        return
    is_told = False
    while lacking := missing(prefix, lock):
        if time.time() > mark.stat().st_mtime + within_s:
            fix = f"Remove {prefix}, and start again: it is made anew."
            what = f"The environment lacks {len(lacking)} packages, {lacking[0]} among them."
            sys.stderr.write(f"refused [environment_incomplete] {what} (in {prefix}) {fix}\n")
            raise SystemExit(REFUSED)
        if not is_told:
            sys.stderr.write(f"another start is filling this environment: {len(lacking)} packages to go\n")
            is_told = True
        time.sleep(look_s)


def missing(prefix: Path, lock: Path) -> list[str]:
    """Names of packages in the lock that are not installed, in any version."""
    there = {_plain(each.name.split("-")[0]) for each in prefix.glob("lib/python*/site-packages/*.dist-info")}
    return [name for name in PIN.findall(lock.read_text()) if _plain(name) not in there]


def _plain(name: str) -> str:
    """A package's name as all its spellings have it."""
    return re.sub(r"[-_.]+", "_", name).lower()
