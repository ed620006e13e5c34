"""Which version becomes the champion again, and what that costs. `promote` does it; here nothing is written.

A version qualifies when it is one of ours, answers in a fresh process as it was evaluated, and was champion before or
has no refused check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pyfunc.errors import GateNotPassedError, ModelUnavailableError, Problem, TrainingRefusedError, quoted
from steps import ingest, loading, reload, tracking, versions
from steps.judging import answers, intervals, metrics, words
from steps.kept import Kept, evaluation_of
from steps.versions import Registered

PREVIOUS = tracking.PREVIOUS
CODE = "rolled_back"
UNASKED = "auto"  # `promote` as it is where nobody gave it
HASH_SHOWN = 12  # characters of a sha256 in a sentence
JUDGE_BOTH = "-e evaluate -P model=all -P dataset=<dataset run> judges both on one file."


@dataclass(frozen=True)
class Rollback:
    """The version that becomes champion, the one that was, and what is known of both."""

    name: str
    version: str
    run_id: str
    champion_before: str
    reason: str  # one sentence or two, with the figures of both
    warnings: tuple[str, ...]
    evaluation_run_id: str | None
    decision: str = CODE

    def to_dict(self) -> dict[str, Any]:
        """The JSON line of `promote`; the first fields are those of every promotion."""
        return {
            "name": self.name,
            "version": self.version,
            "run_id": self.run_id,
            "promoted": True,
            "decision": self.decision,
            "reason": self.reason,
            "evaluation_run_id": self.evaluation_run_id,
            "champion_before": self.champion_before,
            "champion_after": self.version,
            "warnings": list(self.warnings),
        }


def require_one(evaluation: str, to: str, mode: str) -> None:
    """Make sure that `promote` is given either an evaluation or a version to go back to.

    Raises:
        TrainingRefusedError: both, none, or a `promote` that `to` contradicts.
    """
    if evaluation and to:
        raise _exclusive("'evaluation' and 'to' are given together.", "Give the one or the other.")
    if to and mode != UNASKED:
        raise _exclusive("'promote' is given together with 'to'.", "Leave 'promote' out: 'to' has decided already.")
    if not evaluation and not to:
        fix = "Give the id of an evaluation run, or to=previous or to=<version> to make a version champion again."
        raise TrainingRefusedError(
            Problem("evaluation_missing", "Neither 'evaluation' nor 'to' is given.", "parameters", fix)
        )


def problems_with(to: str) -> list[Problem]:
    """What is wrong with `to`."""
    if to == PREVIOUS or (to.isascii() and to.isdigit() and int(to) > 0):
        return []
    what = "'to' is neither 'previous' nor the number of a version."
    return [Problem("to_invalid", what, "parameters", "Give to=previous, or a number such as to=3.")]


def planned(run_id: str, to: str, name: str) -> Rollback:
    """Find the version, and make sure that it may and can be the champion.

    Args:
        run_id: of the run that asks.
        to: `previous` or the number of a version.
        name: the registered model.

    Raises:
        ModelUnavailableError: no such version, no champion, or the version is none of ours or does not load.
        GateNotPassedError: it is the champion already, was refused by the checks, or does not answer as it did.
    """
    listed = versions.versions_of(name)
    champion = versions.with_alias(listed, tracking.CHAMPION)
    if champion is None:
        what = f"'{name}' has no champion to go back from."
        fix = "Promote an evaluated model first (-e promote -P evaluation=<run id>)."
        raise ModelUnavailableError(Problem("no_champion", what, "registry", fix))
    version = _asked(listed, to, name)
    if version.version == champion.version:
        what = f"Version {version.version} of '{name}' is the champion already."
        raise GateNotPassedError(Problem("already_champion", what, "registry", _others(listed, version)))
    own = evaluation_of(version)
    _require_allowed(version, own)
    _require_answers(version, own)
    reason, warnings = _said(version, own, champion, evaluation_of(champion))
    return Rollback(name, version.version, run_id, champion.version, reason, warnings, own.run_id if own else None)


def _asked(listed: list[Registered], to: str, name: str) -> Registered:
    """The version that `to` means."""
    if to == PREVIOUS:
        found = versions.with_alias(listed, PREVIOUS)
        if found is None:
            what = f"'{name}' has no previous champion, or it was deleted."
            fix = "Say which version instead (to=<version>)."
            raise ModelUnavailableError(Problem("no_previous", what, "registry", fix))
        return found
    found = next((each for each in listed if each.version == str(int(to))), None)
    if found is None:
        what = f"'{name}' has no version {int(to)}."
        fix = f"Its versions are {quoted(each.version for each in listed)}."
        raise ModelUnavailableError(Problem("version_missing", what, "registry", fix))
    return found


def _others(listed: list[Registered], version: Registered) -> str:
    """Which other versions can be asked for."""
    former = [each.version for each in listed if each.has_been_champion and each.version != version.version]
    if not former:
        return "Nothing was changed. No other version has been champion."
    return f"Nothing was changed. Other versions have been champion: {quoted(former)} (to=<version>)."


def _require_allowed(version: Registered, own: Kept | None) -> None:
    """The checks of its two files did not refuse it, or somebody has promoted it all the same."""
    refused = own.refused_checks if own else ()
    if version.has_been_champion or not (refused or version.tags.get(tracking.DECISION) == "check_refused"):
        return
    named = f" ({quoted(refused)})" if refused else ""
    what = f"The checks of its two files refuse version {version.version}{named}, and it never was the champion."
    fix = "Nothing was changed. Mend the files, or accept the check by name, and train again."
    raise GateNotPassedError(Problem("check_refused", what, "version", fix))


def _require_answers(version: Registered, own: Kept | None) -> None:
    """It loads here and elsewhere, and answers as it was evaluated; a row of its own where nobody kept the answers."""
    loading.load(version.uri)  # says what is the matter; the fresh process only that something is
    expected = _evaluated(own) if own else None
    if own is not None and expected is not None:
        reload.require_same(version.uri, expected, own.dataset_run_id)
        return
    got = reload.probabilities(version.uri, "").to_numpy()
    if not (got.size and abs(float(got.sum()) - len(got)) <= metrics.EPSILON**0.5):
        what = "The model's answer to its own example is no probabilities."
        raise GateNotPassedError(Problem("reload_differs", what, "model", "Nothing was changed. Take another version."))


def _evaluated(own: Kept) -> pd.DataFrame | None:
    """The probabilities that were evaluated, where they and the rows that they answer are still there."""
    stored = _predictions(own) if _has_rows(own) else None
    return None if stored is None else stored.filter(like="probability_")


def _has_rows(own: Kept) -> bool:
    """Whether the dataset run still holds the test rows."""
    try:
        files = MlflowClient().list_artifacts(own.dataset_run_id, tracking.TEST_FRAME.rpartition("/")[0])
    except (MlflowException, OSError):
        return False
    return tracking.TEST_FRAME in {file.path for file in files}


def _predictions(own: Kept) -> pd.DataFrame | None:
    """The evaluation's answers by row of the test file; None where they are gone."""
    try:
        return tracking.frame(own.run_id, tracking.PREDICTIONS)
    except (ModelUnavailableError, OSError):
        return None


def _said(
    version: Registered, own: Kept | None, champion: Registered, other: Kept | None
) -> tuple[str, tuple[str, ...]]:
    """What changes, in figures, and what to be wary of."""
    done = f"Rolled back: version {version.version} is champion in place of version {champion.version}."
    if own is None or other is None:
        gone = " and ".join(each.version for each, known in ((version, own), (champion, other)) if known is None)
        return done, (f"The evaluation of version {gone} is gone: nothing is known of the difference.",)
    if (own.target, own.classes) != (other.target, other.classes):
        what = "The two versions answer another question (target or classes differ): clients may break."
        return done, (what,)
    ours, theirs = own.figures[own.metric], other.figures[own.metric]
    figures = (
        f"{words.NAMES[own.metric]} {words.figure(ours)} of version {version.version}, {words.figure(theirs)} of "
        f"version {champion.version}"
    )
    first, second = own.test_sha256[:HASH_SHOWN], other.test_sha256[:HASH_SHOWN]
    if own.test_sha256 != other.test_sha256:
        warning = f"They were judged on different test files ({first} and {second}): what differs may be the files."
        return f"{done} {figures}, each on its own test file.", (f"{warning} {JUDGE_BOTH}",)
    return f"{done} {figures}, both on the test file {first}{_difference(own, other)}.", ()


def _difference(own: Kept, other: Kept) -> str:
    """How the version compares on the rows that judged both; the bare difference where their answers are gone."""
    metric, name = own.metric, words.NAMES[own.metric]
    value = float(metrics.gain(metric, own.figures[metric].value, other.figures[metric].value))
    both = [_predictions(each) for each in (own, other)]
    if not math.isfinite(value) or not _has_rows(own) or any(each is None for each in both):
        return "" if not math.isfinite(value) else f": {name} {words.signed(value)}"
    y = ingest.load(own.dataset_run_id).y_test
    at = None if own.positive is None else own.classes.index(own.positive)
    ours, theirs = (answers.judge(y, *_answers(each, own.classes), at) for each in both if each is not None)
    pair = ours.figures[metric].value, theirs.figures[metric].value
    found = intervals.paired_difference(metric, *pair, ours.resamples, theirs.resamples)
    return f": {words.comparison(name, *found)}"


def _answers(stored: pd.DataFrame, classes: tuple[str, ...]) -> tuple[metrics.Floats, metrics.Ints]:
    """Scores (n_rows, n_classes) and predictions (n_rows,) as an evaluation has kept them."""
    scores = stored[[f"probability_{label}" for label in classes]].to_numpy(dtype=np.float64)
    return scores, stored["prediction"].to_numpy(dtype=np.int64)


def _exclusive(what: str, fix: str) -> TrainingRefusedError:
    """Two parameters that contradict each other."""
    return TrainingRefusedError(Problem("parameters_exclusive", what, "parameters", fix))
