from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.task import Kind
from tropism.learners.model import Model
from tropism.training.optimise.base import DoesNotFit, Sample
from tropism.training.optimise.findings import size_of
from tropism.training.optimise.fp16 import Half
from tropism.training.optimise.graphs import constants_of, graph_of, rebuilt, with_graph

Rows = Callable[..., Sample]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_half_the_size_and_nearly_the_same_scores(network_of: Callable[..., Model], rows_of: Rows, kind: Kind) -> None:
    model, rows = network_of(kind, "64,64"), rows_of(kind, 500, 1)
    made = Half().apply(model, rows)
    assert size_of(made) < 0.55 * size_of(model)
    assert made.origin.learner == "mlp+fp16"
    expected = model.predict(rows.features)
    assert np.abs(made.predict(rows.features) - expected).max() < 2e-3 * max(1.0, float(np.abs(expected).max()))


def test_a_linear_model_becomes_onnx_on_the_way(linear_of: Callable[..., Model], rows_of: Rows) -> None:
    model, rows = linear_of("binary"), rows_of("binary", 500, 1)
    made = Half().apply(model, rows)
    assert made.origin.learner == "linear+onnx+fp16"
    np.testing.assert_allclose(made.predict(rows.features), model.predict(rows.features), atol=5e-3)


def test_trees_are_not_for_halves(trees_of: Callable[..., Model], rows_of: Rows) -> None:
    with pytest.raises(DoesNotFit, match="TreeEnsembleRegressor"):
        Half().apply(trees_of("binary"), rows_of("binary"))


def test_weights_beyond_halves_are_refused(network_of: Callable[..., Model], rows_of: Rows) -> None:
    model = network_of("binary")
    proto = graph_of(model)
    assert proto is not None
    huge = constants_of(proto)["weights0"].copy()
    huge[0, 0] = 70_000.0
    with pytest.raises(DoesNotFit, match="70000 is beyond half precision"):
        Half().apply(
            with_graph(model, rebuilt(proto, list(proto.graph.node), {"weights0": huge}), ""), rows_of("binary")
        )
