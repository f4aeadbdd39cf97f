from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.learners.model import Model
from tropism.training.optimise.base import DoesNotFit, Sample
from tropism.training.optimise.graphs import constants_of, dense_layers, graph_of
from tropism.training.optimise.int8 import eight_bits
from tropism.training.optimise.int8_dynamic import Int8Dynamic
from tropism.training.optimise.int8_static import Int8Static

Rows = Callable[..., Sample]


def test_each_output_has_a_scale_of_its_own() -> None:
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(30, 4)) * [1.0, 1e-3, 1e3, 0.0]).astype(np.float32)
    integers, scale = eight_bits(weights)
    assert np.abs(integers).max(axis=0).tolist() == [127, 127, 127, 0]
    assert np.all(np.abs(integers * scale - weights) <= scale / 2 * 1.0001)


@pytest.mark.parametrize("technique", [Int8Dynamic(), Int8Static()], ids=lambda one: str(one.name))
def test_trees_have_no_layers(trees_of: Callable[..., Model], rows_of: Rows, technique: Int8Static) -> None:
    with pytest.raises(DoesNotFit, match="no dense layers") as caught:
        technique.apply(trees_of("binary"), rows_of("binary"))
    assert "trees" in caught.value.faults[0].fix


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_small_layers_keep_their_arithmetic(network_of: Callable[..., Model], rows_of: Rows, kind: str) -> None:
    """Their weights are stored in eight bits; the model says nearly the same, and is not touched itself."""
    model, rows = network_of(kind), rows_of(kind, 500, 1)
    before = model.estimator.export()
    made = Int8Static().apply(model, rows)
    assert made.origin.learner == "mlp+int8-static"
    assert model.estimator.export() == before
    proto = graph_of(made)
    assert proto is not None
    assert "MatMulInteger" not in {node.op_type for node in proto.graph.node}
    assert {array.dtype for array in constants_of(proto).values() if array.size >= 256} == {np.dtype(np.int8)}
    spread = float(np.std(model.predict(rows.features)))
    assert np.abs(made.predict(rows.features) - model.predict(rows.features)).max() < 0.1 * spread


def test_what_is_in_eight_bits_already_has_no_layers_left(network_of: Callable[..., Model], rows_of: Rows) -> None:
    rows = rows_of("binary")
    made = Int8Dynamic().apply(network_of("binary"), rows)
    assert [one.weights.size for one in dense_layers(graph_of(made))] == [32]
    with pytest.raises(DoesNotFit):
        Int8Static().apply(made, rows)


def test_linear_models_can_be_stored_so_too(linear_of: Callable[..., Model], rows_of: Rows) -> None:
    model, rows = linear_of("multiclass"), rows_of("multiclass", 500, 1)
    with pytest.raises(DoesNotFit):  # its few weights are below what is worth it
        Int8Dynamic().apply(model, rows)
