from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tropism.training.optimise.quality import Judge

Rows = Callable[..., Any]


def test_equal_scores_are_no_worse(rows_of: Rows) -> None:
    rows = rows_of("binary", 100)
    scores = np.full((100, 1), 0.3)
    found = Judge("binary", "brier", 0.0).compare(rows, scores, scores)
    assert (found.difference.low, found.difference.value, found.difference.high) == (0.0, 0.0, 0.0)
    assert found.passes and found.passes_well and found.rows == 100


def test_classes_are_allowed_the_tolerance_itself(rows_of: Rows) -> None:
    rows = rows_of("binary", 400)
    good = np.where(rows.labels == 1, 0.9, 0.1)[:, None]
    worse = np.where(rows.labels == 1, 0.89, 0.11)[:, None]
    found = Judge("binary", "brier", 0.002).compare(rows, good, worse)
    assert found.allowed == 0.002
    assert found.difference.value == pytest.approx(0.11**2 - 0.1**2)
    assert not found.passes
    assert Judge("binary", "brier", 0.0022).compare(rows, good, worse).passes
    assert not Judge("binary", "brier", 0.0022).compare(rows, good, worse).passes_well


@pytest.mark.parametrize("metric", ["mae", "mse"])
def test_numbers_are_allowed_a_share_of_the_best_constants_loss(rows_of: Rows, metric: str) -> None:
    rows = rows_of("regression", 400)
    exact, constant = rows.labels[:, None], np.median(rows.labels) if metric == "mae" else rows.labels.mean()
    found = Judge("regression", metric, 0.5).compare(rows, exact, np.full((400, 1), constant))
    assert found.before == 0.0
    assert found.allowed == pytest.approx(found.after / 2)
    assert not found.passes


def test_a_change_that_might_be_too_much_does_not_pass(rows_of: Rows) -> None:
    """The mean is unchanged; what passes must be shown, and few rows show little."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2_000, 1)) * 0.05
    before = np.full((2_000, 1), 0.5)
    few, many = rows_of("binary", 60), rows_of("binary", 2_000)
    judge = Judge("binary", "brier", 0.01)
    assert not judge.compare(few, before[:60], before[:60] + noise[:60]).passes
    assert judge.compare(many, before, before + noise).passes


def test_differences_in_spells_widen_the_interval(rows_of: Rows) -> None:
    rows = rows_of("regression", 960)
    spells = np.repeat(np.tile([1.0, -1.0], 10), 48)[:, None]
    mixed = np.tile([1.0, -1.0], 480)[:, None]
    before = rows.labels[:, None] + 2.0
    judge = Judge("regression", "mae")
    narrow, wide = (judge.compare(rows, before, before + one).difference for one in (mixed, spells))
    assert narrow.value == pytest.approx(wide.value, abs=1e-12)
    assert wide.high > 3 * narrow.high
