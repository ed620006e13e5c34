from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from steps.judging import report, sorting, summary
from steps.judging.plots import all_of
from tests.steps.judging import models
from tests.steps.judging.conftest import findings

MAX_BYTES = 2_000_000
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Note an opening tag."""
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself."""
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_endtag(self, tag):
        """Close the tag that is open."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note text that a reader sees."""
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    @property
    def words(self) -> str:
        """All text with single spaces."""
        return " ".join(" ".join(self.text).split())


def scripts(html: str) -> list[str]:
    """What stands between the tags of each script, as a browser hashes it."""
    return re.findall(r"<script[^>]*>(.*?)</script>", html, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page(two):
    """The report of an ordinary table, read."""
    data, judgement = two
    plots = all_of(judgement)
    return Page(report.render(findings(data, judgement, plots), plots))


def test_reports_stand_alone_for_every_table(case):
    """Well formed, small, no script but the one that sorts, and nothing in it makes a request."""
    _, data, judgement, plots = case

    html = report.render(findings(data, judgement, plots), plots)
    page = Page(html)

    assert page.open == []
    assert len(html.encode()) < MAX_BYTES
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert [(tag, key) for tag, key, _ in page.attributes if key.startswith("on") or tag == "script"] == []
    assert scripts(html) == [sorting.SCRIPT]
    requests = [
        (tag, key, value)
        for tag, key, value in page.attributes
        if key in {"src", "href", "xlink:href", "data", "srcset"} and not value.startswith("#")
    ]
    assert requests == []
    assert not re.findall(r"@import|url\((?!#)", html)


def test_names_of_users_are_shown_as_they_are(case):
    """Hostile names arrive as text: the page shows their characters and has no tag of theirs."""
    name, data, judgement, plots = case
    if not name.startswith("hostile"):
        return

    page = Page(report.render(findings(data, judgement, plots), plots))

    assert "<script>alert(1)</script>" in page.words
    assert "$x_1$ & \\frac{1}{2}" in page.words


def test_the_verdict_comes_first(page):
    """The heading holds figure, bounds, rows and positives, and how the model stands against the champion."""
    heading = page.words.split("Can the test be trusted?")[0]

    assert re.search(r"ROC AUC 0\.\d+ \(0\.\d+ to 0\.\d+\) on 300 test rows, \d+ of them positive", heading)
    assert "better than the champion, version 7" in heading
    assert "ROC AUC against the constant answer: better by" in heading
    assert "against the champion, version 7, on the same rows: better by" in heading
    assert "positive is \u201c" in heading


def test_the_first_screen_is_three_sentences(case):
    """Whatever the table: trust, quality and what to watch, each one sentence."""
    _, data, judgement, plots = case

    said = summary.sentences(findings(data, judgement, plots))

    assert [question for question, _ in said] == ["Trust", "Quality", "Watch"]
    for _, sentence in said:
        outside = re.sub("\u201c.*?\u201d", "", sentence)  # names may hold anything
        assert len(re.findall(r"[.](?= |$)", outside)) == 1


def test_what_speaks_against_the_test_is_said_first(two):
    """Warnings are named by their codes; a refusal that was accepted leaves trust in part only; none, none."""
    data, judgement = two
    doc = findings(data, judgement, [])
    checks = doc["dataset"]["checks"]
    assert "with care: 1 check warns (rows_in_both); the test file has judged 3 models before" in summary.trust(doc)

    doc["dataset"]["checks"] = [{**checks[-1], "level": "refused"}]
    assert "only in part: 1 check refuses (" in summary.trust(doc)

    doc["dataset"] |= {"checks": [{**each, "level": "ok"} for each in checks], "judged_before": 0}
    assert summary.trust(doc).startswith("The test can be trusted as far as 300 rows can tell")
    doc["dataset"]["counts"] = [296, 4]
    assert "with care: 1 class has too few test rows" in summary.trust(doc)


def test_what_to_watch_is_what_was_found(two):
    """Probabilities that are off by more than chance come before the threshold, and are no matter otherwise."""
    data, judgement = two
    doc = findings(data, judgement, [])
    (_, missed), (alarms, _) = doc["confusion"][1][::-1], doc["confusion"][0][::-1]
    doc["calibration"] |= {"ece": 0.05, "ece_noise_high": 0.04}
    assert "off by 0.050 on average, more than chance explains; the threshold" in summary.watch(doc)
    assert f"misses {missed} of" in summary.watch(doc)
    assert f"raises {alarms} false alarm" in summary.watch(doc)

    doc["calibration"] |= {"ece": 0.03}
    assert "off by no more than chance explains" in summary.watch(doc)


def test_a_tiny_probability_is_not_shown_as_none(two):
    """Four decimals would call it 0."""
    data, judgement = two
    doc = findings(data, judgement, [])
    doc["least_likely"] = [{"row": 7, "probability": 0.00002}]

    assert "7 below 0.0001" in Page(report.render(doc, [])).words


def test_only_tables_in_no_order_of_their_own_sort(page):
    """Averages stand below what is ordered, and each frame that scrolls can be reached and has a name."""
    frames = [(key, value) for tag, key, value in page.attributes if tag == "div" and key in ("tabindex", "aria-label")]
    sorted_tables = [value for tag, key, value in page.attributes if (tag, key) == ("table", "class")]

    assert 4 <= len(sorted_tables) < page.tags.count("table")
    assert sum(key == "tabindex" for key, _ in frames) == page.tags.count("table")
    assert all(value for _, value in frames)


def test_sections_stand_in_the_order_of_doubt(page):
    """Trust, quality, answers, probabilities, errors, drivers, search, origin."""
    order = [
        "Can the test be trusted?",
        "How good is it?",
        "At the threshold",
        "Can its probabilities be believed?",
        "Where was it most wrong?",
        "What drives it?",
        "What was tried?",
        "How was it made?",
    ]

    places = [page.words.index(title) for title in order]

    assert places == sorted(places)


def test_the_report_says_what_weakens_it(page):
    """A check that found something stands with code, words and fix; so does how often the test file has judged."""
    for said in ("rows_in_both", "12 test rows stand in the training file too.", "Remove them."):
        assert said in page.words
    assert "This test file has judged 3 models before this one." in page.words
    assert "does not say what causes what" in page.words


def test_the_report_can_be_repeated(page):
    """Hashes, ids, seed and the command are there."""
    for said in ("sha256 " + "a" * 64, "e" * 32, "seed 1", "-e evaluate -P model=models:/m-1", "mlflow 3.17.2"):
        assert said in page.words


def test_the_leaderboard_is_listed(page):
    """Candidates with figures, and what a failed one failed by."""
    assert "2 candidates, ranked by ROC AUC on the training file only" in page.words
    assert "time limit" in page.words


def test_small_classes_are_named_as_such(case):
    """Where a class has few rows or none in the test file, the report says so."""
    name, data, judgement, plots = case
    words = Page(report.render(findings(data, judgement, plots), plots)).words

    assert ("has no row of" in words) == (name in {"tiny", "one-class"})
    assert ("too few for a verdict" in words) == (name in {"tiny", "one-class", "twenty-six"})


def test_a_champion_that_cannot_be_compared_is_named_with_the_reason(two):
    """The champion's column is left out, the reason stands at the top."""
    data, judgement = two
    alone = replace(judgement, champion=None)
    plots = all_of(alone)

    words = Page(report.render(findings(data, alone, plots, "'age' is missing."), plots)).words

    assert "not comparable with the champion, version 7" in words
    assert "cannot be compared on these rows: 'age' is missing." in words
    assert "Better than the champion by" not in words


def test_without_a_champion_nothing_is_said_of_its_figures(without_champion):
    """The first model of a name is compared with the constant answer only."""
    data, judgement = without_champion
    plots = all_of(judgement)

    words = Page(report.render(findings(data, judgement, plots), plots)).words

    assert "there is no champion yet" in words
    assert "champion, version" not in words


def test_a_model_that_knows_nothing_is_called_so():
    """A model of noise is not shown to be better than the constant answer."""
    from tests.steps.judging.conftest import judgement_of  # noqa: PLC0415 (beside its only use)

    data = models.dataset(rows=120)
    shuffled = replace(data, y_test=data.y_test[::-1].copy(), y_train=data.y_train[::-1].copy())
    judgement = judgement_of(shuffled, champion=False)
    plots = all_of(judgement)

    words = Page(report.render(findings(shuffled, judgement, plots), plots)).words

    assert "not shown to be better than the constant answer" in words


def test_checks_that_found_nothing_do_not_silence_other_doubts():
    """Where all checks are in order and a class has few rows, the summary says that something stands below."""
    from tests.steps.judging.conftest import judgement_of  # noqa: PLC0415 (beside its only use)

    data = models.dataset(["a", "b", "c", "d"], rows=40)
    clean = replace(data, checks=data.checks[:1])
    judgement = judgement_of(clean, champion=False)
    said = [
        Page(report.render(findings(table, judgement, []), [])).words
        for table in (clean, replace(clean, y_test=np.repeat(np.arange(4), 10), checks=data.checks))
    ]

    assert "1 check of the two files found nothing; what weakens the test stands below." in said[0]
    assert "2 checks of the two files: 1 warning." in said[1]


def test_the_classes_end_with_their_averages(case):
    """Under the classes stand two rows for all of them together, with the same figures as in the document."""
    _, data, judgement, plots = case
    doc = findings(data, judgement, plots)

    page = Page(report.render(doc, plots))
    rows = page.words.split("Each class for itself")[1].split("At the threshold")[0].split("Which answers")[0]

    for how, name in (("macro", "Macro average"), ("weighted", "Weighted average")):
        value = doc[how]["recall"]["value"]
        assert f"{name} {len(data.y_test)}" in rows
        assert f"{value:.3f}" in rows.split(f"{name} ")[1] or f"{value:.4f}" in rows.split(f"{name} ")[1]


def test_the_comparison_goes_beyond_the_bounds(two):
    """The report counts the rows that only one of the two answers rightly, and says what promotion looks at."""
    data, judgement = two
    doc = findings(data, judgement, [])
    test = doc["champion"]["mcnemar"]

    page = Page(report.render(doc, []))

    assert f"{test['only_candidate_right']} rows are answered rightly by it alone" in page.words
    assert "McNemar\u2019s exact test" in page.words
    assert "at 98.75 % because the test file has judged 3 models before" in page.words


def test_a_champion_beaten_at_95_percent_only_is_not_said_to_be_beaten(two):
    """Where the gate's bound is not above 0, the heading says so: the report never promises what promotion refuses."""
    data, judgement = two
    doc = findings(data, judgement, [])
    doc["champion"]["gate"]["low"] = -0.001

    page = Page(report.render(doc, []))

    assert "better than the champion, version 7, though not at the level that promotion asks for" in page.words


def test_few_rows_of_a_class_are_said_to_weaken_the_bounds(two):
    """With fewer than five rows of a class the report says which bounds hold less often, and how often."""
    data, judgement = two
    doc = findings(data, judgement, [])
    doc["dataset"]["counts"] = [296, 4]

    said = Page(report.render(doc, [])).words

    assert "too few for a verdict. Below five, the bounds of log loss, Brier score and correlation hold less" in said
    doc["dataset"]["counts"] = [295, 5]
    assert "Below five" not in Page(report.render(doc, [])).words
