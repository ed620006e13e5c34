from __future__ import annotations

import numpy as np

from steps.judging import resampling
from steps.judging.metrics import METRICS, figures
from tests.steps.judging.test_metrics import answers


def test_every_resample_has_as_many_rows_as_the_file():
    """Whole rows are drawn with replacement: the counts of a resample sum to the number of rows."""
    drawn = np.concatenate(list(resampling.weights(37, 50)))

    assert drawn.shape == (50, 37)
    assert (drawn.sum(axis=1) == 37).all()
    assert drawn.max() > 1


def test_resamples_do_not_depend_on_how_they_are_cut_into_blocks(monkeypatch):
    """Two models judged apart get the same resamples, whatever fits into memory at a time."""
    whole = np.concatenate(list(resampling.weights(30, 40)))
    monkeypatch.setattr(resampling, "CELLS_AT_ONCE", 100)

    assert (np.concatenate(list(resampling.weights(30, 40))) == whole).all()


def test_class_counts_vary():
    """Resampling is not stratified: another test file would have other counts."""
    y = np.arange(100) < 20

    counts = np.concatenate(list(resampling.weights(100, 200))) @ y

    assert 2 < counts.std() < 6


def test_resampled_figures_are_the_figures_of_the_resample():
    """The first resample's figures are those of the rows it holds."""
    y, scores, predicted = answers(2, 50, 9)
    times = next(iter(resampling.weights(50, 2000)))[0].astype(int)
    rows = np.repeat(np.arange(50), times)

    found = resampling.resampled(y, scores, predicted, 1)

    wanted = figures(y[rows], scores[rows], predicted[rows], 1)
    np.testing.assert_allclose([found[name][0] for name in METRICS], [wanted[name] for name in METRICS], atol=1e-9)


def test_large_files_get_fewer_resamples_but_never_too_few():
    """The work is bounded, and percentiles always rest on several values."""
    assert resampling.number(1000, 2) == resampling.RESAMPLES
    assert resampling.number(100_000, 2) < resampling.RESAMPLES
    assert resampling.number(10**7, 26) == resampling.FEWEST_RESAMPLES
