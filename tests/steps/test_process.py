import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, os, sys, time
import click
from pyfunc.errors import Problem, TrainingRefusedError
from steps import process, screen

@click.command()
@click.option("--how", required=True)
def cli(how):
    if how == "shown":
        with screen.step("train"):
            logging.info("a log line")
            print("said by python")
            return {"answer": 42}
    if how == "shown long":
        with screen.step("train"):
            time.sleep(60)
    print("said by python")
    os.write(1, b"said by C\\n")
    if how == "refused":
        raise TrainingRefusedError(Problem("some_code", "It is wrong.", "file", "Mend it."))
    if how == "bug":
        raise KeyError("oh")
    if how == "wait":
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(60)
    return {"answer": 42}

process.command(cli)
"""


def start(*arguments: str, starter: str = "") -> subprocess.Popen:
    """The program above as a process; `starter` puts another one in between."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    if starter:
        command = [sys.executable, "-c", starter, *command]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_the_last_line_on_stdout_is_the_answer_and_nothing_else_is():
    """What Python and C write to stdout goes to stderr."""
    process = start("--how", "well")
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0
    assert json.loads(out) == {"answer": 42}
    assert "said by python" in err
    assert "said by C" in err


@pytest.mark.parametrize(("arguments", "code"), [(["--how", "refused"], 3), (["--how", "bug"], 1), (["--who", "x"], 2)])
def test_exit_codes_tell_bug_usage_and_refusal_apart(arguments, code):
    """1 is a bug, 2 usage, 3 a refusal; none prints an answer."""
    process = start(*arguments)
    out, err = process.communicate(timeout=60)

    assert process.returncode == code
    assert out == ""
    if code == 3:
        assert err.strip().splitlines()[-1] == "refused [some_code] It is wrong. (in file) Mend it."
        assert "Traceback" not in err


def on_terminal(how: str) -> tuple[subprocess.Popen, int]:
    """The program with a terminal of 80 cells as its stderr; the terminal's other side."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, "--how", how]
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR", "TERM")}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**kept, "TERM": "xterm"}, text=True, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    return process, ours


def read_until(side: int, wanted: str) -> str:
    """What comes out of a terminal until it has `wanted`, or is closed."""
    text = b""
    while wanted.encode() not in text:
        try:
            text += os.read(side, 4096)
        except OSError:  # Linux says so where the other side was closed
            break
    return text.decode()


def test_a_terminal_shows_the_step_and_stdout_is_the_answer():
    """The line is drawn on stderr, what is logged or printed stands whole above it, and all is put back."""
    process, side = on_terminal("shown")
    err = read_until(side, "never")
    out, _ = process.communicate(timeout=60)
    os.close(side)

    assert json.loads(out) == {"answer": 42}
    assert "train" in err
    assert "a log line\r\n" in err
    assert "said by python\r\n" in err
    assert err.rindex("\x1b[?25h") > err.rindex("\x1b[?25l")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_step_that_is_stopped_leaves_the_terminal_as_it_was(number):
    """The cursor comes back, the line is gone, the reason stands there."""
    process, side = on_terminal("shown long")
    shown = read_until(side, "train")
    process.send_signal(number)
    err = read_until(side, "never")
    process.communicate(timeout=20)
    os.close(side)

    assert process.returncode == 128 + signal.SIGTERM
    assert "\x1b[?25l" in shown
    whole = shown + err  # the line may have been drawn for the last time before the signal came
    assert whole.rindex("\x1b[?25h") > whole.rindex("train")
    assert f"stopped: received {number.name}" in err


def test_sigterm_ends_a_step():
    """A step that is told to end does so at once, with its own exit code."""
    process = start("--how", "wait")
    while process.stderr.readline() != "waiting\n":
        pass
    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_step_ends_with_the_process_that_started_it():
    """When the starter is killed, the step does not go on alone."""
    starter = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
    with start("--how", "wait", starter=starter) as process:
        pid = int(process.stdout.readline())
        while process.stderr.readline() != "waiting\n":
            pass
        process.kill()

    for _ in range(200):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the step outlived its starter by 20 s")
