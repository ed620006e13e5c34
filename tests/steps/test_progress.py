"""What a search tells people and the API, by a clock that the tests set."""

import json
import logging
import math
import re

import pytest

from steps import progress, tracking
from steps.progress import Event, Watch
from steps.screen import Screen
from tests.conftest import Store
from tests.steps.test_screen import Clock, last_line, terminal, written


@pytest.fixture
def run(store: Store):
    """An open train run."""
    with tracking.step_run("train") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    """A clock that the test sets."""
    return Clock()


def told(store: Store, run: tracking.StepRun) -> dict | None:
    """What the run's tag holds now."""
    text = store.client.get_run(run.run_id).data.tags.get(tracking.PROGRESS)
    return text and json.loads(text)


def event(**changes) -> Event:
    """An event of a search by time, at Unix time 1000 s."""
    given = {
        "step": "train", "candidate": "lr #0", "done": 1, "of": None, "metric": "roc_auc", "best": 0.8,
        "best_candidate": "lr #0", "seconds_left": 40.0, "budget_s": 60.0, "at_ms": 1_000_000,
    }  # fmt: skip
    return Event(**{**given, **changes})


def test_the_tag_tells_the_last_and_the_best_candidate(store, run, clock):
    """The run says which candidate ended, which is best, and how long it will take."""
    with Watch(run, "roc_auc", budget_s=60, clock=clock) as watch:
        watch.tick(60)
        clock.now += 5
        watch.candidate("lightgbm #0", 0.9, 5.0)
        clock.now += 5
        watch.candidate("lr #0", 0.8, 10.0)
        found = told(store, run)

    assert found.pop("at_ms") > 1_700_000_000_000
    assert found == {
        "step": "train", "candidate": "lr #0", "done": 2, "of": None, "metric": "roc_auc", "best": 0.9,
        "best_candidate": "lightgbm #0", "seconds_left": 50.0, "budget_s": 60.0,
    }  # fmt: skip


def test_a_lower_log_loss_is_the_better_one(run, clock):
    """The best follows the metric's own direction."""
    watch = Watch(run, "log_loss", budget_s=60, clock=clock)
    for name, figure in (("a", 0.5), ("b", 0.3), ("c", 0.4)):
        watch.candidate(name, figure, 1.0)

    assert (watch.event.best, watch.event.best_candidate, watch.event.candidate) == (0.3, "b", "c")


def test_what_failed_counts_but_is_never_the_best(run, clock):
    """Candidates without a figure are done, and nothing more."""
    watch = Watch(run, "roc_auc", of=3, clock=clock)
    watch.candidate("a #0", None, 1.0, "failed: MemoryError")
    watch.candidate("b #0", math.nan, 1.0)
    watch.candidate("c #0", 0.99, 1.0, "cut off by the budget")

    assert (watch.event.done, watch.event.best, watch.event.best_candidate) == (3, None, None)
    assert watch.event.share(0) == 1.0


def test_the_tag_is_written_once_a_second_and_at_the_end(store, run, clock, monkeypatch):
    """Many quick candidates are few writes; the last one always stands there."""
    writes = []
    monkeypatch.setattr(tracking.StepRun, "tags", lambda _, tags: writes.append(json.loads(tags[tracking.PROGRESS])))
    with Watch(run, "roc_auc", budget_s=60, clock=clock) as watch:
        for number in range(20):
            watch.candidate(f"lr #{number}", 0.5 + number / 100, 0.1)
            clock.now += 0.125

    assert [one["done"] for one in writes] == [1, 9, 17, 20]
    assert writes[-1]["candidate"] == "lr #19"
    assert writes[-1]["seconds_left"] == 0


def test_a_held_back_candidate_is_told_by_the_next_tick(store, run, clock):
    """It does not wait for another candidate; ticks that say nothing new are no writes."""
    watch = Watch(run, "roc_auc", budget_s=60, clock=clock)
    watch.tick(60)
    watch.candidate("lr #0", 0.5, 0.1)
    assert told(store, run)["done"] == 0
    clock.now += 1.5
    watch.tick(58.5)
    at_ms = told(store, run)["at_ms"]
    assert told(store, run)["done"] == 1
    clock.now += 5
    watch.tick(53.5)

    assert told(store, run)["at_ms"] == at_ms


def test_another_end_than_was_said_is_told(store, run, clock):
    """A search that will end earlier says so."""
    watch = Watch(run, "roc_auc", budget_s=60, clock=clock)
    watch.tick(60)
    clock.now += 10
    watch.tick(20)

    assert told(store, run)["seconds_left"] == 20


def test_a_search_that_never_began_leaves_no_tag(store, run, clock):
    """Refused while it was prepared: nothing to tell."""
    with pytest.raises(ValueError, match="refused"), Watch(run, "roc_auc", budget_s=60, clock=clock):
        raise ValueError("refused")

    assert told(store, run) is None


def test_the_best_figure_over_time_has_candidates_as_steps(store, run, clock):
    """A point at each improvement, when it happened, and one at the end of the search."""
    with Watch(run, "roc_auc", budget_s=60, clock=clock) as watch:
        for number, figure in enumerate((None, 0.7, 0.6, 0.8, 0.75)):
            watch.candidate(f"lr #{number}", figure, 1.0, None if figure else "failed: x", at_ms=1000 + number)
    history = store.client.get_metric_history(run.run_id, "best_cv_roc_auc")

    assert [(point.step, point.value) for point in history] == [(2, 0.7), (4, 0.8), (5, 0.8)]
    assert [point.timestamp for point in history[:2]] == [1001, 1003]


def test_without_a_terminal_each_candidate_is_a_plain_line(run, clock, caplog):
    """Name, figure, best and seconds, or how it ended."""
    caplog.set_level(logging.INFO, logger="steps.progress")
    with Watch(run, "roc_auc", budget_s=60, clock=clock) as watch:
        watch.candidate("lightgbm #0", 0.87654, 1.23)
        watch.candidate("lr #0", 0.5, 2.0)
        watch.candidate("et #0", None, 3.0, "cut off by the budget")

    assert caplog.messages == [
        "candidate lightgbm #0  roc_auc=0.8765 (best 0.8765) in 1.2 s",
        "candidate lr #0        roc_auc=0.5000 (best 0.8765) in 2.0 s",
        "candidate et #0        cut off by the budget after 3.0 s",
    ]


def test_on_a_terminal_the_bar_says_it(run, clock, caplog):
    """Step, last candidate, best so far and seconds left; one log line at the end in place of one each."""
    caplog.set_level(logging.INFO, logger="steps.progress")
    console = terminal()
    shown = Screen(console, clock)
    with shown.step("train"), Watch(run, "roc_auc", budget_s=60, line=shown, clock=clock) as watch:
        watch.tick(60)
        shown.redraw()
        before = last_line(console)
        clock.now += 15
        watch.candidate("lightgbm #0", 0.87654, 1.23)
        watch.candidate("lr #0", None, 1.23, "failed: MemoryError")
        shown.redraw()
        line = last_line(console)

    assert "60 s left, first candidates" in before
    assert re.match(r"\S train +━{4} +45 s left, 2 done, best roc_auc=0.8765, lr #0 failed$", line)
    assert caplog.messages == ["candidates 2, best roc_auc=0.8765"]


def test_on_a_terminal_a_count_fills_the_bar(run, clock):
    """Where candidates are counted, the bar is their share."""
    console = terminal()
    shown = Screen(console, clock)
    with shown.step("train"), Watch(run, "roc_auc", of=4, line=shown, clock=clock) as watch:
        watch.candidate("lr #0", 0.8, 1.0)
        shown.redraw()

        assert re.match(r"\S train +━{4} +1 of 4, best roc_auc=0.8000, lr #0 *$", last_line(console))
    assert written(console).endswith("\x1b[?25h")


def test_what_is_written_is_read_back():
    """An event survives its tag."""
    assert progress.read(event().text()) == event()


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "null", event().text()[:-5], event().text().replace("0.8", "NaN"), '{"done": 1}',
     event().text().replace('"done":1', '"done":"<b>"'), event().text().replace("1000000", "9" * 400)],
)  # fmt: skip
def test_what_is_no_event_is_none(text):
    """Anybody may write a tag: what cannot be read is no event."""
    assert progress.read(text) is None


def test_a_reader_counts_down_by_himself():
    """Seconds left go on between two writes, never below 0, and a clock that is behind adds none."""
    assert event().left(1_010_000) == 30
    assert event().left(9_000_000) == 0
    assert event().left(0) == 40
    assert event(seconds_left=None).left(0) is None


def test_the_share_is_by_count_or_else_by_time():
    """A count where there is one; the time otherwise; 1 when it is over; unknown without either."""
    assert event().share(1_010_000) == pytest.approx(0.5)
    assert event(of=4, budget_s=None).share(1_000_000) == 0.25
    assert event(seconds_left=0.0).share(0) == 1
    assert event(seconds_left=None).share(0) is None
