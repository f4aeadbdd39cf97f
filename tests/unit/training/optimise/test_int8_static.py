"""The form that is measured on a network of two layers of 512 units, as the two forms are used on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY
from tropism.core.task import Feature, Task
from tropism.learners.mlp import MLP
from tropism.learners.model import Model
from tropism.training.optimise.base import Sample, Technique
from tropism.training.optimise.findings import size_of
from tropism.training.optimise.graphs import graph_of
from tropism.training.optimise.int8_dynamic import Int8Dynamic
from tropism.training.optimise.int8_static import Int8Static
from tropism.training.optimise.quality import Judge

WIDTH = 12
TECHNIQUES = [Int8Dynamic(), Int8Static()]


@functools.cache
def _rows(count: int, seed: int) -> Sample:
    """No straight line divides the classes; one label in some seven is noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, WIDTH))
    signal = np.sin(2 * x[:, 0] * x[:, 1]) + x[:, 2] ** 2 - 1 + 0.5 * np.abs(x[:, 3]) * x[:, 4]
    labels = (signal + 0.4 * rng.normal(size=count) > 0).astype(np.float64)
    return Sample(pa.table({f"x{i}": x[:, i] for i in range(WIDTH)}), labels, np.arange(count) * (DAY // 200))


@pytest.fixture(scope="module")
def wide(fitted: Callable[..., Model]) -> Model:
    """Trained in earnest: far better than the best constant, whose Brier score is 0.25."""
    task = Task(name="wide", kind="binary", target="y", features=tuple(Feature(f"x{i}") for i in range(WIDTH)))
    return fitted(MLP(hidden="512,512", epochs=5), task, _rows(4_000, 0))


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: str(one.name))
def test_a_third_of_the_size_and_the_same_quality(wide: Model, technique: Technique) -> None:
    held = _rows(6_000, 1)
    made = technique.apply(wide, _rows(1_000, 2))
    quality = Judge("binary", "brier").compare(held, wide.predict(held.features), made.predict(held.features))
    assert quality.before < 0.17
    assert size_of(made) <= 0.3 * size_of(wide)
    assert quality.passes, quality
    assert abs(quality.difference.value) < 0.002


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: str(one.name))
def test_the_large_layer_multiplies_in_integers(wide: Model, technique: Technique) -> None:
    proto = graph_of(technique.apply(wide, _rows(1_000, 2)))
    assert proto is not None
    assert sum(node.op_type == "MatMulInteger" for node in proto.graph.node) == 1


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: str(one.name))
def test_an_odd_row_does_not_touch_its_neighbours(wide: Model, technique: Technique) -> None:
    made = technique.apply(wide, _rows(1_000, 2))
    matrix = made.encoding.matrix(_rows(64, 3).features)
    odd = matrix.copy()
    odd[0] = 20.0
    together = made.estimator.predict(matrix)
    assert np.array_equal(made.estimator.predict(odd)[1:], together[1:])
    assert np.array_equal(np.vstack([made.estimator.predict(row[None]) for row in matrix]), together)


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: str(one.name))
def test_the_same_rows_give_the_same_bytes(wide: Model, technique: Technique) -> None:
    first, second = (technique.apply(wide, _rows(1_000, 2)).estimator.export() for _ in range(2))
    assert first == second


def test_rows_unlike_those_it_was_calibrated_on_stay_close(wide: Model) -> None:
    """Twice as far out is still told apart."""
    calm = _rows(1_000, 2)
    halves = pa.table({name: np.asarray(calm.features[name]) / 2 for name in calm.features.column_names})
    made = Int8Static().apply(wide, calm._replace(features=halves))
    held = _rows(2_000, 1)
    quality = Judge("binary", "brier").compare(held, wide.predict(held.features), made.predict(held.features))
    assert quality.difference.value < 0.002
