"""Every version of a registered model on the same test rows: judged, or listed with the reason why not.

Figures only, on the same resamples for all, so that any two can be subtracted. The champion comes first: its class
that counts as positive and its primary figure are everybody's.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from pyfunc.errors import Problem, ProjectError, SchemaMismatchError
from pyfunc.model import Scorer
from steps import kept, loading
from steps.judging import answers, contest, intervals
from steps.judging.answers import Answers
from steps.judging.intervals import Figure
from steps.judging.metrics import HIGHER_IS_BETTER, Floats
from steps.kept import Kept
from steps.records import Dataset
from steps.versions import Registered

SAME_FILE = "It was trained on this very file, so figures on it would say nothing."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """Figures and their resamples; the answers themselves are not held, there may be many versions and rows."""

    figures: Mapping[str, Figure]
    resamples: Mapping[str, Floats]


@dataclass(frozen=True)
class Entry:
    """One version: what it kept from its registration, and what these rows say of it."""

    registered: Registered
    before: Kept | None
    judged: Judged | None = None
    reason: str = ""  # why it is not judged
    learner: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class Lineup:
    """All versions: those that were judged, best primary figure first; then the others, the newest first."""

    entries: tuple[Entry, ...]
    metric: str
    positive_at: int | None
    constant: Judged

    @property
    def judged(self) -> list[Entry]:
        """Those with figures, the best first."""
        return [entry for entry in self.entries if entry.judged is not None]

    @property
    def champion(self) -> Entry | None:
        """The champion, judged or not."""
        return next((entry for entry in self.entries if entry.registered.is_champion), None)

    def difference(self, entry: Entry, metric: str) -> Figure | None:
        """How much better a version is than the champion on the same rows; positive is better. None without either."""
        champion = self.champion
        if champion is None or champion.judged is None or entry.judged is None or entry is champion:
            return None
        ours, theirs = entry.judged, champion.judged
        pair = ours.figures[metric].value, theirs.figures[metric].value
        return Figure(*intervals.paired_difference(metric, *pair, ours.resamples, theirs.resamples))


def lineup(listed: Sequence[Registered], dataset: Dataset) -> Lineup:
    """Judge versions on a dataset's test rows.

    Args:
        listed: of one registered model, at least one.
        dataset: whose test rows judge.
    """
    raw = functools.cache(lambda: contest.raw_test(dataset))
    newest = sorted(listed, key=lambda each: (not each.is_champion, -int(each.version)))
    entries: list[Entry] = []
    metric, at = "", contest.positive_at(dataset.schema.target, dataset.y_train)
    for number, version in enumerate(newest, start=1):
        before = kept.evaluation_of(version)
        try:
            scorer, frame = _prepared(version, before, dataset, raw)
        except ProjectError as error:
            reason = " ".join(problem.what for problem in error.problems)
            entries.append(Entry(version, before, reason=reason))
            log.info("version %s (%d of %d) is not judged: %s", version.version, number, len(newest), reason)
            continue
        if not metric:
            at = contest.positive_at(scorer.schema.target, dataset.y_train)
            metric = before.metric if before is not None else ""
        try:
            judged = _only(contest.judged(scorer, frame, dataset.y_test, at))
        except loading.UNREADABLE as error:  # a pipeline that other versions of its libraries made
            entries.append(Entry(version, before, reason=f"It does not answer here ({type(error).__name__})."))
            continue
        learner = str(scorer.package.manifest.get("model") or "")
        entries.append(Entry(version, before, judged, learner=learner, size_bytes=_size(version.uri)))
        log.info("version %s (%d of %d) is judged", version.version, number, len(newest))
    metric = metric if metric in HIGHER_IS_BETTER else ("roc_auc" if at is not None else "log_loss")
    none = answers.constant(dataset.y_train, dataset.y_test, len(dataset.schema.target.classes), at)
    return Lineup(tuple(_ranked(entries, metric)), metric, at, _only(none))


def _prepared(
    version: Registered, before: Kept | None, dataset: Dataset, raw: Callable[[], pd.DataFrame]
) -> tuple[Scorer, pd.DataFrame]:
    """As `contest.prepared`; refuses rows that the version has learned from."""
    if before is not None and before.train_sha256 == dataset.test_sha256:
        raise SchemaMismatchError(Problem("trained_on_test", SAME_FILE, "test file", "Judge it on another file."))
    return contest.prepared(version.uri, dataset, raw)


def _only(judged: Answers) -> Judged:
    """The figures without the answers."""
    return Judged(judged.figures, judged.resamples)


def _ranked(entries: Sequence[Entry], metric: str) -> list[Entry]:
    """The best first, a champion before its equals; then those without the figure, the newest first."""
    sign = -1 if HIGHER_IS_BETTER[metric] else 1

    def rank(entry: Entry) -> tuple[int, float, bool, int]:
        figure = entry.judged.figures[metric] if entry.judged else None
        value = sign * figure.value if figure is not None and figure.is_defined else 0.0
        place = 2 if figure is None else 0 if figure.is_defined else 1
        return place, value, not entry.registered.is_champion, -int(entry.registered.version)

    return sorted(entries, key=rank)


def _size(uri: str) -> int | None:
    """Bytes of the model as MLflow counted them when it was logged; None where it did not."""
    try:
        size = mlflow.models.Model.load(uri).model_size_bytes
    except (MlflowException, OSError):
        return None
    return int(size) if size is not None else None
