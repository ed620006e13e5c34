from optuna.trial import TrialState

from steps.search.tuning import STARTUP, Tuner

SPACE = {
    "rate": ("float", 0.01, 1.0, True),
    "share": ("float", 0.0, 1.0, False),
    "depth": ("int", 1, 10, False),
    "kind": ("choice", ("a", None, True)),
}


def asked(seed: int = 1, model: str = "lr", number: int = 30, **space) -> list[dict]:
    """So many draws, each told a loss that is lowest at a share of 0.8."""
    tuner, found = Tuner(model, space or SPACE, seed), []
    for at in range(number):
        found.append(tuner.ask(at))
        tuner.tell(at, found[-1], (found[-1]["share"] - 0.8) ** 2)
    return found


def test_draws_are_reproducible_and_differ_by_seed_and_learner():
    """The same seed and losses give the same hyperparameters, others give others."""
    assert asked() == asked()
    assert asked() != asked(seed=2)
    assert asked() != asked(model="rf")


def test_draws_stay_in_their_space():
    """Bounds, types and values as they were given, whatever is told."""
    found = asked(number=60)

    assert all(0.01 <= one["rate"] <= 1 and 0 <= one["share"] <= 1 and 1 <= one["depth"] <= 10 for one in found)
    assert all(isinstance(one["depth"], int) and isinstance(one["rate"], float) for one in found)
    assert {one["kind"] for one in found} == {"a", None, True}


def test_where_it_was_good_more_is_drawn():
    """After the first draws at random the shares gather around the best one."""
    found = [abs(one["share"] - 0.8) for one in asked(number=40, share=SPACE["share"])]

    late = found[-20:]
    assert sum(late) / len(late) < 0.15  # 0.34 at random
    assert sum(found[:STARTUP]) / STARTUP > 0.15


def test_candidates_that_were_not_drawn_are_learned_from_where_they_fit():
    """An entry of the portfolio inside of the space counts; one outside, or with other names, changes nothing."""
    tuner = Tuner("lr", SPACE, 1)
    tuner.tell(0, {"rate": 0.5, "kind": None}, 0.2)
    for given in ({"rate": 50.0}, {"kind": "z"}, {"depth": 0}, {"rate": 0.5, "other": 1}):
        tuner.tell(1, given, 0.1)

    assert [trial.value for trial in tuner.study.trials] == [0.2]
    assert set(tuner.ask(2)) == set(SPACE)


def test_a_good_portfolio_entry_draws_others_near():
    """What was told before the first draw is known to the sampler."""
    tuner = Tuner("lr", {"share": SPACE["share"]}, 1)
    for at in range(20):
        share = at / 19
        tuner.tell(at, {"share": share}, (share - 0.2) ** 2)

    found = [tuner.ask(20 + at)["share"] for at in range(8)]
    assert sum(abs(one - 0.2) for one in found) / len(found) < 0.2


def test_a_failed_candidate_is_no_good_news():
    """A draw that failed is kept as such and never as a loss; drawing goes on."""
    tuner = Tuner("lr", SPACE, 1)
    given = tuner.ask(3)
    tuner.tell(3, given, None)
    tuner.tell(4, {"rate": 0.5}, None)

    assert [trial.state for trial in tuner.study.trials] == [TrialState.FAIL]
    assert tuner.asked == {}
    assert set(tuner.ask(5)) == set(SPACE)
