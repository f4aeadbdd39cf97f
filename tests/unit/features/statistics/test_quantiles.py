from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.features.statistics.quantiles import RANK_ERROR, SIZE, Floats, Quantiles

SHARES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def worst_rank(sketch: Quantiles, values: Floats) -> float:
    """By how large a share of the values the rank of any quantile is off."""
    ordered = np.sort(values)
    shares = np.linspace(0.001, 0.999, 500)
    found = np.array(sketch.at(shares.tolist()))
    low = np.searchsorted(ordered, found, side="left") / len(values)
    high = np.searchsorted(ordered, found, side="right") / len(values)
    return float(np.maximum(np.maximum(low - shares, shares - high), 0).max())


@pytest.mark.parametrize("pieces", [1, 7, 365])
@pytest.mark.parametrize("shape", ["normal", "heavy", "years", "zeros", "sorted"])
def test_ranks_are_as_close_as_stated_however_many_are_merged(pieces: int, shape: str) -> None:
    rng = np.random.default_rng(3)
    n = 365 * 1_440
    values = {
        "normal": rng.normal(size=n),
        "heavy": rng.lognormal(0, 3, n),
        "years": 1.7e15 + rng.random(n),
        "zeros": np.where(rng.random(n) < 0.7, 0.0, rng.random(n)),
        "sorted": np.arange(n, dtype=np.float64),
    }[shape]
    sketch = Quantiles()
    for part in np.split(values, pieces) if n % pieces == 0 else np.array_split(values, pieces):
        sketch = sketch.merge(Quantiles.of(part))
    assert sketch.count == n
    assert sketch.points()[1].sum() == n
    assert worst_rank(sketch, values) <= RANK_ERROR
    assert len(msgspec.json.encode(sketch)) < 64_000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40), max_size=6))
def test_few_values_are_kept_as_they_are(parts: list[list[float]]) -> None:
    sketch = Quantiles()
    for part in parts:
        sketch = sketch.merge(Quantiles.of(np.array(part)))
    values = [value for part in parts for value in part]
    assert len(values) <= SIZE
    expected = np.quantile(values, SHARES, method="inverted_cdf").tolist() if values else []
    assert sketch.at(SHARES) == expected


def test_the_same_values_give_the_same_sketch_and_it_is_stored() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    sketch = Quantiles.of(values)
    assert sketch == Quantiles.of(values.copy())
    assert msgspec.json.decode(msgspec.json.encode(sketch), type=Quantiles) == sketch
