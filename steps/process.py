"""What a step's process owes the outside: one JSON line, an exit code, an end together with whoever started it.

Exit codes: 0 done, 1 bug, 2 usage, 3 refused. (`mlflow run` answers 1 to all of them; the run's tags say more.)
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, NoReturn

import click
import psutil

from pyfunc.errors import Problem, ProjectError
from steps import screen, tracking
from steps.stores import trouble_of_step
from steps.tracking import BUG, DONE, REFUSED, USAGE

PR_SET_PDEATHSIG = 1  # Linux: prctl(2)
WATCH_S = 0.5  # between two looks at the ancestor
STARTERS = ("mlflow", "steps.main")  # words in the command line of a process that our end should follow
log = logging.getLogger(__name__)


class StoppedError(BaseException):
    """The process was told to end. Not an `Exception`: nothing that handles errors may swallow it."""


def command(cli: click.Command) -> NoReturn:
    """Run a click command as the process's purpose.

    Its return value, a mapping, becomes the last line on stdout; everything else goes to stderr, also what C code
    writes to file descriptor 1. Where stderr is a terminal, the step at work is shown on its last line.
    """
    answer = _claim_stdout()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_SGC_RUN_RESUMPTION_FOR_DATABRICKS_JOBS", "false")  # asks IPython
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[screen.set_up(sys.stderr)])
    for noisy in ("alembic", "mlflow", "matplotlib", "fontTools", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # shows a statement with all its values
    end_with_starter()
    try:
        said = cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show(sys.stderr)
        tracking.tag_usage_error(error.format_message(), USAGE)
        sys.exit(USAGE)
    except ProjectError as error:
        _say(error.problems)
        sys.exit(REFUSED)
    except StoppedError as stop:
        log.error("stopped: %s", stop)  # noqa: TRY400 (a stack trace would say nothing)
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:  # noqa: BLE001 (the outermost frame: a bug is shown whole and has its own exit code)
        problem = trouble_of_step(error)
        if problem is not None:
            _say((problem,))
            sys.exit(REFUSED)
        traceback.print_exc()
        sys.exit(BUG)
    finally:
        screen.close()
    if isinstance(said, Mapping):
        answer.write(json.dumps(said, ensure_ascii=False) + "\n")
        answer.flush()
    sys.exit(DONE)


def whole(text: str, most: int) -> int | None:
    """The whole number from 0 to `most` that a parameter's plain digits say; None where they say no such."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if is_number and int(text) <= most else None


def end_with_starter() -> None:
    """End on SIGTERM, and when the process that started this one is gone.

    SIGTERM to `mlflow run` leaves its children alone, and a shell may stand between; so the kernel is asked to tell
    of the parent's end, and the nearest `mlflow` ancestor is watched as well.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    starter = _starter()
    if starter is not None:
        watch(starter.is_running, lambda: os.kill(os.getpid(), signal.SIGTERM))


def watch(is_alive: Callable[[], bool], on_end: Callable[[], None]) -> None:
    """Call `on_end` once when `is_alive` turns false; looks from a daemon thread."""

    def look() -> None:
        while is_alive():
            time.sleep(WATCH_S)
        on_end()

    threading.Thread(target=look, name="watch", daemon=True).start()


def _starter() -> psutil.Process | None:
    """The nearest ancestor that runs MLflow; None for a command typed by hand."""
    try:
        for ancestor in psutil.Process().parents():
            if any(word in part for part in ancestor.cmdline()[:3] for word in STARTERS):
                return ancestor
    except psutil.Error:
        return None
    return None


def _stop(number: int, _: FrameType | None) -> None:
    """Turn a signal into an exception once; a second one must not interrupt the clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise StoppedError(f"received {signal.Signals(number).name}, or the process that started this one has ended")


def _claim_stdout() -> Any:
    """Keep file descriptor 1 for the answer and send what others write there to stderr."""
    sys.stdout.flush()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answer


def _say(problems: Iterable[Problem]) -> None:
    """A line each, at the end of the output."""
    for problem in problems:
        log.error("refused [%s] %s (in %s) %s", problem.code, problem.what, problem.where, problem.fix)
