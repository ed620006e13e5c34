"""An environment that another start is still filling is waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from steps.environment import LOCK, missing, wait_until_complete

PINS = """\
some-thing==1.0 \\
    --hash=sha256:00
Other.Thing==2.0 \\
    # via some-thing
elsewhere==3.0 ; sys_platform == 'win32' \\
    --hash=sha256:01
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Two packages, and one for another system."""
    made = tmp_path / "requirements.txt"
    made.write_text(PINS)
    return made


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment as MLflow names them, with one of the packages."""
    made = tmp_path / f"mlflow-{40 * 'a'}"
    install(made, "some_thing-1.0")
    (made / "pyvenv.cfg").write_text("")
    return made


def install(prefix: Path, package: str) -> None:
    """What an installer leaves of a package last."""
    (prefix / f"lib/python3.11/site-packages/{package}.dist-info").mkdir(parents=True)


def test_what_is_missing_is_known_by_any_spelling(prefix: Path, lock: Path):
    """Case and signs between words do not count, nor what is for another system."""
    assert missing(prefix, lock) == ["Other.Thing"]
    install(prefix, "other_thing-2.0")
    assert missing(prefix, lock) == []


def test_this_environment_has_all_of_the_lock():
    """The lock is read as it is written: nearly all of it is looked for, and found."""
    assert missing(Path(sys.prefix), LOCK) == []
    assert len(missing(Path("nowhere"), LOCK)) > 150


def test_the_rest_is_waited_for(prefix: Path, lock: Path, capsys: pytest.CaptureFixture[str]):
    """Until the other start has installed it; said once."""
    later = threading.Timer(0.3, install, (prefix, "other_thing-2.0"))
    later.start()
    wait_until_complete(prefix, lock, look_s=0.01)
    assert not later.is_alive()
    said = capsys.readouterr().err
    assert said.count("another start is filling this environment: 1 packages to go") == 1


def test_what_nobody_fills_is_refused(prefix: Path, lock: Path, capsys: pytest.CaptureFixture[str]):
    """With the folder that has to go."""
    long_ago = time.time() - 3600
    os.utime(prefix / "pyvenv.cfg", (long_ago, long_ago))
    with pytest.raises(SystemExit) as ended:
        wait_until_complete(prefix, lock)
    assert ended.value.code == 3
    assert f"Remove {prefix}" in capsys.readouterr().err


def test_other_environments_are_their_makers_affair(prefix: Path, lock: Path):
    """One made by hand may lack what only tests need."""
    by_hand = prefix.rename(prefix.with_name("venv"))
    wait_until_complete(by_hand, lock)
    assert missing(by_hand, lock)


def test_steps_look_before_they_import(prefix: Path):
    """A Python without any package: the step says that the environment lacks some, not that click is gone."""
    long_ago = time.time() - 3600
    os.utime(prefix / "pyvenv.cfg", (long_ago, long_ago))
    code = (
        f"import sys; sys.prefix = {str(prefix)!r}; import runpy; sys.argv = ['-m']; runpy.run_module('steps.ingest')"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=LOCK.parent, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3, ended.stderr
    assert "environment_incomplete" in ended.stderr
