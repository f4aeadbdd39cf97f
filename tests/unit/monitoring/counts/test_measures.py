from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.stats.contingency import association

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import Binning, Measures, count, freeze, measures

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


def measured(binning: Binning, reference: Any, current: Any) -> Measures:
    """Of one column."""
    return measures({"a": binning}, {"a": reference}, {"a": current})["a"]


def of_categories(reference: Any, current: Any) -> Measures:
    names = tuple(f"name {place}" for place in range(len(reference) - 2))
    return measured(Binning(kind="category", names=names), np.array(reference), np.array(current))


@pytest.mark.parametrize("move", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize(("name", "draw"), MOVED)
def test_the_distance_of_distributions_is_that_of_the_raw_values_but_for_a_bin(
    name: str, draw: Any, move: float
) -> None:
    current = draw(move)
    raw = stats.ks_2samp(REFERENCE[name], current).statistic
    assert raw - 0.003 <= measured(*counts(name, current)).kolmogorov_smirnov <= raw + 1e-9


@pytest.mark.parametrize("move", [0.05, 0.2, 1.0])
@pytest.mark.parametrize(("name", "draw"), MOVED)
def test_the_way_values_moved_is_near_that_of_the_raw_values(name: str, draw: Any, move: float) -> None:
    """Within 15% of it: values are taken to be spread evenly in a bin, which the tail of a skewed column is not."""
    current = draw(move)
    raw = stats.wasserstein_distance(REFERENCE[name], current) / REFERENCE[name].std()
    assert measured(*counts(name, current)).wasserstein == pytest.approx(raw, rel=0.15, abs=0.002)


def test_a_shift_of_a_normal_shows_as_its_standard_deviations() -> None:
    for move in (0.1, 0.5, 2.0):
        assert measured(*counts("normal", REFERENCE["normal"] + move)).wasserstein == pytest.approx(move, rel=0.02)


def test_distribution_functions_that_cross_in_a_bin_leave_two_areas() -> None:
    binning = Binning(kind="number", edges=(0.0, 2.0, 4.0, 6.0))
    old, new = np.array([0, 1, 4, 3, 0, 0]), np.array([0, 3, 0, 5, 0, 0])
    at = np.linspace(0, 6, 60_001)
    one, other = (np.interp(at, binning.edges, np.cumsum(side[:4]) / 8) for side in (old, new))
    area = float(np.abs(one - other).mean() * 6)
    middle = np.array([1.0, 3.0, 5.0])
    mean = (old[1:4] * middle).sum() / 8
    deviation = np.sqrt((old[1:4] * ((middle - mean) ** 2 + 4 / 12)).sum() / 8)
    assert measured(binning, old, new).wasserstein == pytest.approx(area / deviation, rel=1e-3)


def test_what_leaves_the_range_counts_as_at_its_end() -> None:
    binning = Binning(kind="number", edges=(0.0, 1.0))
    old = np.array([0, 10, 0, 0])
    assert measured(binning, old, np.array([0, 0, 10, 0])).wasserstein == pytest.approx(0.5 * np.sqrt(12))


def test_a_constant_that_changes_is_far_and_one_that_stays_is_near() -> None:
    reference = pa.chunked_array([[4.0] * 50])
    binning = freeze(reference, "number")
    old = count(binning, reference)
    assert measured(binning, old, old).wasserstein == 0.0
    for other in (3.9, 5.0):
        assert measured(binning, old, count(binning, pa.chunked_array([[other] * 50]))).wasserstein == pytest.approx(
            1.732, 1e-3
        )


def test_counts_in_other_bins_are_refused() -> None:
    with pytest.raises(DataInvalid, match="'a' is counted in other bins"):
        measured(Binning(kind="number", edges=(1.0,)), np.array([1, 0, 0]), np.array([1, 0]))


def test_cramers_v_is_that_of_a_table_of_equally_many_rows() -> None:
    old, new = RNG.multinomial(1_000, [0.5, 0.3, 0.15, 0.05]), RNG.multinomial(1_000, [0.3, 0.3, 0.2, 0.2])
    wanted = association(np.array([old, new]), method="cramer", correction=False)
    assert of_categories(old, new).chi_square == pytest.approx(wanted)
    assert of_categories(old, new * 1_000).chi_square == pytest.approx(wanted)
    assert of_categories(old, new).wasserstein is None


def test_the_jensen_shannon_distance_is_the_published_one() -> None:
    old, new = np.array([6, 4, 0, 0]), np.array([0, 8, 2, 0])
    assert of_categories(old, new).jensen_shannon == pytest.approx(jensenshannon(old, new, base=2))
    assert of_categories([1, 0, 0], [0, 1, 0]).jensen_shannon == 1.0


def test_values_that_go_missing_show_in_measures_of_all_bins_and_not_in_those_of_numbers() -> None:
    binning = Binning(kind="number", edges=(0.0, 1.0, 2.0))
    found = measured(binning, np.array([0, 50, 50, 0, 0]), np.array([0, 25, 25, 0, 50]))
    assert found.kolmogorov_smirnov == found.wasserstein == 0.0
    assert min(found.population_stability, found.jensen_shannon, found.chi_square) > 0.25


def test_an_empty_bin_leaves_the_stability_index_finite() -> None:
    assert 1 < of_categories([0, 100, 0, 0], [0, 0, 100, 0]).population_stability < 20


def test_of_no_rows_nothing_is_said() -> None:
    binning = Binning(kind="number", edges=(0.0, 1.0))
    none, some = np.zeros(4, np.int64), np.array([0, 3, 0, 0])
    for one, other in ((none, some), (some, none), (none, none)):
        assert measured(binning, one, other) == (0.0,) * 5
    assert measured(Binning(kind="number"), np.array([4, 0]), np.array([9, 1])).wasserstein == 0.0
    assert measures({}, {}, {}) == {}


def test_a_column_among_many_has_the_measures_that_it_has_alone() -> None:
    columns = {
        "few": (RNG.integers(0, 3, 500).astype(float), RNG.integers(1, 4, 90).astype(float), "number"),
        "small": (RNG.normal(size=30), RNG.normal(size=5), "number"),
        "constant": (np.ones(200), np.full(50, 2.0), "number"),
        "missing": (np.where(RNG.random(50) < 0.1, np.nan, 1.0), np.where(RNG.random(90) < 0.6, np.nan, 3.0), "number"),
        "gone": (RNG.normal(size=500), np.full(50, np.nan), "number"),
        "empty": (RNG.normal(size=500), np.empty(0), "number"),
        "colour": (RNG.choice(["red", "teal"], 500), RNG.choice(["teal", "blue"], 90), "category"),
    }
    binnings: dict[str, Binning] = {}
    before, now = {}, {}
    for name, (old, new, kind) in columns.items():
        both = [pa.chunked_array([pa.array(one, from_pandas=True)]) for one in (old, new)]
        binnings[name] = freeze(both[0], kind)  # type: ignore[arg-type]
        before[name], now[name] = (count(binnings[name], column) for column in both)
    found = measures(binnings, before, now)
    for name, one in found.items():
        alone = measured(binnings[name], before[name], now[name])
        assert one[:3] == pytest.approx(alone[:3], abs=1e-9), name
        assert one.chi_square == pytest.approx(alone.chi_square), name
        assert (one.wasserstein is None) == (name == "colour")
        if one.wasserstein is not None:
            assert one.wasserstein == pytest.approx(alone.wasserstein, abs=1e-9), name
