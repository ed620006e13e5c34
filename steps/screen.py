"""What a person at a terminal sees of a step: one line at the bottom of stderr, with log lines passing above it.

Where stderr is no terminal there is no screen, and nothing here writes anything.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

BAR_CELLS = 16
NARROW_CELLS = 40  # a terminal that has no room for the bar beside the words
STEP_CELLS = 8  # the longest name of a step, so that the bar stays where it is
REDRAWN_PER_S = 5


@dataclass(frozen=True)
class Line:
    """What is known of a step. Times are seconds of the screen's clock."""

    step: str
    started: float
    said: str = ""
    done: float | None = None  # 0 to 1; None where nobody knows
    ends: float | None = None  # when the step's work is to end
    lasts_s: float | None = None  # how long that work may take altogether

    def share(self, now: float) -> float | None:
        """How far the work has come, 0 to 1: as was said, or else by the time."""
        if self.done is None and self.ends is not None and self.lasts_s:
            return min(max(1 - (self.ends - now) / self.lasts_s, 0.0), 1.0)
        return self.done

    def text(self, now: float) -> str:
        """The words of the line: how long it will take, and what was said; or how long it has taken."""
        left = [] if self.ends is None else [f"{max(self.ends - now, 0):.0f} s left"]
        return ", ".join([*left, self.said or f"{max(now - self.started, 0):.0f} s"])


class Screen:
    """The line of the innermost open step, drawn while a step is open.

    Args:
        console: a terminal.
        clock: seconds that only grow.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._lines: tuple[Line, ...] = ()  # replaced as a whole: another thread draws it
        self._spinner = Spinner("line")  # ASCII: every terminal has it
        self._live: Live | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step as long as it is open; the one around it comes back afterwards."""
        outside = self._lines
        self._lines = (*outside, Line(name, self._clock()))
        if self._live is None:
            self._live = Live(
                get_renderable=self._drawn, console=self.console, transient=True, refresh_per_second=REDRAWN_PER_S
            )
            with contextlib.suppress(OSError):  # a terminal that was closed is no reason to end the work
                self._live.start(refresh=True)
        try:
            yield
        finally:
            self._lines = outside
            if not outside:
                self.close()

    def tell(
        self,
        said: str,
        *,
        done: float | None = None,
        seconds_left: float | None = None,
        lasts_s: float | None = None,
    ) -> None:
        """Say how the innermost step gets on.

        Args:
            said: a few words.
            done: 0 to 1, where that is known otherwise than by the time.
            seconds_left: from now on; counted down from then on.
            lasts_s: seconds of the whole work.
        """
        if self._lines:
            ends = None if seconds_left is None else self._clock() + seconds_left
            line = replace(self._lines[-1], said=said, done=done, ends=ends, lasts_s=lasts_s)
            self._lines = (*self._lines[:-1], line)

    def redraw(self) -> None:
        """Draw now what is drawn by itself a few times a second."""
        if self._live is not None:
            self._live.refresh()

    def close(self) -> None:
        """Leave the terminal as it was, whatever happened; safe to call again."""
        live, self._live = self._live, None
        with contextlib.suppress(OSError):
            if live is not None:
                live.stop()
            self.console.show_cursor(show=True)  # also where a signal came in the middle of `stop`

    def _drawn(self) -> Table | str:
        """The line as rich draws it, one row whatever the terminal's width."""
        lines = self._lines
        if not lines:
            return ""
        now = self._clock()
        share = lines[-1].share(now)
        cells: list[tuple[int, RenderableType]] = [(1, self._spinner), (STEP_CELLS, Text(lines[-1].step))]
        if share is not None and self.console.width > NARROW_CELLS:
            cells.append((BAR_CELLS, ProgressBar(total=1.0, completed=share, width=BAR_CELLS)))
        room = self.console.width - sum(width + 1 for width, _ in cells)
        cells.append((max(room, 1), Text(lines[-1].text(now))))
        grid = Table.grid(padding=(0, 1, 0, 0))
        for width, _ in cells:
            grid.add_column(width=width, no_wrap=True, overflow="crop")
        grid.add_row(*(cell for _, cell in cells))
        return grid


class Above(logging.Handler):
    """Writes log lines above the line of a screen, as they are: no colours, no markup, not cut."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self.screen.console.print(Text(self.format(record)), soft_wrap=True, highlight=False)
        except OSError:
            self.handleError(record)


_of_process: Screen | None = None  # as there is one stderr


def set_up(stream: TextIO) -> logging.Handler:
    """Make this process's screen, if the stream is a terminal; the handler for log lines."""
    global _of_process  # noqa: PLW0603
    console = Console(file=stream, force_terminal=stream.isatty())  # FORCE_COLOR makes no terminal of a file
    if not console.is_terminal or console.is_dumb_terminal:
        return logging.StreamHandler(stream)
    _of_process = Screen(console)
    return Above(_of_process)


def current() -> Screen | None:
    """This process's screen; None where nobody looks."""
    return _of_process


@contextmanager
def step(name: str) -> Iterator[None]:
    """Show a step on this process's screen, if it has one."""
    with _of_process.step(name) if _of_process is not None else contextlib.nullcontext():
        yield


def close() -> None:
    """Leave the terminal as it was."""
    if _of_process is not None:
        _of_process.close()
