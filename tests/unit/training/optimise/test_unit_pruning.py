from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from tropism.core.task import Kind
from tropism.learners.model import Model
from tropism.training.optimise import unit_pruning
from tropism.training.optimise.base import Sample
from tropism.training.optimise.graphs import dense_layers, graph_of, rebuilt, with_graph
from tropism.training.optimise.unit_pruning import prune_units

Rows = Callable[..., Sample]


@pytest.mark.parametrize("sparsity", [0.1, 0.3, 0.6])
def test_at_least_that_share_of_the_weights_goes(
    network_of: Callable[..., Model], rows_of: Rows, sparsity: float
) -> None:
    model = network_of("binary")
    before = graph_of(model)
    after = prune_units(before, sparsity, model.encoding.matrix(rows_of("binary").features))
    sizes = [sum(layer.weights.size for layer in dense_layers(proto)) for proto in (before, after)]
    assert (1 - sparsity) * 0.95 < sizes[1] / sizes[0] <= 1 - sparsity


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_units_that_do_nothing_go_first_and_nothing_changes(
    network_of: Callable[..., Model], rows_of: Rows, kind: Kind
) -> None:
    model = network_of(kind)
    proto = graph_of(model)
    assert proto is not None
    _, second, _ = dense_layers(proto)
    dead = second.weights.copy()
    dead[10:40] = 0.0
    lame = with_graph(model, rebuilt(proto, list(proto.graph.node), {second.weights_name: dead}), "")
    rows = rows_of(kind, 1_000, 1)
    pruned = prune_units(graph_of(lame), 0.4, model.encoding.matrix(rows.features))
    made = with_graph(lame, pruned, "pruned")
    first, *_ = dense_layers(pruned)
    assert first.weights.shape[1] == 28
    expected = lame.predict(rows.features)
    assert np.abs(made.predict(rows.features) - expected).max() < 1e-3 * max(1.0, float(np.abs(expected).max()))


def test_what_stays_makes_up_for_what_goes(
    network_of: Callable[..., Model], rows_of: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against units that are left out and nothing else."""
    model, rows, held = network_of("regression"), rows_of("regression", 1_000, 1), rows_of("regression", 1_000, 2)
    proto, matrix = graph_of(model), model.encoding.matrix(rows.features)
    errors = []
    for ridge in (unit_pruning.RIDGE, 1e12):  # so large a penalty leaves the weights as they were
        monkeypatch.setattr(unit_pruning, "RIDGE", ridge)
        made = with_graph(model, prune_units(proto, 0.3, matrix), "pruned")
        errors.append(float(np.std(made.predict(held.features) - model.predict(held.features))))
    assert errors[0] < 0.6 * errors[1]


def test_a_graph_without_hidden_units_gives_none(linear_of: Callable[..., Model], rows_of: Rows) -> None:
    model = linear_of("binary")
    assert prune_units(graph_of(model), 0.3, model.encoding.matrix(rows_of("binary").features)) is None


def test_units_that_are_read_elsewhere_stay(network_of: Callable[..., Model], rows_of: Rows) -> None:
    model = network_of("binary")
    proto = graph_of(model)
    assert proto is not None
    _, _, last = dense_layers(proto)
    proto.graph.node.append(onnx.helper.make_node("Identity", [last.source], ["spare"]))
    made = prune_units(proto, 0.3, model.encoding.matrix(rows_of("binary").features))
    assert [layer.weights.shape[0] for layer in dense_layers(made)[2:]] == [32]
    assert dense_layers(made)[0].weights.shape[1] < 48
