"""Table, page, plot and words of a comparison, from hand-made versions."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from pyfunc.model import decide
from steps.judging import answers, comparison, comparison_page, comparison_words, lineup, resampling, sorting
from steps.judging.document import finite
from steps.judging.lineup import Entry, Judged, Lineup
from steps.judging.metrics import METRICS
from steps.versions import Registered
from tests.steps.judging import models

DATA = models.dataset()
ONE_CLASS = models.dataset(rows=20, absent=1)


def judged(data, columns: int | None, *, wrong: bool = False) -> Judged:
    """A model that knows so many columns; with `wrong`, one that says the opposite."""
    frame = data.test if columns is None else data.test.iloc[:, :columns]
    scores = models.pipeline(data, columns).predict_proba(frame)
    scores = scores[:, ::-1] if wrong else scores
    made = answers.judge(data.y_test, scores, decide(scores, data.schema, 0.5), 1)
    return Judged(made.figures, made.resamples)


def entry(version: int, figures: Judged | None, *aliases: str, reason: str = "") -> Entry:
    """A version of the registry."""
    registered = Registered("crisol", str(version), aliases, {}, "2026-01-02T03:04:05+00:00")
    return Entry(registered, None, figures, reason, "lr", 5_000_000)


def compared(entries: list[Entry], data=DATA, name: str = "crisol") -> dict:
    """The document, as `comparison.json` holds it."""
    none = answers.constant(data.y_train, data.y_test, 2, 1)
    ranked = lineup._ranked(entries, "roc_auc")
    found = Lineup(tuple(ranked), "roc_auc", 1, Judged(none.figures, none.resamples))
    made = {"run_id": "e" * 32, "name": name, "created": "2026-01-02T03:04:05+00:00"}
    return finite({**made, **comparison.document(found, data)})


@pytest.fixture(scope="module")
def figures():
    """Figures of a good model, of one with fewer columns, and of one that is always wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "RESAMPLES", 200)
        patch.setattr(resampling, "FEWEST_RESAMPLES", 100)
        yield {"good": judged(DATA, None), "weak": judged(DATA, 1), "wrong": judged(DATA, None, wrong=True)}


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ([("good", ""), ("weak", "champion")], "Version 1 is better than the champion, version 2: ROC AUC better by"),
        ([("good", "champion"), ("weak", "")], "The champion, version 1, has the best figure of 2"),
        ([("good", "champion")], "The champion, version 1, has the best figure: ROC AUC 0."),
        ([("good", ""), ("good", "champion"), ("weak", "")], "The champion, version 2, has the best figure of 3"),
        ([("good", ""), ("weak", "")], "Version 1 has the best of 2 figures"),
        ([("good", ""), ("", "champion")], "Version 1 has the best of 1 figure"),
        ([("", "champion"), ("", "")], "None of 2 versions can be judged"),
    ],
)
def test_the_headline_is_the_finding(figures, versions, said):
    """Whoever is best, and whether that is shown against the champion, stands in the first sentence."""
    doc = compared([entry(at, figures.get(kind), alias) for at, (kind, alias) in enumerate(versions, start=1)])

    assert comparison_words.headline(doc).startswith(said)
    assert json.loads(json.dumps(doc, allow_nan=False)) == doc


def test_a_better_figure_by_chance_is_not_called_better(figures):
    """Where the bounds of the difference hold 0, no version is shown to be better."""
    nudged = replace(figures["good"], figures={
        **figures["good"].figures,
        "roc_auc": replace(figures["good"].figures["roc_auc"], value=figures["good"].figures["roc_auc"].value + 1e-6),
    })  # fmt: skip

    doc = compared([entry(1, nudged), entry(2, figures["good"], "champion")])

    assert (doc["best"], doc["better"]) == ("1", [])
    assert comparison_words.headline(doc) == "No version is shown to be better than the champion, version 2"
    assert any("no clear difference" in sentence for sentence in comparison_words.sentences(doc))


def test_the_table_has_every_version_once_and_the_champion_no_difference(figures):
    """The best first, those that are not judged last, differences signed by what is better."""
    doc = compared([
        entry(1, figures["wrong"]), entry(2, figures["weak"], "champion"), entry(3, None, reason='It is, "broken".'),
        entry(4, figures["good"]),
    ])  # fmt: skip

    rows = list(csv.DictReader(io.StringIO(comparison.table(doc))))

    assert [row["version"] for row in rows] == ["4", "2", "1", "3"]
    assert [np.sign(float(row["difference"])) if row["difference"] else None for row in rows] == [1, None, -1, None]
    assert rows[3]["reason"] == 'It is, "broken".'
    assert float(rows[0]["log_loss_low"]) <= float(rows[0]["log_loss"]) <= float(rows[0]["log_loss_high"])
    assert len(comparison.metrics_of(doc["versions"])) == 3 * 3 * len(METRICS)


def test_page_and_plot_show_the_champion_and_hold_nothing_of_others_making(figures):
    """Self-contained, escaped, the champion marked by word and shape, the same in the file of the plot."""
    hostile = "<script>alert(1)</script>"
    doc = compared(
        [entry(1, figures["good"], hostile), entry(2, figures["weak"], "champion"), entry(3, None, reason=hostile)],
        name=hostile,
    )

    plot = comparison_page.versions_plot(doc)
    page = comparison_page.render(doc, plot)

    assert "<script" not in page.replace(f"<script>{sorting.SCRIPT}</script>", "") + plot.standalone()
    assert page.count(f"<script>{sorting.SCRIPT}</script>") == 1
    assert '</tbody>\n<tbody><tr><th scope="row" class="muted">constant answer' in page  # stays below what sorts
    assert "&lt;script&gt;" in page
    assert "2 champion" in plot.embedded()
    assert "prefers-color-scheme: dark" in page
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*", page) == []
    assert [row[0] for row in plot.rows] == ["1", "2 champion"]
    assert plot.rows[1][2] == ""


def test_a_long_history_is_drawn_with_its_champion(figures):
    """Thirty versions are drawn, the champion among them however it does; the table has all."""
    doc = compared([*(entry(at, figures["good"]) for at in range(1, 40)), entry(40, figures["weak"], "champion")])

    plot = comparison_page.versions_plot(doc)

    assert len(plot.rows) == 40
    assert "Drawn: 30 of 40 versions" in plot.caption
    assert "40 champion" in plot.embedded()


def test_a_figure_that_the_rows_do_not_define_is_no_best():
    """Test rows of one class define no ROC AUC: no best, no plot, and a page that says so."""
    doc = compared([entry(1, judged(ONE_CLASS, None), "champion"), entry(2, judged(ONE_CLASS, 1))], ONE_CLASS)

    assert (doc["best"], comparison_page.versions_plot(doc)) == (None, None)
    assert "ROC AUC is not defined on these rows" in comparison_page.render(doc, None)
