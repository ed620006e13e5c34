from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest

from steps.judging import canvas, curves
from steps.judging.plots import all_of

SVG = "{http://www.w3.org/2000/svg}"


def test_every_table_gets_its_plots(case):
    """Ordinary tables get at least six plots with distinct names, tiny ones those that mean something."""
    name, _, _, plots = case

    assert len({plot.name for plot in plots}) == len(plots)
    assert len(plots) >= (1 if name == "one-class" else 6)
    assert {"confusion"} <= {plot.name for plot in plots}


def test_plots_are_whole_files_without_outside(case):
    """Each file is XML by itself, small, states its finding, and refers to nothing outside of itself."""
    _, _, _, plots = case

    for plot in plots:
        text = plot.standalone()
        root = ET.fromstring(text)  # noqa: S314 (our own)
        assert root.find(f"{SVG}title").text == plot.title
        assert len(text) < 200_000
        assert not re.findall(r"url\((?!#)|href=\"(?!#)|@import|<script|<image", text)


def test_no_placeholder_colour_is_left(case):
    """A file has the look's light colours, an embedded plot its custom properties."""
    _, _, _, plots = case

    for plot in plots:
        for text in (plot.standalone(), plot.embedded()):
            assert not [colour for colour in canvas.COLOUR.values() if colour in text]
        assert not re.findall(
            r"#[0-9a-f]{6}(?![0-9a-f])", re.sub(r"url\(#[^)]*\)|href=\"#[^\"]*\"", "", plot.embedded())
        )
        assert "var(--muted)" in plot.embedded()


def test_names_of_users_are_text(case):
    """Markup, dollars and emoji in names arrive as the characters they are."""
    name, _, _, plots = case
    if not name.startswith("hostile"):
        return

    texts = {plot.name: " ".join(ET.fromstring(plot.standalone()).itertext()) for plot in plots}  # noqa: S314 (our own)

    assert "<script>" in texts["importance"]
    assert "$x_1$ & \\frac{1}{2}" in texts["importance"]
    assert "\U0001f600" in texts["importance"]


def test_the_same_judgement_gives_the_same_bytes(two):
    """No date, no random ids."""
    _, judgement = two

    first, second = ([plot.standalone() for plot in all_of(judgement)] for _ in range(2))

    assert first == second


def test_drawing_is_safe_in_threads_and_leaves_no_settings(two):
    """Several evaluations in one process get the same plots, and matplotlib's settings are as before."""
    _, judgement = two
    before = dict(mpl.rcParams)
    expected = [plot.inner for plot in all_of(judgement)]

    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(lambda _: [plot.inner for plot in all_of(judgement)], range(3)))

    assert drawn == [expected] * 3
    assert before == dict(mpl.rcParams)


def test_tables_hold_what_is_drawn(case):
    """Every plot has a table, and every row of it as many cells as heads."""
    _, _, _, plots = case

    for plot in plots:
        assert plot.rows
        assert {len(plot.header)} == {len(row) for row in plot.rows}


def test_ids_are_unique_in_a_page(two):
    """Plots in one page do not share ids, or one would be clipped by another's frame."""
    _, judgement = two

    ids = [found for plot in all_of(judgement) for found in set(re.findall(r'id="([^"]+)"', plot.embedded()))]

    assert len(ids) == len(set(ids))


def test_colours_stand_in_the_look_only():
    """Each placeholder has a value in `look.css`."""
    assert set(canvas.NAMES) == set(canvas.light_colours())


@pytest.mark.parametrize("kind", [curves.roc, curves.gains])
def test_long_curves_are_thinned_between_their_ends(kind):
    """A curve of many thresholds keeps its ends and few points."""
    source = np.random.default_rng(0)
    truth = source.random(20_000) < 0.3

    curve = kind(truth, source.random(20_000) + truth)

    assert len(curve.x) <= 2 * curves.POINTS
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


def test_brier_parts_add_up():
    """Miscalibration - discrimination + uncertainty is the Brier score; miscalibration is never negative."""
    source = np.random.default_rng(0)
    probability = source.random(500)
    truth = source.random(500) < probability**2

    parts = curves.brier_parts(truth, probability)

    score = float(((probability - truth) ** 2).mean())
    assert score == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty)
    assert parts.miscalibration > 0.01


def test_calibration_groups_hold_all_rows_and_keep_ties_together():
    """Groups cover the file once, and equal probabilities are never split."""
    probability = np.repeat([0.1, 0.4, 0.9], [50, 30, 20])
    truth = np.arange(100) % 2 == 0

    groups = curves.calibration(truth, probability)

    assert sum(group.rows for group in groups) == 100
    assert pytest.approx([group.said for group in groups]) == [0.1, 0.4, 0.9]


def test_bands_hold_the_curve(two):
    """The resampled ROC curves lie around the curve itself."""
    data, judgement = two
    truth, score = data.y_test == 1, judgement.candidate.scores[:, 1]
    curve = curves.roc(truth, score)

    band = curves.bands(truth, score)[0]

    height = np.interp(curves.GRID, curve.x, curve.y)
    assert ((band.low - 0.02 <= height) & (height <= band.high + 0.02)).all()
    assert (band.high - band.low).max() > 0.03


def test_precision_at_a_share_of_the_positives():
    """The first threshold that finds half of the positives decides."""
    truth = np.array([True, False, True, False, True, True])
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])

    assert curves.precision_at(truth, score, 0.5) == pytest.approx(2 / 3)
    assert curves.gain_at(truth, score, 0.5) == pytest.approx(0.5)
