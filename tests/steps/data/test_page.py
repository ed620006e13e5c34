from __future__ import annotations

import pytest

from steps.data.page import checks_html
from steps.records import Check
from tests.steps.judging.test_report import Page

OK = Check("a_code", "ok", "Fine.")
WARNING = Check(
    "column_drift", "warning", "Differs.", ("age", "city"), "Ask.", {"age": 0.25, "city": 0.125}, "both files"
)
LEAK = Check("target_leak", "refused", "It gives the target away.", ("told",), "Ignore it.", {"told": 1.0})
GAPS = Check("target_gaps", "refused", "Labels are missing.", ("y",), "Fill them in.", where="test file")


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([OK], "Training can start: nothing speaks against the two files."),
        ([OK, WARNING], "Training can start; 1 thing to look at."),
        ([OK, WARNING, LEAK, GAPS], "Training cannot start: 2 things to mend, 1 to look at."),
        ([LEAK], "Training cannot start: 1 thing to mend."),
    ],
)
def test_the_verdict_stands_at_the_top(checks, said):
    """One sentence says whether training stops, and how much there is to mend and to look at."""
    page = Page(checks_html(checks))

    assert page.open == []
    assert page.words.count(said) == 2
    assert page.words.index(said) < 200


def test_findings_are_readable():
    """What stops comes first; each finding has its place, columns, figures in words and what to do."""
    words = Page(checks_html([OK, WARNING, GAPS])).words

    assert words.index("Labels are missing.") < words.index("Differs.") < words.index("Fine.")
    assert "target_gaps in the test file" in words
    assert "What to do: Fill them in." in words
    assert "Columns: age , city" in words
    assert "Difference in age (0 to 1): 0.250 \u00b7 Difference in city (0 to 1): 0.125" in words


def test_only_what_can_be_accepted_is_offered():
    """A leak may be accepted by its code; labels that are missing may not."""
    words = Page(checks_html([LEAK, GAPS])).words

    assert "go on with accept=target_leak" in words
    assert "accept=target_gaps" not in words


def test_what_is_in_order_is_folded():
    """The list of passed checks is closed where something else is to be read, open where it is all there is."""
    assert "<details><summary>1 question with" in checks_html([OK, WARNING])
    assert "<details open><summary>1 question with" in checks_html([OK])
    assert "<details" not in checks_html([WARNING])


def test_the_page_is_escaped_and_self_contained():
    """Names cannot become markup, and nothing is loaded."""
    evil = "'<script>alert(1)</script>' & more"
    page = checks_html([Check("b_code", "refused", evil, (evil,), f"Mend {evil}.", {evil: 1.0}), OK])

    assert "<script>" not in page
    assert Page(page).words.count("<script>alert(1)</script>") == 3
    assert not {"script", "link", "img"} & set(Page(page).tags)
    assert "http" not in page
