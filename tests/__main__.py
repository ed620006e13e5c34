"""The entry point `test` of MLproject: linters, types, layers and tests, the same here and everywhere."""

import os
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    (sys.executable, "-m", "pytest"),
)
PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run every command, also after one has failed; 1 if any did."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    failed = []
    for command in COMMANDS:
        print("$", *command, flush=True)
        if subprocess.run(
            [*command, *(sys.argv[1:] if "pytest" in command else [])], cwd=PROJECT, env=environment, check=False
        ).returncode:
            failed.append(command[-1] if "pytest" in command else command[0])
    if failed:
        print("failed:", ", ".join(failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
