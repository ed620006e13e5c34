from __future__ import annotations

import re

import pytest

from steps.judging import card
from tests.steps.judging import models
from tests.steps.judging.conftest import findings


def test_cards_fit_on_a_page_without_holes(case):
    """One page for every table, nothing undefined in it, no empty field."""
    _, data, judgement, plots = case

    text = card.render(findings(data, judgement, plots))

    assert 25 < len(text.splitlines()) < 90
    assert not re.findall(r"None|nan\b|\| \|\n|undefined|\n\n\n", text.replace("| | |\n", ""))


def test_the_card_says_what_the_report_says(two):
    """Headline, comparison, figures, limits, how to call it, origin."""
    data, judgement = two

    text = card.render(findings(data, judgement, []))

    value = judgement.candidate.figures["roc_auc"].value
    for said in (
        f"ROC AUC {value:.3f} (",
        "better than the champion, version 7",
        "12 test rows stand in the training file too.",
        "-e score",
        "sha256 " + "a" * 64,
        "probability_<class>",
    ):
        assert said in text


@pytest.mark.parametrize("name", models.HOSTILE)
def test_markdown_in_names_is_inert(name):
    """Every character that Markdown would act on is escaped, none is lost."""
    shown = card.escaped(name)

    assert not re.search(r"(?<!\\)[<>|*_`$\[\]]", shown)
    assert name == re.sub(r"\\(.)", r"\1", shown)


def test_lines_cannot_become_headings_or_lists():
    """A name at the beginning of a line stays a name."""
    for name in ("# big", "- item", "1. first", "+ more"):
        assert not re.match(r"\s*(#|-|\+|\d+\.)\s", card.escaped(name))
    assert "\n" not in card.escaped("two\nlines")
