"""A file is there when it is complete, and not before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyfunc.errors import FileRefusedError
from steps.complete import complete

KILLED = """
import os, signal, sys
from pathlib import Path
from steps.complete import complete
with complete(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names_in(folder: Path) -> list[str]:
    """What stands in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path):
    """Until then the older one stands there; the rights are those of any new file."""
    out = tmp_path / "out.csv"
    out.write_text("before")
    with complete(out) as file:
        file.write(b"after")
        file.flush()
        assert out.read_text() == "before"
    assert out.read_text() == "after"
    (tmp_path / "other").touch()
    assert out.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert names_in(tmp_path) == ["other", "out.csv"]


def test_nothing_is_left_of_a_failure(tmp_path):
    """Whatever happens on the way."""
    with pytest.raises(ZeroDivisionError), complete(tmp_path / "out.csv") as file:
        file.write(bytes(1 // (file.write(b"half") - 4)))
    assert not names_in(tmp_path)


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    """By the next one that writes the same file; what a living process writes stays."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out.csv")]
    subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert len(names_in(tmp_path)) == 1
    with complete(tmp_path / "out.csv") as file, complete(tmp_path / "out.csv") as other:
        file.write(b"1")
        other.write(b"2")
    assert names_in(tmp_path) == ["out.csv"]
    assert (tmp_path / "out.csv").read_bytes() == b"1"


def test_a_folder_that_takes_no_files(tmp_path):
    """What the system says about the folder is passed on."""
    with pytest.raises(FileRefusedError) as caught, complete(tmp_path / ("x" * 300 + ".csv")):
        pass
    assert caught.value.problems[0].code == "out_not_writable"
    assert not names_in(tmp_path)
