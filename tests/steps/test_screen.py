"""The line on a terminal, on a terminal that is a string."""

import io
import logging
import re

import pytest
from rich.console import Console

from steps import screen
from steps.screen import Above, Screen


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def terminal(width: int = 80) -> Console:
    """A terminal of this width whose output is kept."""
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, _environ={})


def written(console: Console) -> str:
    """All that was written to it."""
    return console.file.getvalue()


def last_line(console: Console) -> str:
    """The row that was drawn last, without what moves the cursor."""
    return re.sub(r"\x1b\[[0-9?;]*[a-zA-Z]", "", written(console)).replace("\r", "\n").rstrip("\n").split("\n")[-1]


def test_a_step_is_shown_with_its_seconds():
    """A step that says nothing has its name and how long it has taken."""
    console, clock = terminal(), Clock()
    shown = Screen(console, clock)
    with shown.step("ingest"):
        clock.now += 7
        shown.redraw()
        line = last_line(console)

    assert re.fullmatch(r"\S ingest +7 s *", line)


def test_the_innermost_step_is_shown_and_the_outer_one_comes_back():
    """One line, of the step at work."""
    console, clock = terminal(), Clock()
    shown = Screen(console, clock)
    with shown.step("main"):
        with shown.step("train"):
            shown.redraw()
            inside = last_line(console)
        shown.redraw()
        after = last_line(console)

    assert "train" in inside
    assert "main" not in inside
    assert "main" in after


def test_the_bar_is_as_long_as_the_share_of_the_time():
    """With half of the time gone, half of the bar's 16 cells are full, and the seconds count down by themselves."""
    console, clock = terminal(), Clock()
    shown = Screen(console, clock)
    with shown.step("train"):
        shown.tell("3 done, lr #0", seconds_left=60, lasts_s=60)
        clock.now += 30
        shown.redraw()
        line = last_line(console)

    assert line.count("━") == 8  # without colours only what is full is drawn
    assert "30 s left, 3 done, lr #0" in line


def test_the_bar_is_as_long_as_the_share_that_was_told():
    """Where candidates are counted, the count decides, not the time."""
    console = terminal()
    shown = Screen(console, Clock())
    with shown.step("train"):
        shown.tell("3 of 4 lr #0", done=0.75)
        shown.redraw()

        assert last_line(console).count("━") == 12


@pytest.mark.parametrize("width", [200, 80, 40, 12])
def test_the_line_is_one_row_at_any_width(width):
    """Nothing wraps, which would leave rows behind when it is drawn again."""
    console = terminal(width)
    shown = Screen(console, Clock())
    with shown.step("train"):
        shown.tell(
            "14 done, best balanced_accuracy=0.8712, lightgbm #3 cut off by the budget", seconds_left=9, lasts_s=60
        )
        shown.redraw()
        shown.redraw()

        assert "\n" not in written(console)
        assert len(last_line(console)) <= width


def test_log_lines_stand_above_the_line_whole_and_as_they_are():
    """Markup, emoji codes and long lines come out unchanged; the line is drawn again below."""
    console = terminal(40)
    shown = Screen(console, Clock())
    said = "[red]column[/red] :warning: " + "x" * 60
    with shown.step("train"):
        Above(shown).emit(logging.makeLogRecord({"msg": said, "levelno": logging.INFO}))
        text = written(console)

    assert f"{said}\n" in text
    assert "train" in text.split(said)[1]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_the_terminal_is_left_as_it_was(error):
    """However the step ends, the line is erased, the cursor comes back, and Python's streams are its own again."""
    import sys  # noqa: PLC0415 (as it is now, not as it was when the module was read)

    before = (sys.stdout, sys.stderr)
    console = terminal()
    try:
        with Screen(console, Clock()).step("train"):
            assert written(console).startswith("\x1b[?25l")
            if error:
                raise error
    except (KeyboardInterrupt, ValueError):
        pass

    assert written(console).endswith("\x1b[?25h")
    assert "\x1b[1A\x1b[2K" in written(console).rsplit("train", 1)[1]  # no empty row stays behind either
    assert (sys.stdout, sys.stderr) == before


def test_what_is_no_terminal_gets_plain_lines(monkeypatch):
    """A file or pipe has no screen, whatever FORCE_COLOR says, and what is logged is all that is written."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.StringIO()
    handler = screen.set_up(file)
    with screen.step("train"):
        handler.emit(logging.makeLogRecord({"msg": "a line", "levelno": logging.INFO}))

    assert screen.current() is None
    assert file.getvalue() == "a line\n"


def test_a_terminal_that_was_closed_ends_no_work():
    """Where nothing can be written any more, the step goes on."""

    class Gone(io.StringIO):
        is_gone = False

        def write(self, text: str) -> int:
            if self.is_gone:
                raise OSError(5, "Input/output error")
            return super().write(text)

    file = Gone()
    shown = Screen(Console(file=file, force_terminal=True, width=80, _environ={}), Clock())
    done = []
    with shown.step("train"):
        shown._live.auto_refresh = False
        shown._live._refresh_thread.stop()
        file.is_gone = True
        shown.tell("on it")
        done.append("work")

    assert done == ["work"]
