import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys, time
import click
from pyfunc.errors import Problem, TrainingRefusedError
from steps import process

@click.command()
@click.option("--how", required=True)
def cli(how):
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
