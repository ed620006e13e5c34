import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pyfunc import package
from steps.search.plan import AUTO, LEARNERS
from steps.settings import Settings

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


README = (ROOT / "README.md").read_text()


def test_the_readme_knows_every_entry_point_and_parameter():
    """Nothing that can be asked for is missing, and nothing is named that does not exist."""
    parameters = {name for entry in ENTRY_POINTS.values() for name in entry.get("parameters", {})}

    assert [name for name in ENTRY_POINTS if f"-e {name}" not in README and name != "main"] == []
    assert [name for name in sorted(parameters) if f"`{name}`" not in README] == []
    assert set(re.findall(r"-e (\w+)", README)) <= set(ENTRY_POINTS)
    assert set(re.findall(r"-P (\w+)=", README)) <= parameters


def test_the_readme_knows_every_setting():
    """The table of settings and `Settings` name the same variables."""
    settings = {f"CRISOL_{name.upper()}" for name in Settings.model_fields}

    assert set(re.findall(r"CRISOL_\w+", README)) == settings


def test_every_error_code_in_the_readme_is_one_of_the_program():
    """Codes are stable; the README names real ones."""
    table = README.split("| Problems such as |")[1].split("\n\n")[0]
    modules = [path for folder in ("api", "steps", "pyfunc") for path in (ROOT / folder).rglob("*.py")]
    source = "".join(path.read_text() for path in modules)
    codes = re.findall(r"`(\w+)`", table)

    assert len(codes) > 20
    assert [code for code in codes if f'"{code}"' not in source and not code.endswith("_invalid")] == []


def test_every_file_and_picture_in_the_readme_exists():
    """Links and paths lead somewhere."""
    paths = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`((?:steps|pyfunc|api)/[\w/.]*)`", README)

    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_readme_lists_the_learners_that_the_plan_knows():
    """`models=` in the README is what the program takes."""
    row = next(line for line in README.splitlines() if line.startswith("| `models` |"))

    assert f"`{','.join(AUTO)}`" in row
    assert set(re.findall(r"PyCaret's `([^`]+)`", row)[0].split()) == set(LEARNERS)
