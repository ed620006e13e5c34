"""Memory that nobody needs goes back to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there it is done, and can be seen")
PROJECT = Path(__file__).parents[2]
RESIDENT = """
def resident(of):
    with open("/proc/self/smaps") as mappings:
        parts = mappings.read().split("VmFlags")
    return sum(int(part.split("Rss:")[1].split()[0]) for part in parts if "Rss:" in part and of in part) / 1024
"""
OF_A_THREAD = """
import sys, threading
from pyfunc import memory
if "shared" in sys.argv:
    memory.share()
size = 30 << 20
large = size * b"x"
del large  # from now on so much memory is no longer taken from the system for itself
before = resident("")
size = 24 << 20
def work():
    small = bytes(1 << 10)
    large = size * b"x"
thread = threading.Thread(target=work)
thread.start()
thread.join()
memory.trim()
print(round(resident("") - before))
"""
OF_A_LIBRARY = """
import llvmlite.binding as llvm
from pyfunc import memory
llvm.initialize_native_target()
before = resident("libllvmlite")
memory.let_go("libllvmlite")
after = resident("libllvmlite")
print(round(before), round(after), llvm.Target.from_default_triple().name != "")
"""


def said(program: str, *given: str) -> list[str]:
    """The words of a program of its own."""
    command = [sys.executable, "-c", RESIDENT + program, *given]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split()


def test_what_a_thread_has_freed_is_handed_back():
    """Where threads share; each by itself would keep the end of what it has taken."""
    kept, shared = (int(said(OF_A_THREAD, *given)[0]) for given in ([], ["shared"]))

    assert kept > 20
    assert shared < 3


def test_a_library_is_handed_back_and_goes_on():
    """Only what was written to stays; the rest is read again."""
    before, after, is_there = said(OF_A_LIBRARY)

    assert int(before) > 20
    assert int(after) < 5
    assert is_there == "True"
