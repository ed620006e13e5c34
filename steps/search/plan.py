"""What may be asked of a search, its defaults, and what is wrong with a request. Knows nothing of PyCaret."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from pyfunc.errors import Problem, TrainingRefusedError, quoted
from pyfunc.model import TWO_CLASSES
from pyfunc.schema import Target
from steps.judging.metrics import METRICS
from steps.records import SearchPlan

# The classifiers that PyCaret 3.3.2 offers by name (its `models()`), the stronger and the faster first.
LEARNERS = (
    "lightgbm", "lr", "catboost", "et", "xgboost", "rf", "gbc", "lda", "ridge", "mlp", "ada", "qda", "nb", "knn", "dt",
    "svm", "rbfsvm", "gpc",
)  # fmt: skip
AUTO = ("lightgbm", "lr", "catboost", "et", "xgboost", "rf")
PROMOTE_MODES = ("auto", "never", "always")
MAX_BUDGET_S = 7 * 24 * 3600.0
MAX_SEED = 2**31 - 1
STORED_THRESHOLD = 0.5  # `auto`
WHERE = "parameters"


@dataclass(frozen=True)
class Defaults:
    """The search parameters of MLproject's `main` and `train`, as text."""

    positive: str = "auto"
    metric: str = "auto"
    models: str = "auto"
    budget_s: str = "60"
    seed: str = "1"
    threshold: str = "auto"


DEFAULTS = Defaults()


def plan_of(options: Mapping[str, str], target: Target | None = None) -> SearchPlan:
    """Read the search parameters.

    Args:
        options: the fields of `Defaults` as text; absent ones have their default.
        target: the dataset's, where it is known; without it `auto` stays unresolved and is checked later.

    Raises:
        TrainingRefusedError: all that is wrong with the parameters at once.
    """
    problems: list[Problem] = []
    given = {**vars(DEFAULTS), **options}
    classes = target.classes if target else None
    metric = _metric(given["metric"], classes, problems)
    models = _models(given["models"], problems)
    budget_s = _number(given["budget_s"], "budget_s", 0, MAX_BUDGET_S, "a number of seconds above 0", problems)
    seed = _number(given["seed"], "seed", -1, MAX_SEED, f"a whole number from 0 to {MAX_SEED}", problems)
    if seed != int(seed):
        problems.append(_bad("seed", "is not a whole number", f"Give a whole number from 0 to {MAX_SEED}."))
    threshold = _threshold(given["threshold"], classes, problems)
    if classes and given["positive"] != "auto":
        _check_positive(given["positive"], classes, problems)
    if problems:
        raise TrainingRefusedError(*problems)
    return SearchPlan(metric, models, budget_s, int(seed), threshold, blend=given["models"].strip() == "auto")


def _metric(text: str, classes: tuple[str, ...] | None, problems: list[Problem]) -> str:
    """The figure that candidates are ranked by."""
    if text == "auto":
        return "auto" if classes is None else "roc_auc" if len(classes) == TWO_CLASSES else "log_loss"
    if text not in METRICS:
        problems.append(
            _bad("metric", "is not known", f"Choose auto or one of {', '.join(METRICS)}.{_near(text, METRICS)}")
        )
    return text


def _models(text: str, problems: list[Problem]) -> tuple[str, ...]:
    """The learners to try, in the order given."""
    if text.strip() == "auto":
        return AUTO
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in LEARNERS]
    if unknown or not names:
        what = f"names unknown learners: {quoted(unknown)}" if unknown else "names no learner"
        near = "".join(_near(name, LEARNERS) for name in unknown[:3])
        problems.append(_bad("models", what, f"Choose auto or some of {', '.join(LEARNERS)}.{near}"))
    return tuple(names)


def _threshold(text: str, classes: tuple[str, ...] | None, problems: list[Problem]) -> float:
    """The threshold that the model stores."""
    if text == "auto":
        return STORED_THRESHOLD
    if classes and len(classes) != TWO_CLASSES:
        what = f"needs two classes; the target has {len(classes)}"
        problems.append(_bad("threshold", what, "Leave it at auto."))
        return STORED_THRESHOLD
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        problems.append(_bad("threshold", "is not a number from 0 to 1", "Give auto or a number from 0 to 1."))
    return value


def _check_positive(text: str, classes: tuple[str, ...], problems: list[Problem]) -> None:
    """The positive class has to be one of two."""
    if len(classes) != TWO_CLASSES:
        problems.append(_bad("positive", f"needs two classes; the target has {len(classes)}", "Leave it at auto."))
    elif text not in classes:
        problems.append(_bad("positive", "is not a class of the target", f"Choose auto or one of {quoted(classes)}."))


def _number(text: str, name: str, above: float, most: float, form: str, problems: list[Problem]) -> float:
    """A finite number in a range."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not above < value <= most:
        what = "is not a number" if math.isnan(value) else "is out of range"
        problems.append(_bad(name, what, f"Give {form}."))
        return 0.0
    return value


def _bad(name: str, what: str, fix: str) -> Problem:
    """A problem with one parameter."""
    return Problem(f"{name}_invalid", f"'{name}' {what}.", WHERE, fix)


def _near(text: str, names: tuple[str, ...]) -> str:
    """The nearest known name, as a hint."""
    near = difflib.get_close_matches(text, names, n=1)
    return f" Did you mean {near[0]}?" if near else ""
