from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.monitoring.multivariate import blocks
from tropism.monitoring.multivariate.fourier import Fourier, as_blocks, discrepancy


def test_features_approximate_the_gaussian_kernel() -> None:
    """Its root mean square error over many pairs is at most 1 / sqrt(number of directions)."""
    rows = np.random.default_rng(0).normal(size=(200, 6))
    fourier = Fourier.freeze(rows, size=2_048)
    kernel = np.exp(-np.sum((rows[:100] - rows[100:]) ** 2, axis=1) / (2 * fourier.bandwidth**2))
    found = np.sum(fourier.features(rows[:100]) * fourier.features(rows[100:]), axis=1)
    assert np.sqrt(np.mean((found - kernel) ** 2)) <= 1 / np.sqrt(1_024)


def test_a_frozen_definition_gives_the_same_numbers_after_it_was_stored() -> None:
    fourier = Fourier.freeze(np.random.default_rng(0).normal(size=(50, 3)), seed=7)
    again = msgspec.json.decode(msgspec.json.encode(fourier), type=Fourier)
    row = np.array([[0.1, 0.2, 0.3]])
    assert np.array_equal(fourier.features(row), again.features(row))
    # Of NumPy's legacy stream, which is frozen: a change here makes stored states worthless.
    assert Fourier(width=3, bandwidth=1.0, seed=7, size=4).features(row)[0] == pytest.approx(
        [0.70578902, 0.70666053, -0.04314933, 0.02511765], abs=1e-8
    )


def test_states_of_replicas_add_up() -> None:
    rows = np.random.default_rng(0).normal(size=(10_000, 5))
    fourier = Fourier.freeze(rows)
    parts = fourier.state(rows[:1]) + fourier.state(rows[1:6_000]) + fourier.state(rows[6_000:])
    assert np.allclose(parts, fourier.state(rows))
    assert discrepancy(parts, fourier.state(rows)) < 1e-20


def test_states_of_hours_are_tested_as_rows_are() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3_000, 5))
    fourier = Fourier.freeze(rows[:1_000])
    hours = np.stack([fourier.state(rows[start : start + 100]) for start in range(0, 3_000, 100)])
    moved = np.stack([fourier.state(rows[start : start + 50] + 0.5) for start in range(0, 1_000, 50)])
    quiet = blocks.squared_distance(as_blocks(hours[:20], hours[20:]), 199, 0)
    loud = blocks.squared_distance(as_blocks(hours, np.vstack([moved, 0 * moved])), 199, 0)
    assert blocks.p_value(quiet) > 0.05
    assert blocks.p_value(loud) == 1 / 200
    assert loud.observed == pytest.approx(discrepancy(hours.sum(axis=0), moved.sum(axis=0)))


def test_vectors_that_do_not_differ_are_refused() -> None:
    with pytest.raises(InvalidInput, match="the same"):
        Fourier.freeze(np.ones((10, 3)))
    assert Fourier.freeze(np.vstack([np.ones((99, 3)), np.zeros((1, 3))])).bandwidth > 0
