from __future__ import annotations

import numpy as np
import pytest

from tropism.monitoring.counts import Binning
from tropism.monitoring.health.moved import GROUPS, groups, moved

NUMBERS = Binning(kind="number", edges=tuple(float(edge) for edge in range(60)))
NAMES = Binning(kind="category", names=tuple(f"name {place}" for place in range(40)))


def test_a_column_that_stayed_has_no_effect() -> None:
    counts = np.full(NUMBERS.size, 10)

    found = moved("a", NUMBERS, counts, 3 * counts)

    assert found.kolmogorov_smirnov == pytest.approx(0)
    assert found.jensen_shannon == pytest.approx(0)
    assert found.wasserstein == pytest.approx(0)


@pytest.mark.parametrize("side", [0, 1])
def test_of_no_rows_nothing_is_known(side: int) -> None:
    both = [np.full(NUMBERS.size, 10), np.full(NUMBERS.size, 10)]
    both[side] = np.zeros(NUMBERS.size, np.int64)

    found = moved("a", NUMBERS, *both)

    assert (found.population_stability, found.jensen_shannon, found.wasserstein) == (None, None, None)


def test_numbers_that_are_all_missing_now_have_no_distance_yet_an_effect() -> None:
    gone = np.zeros(NUMBERS.size, np.int64)
    gone[-1] = 500

    found = moved("a", NUMBERS, np.r_[np.full(NUMBERS.size - 1, 10), 0], gone)

    assert (found.kolmogorov_smirnov, found.wasserstein) == (None, None)
    assert found.chi_square == pytest.approx(1.0)


@pytest.mark.parametrize("binning", [NUMBERS, NAMES], ids=["numbers", "names"])
def test_groups_are_few_and_hold_every_row(binning: Binning) -> None:
    random = np.random.default_rng(1)
    reference, current = random.integers(1, 50, (2, binning.size))

    found = groups(moved("a", binning, reference, current))

    assert len(found) <= GROUPS + 3
    assert sum(group.reference for group in found) == pytest.approx(1)
    assert sum(group.current for group in found) == pytest.approx(1)
    assert found[-1].name == "missing"


@pytest.mark.parametrize("edges", [(), (1.0,), (1.0, 2.0), (1.0, 2.0, 3.0)])
def test_few_edges(edges: tuple[float, ...]) -> None:
    binning = Binning(kind="number", edges=edges)

    found = groups(moved("a", binning, np.ones(binning.size, np.int64), np.ones(binning.size, np.int64)))

    assert sum(group.reference for group in found) == pytest.approx(1)
    assert len({group.name for group in found}) == len(found) == binning.size
