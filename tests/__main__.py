"""The entry point `test` of MLproject: linters, types, layers and tests, the same here and everywhere.

The tests run as two processes side by side, which a machine with two cores does in two thirds of the time; with
arguments, such as `-k schema`, they run as one.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

LINTERS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))
PYTEST = (sys.executable, "-m", "pytest")
PROJECT = Path(__file__).resolve().parent.parent
STEPS, DATA = PROJECT / "tests" / "steps", PROJECT / "tests" / "steps" / "data"
TEAMS = PROJECT / "tests" / "test_teams.py"
HALVES = (  # what the one takes, the other leaves out
    (STEPS, TEAMS, f"--ignore={DATA}"),
    (STEPS.parent, f"--ignore={TEAMS}", *(f"--ignore={path}" for path in sorted(STEPS.iterdir()) if path != DATA)),
)


def main() -> int:
    """Run every command, also after one has failed; 1 if any did."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    failed = []
    for command in LINTERS:
        print("$", *command, flush=True)
        if subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode:
            failed.append(command[0])
    if not _tests(environment):
        failed.append("pytest")
    if failed:
        print("failed:", ", ".join(failed), flush=True)
    return 1 if failed else 0


def _tests(environment: dict[str, str]) -> bool:
    """Whether all tests passed."""
    if sys.argv[1:]:
        return not subprocess.run([*PYTEST, *sys.argv[1:]], cwd=PROJECT, env=environment, check=False).returncode
    first, second = ([*PYTEST, "-p", "no:cacheprovider", *map(str, half)] for half in HALVES)
    with tempfile.TemporaryFile() as said:
        beside = subprocess.Popen(second, cwd=PROJECT, env=environment, stdout=said, stderr=subprocess.STDOUT)
        print("$", *first, flush=True)
        codes = [subprocess.run(first, cwd=PROJECT, env=environment, check=False).returncode, beside.wait()]
        said.seek(0)
        print("$", *second, flush=True)
        sys.stdout.flush()
        sys.stdout.buffer.write(said.read())
        sys.stdout.buffer.flush()
    return codes == [0, 0]


if __name__ == "__main__":
    sys.exit(main())
