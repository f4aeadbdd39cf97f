from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.core.task import Kind
from tropism.learners.constant import Constant, Fixed
from tropism.learners.model import Model
from tropism.training.optimise.base import derived
from tropism.training.optimise.graphs import constants_of, dense_layers, graph_of, inner_values, rebuilt, with_graph

Rows = Callable[..., Any]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_linear_models_in_onnx_say_the_same(linear_of: Callable[..., Model], rows_of: Rows, kind: Kind) -> None:
    model = linear_of(kind)
    features = rows_of(kind, 300, 1, 50).features
    made = with_graph(model, graph_of(model), "")
    assert made.origin.learner == "linear+onnx"
    expected = model.predict(features)
    size = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(made.predict(features), expected, rtol=0, atol=1e-6 * size)


def test_what_looks_at_no_features_cannot_be_said_in_onnx(linear_of: Callable[..., Model]) -> None:
    model = linear_of("binary")
    assert graph_of(derived(model, Constant(Fixed((0.5,)), model.shape), "fixed")) is None


def test_a_networks_layers_are_found(network_of: Callable[..., Model]) -> None:
    model = network_of("binary")
    layers = dense_layers(graph_of(model))
    width = model.shape.width
    assert [layer.weights.shape for layer in layers] == [(width, 48), (48, 32), (32, 1)]
    assert [layer.positive for layer in layers] == [False, True, True]
    assert all(layer.bias is not None and len(layer.bias) == layer.weights.shape[1] for layer in layers)


def test_turned_weights_are_turned_back(linear_of: Callable[..., Model]) -> None:
    model = linear_of("multiclass")
    (layer,) = dense_layers(graph_of(model))
    assert layer.weights.shape == (model.shape.width, 3)


def test_layers_that_do_something_else_are_left_alone(network_of: Callable[..., Model]) -> None:
    proto = graph_of(network_of("binary"))
    assert proto is not None
    first, last = (node for node in proto.graph.node if node.op_type == "Gemm" and node.output[0] != "sum1")
    first.attribute.append(onnx.helper.make_attribute("alpha", 0.5))
    last.attribute.append(onnx.helper.make_attribute("transA", 1))
    assert [layer.result for layer in dense_layers(proto)] == ["sum1"]


def test_values_inside_of_a_graph_can_be_looked_at(network_of: Callable[..., Model], rows_of: Rows) -> None:
    model = network_of("binary")
    proto = graph_of(model)
    matrix = model.encoding.matrix(rows_of("binary", 20, 1).features)
    first, second = dense_layers(proto)[:2]
    (units,) = inner_values(proto, [second.source], matrix)
    assert first.bias is not None
    expected = np.maximum(matrix @ first.weights + first.bias, 0.0)
    np.testing.assert_allclose(units, expected, atol=1e-4)


def test_a_rebuilt_graph_keeps_what_is_read_and_leaves_the_first_as_it_was(network_of: Callable[..., Model]) -> None:
    proto = graph_of(network_of("binary"))
    assert proto is not None
    before = proto.SerializeToString(deterministic=True)
    made = rebuilt(
        proto, list(proto.graph.node)[1:], {"weights1": np.zeros((48, 32), np.float32), "unread": np.ones(1)}
    )
    names = set(constants_of(made))
    assert "weights0" not in names and "unread" not in names
    assert not constants_of(made)["weights1"].any()
    assert proto.SerializeToString(deterministic=True) == before


def test_a_graph_that_the_audit_refuses_becomes_no_model(network_of: Callable[..., Model]) -> None:
    model = network_of("binary")
    proto = graph_of(model)
    assert proto is not None
    proto.graph.node[0].op_type = "Loop"
    with pytest.raises(ArtifactRefused):
        with_graph(model, proto, "")
