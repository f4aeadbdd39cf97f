from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from tropism.learners.constant import Constant, Fixed
from tropism.learners.model import Model
from tropism.training.optimise.base import DoesNotFit, Sample, derived
from tropism.training.optimise.graph import Graph
from tropism.training.optimise.graphs import graph_of, rebuilt, with_graph

Rows = Callable[..., Sample]


def test_trees_become_onnx(trees_of: Callable[..., Model], rows_of: Rows) -> None:
    model, rows = trees_of("binary"), rows_of("binary", 500, 1)
    made = Graph().apply(model, rows)
    assert (made.origin.learner, made.estimator.format) == ("lightgbm+onnx", "onnx")
    np.testing.assert_allclose(made.predict(rows.features), model.predict(rows.features), atol=1e-5)


def test_what_does_nothing_is_dropped(network_of: Callable[..., Model], rows_of: Rows) -> None:
    model, rows = network_of("binary"), rows_of("binary", 500, 1)
    proto = graph_of(model)
    assert proto is not None
    nodes = list(proto.graph.node)
    nodes[0].output[0] = "idle"
    nodes.insert(1, onnx.helper.make_node("Identity", ["idle"], ["sum0"]))
    longer = with_graph(model, rebuilt(proto, nodes, {}), "")
    made = Graph().apply(longer, rows)
    shorter = graph_of(made)
    assert shorter is not None and "Identity" not in {node.op_type for node in shorter.graph.node}
    assert made.origin.learner == "mlp+graph"
    assert np.array_equal(made.predict(rows.features), model.predict(rows.features))


def test_what_cannot_be_said_in_onnx_is_refused(linear_of: Callable[..., Model], rows_of: Rows) -> None:
    model = linear_of("binary")
    with pytest.raises(DoesNotFit, match="cannot be said in ONNX"):
        Graph().apply(derived(model, Constant(Fixed((0.5,)), model.shape), ""), rows_of("binary"))
