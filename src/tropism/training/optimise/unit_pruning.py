"""Leaves hidden units of a network out: the weakest by the size of their weights, over all layers at once.

Whole units, because a processor multiplies a dense matrix with zeros in it no faster, and a file of it is no smaller.
After Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017. What the units left out contributed is then made up
for by the others, by least squares on the calibration rows: He, Zhang, Sun, Channel Pruning for Accelerating Very Deep
Neural Networks, ICCV 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tropism.core.plugins import require
from tropism.training.optimise.base import EXTRA
from tropism.training.optimise.graphs import dense_layers, inner_values, rebuilt

if TYPE_CHECKING:
    import numpy.typing as npt

    from tropism.learners.base import Floats
    from tropism.training.optimise.graphs import Dense, Singles

    Units = npt.NDArray[np.intp]

MOST_ROWS = 4_000
_ACTIVATIONS = frozenset({"Relu", "LeakyRelu", "Tanh", "Sigmoid"})
_LEAST_KEPT = 0.1
RIDGE = 1e-3
"""Of the refit, as a share of the units' mean power."""


class _Hidden(NamedTuple):
    """Two dense layers with an activation between them that nothing else reads: (in, units), then (units, out)."""

    before: Dense
    after: Dense


def prune_units(proto: Any, sparsity: float, matrix: Floats) -> Any | None:
    """The graph with at least that share of its weights gone; None when it has no hidden units.

    `matrix` (n, width): rows by which the weights that stay are refitted.
    """
    hidden = _hidden(proto)
    if not hidden:
        return None
    kept = _kept(hidden, sparsity)
    sources = [one.after.source for one in hidden]
    full = inner_values(proto, sources, matrix)
    fresh: dict[str, npt.NDArray[Any]] = {}
    for one, units, before in zip(hidden, kept, full, strict=True):
        # Earlier layers have been cut by now: what this one's units say has changed with them.
        now = inner_values(_rewritten(proto, fresh), [one.after.source], matrix)[0]
        weights, bias = _refitted(one.after, units, before.astype(np.float64), now[:, units].astype(np.float64))
        fresh[one.before.weights_name] = _columns(one.before, fresh, units)
        if one.before.bias_name is not None and one.before.bias is not None:
            fresh[one.before.bias_name] = fresh.get(one.before.bias_name, one.before.bias)[units]
        fresh[one.after.weights_name] = weights
        if one.after.bias_name is not None:
            fresh[one.after.bias_name] = bias
    return _rewritten(proto, fresh)


def _hidden(proto: Any) -> list[_Hidden]:
    """In order, so that the second layer of one may be the first of the next."""
    layers = {layer.source: layer for layer in dense_layers(proto)}
    readers: dict[str, int] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    activated = {node.input[0]: node.output[0] for node in proto.graph.node if node.op_type in _ACTIVATIONS}
    found = []
    for before in dense_layers(proto):
        after = layers.get(activated.get(before.result, ""))
        alone = readers.get(before.result) == 1 and after is not None and readers.get(after.source) == 1
        if after is not None and alone and after.bias_name is not None:
            found.append(_Hidden(before, after))
    return found


def _kept(hidden: list[_Hidden], sparsity: float) -> list[Units]:
    """The units that stay, for each hidden layer, in their order."""
    strengths = []
    for one in hidden:
        strength = np.linalg.norm(one.before.weights, axis=0) * np.linalg.norm(one.after.weights, axis=1)
        strengths.append(strength / max(float(strength.mean()), 1e-30))
    order = sorted((s, layer, unit) for layer, each in enumerate(strengths) for unit, s in enumerate(each.tolist()))
    left = [set(range(len(each))) for each in strengths]
    goal = (1.0 - sparsity) * _weights(hidden, [len(each) for each in left])
    for _, layer, unit in order:
        if _weights(hidden, [len(each) for each in left]) <= goal:
            break
        if len(left[layer]) > max(1, int(_LEAST_KEPT * len(strengths[layer]))):
            left[layer].discard(unit)
    return [np.array(sorted(each), np.intp) for each in left]


def _weights(hidden: list[_Hidden], units: list[int]) -> int:
    """Weights of all layers when so many units are left in each hidden one."""
    sizes = {one.before.weights_name: list(one.before.weights.shape) for one in hidden}
    sizes |= {one.after.weights_name: list(one.after.weights.shape) for one in hidden}
    for one, count in zip(hidden, units, strict=True):
        sizes[one.before.weights_name][1] = sizes[one.after.weights_name][0] = count
    return sum(rows * columns for rows, columns in sizes.values())


def _refitted(layer: Dense, units: Units, before: Floats, now: Floats) -> tuple[Singles, Singles]:
    """Weights (units, out) and bias (out,) by which the units that stay say what all of them said.

    The change is kept small by a ridge penalty, so that a weight which the rows say nothing of stays as it is.
    """
    weights = layer.weights.astype(np.float64)
    bias = np.zeros(weights.shape[1]) if layer.bias is None else layer.bias.astype(np.float64)
    with threadpool_limits(1, "blas"):
        missing = before @ weights - now @ weights[units]
        shift, center = missing.mean(axis=0), now.mean(axis=0)
        moved = now - center
        gram = moved.T @ moved
        ridge = RIDGE * max(float(np.trace(gram)) / len(units), 1e-12)
        change = np.linalg.solve(gram + ridge * np.eye(len(units)), moved.T @ (missing - shift))
    return (weights[units] + change).astype(np.float32), (bias + shift - center @ change).astype(np.float32)


def _columns(layer: Dense, fresh: dict[str, npt.NDArray[Any]], units: Units) -> Singles:
    out: Singles = fresh.get(layer.weights_name, layer.weights)[:, units]
    return out


def _rewritten(proto: Any, fresh: dict[str, npt.NDArray[Any]]) -> Any:
    """The graph with the new weights, which lie (in, out): a layer that turned its own does so no more."""
    onnx = require("onnx", EXTRA)
    nodes = []
    for node in proto.graph.node:
        copy = onnx.NodeProto.FromString(node.SerializeToString())
        if len(node.input) > 1 and node.input[1] in fresh:
            for attribute in copy.attribute:
                if attribute.name == "transB":
                    attribute.i = 0
        nodes.append(copy)
    return rebuilt(proto, nodes, fresh)
