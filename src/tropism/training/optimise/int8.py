"""Dense layers with weights of eight bits.

Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018.
Each output of a layer has a scale of its own, so that its largest weight is ±127. Large layers whose input is never
below 0 multiply in integers: their input gets a scale too, which the two techniques choose in their own ways. Sums of
integers are exact, so a row has the same scores alone and among others. Inputs seldom use more than the lower half of
0..255: on processors without VNNI two products of full range do not fit the sixteen bits that they are added in.

All other layers keep their arithmetic: their weights are stored in eight bits and unpacked when the model is loaded.

Written here rather than left to `onnxruntime.quantization`: its dynamic form takes one scale for all rows of a
request, so that one odd row makes its neighbours coarse, and its static form rounds the scores themselves to 256 steps.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tropism.core.plugins import require
from tropism.training.optimise.base import EXTRA, Technique
from tropism.training.optimise.graphs import dense_layers, graph_of, rebuilt, with_graph

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample
    from tropism.training.optimise.graphs import Dense, Singles

FULL = 127
LARGE = 16_384
"""Weights from which a layer multiplies in integers: below that, the steps around it cost more than they save."""
_SMALL = 256
_SINGLE = 1  # onnx.TensorProto.FLOAT


class Int8(Technique):
    """What the dynamic and the static form share: which layers are changed, and how their weights are."""

    def apply(self, model: Model, calibration: Sample) -> Model:
        proto = graph_of(model)
        layers = [] if proto is None else [one for one in dense_layers(proto) if one.weights.size >= _SMALL]
        if proto is None or not layers:
            raise self.refuse(model, "it has no dense layers", "use it on a network; prune or distil trees")
        integer = [layer for layer in layers if layer.positive and layer.weights.size >= LARGE]
        steps = self.steps(model, proto, integer, calibration)
        nodes, fresh = list(proto.graph.node), {}
        for dense in reversed(layers):
            layer = Layer(dense)
            if dense.result in steps:
                self.multiply(layer, steps[dense.result])
            else:
                layer.unpack()
            nodes[dense.node : dense.node + 1] = layer.nodes
            fresh.update(layer.constants)
        return with_graph(model, rebuilt(proto, nodes, fresh), self.name)

    @abstractmethod
    def steps(self, model: Model, proto: Any, layers: list[Dense], calibration: Sample) -> dict[str, float]:
        """What one whole number of a layer's input is worth, by the name of its result."""

    @abstractmethod
    def multiply(self, layer: Layer, step: float) -> None:
        """Adds the nodes of a layer that multiplies in integers."""


class Layer:
    """Collects the nodes and constants that stand for one dense layer, all named after its result."""

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        self.nodes: list[Any] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self._helper = require("onnx", EXTRA).helper
        self._integers, self._scale = eight_bits(dense.weights)

    def constant(self, part: str, value: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> str:
        """Adds a constant; its name."""
        name = f"{self.dense.result}/{part}"
        self.constants[name] = np.asarray(value, kind)
        return name

    def node(self, kind: str, sources: list[str], part: str | None = None, **attributes: Any) -> str:
        """Adds a node; the name of its result, which is the layer's own when `part` is None."""
        result = self.dense.result if part is None else f"{self.dense.result}/{part}"
        self.nodes.append(self._helper.make_node(kind, sources, [result], **attributes))
        return result

    def integers(self, source: str, step: float, times: str | None = None) -> None:
        """Multiplies `source` over `step` in whole numbers from 0; the sums count `step`, and `times` each row."""
        zero = self.constant("zero", 0, np.uint8)
        whole = self.node("QuantizeLinear", [source, self.constant("step", step), zero], "whole")
        weights = self.constant("weights", self._integers, np.int8)
        real = self.node("Cast", [self.node("MatMulInteger", [whole, weights], "sums")], "real", to=_SINGLE)
        parts = [("Mul", self.constant("factor", (self._scale * np.float32(step))[None, :]))]
        if times is not None:
            parts.append(("Mul", times))
        if self.dense.bias is not None:
            parts.append(("Add", self.constant("bias", self.dense.bias[None, :])))
        for left, (kind, operand) in zip(reversed(range(len(parts))), parts, strict=True):
            real = self.node(kind, [real, operand], f"real{left}" if left else None)

    def unpack(self) -> None:
        """The same arithmetic as before, on weights that are unpacked when the model is loaded."""
        weights = self.constant("weights", self._integers, np.int8)
        real = self.node("Cast", [weights], "real", to=_SINGLE)
        ready = self.node("Mul", [real, self.constant("factor", self._scale[None, :])], "ready")
        if self.dense.bias_name is None:
            self.node("MatMul", [self.dense.source, ready])
        else:
            self.node("Gemm", [self.dense.source, ready, self.dense.bias_name])


def eight_bits(weights: Singles) -> tuple[npt.NDArray[np.int8], Singles]:
    """Weights (in, out) as whole numbers from -127 to 127, and the scale of each output (out,).

    >>> integers, scale = eight_bits(np.array([[0.5, 0.0], [-1.0, 0.0]], np.float32))
    >>> integers.tolist(), scale.round(4).tolist()
    ([[64, 0], [-127, 0]], [0.007899999618530273, 1.0])
    """
    scale = np.abs(weights).max(axis=0) / np.float32(FULL)
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    integers = np.clip(np.rint(weights / scale), -FULL, FULL).astype(np.int8)
    return integers, scale
