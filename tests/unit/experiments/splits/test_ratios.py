from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.splits.ratios import linearised


def test_its_mean_is_the_ratio_of_sums_and_its_spread_the_ratios() -> None:
    rng = np.random.default_rng(0)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        over = rng.poisson(3.0, 400) + 1.0
        return rng.gamma(2.0, size=400) * over, over

    ratios = [values.sum() / over.sum() for values, over in (draw() for _ in range(3_000))]
    values, over = draw()
    line = linearised(values, over, np.ones(400))
    assert line.mean() == pytest.approx(values.sum() / over.sum())
    assert line.std(ddof=1) / 20 == pytest.approx(float(np.std(ratios)), rel=0.15)


def test_weights_count_a_unit_more_than_once() -> None:
    line = linearised(np.array([1.0, 6.0]), np.array([1.0, 2.0]), np.array([3.0, 1.0]))
    assert line @ np.array([0.75, 0.25]) == pytest.approx(9 / 5)


def test_nothing_to_divide_by_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        linearised(np.ones(2), np.array([0.0, 1.0]), np.array([1.0, 0.0]), "per_visit.over")
    assert caught.value.faults[0].field == "per_visit.over"
