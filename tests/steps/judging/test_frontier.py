from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest

from steps.judging import card, frontier, plots_frontier, report, row_cost
from steps.judging.document import finite
from steps.records import SearchPlan
from steps.search import choosing
from tests.steps.judging import models
from tests.steps.judging.conftest import findings
from tests.steps.judging.test_report import Page

SVG = "{http://www.w3.org/2000/svg}"
PRICED = {"latency_price": "0.001", "max_latency_ms": ""}
ROWS = (  # model, number, ROC AUC, log loss, ms a row, bytes
    ("lightgbm", 2, 0.9120, 0.3016, 1.3, 812_000),
    ("lr", 0, 0.9000, 0.3170, 0.61, 9_000),
    ("blend", 10, 0.9123, 0.3005, 5.2, 9_200_000),
    ("et", 0, 0.8900, 0.3330, 9.1, 44_000_000),
    ("nb", 0, 0.8500, 1.2000, 0.55, 5_000),
)


def board(chosen: str, rows=ROWS, slow=()) -> list[dict]:
    """A leaderboard as a report reads it, with one candidate that was stopped."""
    ahead = choosing.frontier([row[3] for row in rows], [row[4] for row in rows])
    done = [
        {
            "run_id": f"{at:032x}", "model": model, "number": number, "cv_roc_auc": value, "cv_log_loss": loss,
            "latency_ms": latency, "size_bytes": size, "frontier": is_ahead, "chosen": model == chosen, "seconds": 1.0,
            "too_slow": model in slow,
        }
        for at, ((model, number, value, loss, latency, size), is_ahead) in enumerate(zip(rows, ahead, strict=True))
    ]  # fmt: skip
    return [*done, {"model": "rf", "number": 1, "error": "fell behind", "seconds": 0.7, "frontier": False}]


def stated(chosen: str, parameters=PRICED, metric: str = "roc_auc", rows=ROWS, slow=()) -> dict:
    """`frontier` of `evaluation.json` for a leaderboard, after a journey through JSON."""
    return json.loads(json.dumps(finite(frontier.found(board(chosen, rows, slow), metric, parameters, 1.05))))


@pytest.fixture
def told(two):
    """Makes the report of an ordinary table whose training left the given frontier."""
    data, judgement = two

    def make(found: dict | None) -> tuple[Page, dict]:
        drawn = plots_frontier.plots(found)
        doc = findings(data, judgement, drawn) | {"frontier": found}
        return Page(report.render(doc, drawn)), doc

    return make


def section(page: Page) -> str:
    """What the section says."""
    return page.words.split("What does a row cost?")[1].split("How was it made?")[0]


def test_the_section_lists_the_frontier_with_time_and_size(told):
    """Candidates that another one beats in both are left out; the chosen and the best one are marked."""
    page, _ = told(stated("lightgbm"))

    table = section(page).split("Size")[1].split("Listed are")[0]

    assert "lightgbm #2 chosen 0.9120 0.3016 1.3 812 kB" in table
    assert "blend of up to 10 best figure 0.9123 0.3005 5.2 9.2 MB" in table
    assert "nb #0 0.8500 1.2000 0.55 5 kB" in table
    assert "et #0" not in table
    assert "rf #1" not in table
    assert ("td", "data-value", "9200000") in page.attributes


def test_the_chosen_one_is_listed_where_it_is_not_on_the_frontier(told):
    """A chosen candidate that another one beats in both is listed all the same, and said to be beaten."""
    page, _ = told(stated("et"))

    assert "et #0 chosen, not on the frontier" in section(page)


def test_a_gain_too_small_for_its_time_is_said_not_to_be_worth_it():
    """Best by the figure, its time, the share by which it is better, and the share that its time has to bring."""
    rows = (("lr", 0, 0.9, 0.3000, 1.0, 1000), ("blend", 10, 0.9002, 0.2998, 8.0, 9000))

    first, why, _ = row_cost.sentences(stated("lr", rows=rows))

    assert "the best of 2 candidates is blend of up to 10 (0.9002): a row takes 8 ms, 8 times the time of" in first
    assert "blend of up to 10 has 0.067\u202f% less log loss for 8 times the time" in why
    assert "at a price of 0.1\u202f% a doubling, that time has to bring 0.3\u202f%, so it is not worth it" in why
    assert why.endswith("So lr #0 is taken.")


def test_a_chosen_blend_is_weighed_against_the_best_single_candidate():
    """The sentence names the single candidate that the rule compares the blend with."""
    small = ("blend", 3, 0.9121, 0.3006, 5.0, 1000)
    found = stated("lightgbm", rows=(*ROWS, small))
    for each in found["candidates"]:
        each["chosen"] = each["name"] == "blend of up to 10"

    first, why, _ = row_cost.sentences(found)

    assert "It is the one chosen." in first
    assert why.startswith("Against lightgbm #2, blend of up to 10 has 0.36\u202f% less log loss for 4 times the time")
    assert "so it is worth it. So blend of up to 10 is taken." in why


def test_a_blend_that_is_worth_its_time_but_not_taken_may_be_luck():
    """Where the price alone would have taken the blend, the sentence says what spoke against it."""
    _, why, _ = row_cost.sentences(stated("lightgbm"))

    assert "so it is worth it. But what the blend gains may be luck, so lightgbm #2 is taken." in why


def test_the_limit_is_said_to_have_decided():
    """A best candidate over max_latency_ms is out, in the sentences and in the table; the card says the limit."""
    found = stated("lightgbm", {"latency_price": "0.001", "max_latency_ms": "3"}, slow=("blend",))

    said = row_cost.sentences(found)

    assert said[1] == (
        "As it would be served, that is longer than max_latency_ms allows (3 ms); of the others, the chosen one is the "
        "best."
    )
    assert {
        row["name"] for row in row_cost.section({"frontier": found})["rows"] if "over the limit" in row["note"]
    } == {"blend of up to 10"}
    assert row_cost.fact({"frontier": found}).startswith("a row in 1.05 ms where it was trained, at most 3 ms allowed")


def test_without_a_price_the_sentences_do_not_speak_of_one():
    """With latency_price=0 time decides nothing, and the report says so."""
    found = stated("blend", {"latency_price": "0", "max_latency_ms": ""})

    assert "the time has no price (latency_price is 0). So blend of up to 10 is taken." in row_cost.sentences(found)[1]
    assert "whatever a row takes" in row_cost.section({"frontier": found})["rule"]


def test_every_choice_from_every_leaderboard_has_its_words():
    """Whichever candidate was chosen, by whichever metric, with or without a limit: whole sentences that name it."""
    for chosen in ("lightgbm", "lr", "blend", "et", "nb"):
        for metric in ("roc_auc", "log_loss"):
            for limit in ("", "0.6", "100"):
                slow = {"lightgbm", "blend", "et"} - {chosen} if limit == "0.6" else ()
                found = stated(chosen, {"latency_price": "0.01", "max_latency_ms": limit}, metric, slow=slow)
                said = row_cost.sentences(found)
                name = next(each["name"] for each in found["candidates"] if each["chosen"])
                assert all(each.endswith(".") for each in said)
                assert name in said[0]
                assert not re.findall(r"nan|None|-\d", " ".join(said))
                assert plots_frontier.plots(found)[0].title


def test_the_price_is_the_one_of_the_search():
    """What the report retells with is what the search has chosen by."""
    plan = SearchPlan("roc_auc", ("lr",), 60, 1, 0.5, latency_price=0.01)
    listed = [{"log_loss": 0.3, "latency_ms": 0.004}, {"log_loss": 0.29, "latency_ms": 7.0}]
    ranked = [SimpleNamespace(figures=each, latency_ms=each["latency_ms"]) for each in listed]

    for ours, theirs in zip(listed, ranked, strict=True):
        assert frontier.priced(ours, listed, 0.01) == pytest.approx(choosing.priced(theirs, ranked, plan))


def test_an_old_leaderboard_leaves_the_section_out(told, two):
    """Without times and frontier there is no section, no plot and no line in the card; the candidates stay listed."""
    old = [{key: value for key, value in each.items() if key != "frontier"} for each in board("lr")]
    assert frontier.found(old, "roc_auc", {}, None) is None
    older = [{key: value for key, value in each.items() if key != "latency_ms"} for each in board("lr")]
    assert frontier.found(older, "roc_auc", {}, 1.0) is None

    page, doc = told(None)

    assert "What does a row cost?" not in page.words
    assert "What was tried?" in page.words
    assert plots_frontier.plots(None) == []
    assert "| Answers |" not in card.render(doc)
    data, judgement = two
    before = {key: value for key, value in findings(data, judgement, []).items() if key != "frontier"}
    assert "What does a row cost?" not in report.render(before, [])


def test_the_card_has_one_line_of_it(told):
    """Time and size of the chosen one, as measured alone."""
    _, doc = told(stated("lightgbm"))

    lines = [line for line in card.render(doc).splitlines() if "| Answers |" in line]
    assert lines == ["| Answers | a row in 1.05 ms where it was trained; the pipeline holds 812 kB |"]


@pytest.mark.parametrize("hostile", models.HOSTILE)
def test_names_of_candidates_are_text(told, hostile):
    """A name with markup in a leaderboard arrives as the characters it is, in page, plot and card."""
    page, doc = told(stated(hostile, rows=((hostile, 0, 0.9, 0.3, 1.0, 1000), *ROWS)))
    plot = plots_frontier.plots(doc["frontier"])[0]

    shown = hostile if len(hostile) < 100 else hostile[:12]
    assert shown in section(page)
    assert page.open == []
    assert f"{hostile} #0" in [cell for row in plot.rows for cell in row]
    assert shown in " ".join(ET.fromstring(plot.standalone()).itertext())  # noqa: S314 (our own)
    assert "<script>" not in card.render(doc)


def test_the_plot_marks_what_is_off_the_scale():
    """The same bytes each time; a far worse candidate stands at the edge and is said to."""
    (plain,) = plots_frontier.plots(stated("lightgbm"))

    assert plain.standalone() == plots_frontier.plots(stated("lightgbm"))[0].standalone()
    assert "Triangles at the upper edge: 1 candidate with a log loss above 0.333." in plain.caption
    assert len(plain.rows) == len(ROWS)
    texts = [each.text for each in ET.fromstring(plain.standalone()).iter(f"{SVG}text")]  # noqa: S314 (our own)
    assert "lightgbm #2 (chosen)" in texts


@pytest.mark.parametrize("times", [(1.0, 1.0), (40.0, 47.0), (0.001, 2000.0), (0.02, 0.5)])
def test_the_axis_of_time_has_numbers_whatever_it_spans(times):
    """Equal, near and far times all get two or more round ticks, in order, and not more than fit."""
    ticks = plots_frontier._ticks(times[0] / 1.3, times[1] * 1.3)

    assert 2 <= len(ticks) <= plots_frontier.MOST_TICKS + 1
    assert ticks == sorted(set(ticks))
    rows = (("lr", 0, 0.9, 0.3, times[0], 1000), ("et", 0, 0.9, 0.3, times[1], 1000))
    assert plots_frontier.plots(stated("lr", rows=rows))[0].rows


def test_one_candidate_is_not_drawn(told):
    """With a single candidate the section says so, and there is nothing to compare in a plot."""
    page, doc = told(stated("lr", rows=(("lr", 0, 0.9, 0.3, 1.0, 1000),)))

    assert "the only candidate is lr #0" in section(page)
    assert plots_frontier.plots(doc["frontier"]) == []


def test_candidates_that_fell_behind_are_not_called_failed(two):
    """The list of candidates says how each ended early, in the search's own words."""
    data, judgement = two
    doc = findings(data, judgement, [])
    doc["tried"] = {"candidates": board("lr"), "number": 6}

    tried = Page(report.render(doc, [])).words.split("What was tried?")[1].split("How was it made?")[0]

    assert "Ended early" in tried
    assert "fell behind" in tried
    assert "Failed" not in tried
