from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.monitoring.counts import (
    chi_square,
    count,
    freeze,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)
from tropism.monitoring.counts.together import measures

RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": (RNG.normal(size=3_000), RNG.normal(0.3, 1.2, 400), "number"),
    "skewed": (RNG.lognormal(size=3_000), RNG.lognormal(0.5, size=400), "number"),
    "few": (RNG.integers(0, 3, 500).astype(float), RNG.integers(1, 4, 90).astype(float), "number"),
    "small": (RNG.normal(size=30), RNG.normal(size=5), "number"),
    "constant": (np.ones(200), np.full(50, 2.0), "number"),
    "missing": (np.where(RNG.random(500) < 0.1, np.nan, 1.0), np.where(RNG.random(90) < 0.6, np.nan, 3.0), "number"),
    "gone": (RNG.normal(size=500), np.full(50, np.nan), "number"),
    "nothing": (np.full(50, np.nan), np.full(50, np.nan), "number"),
    "empty": (RNG.normal(size=500), np.empty(0), "number"),
    "colour": (RNG.choice(["red", "teal"], 500), RNG.choice(["teal", "blue"], 90), "category"),
}


def test_measures_of_many_columns_are_those_of_each() -> None:
    binnings, before, now = {}, {}, {}
    for name, (old, new, kind) in COLUMNS.items():
        columns = [pa.chunked_array([pa.array(one, from_pandas=True)]) for one in (old, new)]
        binnings[name] = freeze(columns[0], kind)  # type: ignore[arg-type]
        before[name], now[name] = (count(binnings[name], column) for column in columns)
    found = measures(binnings, before, now)
    assert list(found) == list(COLUMNS)
    for name, one in found.items():
        a, b = before[name], now[name]
        assert one.kolmogorov_smirnov == pytest.approx(kolmogorov_smirnov(a, b), abs=1e-12), name
        assert one.population_stability == pytest.approx(population_stability(a, b), abs=1e-12), name
        assert one.jensen_shannon == pytest.approx(jensen_shannon(a, b), abs=1e-9), name
        assert one.chi_square == pytest.approx(chi_square(a, b), abs=1e-12), name
        if COLUMNS[name][2] == "category":
            assert one.wasserstein is None
        else:
            assert one.wasserstein == pytest.approx(wasserstein(binnings[name], a, b), abs=1e-9), name


def test_no_columns_have_no_measures() -> None:
    assert measures({}, {}, {}) == {}
