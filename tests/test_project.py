import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pyfunc import package

ROOT = Path(__file__).resolve().parent.parent
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
STEPS = [name for name in ENTRY_POINTS if name != "test"]


@pytest.mark.parametrize("name", STEPS)
def test_mlproject_and_cli_agree(name):
    """Same parameters, same defaults, every parameter passed on without quotes, run as a module."""
    entry = ENTRY_POINTS[name]
    declared = {key: spec.get("default") for key, spec in entry["parameters"].items()}
    cli = importlib.import_module(f"steps.{name}").cli
    options = {o.opts[0].removeprefix("--").replace("-", "_"): None if o.required else o.default for o in cli.params}

    assert options == declared
    assert all(spec["type"] == "string" for spec in entry["parameters"].values())
    assert entry["command"].startswith(f"python -m steps.{name} ")
    assert all(f"--{key.replace('_', '-')}={{{key}}}" in entry["command"] for key in declared)
    assert "'" not in entry["command"]


def test_importing_the_api_does_not_import_the_trainer():
    """The web process stays light and cannot train."""
    code = "import api.app, sys; assert 'pycaret.classification' not in sys.modules"

    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=False).returncode == 0


def test_importing_a_step_does_not_import_pycaret():
    """Only workers pay for PyCaret."""
    code = "import steps.main, sys; assert 'pycaret' not in sys.modules"

    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_lock_is_exact_and_names_no_host():
    """Every requirement has one version and hashes, and the file says nothing of where to download."""
    lock = (ROOT / "requirements.txt").read_text()
    names = re.findall(r"^(\S+)", re.sub(r"^\s.*$|^#.*$", "", lock, flags=re.MULTILINE), re.MULTILINE)

    assert all("==" in name for name in names)
    assert lock.count("--hash=sha256:") >= len(names)
    assert "://" not in lock


def test_the_models_requirements_come_from_the_lock():
    """A model pins what our lock pins."""
    lock = (ROOT / "requirements.txt").read_text()

    assert all(f"\n{pinned} " in lock for pinned in package.requirements(ROOT / "requirements.txt"))
