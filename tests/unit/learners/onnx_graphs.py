"""ONNX models that several tests change in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto


def network(width: int = 4, hidden: Sequence[int] = (5, 3), outputs: int = 1, seed: int = 0) -> Any:
    """A `ModelProto` of dense layers with random weights."""
    rng = np.random.default_rng(seed)
    sizes, nodes, constants, name = [width, *hidden, outputs], [], {}, "input"
    for index, (before, after) in enumerate(pairwise(sizes)):
        constants[f"w{index}"] = (rng.normal(size=(before, after)) / np.sqrt(before)).astype(np.float32)
        constants[f"b{index}"] = rng.normal(size=after).astype(np.float32)
        nodes.append(helper.make_node("Gemm", [name, f"w{index}", f"b{index}"], [f"z{index}"]))
        name = f"z{index}"
        if index < len(hidden):
            nodes.append(helper.make_node("Relu", [name], [f"r{index}"]))
            name = f"r{index}"
    nodes.append(helper.make_node("Sigmoid" if outputs == 1 else "Softmax", [name], ["scores"]))
    return model(nodes, constants, width, outputs)


def model(
    nodes: Sequence[Any], constants: dict[str, npt.NDArray[Any]], width: int = 4, outputs: int = 1, **extra: int
) -> Any:
    """A `ModelProto` of some nodes between `input` and `scores`. `extra`: versions of other domains' operators."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", outputs])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    opsets += [helper.make_opsetid(domain.replace("_", "."), version) for domain, version in extra.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def changed(change: Callable[[Any], Any], proto: Any = None) -> bytes:
    """A network, changed, as bytes."""
    proto = network() if proto is None else proto
    change(proto)
    return bytes(proto.SerializeToString())


def stumps(outputs: int = 1, **attributes: Any) -> dict[str, Any]:
    """Attributes of `TreeEnsembleRegressor`: for each output one tree of a split on column 0 and two leaves."""
    found: dict[str, Any] = {
        "nodes_treeids": [tree for tree in range(outputs) for _ in range(3)],
        "nodes_nodeids": [0, 1, 2] * outputs,
        "nodes_featureids": [0, 0, 0] * outputs,
        "nodes_values": [0.5, 0.0, 0.0] * outputs,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * outputs,
        "nodes_truenodeids": [1, 0, 0] * outputs,
        "nodes_falsenodeids": [2, 0, 0] * outputs,
        "nodes_missing_value_tracks_true": [1, 0, 0] * outputs,
        "target_treeids": [tree for tree in range(outputs) for _ in range(2)],
        "target_nodeids": [1, 2] * outputs,
        "target_ids": [tree for tree in range(outputs) for _ in range(2)],
        "target_weights": [0.25, 0.75] * outputs,
        "n_targets": outputs,
    }
    return {name: value for name, value in {**found, **attributes}.items() if value is not None}


def trees(**attributes: Any) -> Any:
    """A `ModelProto` of one node of trees."""
    node = helper.make_node("TreeEnsembleRegressor", ["input"], ["scores"], domain="ai.onnx.ml", **stumps(**attributes))
    return model([node], {})
