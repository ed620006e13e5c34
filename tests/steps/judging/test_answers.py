from __future__ import annotations

import numpy as np
import pytest

from steps.judging import answers


@pytest.mark.parametrize(("rows", "beaten"), [(1, False), (5, False), (40, True)])
def test_a_handful_of_rows_does_not_show_that_a_model_knows_anything(rows, beaten):
    """A model that is right on all rows beats the constant answer on forty of them, and on five it may be luck."""
    y = np.arange(rows) % 2
    scores = np.where(y[:, None] == [0, 1], 0.9, 0.1)
    none = answers.constant(np.array([0, 1]), y, 2, 1)

    assert answers.beats_constant("log_loss", answers.judge(y, scores, y, 1), none) is beaten
