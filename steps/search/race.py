"""The search as it runs: workers kept busy with what the schedule hands out, until it or the budget has an end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.errors import Problem, TrainingRefusedError
from pyfunc.estimators import Recalibration
from pyfunc.schema import InputSchema
from steps.judging.metrics import log_losses
from steps.records import SearchPlan
from steps.search import budget, table, workers
from steps.search.budget import Finished, Hands, Pool
from steps.search.ensemble import bagged
from steps.search.learners import NATIVE, variant_of
from steps.search.outcome import TIME_LIMIT, Outcome
from steps.search.portfolio import BAGGED, STACK, Spec
from steps.search.schedule import WAVE, Ended, Schedule, needs_pycaret
from steps.search.table import Split, Table

PREPARE_LIMIT_S = 60.0  # for PyCaret's set-up where learners that need it were named, on a busy machine
PREPARE_SHARE = 0.5  # of the time left, otherwise: candidates that need none of it should not have to stand back
ALONE_FIRST, BASES_FIRST = 3, 5  # candidates before it where one worker does everything; where stacks are to come
OVERTIME = 2.0  # times what a candidate may take it is ended: a single round can take longer than all that is left
NO_LIMIT_S = 24 * 3600.0  # for a candidate where their number is given
LIGHT_CELLS = 100_000  # of the table, a second of budget: larger ones leave no time for PyCaret's preprocessing
MANY_NUMBERS, NEARLY_ALL = 8, 0.75  # columns of a table of numbers, and their share
BLEND = "blend"
BLEND_LIMIT_S = 60.0  # to put fitted candidates together; seconds are usual
RACED = 0.88  # of the budget; blends, the plan of the chosen one and its last timing have the rest
COMPILE_LIMIT_S = 120.0  # to compile the chosen one and to compare it with its pipeline; seconds are usual
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tried:
    """A candidate that has ended; see `Outcome` for what it holds."""

    model: str
    number: int
    outcome: Outcome
    pipeline: Path
    started_at_ms: int
    ended_at_ms: int
    seconds: float
    parts: int = 1  # candidates in a blend
    how: str = "portfolio"
    wins: float | None = None  # of a blend, see `steps.search.ensemble.Blended`
    bases: tuple[str, ...] = ()  # of a stack: files of the candidates' pipelines

    @property
    def error(self) -> str | None:
        """What ended it too early."""
        return self.outcome.error

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{BLEND} of {self.parts}" if self.model == BLEND else f"{self.model} #{self.number}"


@dataclass(frozen=True)
class Compiled:
    """How a candidate would be served.

    Attributes:
        plan: folder with its plan; None where the pipeline answers.
        reason: why there is no plan; empty where there is one.
        latency_ms: of one row, measured while nothing else of the search runs; NaN where it could not be.
    """

    plan: Path | None
    reason: str
    latency_ms: float


@dataclass
class Search:
    """A search over one table: the scratch folder with all that was fitted, and what has ended.

    Args:
        frame: enforced training frame (n_rows, n_columns).
        y: int64 (n_rows,) positions of the classes.
        schema: of the frame, with the positive class.
        plan: which learners, how long or how many, which seed.
        folder: scratch; the candidates' pipelines stay in it.
        scheduler: address of the Dask cluster that tries candidates; empty for this machine.
    """

    frame: pd.DataFrame
    y: np.ndarray[Any, Any]
    schema: InputSchema
    plan: SearchPlan
    folder: Path
    scheduler: str = ""
    table: Table = field(init=False)
    _best: tuple[float, str] | None = None  # the lowest log loss, and the file with that of each row
    _ahead: str | None = None  # the file of those losses that candidates are held against
    _has_many_levels: bool = False

    def __post_init__(self) -> None:
        folds = table.folds_for(self.y)
        self.table = Table(self.y, folds, self.plan.seed, self.schema, self.plan.threshold, self.frame.head(1))

    @property
    def _is_of_numbers(self) -> bool:
        """Whether the table has few rows and many numbers, and nearly nothing else."""
        numbers = sum(column.kind is Kind.NUMBER for column in self.schema.columns)
        is_small = len(self.y) < table.LARGE
        return is_small and numbers >= MANY_NUMBERS and numbers >= NEARLY_ALL * len(self.schema.columns)

    @property
    def splits(self) -> list[Split]:
        """The folds that every candidate is cross-validated in."""
        return self.table.splits()

    def race(self, tick: Callable[[float], None]) -> Iterator[Tried]:
        """Try candidates until the budget or the schedule is used up; each comes out as it ends.

        Args:
            tick: told every now and then how many seconds are left, where there is a budget.

        Raises:
            TrainingRefusedError: the preprocessing could not be prepared.
        """
        with self._hands() as pool:
            pool.start(workers.hello, limit_s=budget.START_LIMIT_S)
            self._has_many_levels = table.lay_out(self.folder, self.frame, self.table)
            list(pool.next(time.monotonic() + budget.START_LIMIT_S))
            yield from self._run(pool, tick)

    def _hands(self) -> Hands:
        """Who tries the candidates."""
        if not self.scheduler:
            return Pool(self.folder, budget.cores())
        from steps.search.cluster import Cluster  # noqa: PLC0415 (its imports are only paid where there is a cluster)

        return Cluster(self.folder, self.scheduler)

    def blend(self, tried: Sequence[Tried], most: int) -> Tried | None:
        """One more candidate: the weighted mean of the best ones.

        Args:
            tried: candidates that have not failed.
            most: different candidates that may take part.

        Returns:
            The blend; None where one candidate alone is as good, or it could not be put together.
        """
        tried = blendable(tried)
        out_of_fold = [one.outcome.out_of_fold for one in tried if one.outcome.out_of_fold is not None]
        assert len(out_of_fold) == len(tried)
        stacks = {at for at, one in enumerate(tried) if one.model == STACK}
        blended = bagged(self.y, out_of_fold, most, stacks, [one.model for one in tried])
        weights = blended.weights
        if len(weights) < 2:  # noqa: PLR2004
            return None
        file = f"{BLEND}-{most}.pkl"
        parts = tuple((tried[at].pipeline.name, variant_of(tried[at].model), w) for at, w in weights.items())
        finished = self._put_together("blend", workers.assemble, parts, file)
        if finished is None:
            return None
        mean = np.sum([weight * out_of_fold[at] for at, weight in weights.items()], axis=0)
        figures, folds = self.table.judge(mean)
        outcome = Outcome(
            hyperparameters={f"weight_{tried[at].model}_{tried[at].number}": f"{w:g}" for at, w in weights.items()},
            out_of_fold=mean,
            figures=figures,
            folds=folds,
            latency_ms=finished.outcome.latency_ms,
            pipeline_bytes=finished.outcome.pipeline_bytes,
        )
        return Tried(
            BLEND, most, outcome, self.folder / file, finished.started_at_ms, finished.ended_at_ms, finished.seconds,
            len(weights), wins=blended.wins,
        )  # fmt: skip

    def recalibrated(self, tried: Tried, recalibration: Recalibration) -> Path | None:
        """The pickled pipeline of a candidate with a map behind it; None where it could not be made."""
        finished = self._put_together("recalibrated model", workers.recalibrate, tried.pipeline.name, recalibration)
        return None if finished is None else self.folder / workers.CALIBRATED

    def compiled(self, pipeline: Path) -> Compiled:
        """The plan of a fitted pipeline, which stays until the next one is asked for, and what a row takes with it."""
        outcome = budget.alone(self.folder, workers.compile_plan, pipeline.name, limit_s=COMPILE_LIMIT_S).outcome
        return Compiled(None if outcome.error else self.folder / workers.PLAN, outcome.error or "", outcome.latency_ms)

    def _put_together(self, what: str, work: Callable[..., Outcome], *arguments: Any) -> Finished | None:
        """Work on fitted pipelines, in a worker of its own, which can read their pickles; None where it failed."""
        finished = budget.alone(self.folder, work, *arguments, limit_s=BLEND_LIMIT_S)
        if finished.outcome.error:
            log.warning("the %s could not be made: %s", what, finished.outcome.error)
            return None
        return finished

    def _run(self, pool: Hands, tick: Callable[[float], None]) -> Iterator[Tried]:
        """Hand out, wait, tell; see the module."""
        schedule = Schedule(
            self.plan, len(self.y), has_many_levels=self._has_many_levels, is_of_numbers=self._is_of_numbers
        )
        deadline = None if self.plan.candidates else time.monotonic() + self.plan.budget_s * RACED
        unprepared = needs_pycaret(self.plan) if self._is_light() else []
        ready = {NATIVE}
        if not unprepared:
            for variant in needs_pycaret(self.plan):
                schedule.drop(variant)
        while deadline is None or time.monotonic() < deadline:
            self._fill(pool, schedule, deadline, unprepared, ready)
            if not pool.jobs:
                return
            beat = None if deadline is None else partial(_beat, tick, deadline)
            for finished in pool.next(deadline or time.monotonic() + NO_LIMIT_S, beat):
                if finished.key[0] == workers.prepare.__name__:
                    if self._is_prepared(finished):
                        ready.add(finished.key[1])
                        schedule.add_spaces(finished.outcome.spaces)
                    else:
                        schedule.drop(finished.key[1])
                    continue
                tried = self._ended(finished)
                schedule.tell(Ended(finished.key[1], tried.outcome.figures.get("log_loss"), tried.seconds))
                yield tried

    def _fill(
        self, pool: Hands, schedule: Schedule, deadline: float | None, unprepared: list[str], ready: set[str]
    ) -> None:
        """Begin as much as there are workers for."""
        is_preparing = any(job.key[0] == workers.prepare.__name__ for job in pool.jobs)
        if self.plan.candidates and pool.jobs and (is_preparing or schedule.given % WAVE == 0):
            return  # what is next depends on whole waves
        while len(pool.jobs) < pool.size:
            left = None if deadline is None else deadline - time.monotonic()
            limit_s = NO_LIMIT_S if left is None else left
            alone = BASES_FIRST if schedule.stacks else ALONE_FIRST
            before = 0 if self.plan.candidates else alone if pool.size == 1 else 1
            if unprepared and (schedule.given >= before or NATIVE not in map(variant_of, self.plan.models)):
                named = not self.plan.blend
                patience_s = max(limit_s, PREPARE_LIMIT_S) if named else limit_s * PREPARE_SHARE
                pool.start(workers.prepare, unprepared.pop(0), limit_s=patience_s)
                if left is None:
                    return
                continue
            if self._best and self.plan.blend and (left is not None or schedule.given % WAVE == 0):
                self._ahead = self._best[1]  # the same for a whole wave, whichever of it was done first
            spec = schedule.next(left, frozenset(ready))
            if spec is None:
                return
            seconds = schedule.seconds_for(left)
            # until there is a model at all, none is given up
            most_s = limit_s
            if left is not None and seconds is not None and self._best is not None:
                most_s = min(schedule.limit_for(left), seconds * OVERTIME)
            ahead = None if schedule.is_to_end(spec) else self._ahead
            pool.start(workers.attempt, spec, variant_of(spec.model), seconds, ahead, limit_s=most_s)
            if left is None and schedule.given % WAVE == 0:
                return

    def _is_light(self) -> bool:
        """Whether there is time for PyCaret's preprocessing: always where learners were named that need it."""
        if not self.plan.blend or self.plan.candidates:
            return True
        return self.frame.size <= LIGHT_CELLS * self.plan.budget_s

    def _is_prepared(self, finished: Finished) -> bool:
        """Whether a preparation has gone well; where learners were named, they cannot be tried without it.

        Raises:
            TrainingRefusedError: such a preparation failed.
        """
        error = finished.outcome.error
        if not error:
            return True
        if self.plan.blend:
            log.warning("PyCaret's preprocessing (%s) could not be prepared: %s", finished.key[1], error)
            return False
        if error == TIME_LIMIT:
            what = f"Preparing the table was not done after {finished.seconds:.0f} s."
            fix = "Raise budget_s, send fewer rows, or wait until the machine is less busy."
            raise TrainingRefusedError(Problem("budget_too_small", what, "parameters", fix))
        what = f"The table could not be prepared ({error})."
        fix = "Leave out unusual columns with ignore=, or report it with this run's output."
        raise TrainingRefusedError(Problem("preparation_failed", what, "training file", fix))

    def _ended(self, finished: Finished) -> Tried:
        """A worker's outcome as a candidate; the best one's losses are left for those that come."""
        spec: Spec = finished.key[1]
        outcome = finished.outcome
        if outcome.out_of_fold is not None and not spec.bases:  # held against a stack, every base would be behind
            loss = outcome.figures["log_loss"]
            if self._best is None or loss < self._best[0]:
                self._best = (loss, f"best-{spec.model}-{spec.number}.npy")
                np.save(self.folder / self._best[1], log_losses(self.y, outcome.out_of_fold))
        return Tried(
            spec.model, spec.number, outcome, self.folder / spec.file, finished.started_at_ms, finished.ended_at_ms,
            finished.seconds, how=spec.how, bases=spec.bases,
        )  # fmt: skip


def blendable(tried: Sequence[Tried]) -> list[Tried]:
    """The candidates that may have a part in a blend.

    Bags that no stack has heard have none beside it: what they would add is little, and each would have to answer every
    row, while what is a base answers already.
    """
    heard = {file for one in tried for file in one.bases}
    return [one for one in tried if not heard or one.pipeline.name in heard or one.model not in BAGGED]


def _beat(tick: Callable[[float], None], deadline: float) -> None:
    """Tell how many seconds are left."""
    tick(max(0.0, deadline - time.monotonic()))
