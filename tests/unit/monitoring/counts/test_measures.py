from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from scipy.stats.contingency import association

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import (
    Binning,
    chi_square,
    count,
    freeze,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)

RNG = np.random.default_rng(3)
REFERENCE = {
    "normal": RNG.normal(size=100_000),
    "skewed": RNG.lognormal(0, 1, 100_000),
    "waits": RNG.exponential(1, 100_000),
    "whole": RNG.poisson(20, 100_000).astype(float),
    "mostly zero": np.where(RNG.random(100_000) < 0.4, 0.0, RNG.normal(1_000, 30, 100_000)),
}
MOVED = [
    ("normal", lambda move: RNG.normal(move, 1, 30_000)),
    ("skewed", lambda move: RNG.lognormal(move, 1, 30_000)),
    ("waits", lambda move: RNG.exponential(1 + move, 30_000)),
    ("whole", lambda move: RNG.poisson(20 + 4 * move, 30_000).astype(float)),
    ("mostly zero", lambda move: np.where(RNG.random(30_000) < 0.4 + move / 5, 0.0, RNG.normal(1_000, 30, 30_000))),
]


def counts(name: str, current: Any) -> tuple[Binning, Any, Any]:
    reference = pa.chunked_array([REFERENCE[name]])
    binning = freeze(reference, "number")
    return binning, count(binning, reference), count(binning, pa.chunked_array([current]))


@pytest.mark.parametrize("move", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize(("name", "draw"), MOVED)
def test_the_distance_of_distributions_is_that_of_the_raw_values_but_for_a_bin(
    name: str, draw: Any, move: float
) -> None:
    current = draw(move)
    _, old, new = counts(name, current)
    raw = stats.ks_2samp(REFERENCE[name], current).statistic
    assert raw - 0.003 <= kolmogorov_smirnov(old, new) <= raw + 1e-9


@pytest.mark.parametrize("move", [0.05, 0.2, 1.0])
@pytest.mark.parametrize(("name", "draw"), MOVED)
def test_the_way_values_moved_is_near_that_of_the_raw_values(name: str, draw: Any, move: float) -> None:
    """Within 15% of it: values are taken to be spread evenly in a bin, which the tail of a skewed column is not."""
    current = draw(move)
    binning, old, new = counts(name, current)
    raw = stats.wasserstein_distance(REFERENCE[name], current) / REFERENCE[name].std()
    assert wasserstein(binning, old, new) == pytest.approx(raw, rel=0.15, abs=0.002)


def test_a_shift_of_a_normal_shows_as_its_standard_deviations() -> None:
    for move in (0.1, 0.5, 2.0):
        assert wasserstein(*counts("normal", REFERENCE["normal"] + move)) == pytest.approx(move, rel=0.02)


def test_distribution_functions_that_cross_in_a_bin_leave_two_areas() -> None:
    binning = Binning(kind="number", edges=(0.0, 2.0, 4.0, 6.0))
    old, new = np.array([0, 1, 4, 3, 0, 0]), np.array([0, 3, 0, 5, 0, 0])
    at = np.linspace(0, 6, 60_001)
    one, other = (np.interp(at, binning.edges, np.cumsum(side[:4]) / 8) for side in (old, new))
    area = float(np.abs(one - other).mean() * 6)
    middle = np.array([1.0, 3.0, 5.0])
    mean = (old[1:4] * middle).sum() / 8
    deviation = np.sqrt((old[1:4] * ((middle - mean) ** 2 + 4 / 12)).sum() / 8)
    assert wasserstein(binning, old, new) == pytest.approx(area / deviation, rel=1e-3)


def test_what_leaves_the_range_counts_as_at_its_end() -> None:
    binning = Binning(kind="number", edges=(0.0, 1.0))
    old = np.array([0, 10, 0, 0])
    assert wasserstein(binning, old, np.array([0, 0, 10, 0])) == pytest.approx(0.5 * np.sqrt(12))


def test_a_constant_that_changes_is_far_and_one_that_stays_is_near() -> None:
    reference = pa.chunked_array([[4.0] * 50])
    binning = freeze(reference, "number")
    old = count(binning, reference)
    assert wasserstein(binning, old, old) == 0.0
    for other in (3.9, 5.0):
        assert wasserstein(binning, old, count(binning, pa.chunked_array([[other] * 50]))) == pytest.approx(1.732, 1e-3)


def test_there_is_no_way_between_categories_or_between_other_bins() -> None:
    with pytest.raises(DataInvalid):
        wasserstein(Binning(kind="category", names=("a",)), np.array([1, 0, 0]), np.array([1, 0, 0]))
    with pytest.raises(DataInvalid):
        wasserstein(Binning(kind="number", edges=(1.0,)), np.array([1, 0, 0]), np.array([1, 0]))


def test_cramers_v_is_that_of_a_table_of_equally_many_rows() -> None:
    old, new = RNG.multinomial(1_000, [0.5, 0.3, 0.15, 0.05]), RNG.multinomial(1_000, [0.3, 0.3, 0.2, 0.2])
    wanted = association(np.array([old, new]), method="cramer", correction=False)
    assert chi_square(old, new) == pytest.approx(wanted)
    assert chi_square(old, new * 1_000) == pytest.approx(wanted)


def test_values_that_go_missing_show_in_measures_of_all_bins_and_not_in_those_of_numbers() -> None:
    binning = Binning(kind="number", edges=(0.0, 1.0, 2.0))
    old, new = np.array([0, 50, 50, 0, 0]), np.array([0, 25, 25, 0, 50])
    assert kolmogorov_smirnov(old, new) == wasserstein(binning, old, new) == 0.0
    assert min(population_stability(old, new), jensen_shannon(old, new), chi_square(old, new)) > 0.25


def test_an_empty_bin_leaves_the_stability_index_finite() -> None:
    assert 1 < population_stability(np.array([0, 100, 0, 0]), np.array([0, 0, 100, 0])) < 20


def test_of_no_rows_nothing_is_said() -> None:
    binning = Binning(kind="number", edges=(0.0, 1.0))
    none, some = np.zeros(4, np.int64), np.array([0, 3, 0, 0])
    for one, other in ((none, some), (some, none), (none, none)):
        measures = (kolmogorov_smirnov, population_stability, jensen_shannon, chi_square)
        assert [measure(one, other) for measure in measures] == [0.0] * 4
        assert wasserstein(binning, one, other) == 0.0
    assert wasserstein(Binning(kind="number"), np.array([4, 0]), np.array([9, 1])) == 0.0
