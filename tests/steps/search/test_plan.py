import pytest

from pyfunc.errors import TrainingRefusedError
from pyfunc.schema import Target
from steps.records import CutRule
from steps.search.plan import AUTO, DEFAULTS, LEARNERS, plan_of

TWO = Target("y", ("no", "yes"), positive="yes")
THREE = Target("y", ("a", "b", "c"))


def test_defaults_make_a_plan():
    """Without any option the plan is the documented one."""
    plan = plan_of({}, TWO)

    assert plan.metric == "roc_auc"
    assert plan.models == AUTO
    assert (plan.budget_s, plan.seed, plan.threshold) == (60.0, 1, 0.5)


def test_metric_auto_depends_on_the_number_of_classes():
    """More than two classes are ranked by log loss."""
    assert plan_of({}, THREE).metric == "log_loss"


def test_every_problem_is_named_at_once():
    """Five wrong parameters give five problems, in one error."""
    wrong = {"metric": "auc", "models": "rff,lr", "budget_s": "0", "seed": "1.5", "threshold": "2"}

    with pytest.raises(TrainingRefusedError) as refused:
        plan_of(wrong, TWO)

    codes = [problem.code for problem in refused.value.problems]
    assert codes == ["metric_invalid", "models_invalid", "budget_s_invalid", "seed_invalid", "threshold_invalid"]


@pytest.mark.parametrize("budget", ["0", "-1", "soon", "nan", "inf", ""])
def test_a_budget_that_is_no_time_is_refused(budget):
    """Zero, negative, text, NaN and infinity are not budgets."""
    with pytest.raises(TrainingRefusedError, match="budget_s"):
        plan_of({"budget_s": budget}, TWO)


def test_an_unknown_learner_is_answered_with_the_list_and_the_nearest():
    """The fix names every learner and the one that was probably meant."""
    with pytest.raises(TrainingRefusedError) as refused:
        plan_of({"models": "lightgmb"}, TWO)

    fix = refused.value.problems[0].fix
    assert all(name in fix for name in LEARNERS)
    assert "Did you mean lightgbm?" in fix


def test_positive_and_threshold_need_two_classes():
    """Three classes have no positive one and no threshold."""
    with pytest.raises(TrainingRefusedError) as refused:
        plan_of({"positive": "a", "threshold": "0.3"}, THREE)

    assert [problem.code for problem in refused.value.problems] == ["threshold_invalid", "positive_invalid"]


def test_models_keep_their_order_and_lose_repeats():
    """The order given is the order tried."""
    assert plan_of({"models": "rf, lr,rf"}, TWO).models == ("rf", "lr")


def test_defaults_are_texts():
    """MLproject can only pass text, so the defaults are text too."""
    assert all(isinstance(value, str) for value in vars(DEFAULTS).values())


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, CutRule()),
        ({"metric": "log_loss"}, CutRule()),
        ({"metric": "precision"}, CutRule()),
        ({"metric": "recall"}, CutRule()),
        ({"metric": "f1"}, CutRule("f1")),
        ({"metric": "balanced_accuracy"}, CutRule("balanced_accuracy")),
        ({"metric": "accuracy", "threshold": "0.5"}, CutRule("given", 0.5)),
        ({"metric": "f1", "cost_fp": "1", "cost_fn": "2.5"}, CutRule("cost", None, 1.0, 2.5)),
        ({"threshold": "mcc", "cost_fp": "0", "cost_fn": "1"}, CutRule("mcc", None, 0.0, 1.0)),
        ({"threshold": "youden"}, CutRule("youden")),
        ({"threshold": "recall=0.9"}, CutRule("recall", 0.9)),
        ({"threshold": " precision = 0.8 "}, CutRule("precision", 0.8)),
        ({"threshold": "0"}, CutRule("given", 0.0)),
    ],
)
def test_a_threshold_is_read_as_documented(options, rule):
    """`auto` follows costs, then a metric of labels, else 0.5; everything else is taken at its word."""
    plan = plan_of(options, TWO)

    assert plan.rule == rule
    assert plan.threshold == (rule.share if rule.name == "given" else 0.5)


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({"threshold": "recall"}, ["threshold_invalid"]),
        ({"threshold": "recall=0"}, ["threshold_invalid"]),
        ({"threshold": "recall=1.1"}, ["threshold_invalid"]),
        ({"threshold": "precision=nan"}, ["threshold_invalid"]),
        ({"threshold": "f1=0.5"}, ["threshold_invalid"]),
        ({"threshold": "roc_auc"}, ["threshold_invalid"]),
        ({"threshold": "inf"}, ["threshold_invalid"]),
        ({"threshold": ""}, ["threshold_invalid"]),
        ({"threshold": "cost"}, ["cost_fp_invalid", "cost_fn_invalid"]),
        ({"threshold": "cost", "cost_fp": "1"}, ["cost_fn_invalid"]),
        ({"cost_fn": "1"}, ["cost_fp_invalid"]),
        ({"cost_fp": "0", "cost_fn": "0"}, ["cost_fn_invalid"]),
        ({"cost_fp": "-1", "cost_fn": "much"}, ["cost_fp_invalid", "cost_fn_invalid"]),
        ({"cost_fp": "-1", "cost_fn": "1", "threshold": "x"}, ["cost_fp_invalid", "threshold_invalid"]),
        ({"cost_fp": "inf", "cost_fn": "nan"}, ["cost_fp_invalid", "cost_fn_invalid"]),
    ],
)  # fmt: skip
def test_a_wrong_threshold_or_cost_is_refused(options, codes):
    """All of it at once, whether the target is known yet or not."""
    for target in (None, TWO):
        with pytest.raises(TrainingRefusedError) as refused:
            plan_of(options, target)

        assert [problem.code for problem in refused.value.problems] == codes


def test_more_classes_have_neither_threshold_nor_costs():
    """Each is refused with what to do; with nothing asked for there is no rule."""
    with pytest.raises(TrainingRefusedError) as refused:
        plan_of({"threshold": "f1", "cost_fp": "1", "cost_fn": "2"}, THREE)

    assert [each.code for each in refused.value.problems] == ["threshold_invalid", "cost_fp_invalid", "cost_fn_invalid"]
    assert "needs two classes; the target has 3" in refused.value.problems[0].what
    assert plan_of({"metric": "f1"}, THREE).rule == CutRule()


def test_a_number_a_limit_and_a_price_are_read():
    """The three parameters become numbers of the plan; left out they limit nothing and time has its small price."""
    plan = plan_of({"candidates": " 12 ", "max_latency_ms": "2.5", "latency_price": "0"}, TWO)

    assert (plan.candidates, plan.max_latency_ms, plan.latency_price) == (12, 2.5, 0)
    assert (plan_of({}).candidates, plan_of({}).max_latency_ms, plan_of({}).latency_price) == (None, None, 0.001)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("candidates", "0"), ("candidates", "-3"), ("candidates", "2.5"), ("candidates", "many"),
        ("candidates", "1001"), ("max_latency_ms", "0"), ("max_latency_ms", "-1"), ("max_latency_ms", "fast"),
        ("max_latency_ms", "inf"), ("latency_price", "-0.1"), ("latency_price", "1.1"), ("latency_price", ""),
        ("latency_price", "nan"),
    ],
)  # fmt: skip
def test_a_wrong_number_limit_or_price_is_refused(name, text):
    """One problem, named after the parameter, with what to give instead."""
    with pytest.raises(TrainingRefusedError) as refused:
        plan_of({name: text})

    (problem,) = refused.value.problems
    assert problem.code == f"{name}_invalid"
    assert problem.fix.startswith("Give ")


def test_wrong_numbers_limits_and_prices_are_named_at_once():
    """Three wrong parameters give three problems."""
    with pytest.raises(TrainingRefusedError) as refused:
        plan_of({"candidates": "x", "max_latency_ms": "0", "latency_price": "2"}, TWO)

    codes = [problem.code for problem in refused.value.problems]
    assert codes == ["candidates_invalid", "max_latency_ms_invalid", "latency_price_invalid"]
