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
from steps.judging.thresholds import BEST, COST, DEFAULT, DEFAULT_CUT, GIVEN, WITH_SHARE
from steps.records import CutRule, SearchPlan

# The classifiers that PyCaret 3.3.2 offers by name (its `models()`), the stronger and the faster first.
LEARNERS = (
    "lightgbm", "lr", "catboost", "et", "xgboost", "rf", "gbc", "lda", "ridge", "mlp", "ada", "qda", "nb", "knn", "dt",
    "svm", "rbfsvm", "gpc",
)  # fmt: skip
AUTO = ("lightgbm", "lr", "catboost", "et", "xgboost", "rf")
PROMOTE_MODES = ("auto", "never", "always")
MAX_BUDGET_S = 7 * 24 * 3600.0
MAX_SEED = 2**31 - 1
MAX_CANDIDATES = 1000
MAX_LATENCY_MS = 60_000.0
THRESHOLDS = f"auto, a number from 0 to 1, {', '.join(BEST)}, recall=0.9, precision=0.8 or cost"
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
    cost_fp: str = ""
    cost_fn: str = ""
    candidates: str = ""
    max_latency_ms: str = ""
    latency_price: str = "0.001"


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
    candidates = _optional(given, "candidates", MAX_CANDIDATES, f"a whole number from 1 to {MAX_CANDIDATES}", problems)
    if candidates is not None and candidates != int(candidates):
        fix = f"Give a whole number from 1 to {MAX_CANDIDATES}, or leave it empty."
        problems.append(_bad("candidates", "is not a whole number", fix))
    latency = _optional(given, "max_latency_ms", MAX_LATENCY_MS, "a number of milliseconds above 0", problems)
    price = _number(given["latency_price"], "latency_price", -1e-9, 1, "a share from 0 to 1, such as 0.001", problems)
    if seed != int(seed):
        problems.append(_bad("seed", "is not a whole number", f"Give a whole number from 0 to {MAX_SEED}."))
    rule = _rule(given, metric, classes, problems)
    if classes and given["positive"] != "auto":
        _check_positive(given["positive"], classes, problems)
    if problems:
        raise TrainingRefusedError(*problems)
    threshold = rule.share if rule.name == GIVEN and rule.share is not None else DEFAULT_CUT
    is_blend = given["models"].strip() == "auto"
    return SearchPlan(
        metric, models, budget_s, int(seed), threshold, blend=is_blend, rule=rule,
        candidates=None if candidates is None else int(candidates), max_latency_ms=latency, latency_price=max(price, 0),
    )  # fmt: skip


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


def _rule(given: Mapping[str, str], metric: str, classes: tuple[str, ...] | None, problems: list[Problem]) -> CutRule:
    """How the threshold that the model stores is found; `auto` as the README says."""
    costs = {name: _cost(given[name].strip(), name, problems) for name in ("cost_fp", "cost_fn")}
    text = given["threshold"].strip()
    if classes and len(classes) != TWO_CLASSES:
        what = f"needs two classes; the target has {len(classes)}"
        named = {"threshold": text != "auto", **{name: bool(given[name].strip()) for name in costs}}
        problems += [
            _bad(name, what, f"Leave it {'at auto' if name == 'threshold' else 'empty'}.")
            for name, is_given in named.items()
            if is_given
        ]
        return CutRule()
    is_priced = all(given[name].strip() for name in costs)
    _check_costs(given, costs, text, problems)
    name, sign, share = text.partition("=")
    name = name.strip()
    if text == "auto":
        name = COST if is_priced else metric if metric in BEST else DEFAULT
        return CutRule(name, None, **costs)
    if not sign and name in (*BEST, COST):
        return CutRule(name, None, **costs)
    if name in WITH_SHARE:
        return CutRule(name, _share(share, f"'{name}=' needs a share above 0, up to 1", 0, problems), **costs)
    wrong = f"'threshold' is none of {THRESHOLDS}"
    return CutRule(GIVEN, _share(text, wrong, -1, problems), **costs)


def _share(text: str, wrong: str, above: float, problems: list[Problem]) -> float:
    """A number up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not max(above, 0) <= value <= 1 or value == above:
        problems.append(Problem("threshold_invalid", f"{wrong}.", WHERE, f"Give {THRESHOLDS}."))
        return DEFAULT_CUT
    return value


def _cost(text: str, name: str, problems: list[Problem]) -> float | None:
    """What a wrong answer costs; None where it is not given."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        problems.append(
            _bad(name, "is not a number of 0 or more", "Give a number such as 1 or 2.5, or leave it empty.")
        )
        return None
    return value


def _check_costs(
    given: Mapping[str, str], costs: Mapping[str, float | None], threshold: str, problems: list[Problem]
) -> None:
    """Costs go in pairs, one of them above 0, and `cost` needs them."""
    names = {"cost_fp": "of a false alarm", "cost_fn": "of a miss"}
    absent = [name for name in names if not given[name].strip()]
    if len(absent) == 1 or (absent and threshold == COST):
        fix = "Give the cost {} too; only the ratio of the two matters."
        problems += [_bad(name, "is missing", fix.format(names[name])) for name in absent]
    if not absent and all(value == 0 for value in costs.values()):
        problems.append(_bad("cost_fn", "and 'cost_fp' are both 0", "Give one of them a number above 0."))


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


def _optional(given: Mapping[str, str], name: str, most: float, form: str, problems: list[Problem]) -> float | None:
    """A number above 0 that may be left out."""
    text = given[name].strip()
    return _number(text, name, 0, most, f"{form}, or leave it empty", problems) if text else None


def _bad(name: str, what: str, fix: str) -> Problem:
    """A problem with one parameter."""
    return Problem(f"{name}_invalid", f"'{name}' {what}.", WHERE, fix)


def _near(text: str, names: tuple[str, ...]) -> str:
    """The nearest known name, as a hint."""
    near = difflib.get_close_matches(text, names, n=1)
    return f" Did you mean {near[0]}?" if near else ""
