"""How a search gets on: one event, told to people (a bar or a plain line) and to the API (a tag of the train run)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Self

import mlflow
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from steps import screen, tracking
from steps.judging.metrics import better
from steps.screen import Screen
from steps.tracking import StepRun

WRITTEN_EVERY_S = 1.0  # at most: a store may be slow, and candidates may take a tenth of a second
DRIFT_S = 1.0  # a reader counts down by himself; only where that is wrong by more he is told again
Count = Annotated[int, Field(ge=0, le=2**53)]  # what JSON readers agree on
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """How far a search has come."""

    step: str
    candidate: str | None  # the last one that has ended, well or not
    done: Count  # candidates that have ended
    of: Count | None  # candidates that were asked for; None where the time decides
    metric: str
    best: FiniteFloat | None
    best_candidate: str | None
    seconds_left: FiniteFloat | None  # at `at_ms`; 0 when the search is over
    budget_s: FiniteFloat | None  # seconds of the whole search; None where the count decides
    at_ms: Count  # Unix time

    def left(self, now_ms: float) -> float | None:
        """Seconds that are left now."""
        if self.seconds_left is None:
            return None
        return min(max(self.seconds_left - max(now_ms - self.at_ms, 0.0) / 1000, 0.0), self.seconds_left)

    def share(self, now_ms: float) -> float | None:
        """How far it has come now, 0 to 1; None where nobody knows."""
        left = self.left(now_ms)
        if self.seconds_left == 0:
            return 1.0
        if self.of:
            return min(self.done / self.of, 1.0)
        if left is not None and self.budget_s:
            return min(max(1 - left / self.budget_s, 0.0), 1.0)
        return None

    def text(self) -> str:
        """As JSON."""
        return _EVENTS.dump_json(self).decode()


_EVENTS = TypeAdapter(Event)


def read(text: str | None) -> Event | None:
    """The event that a tag holds; None where it holds none that can be read."""
    try:
        return _EVENTS.validate_json(text or "", strict=True)
    except ValidationError:
        return None


class Watch:
    """Is told by a search what it does, and tells whoever looks. A context manager around the search.

    Args:
        run: the search's run, which gets the tag and `best_cv_<metric>`.
        metric: that candidates are ranked by.
        budget_s: seconds of the search, where the time decides when it ends.
        of: candidates, where their number decides.
        step: the search's name.
        line: where a bar is drawn; this process's screen by default.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        run: StepRun,
        metric: str,
        *,
        budget_s: float | None = None,
        of: int | None = None,
        step: str = "train",
        line: Screen | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.event = Event(step, None, 0, of, metric, None, None, None, budget_s, 0)
        self._run = run
        self._screen = line or screen.current()
        self._clock = clock
        self._ends: float | None = None  # by the clock
        self._written = -math.inf  # by the clock
        self._is_written = True
        self._logged_at = 0  # candidates that had ended when the best figure was logged last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_written and self._written == -math.inf:
            return  # it has not begun
        if self.event.best is not None and self._logged_at < self.event.done:
            self._log_best(None)  # so that the line reaches to the end
        self._ends = self._clock()
        self._write()
        if self._screen is not None:
            self._screen.tell("")  # what follows, such as saving the model, has no end that is known
            log.info("candidates %d%s", self.event.done, self._best_words())

    def tick(self, seconds_left: float) -> None:
        """The search says how long it will take from now on; often, if it likes."""
        now = self._clock()
        drift = math.inf if self._ends is None else abs(now + seconds_left - self._ends)
        self._ends = now + seconds_left
        self._draw("")
        if drift > DRIFT_S or not self._is_written:
            self._write_soon()

    def candidate(
        self, name: str, figure: float | None, seconds: float, error: str | None = None, at_ms: int | None = None
    ) -> None:
        """A candidate has ended.

        Args:
            name: that tells it from the others, such as `lightgbm #3`.
            figure: its cross-validated `metric`; None or NaN where it has none.
            seconds: that it took.
            error: how it ended, where it did not end well: `failed: MemoryError`.
            at_ms: when it ended, Unix time; now by default.
        """
        self.event = replace(self.event, candidate=name, done=self.event.done + 1)
        if error is None and figure is not None and math.isfinite(figure):
            if self.event.best is None or better(self.event.metric, figure, self.event.best):
                self.event = replace(self.event, best=float(figure), best_candidate=name)
                self._log_best(at_ms)
            ended = f"{self.event.metric}={figure:.4f} (best {self.event.best:.4f}) in {seconds:.1f} s"
        else:
            ended = f"{error or 'without a figure'} after {seconds:.1f} s"
        if self._screen is None:
            log.info("candidate %-12s %s", name, ended)
        self._draw(f" {error}" if error else "")
        self._write_soon()

    def _best_words(self) -> str:
        """The best so far."""
        return "" if self.event.best is None else f", best {self.event.metric}={self.event.best:.4f}"

    def _draw(self, how: str) -> None:
        """Say it on the screen."""
        if self._screen is None:
            return
        one = self.event
        count = f"{one.done} of {one.of}" if one.of else f"{one.done} done"
        said = f"{count}{self._best_words()}, {one.candidate}{how}" if one.candidate else "first candidates"
        left = None if self._ends is None else max(self._ends - self._clock(), 0.0)
        done = min(one.done / one.of, 1.0) if one.of else None
        self._screen.tell(said, done=done, seconds_left=left, lasts_s=one.budget_s)

    def _log_best(self, at_ms: int | None) -> None:
        """The best figure over time: the step is the number of candidates that have ended."""
        one = self.event
        assert one.best is not None
        mlflow.log_metric(f"best_cv_{one.metric}", one.best, step=one.done, timestamp=at_ms, run_id=self._run.run_id)
        self._logged_at = one.done

    def _write_soon(self) -> None:
        """Write the tag, unless that was done just now; then the next word or the end does."""
        self._is_written = False
        if self._clock() - self._written >= WRITTEN_EVERY_S:
            self._write()

    def _write(self) -> None:
        """Write the tag."""
        left = None if self._ends is None else round(max(self._ends - self._clock(), 0.0), 3)
        self.event = replace(self.event, seconds_left=left, at_ms=int(time.time() * 1000))
        self._run.tags({tracking.PROGRESS: self.event.text()})
        self._written, self._is_written = self._clock(), True
