"""Half precision: weights and arithmetic of sixteen bits, inputs and scores of thirty-two.

Half the size everywhere. Faster where the device computes in halves, as graphics cards do; others turn the numbers
back and compute as before. The last step, which makes probabilities, keeps single precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.core.plugins import require
from tropism.training.optimise.base import EXTRA, Technique
from tropism.training.optimise.graphs import constants_of, graph_of, rebuilt, with_graph

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample

_LARGEST = 65_504.0
_SINGLE, _HALF = 1, 10  # onnx.TensorProto.FLOAT, FLOAT16
_LINKS = frozenset({"Sigmoid", "Softmax"})
_KNOWN = frozenset(
    {"Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu", "Tanh", "Sigmoid", "Softmax", "Identity"}
)


class Half(Technique):
    """For networks of dense layers; trees compare numbers, and halves would tell fewer of them apart."""

    name = "fp16"

    def apply(self, model: Model, calibration: Sample) -> Model:  # noqa: ARG002 - rounding needs no rows
        proto = graph_of(model)
        kinds = {node.op_type for node in proto.graph.node} if proto is not None else {"no graph"}
        unknown = kinds - _KNOWN
        if proto is None or unknown:
            why = f"it has {', '.join(sorted(unknown))}, which would not be safe in halves"
            raise self.refuse(model, why, "use it on a network of dense layers in single precision")
        singles = {name: array for name, array in constants_of(proto).items() if array.dtype == np.float32}
        largest = max((float(np.abs(array).max(initial=0.0)) for array in singles.values()), default=0.0)
        if largest > _LARGEST:
            raise self.refuse(model, f"a weight of {largest:g} is beyond half precision", "standardise its inputs")
        fresh = {name: array.astype(np.float16) for name, array in singles.items()}
        return with_graph(model, rebuilt(proto, _between_casts(proto), fresh), self.name)


def _between_casts(proto: Any) -> list[Any]:
    """The nodes, with the input cast to halves before them and the scores back to singles before the link."""
    onnx = require("onnx", EXTRA)
    cast = onnx.helper.make_node
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in proto.graph.node]
    for node in nodes:
        node.input[:] = ["input/half" if name == "input" else name for name in node.input]
    (place,) = (index for index, node in enumerate(nodes) if "scores" in node.output)
    last = nodes[place]
    if last.op_type in _LINKS:
        back = cast("Cast", [last.input[0]], ["scores/single"], to=_SINGLE)
        last.input[0] = "scores/single"
        nodes.insert(place, back)
    else:
        last.output[0] = "scores/half"
        nodes.append(cast("Cast", ["scores/half"], ["scores"], to=_SINGLE))
    return [cast("Cast", ["input"], ["input/half"], to=_HALF), *nodes]
