"""ONNX graphs as techniques see them: the graph of a model, its dense layers, and a model around a changed graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tropism.core.plugins import require
from tropism.learners import xgboost_json
from tropism.learners.affine import Affine
from tropism.learners.onnx_model import FILE, OnnxModel
from tropism.learners.trees import FILE as TREES_FILE
from tropism.learners.trees import TreeEnsemble
from tropism.learners.xgboost_trees import FILE as XGBOOST_FILE
from tropism.learners.xgboost_trees import SHIFT, XGBoostTrees, logit
from tropism.training.optimise.base import EXTRA, derived
from tropism.training.optimise.trees_to_onnx import model_proto, trees_to_onnx

if TYPE_CHECKING:
    from tropism.learners.base import Floats, Shape
    from tropism.learners.model import Model

Singles = npt.NDArray[np.float32]
PACKAGES = ("onnx", "onnxruntime")
_POSITIVE = frozenset({"Relu", "Sigmoid", "Softmax", "Abs", "Exp", "Softplus"})


class Dense(NamedTuple):
    """One layer: rows of `source` times `weights` (in, out), plus `bias` (out,) where it has one, give `result`.

    `node`: its place among the graph's nodes. `positive`: no number of `source` is below 0.
    """

    node: int
    source: str
    result: str
    weights: Singles
    weights_name: str
    bias: Singles | None
    bias_name: str | None
    positive: bool


def graph_of(model: Model) -> Any | None:
    """The `onnx.ModelProto` of a model, exported if it is no ONNX yet; None when it cannot be said in ONNX.

    Raises:
        DoesNotFit: its trees have a split that ONNX cannot say.
        MissingExtra: the package `onnx` is not installed.
    """
    estimator = model.estimator
    if isinstance(estimator, OnnxModel):
        return require("onnx", EXTRA).load_from_string(estimator.export()[FILE])
    if isinstance(estimator, TreeEnsemble):
        return trees_to_onnx(estimator.export()[TREES_FILE], model.shape)
    if isinstance(estimator, XGBoostTrees):
        base = xgboost_json.audit(estimator.export()[XGBOOST_FILE], model.shape).base
        base = logit(base) if model.shape.kind == "binary" else base
        return trees_to_onnx(estimator.translated, model.shape, base=base.tolist(), shift=int(SHIFT))
    if isinstance(estimator, Affine):
        return _affine(estimator, model.shape)
    return None


def with_graph(model: Model, proto: Any, suffix: str) -> Model:
    """The model with another graph, audited as when it is loaded. `suffix` joins its learner's name, after `onnx` for
    a model that was none.

    Raises:
        ArtifactRefused: the graph does not pass the audit.
    """
    estimator = OnnxModel.load({FILE: proto.SerializeToString(deterministic=True)}, model.shape)
    steps = suffix if isinstance(model.estimator, OnnxModel) else f"onnx+{suffix}".removesuffix("+")
    return derived(model, estimator, steps, packages=PACKAGES)


def dense_layers(proto: Any) -> list[Dense]:
    """The dense layers with constant weights, in the graph's order."""
    constants = constants_of(proto)
    producers = {result: node.op_type for node in proto.graph.node for result in node.output}
    layers = []
    for index, node in enumerate(proto.graph.node):
        if node.op_type not in ("Gemm", "MatMul") or node.input[0] in constants or node.input[1] not in constants:
            continue
        found = {one.name: one for one in node.attribute}
        if any(found[name].f != 1.0 for name in ("alpha", "beta") if name in found):
            continue
        if "transA" in found and found["transA"].i:
            continue
        weights = constants[node.input[1]]
        if weights.ndim != 2 or weights.dtype != np.float32:
            continue
        weights = weights.T if "transB" in found and found["transB"].i else weights
        bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
        if bias is not None and (bias not in constants or constants[bias].size != weights.shape[1]):
            continue
        positive = producers.get(node.input[0]) in _POSITIVE
        vector = None if bias is None else constants[bias].reshape(-1)
        layers.append(Dense(index, node.input[0], node.output[0], weights, node.input[1], vector, bias, positive))
    return layers


def constants_of(proto: Any) -> dict[str, npt.NDArray[Any]]:
    """The graph's constants by name."""
    numpy_helper = require("onnx", EXTRA).numpy_helper
    return {one.name: numpy_helper.to_array(one) for one in proto.graph.initializer}


def rebuilt(proto: Any, nodes: list[Any], fresh: dict[str, npt.NDArray[Any]]) -> Any:
    """The graph with other nodes, and constants added or replaced; constants that no node reads are dropped."""
    onnx = require("onnx", EXTRA)
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
    made.graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [one for one in proto.graph.initializer if one.name in read and one.name not in fresh]
    made.graph.initializer.extend(kept)
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in fresh.items() if name in read
    )
    return made


def inner_values(proto: Any, names: list[str], matrix: Floats) -> list[Any]:
    """What the graph computes under these names for a matrix (n, width)."""
    onnx, runtime = require("onnx", EXTRA), require("onnxruntime", EXTRA)
    told = onnx.ModelProto()
    told.CopyFrom(proto)
    told.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(told.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(names, {"input": matrix.astype(np.float32)})
    return found


def _affine(estimator: Affine, shape: Shape) -> Any:
    onnx = require("onnx", EXTRA)
    arrays = {"weights": estimator.weights, "intercept": estimator.intercept}
    constants = [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    link = {"binary": "Sigmoid", "multiclass": "Softmax"}.get(shape.kind)
    raw = "scores" if link is None else "raw"
    nodes = [onnx.helper.make_node("Gemm", ["input", "weights", "intercept"], [raw], transB=1)]
    if link is not None:
        nodes.append(onnx.helper.make_node(link, ["raw"], ["scores"]))
    return model_proto(nodes, constants, shape)
