"""An ONNX graph as others export it, turned into one from `input`, float32 (n, width), to `scores`, float32 (n, k).

Names, types and separate columns of the input are brought together in front, labels beside the scores are left out
behind, and what is between is lowered to operators that are served. The audit has the last word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.core.plugins import require
from tropism.training.mlmodels.folder import MOST_FILE, refused
from tropism.training.mlmodels.onnx_lowering import Lowering

if TYPE_CHECKING:
    from tropism.learners.base import Shape

_FLOAT, _DOUBLE = 1, 11
_NUMBERS = (_FLOAT, _DOUBLE, 5, 6, 7, 10)
_SAME_ROWS = ("Squeeze", "Identity", "Reshape", "Flatten")
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


class ForeignGraph:
    """A graph of somebody else's. `names`: of the columns, where each has an input of its own; `width`: of the matrix,
    where it is declared."""

    def __init__(self, data: bytes) -> None:
        """Raises `ArtifactRefused` for what is no ONNX model, or takes what is not served; `MissingExtra`."""
        onnx = require("onnx", "onnx")
        if len(data) > MOST_FILE:
            raise refused("model.onnx", f"{len(data)} bytes", f"a model has at most {MOST_FILE}")
        try:
            self._proto = onnx.load_from_string(data)
        except Exception as error:  # protobuf's error has a base of its own, which must not be named here
            raise refused("model.onnx", str(error)[:80], "export it again") from error
        self._onnx, graph = onnx, self._proto.graph
        kept = {one.name for one in graph.initializer}
        self._inputs = [one for one in graph.input if one.name not in kept]
        for one in self._inputs:
            if one.type.tensor_type.elem_type not in _NUMBERS:
                fix = "export it on numbers; encode text before the model, or train it here"
                raise refused(f"input {one.name}", "no numbers", fix)
        self.names = [one.name for one in self._inputs] if len(self._inputs) > 1 else []
        self.width = len(self.names) or self._declared()
        _free_names(graph)

    def _declared(self) -> int | None:
        if not self._inputs:
            raise refused("graph.input", "none", "a model takes rows")
        dims = self._inputs[0].type.tensor_type.shape.dim
        if len(dims) != 2:
            raise refused(f"input {self._inputs[0].name}", f"{len(dims)} dimensions", "it must take rows of columns")
        return dims[1].dim_value or None

    def lowered(self, shape: Shape) -> bytes:
        """The graph in the form that is served. Raises: ArtifactRefused: it cannot be brought into it."""
        opsets = {one.domain: one.version for one in self._proto.opset_import}
        lowering = Lowering(self._onnx, opsets.get("", opsets.get("ai.onnx", 17)))
        nodes = self._front(lowering)
        for node in self._proto.graph.node:
            nodes += lowering.lower(node)
        source = self._score()
        nodes += self._back(lowering, self._unwrapped(source, nodes), shape, nodes)
        nodes = _needed(nodes)
        helper, onnx = self._onnx.helper, self._onnx
        read = {name for node in nodes for name in node.input}
        constants = [one for one in self._proto.graph.initializer if one.name in read]
        constants += [onnx.numpy_helper.from_array(array, name) for name, array in lowering.constants.items()]
        graph = helper.make_graph(
            nodes,
            "imported",
            [helper.make_tensor_value_info("input", _FLOAT, ["N", shape.width])],
            [helper.make_tensor_value_info("scores", _FLOAT, ["N", shape.outputs])],
            [one for one in constants if one.name in read],
        )
        used = [one for one in self._proto.opset_import if one.domain in _DOMAINS]
        if any(node.domain == "ai.onnx.ml" for node in nodes) and "ai.onnx.ml" not in opsets:
            used.append(helper.make_opsetid("ai.onnx.ml", 3))
        made = helper.make_model(graph, opset_imports=used, ir_version=min(self._proto.ir_version or 8, 10))
        found: bytes = made.SerializeToString(deterministic=True)
        return found

    def _front(self, lowering: Lowering) -> list[Any]:
        """From `input` to what the graph calls its inputs."""
        made = []
        for index, one in enumerate(self._inputs):
            source = "input"
            if self.names:
                place = lowering.constant(f"{one.name}:column", [index], np.int64)
                made.append(lowering.make("Gather", ["input", place], f"{one.name}:picked", axis=1))
                source = f"{one.name}:picked"
            kind = one.type.tensor_type.elem_type
            if kind != _FLOAT:
                made.append(lowering.make("Cast", [source], one.name, to=kind))
            elif source != one.name:
                made.append(lowering.make("Identity", [source], one.name))
        return made

    def _score(self) -> str:
        """The output that has the scores: the only one, or that of probabilities."""
        zipped = {node.output[0] for node in self._proto.graph.node if node.op_type == "ZipMap"}
        floats = [
            one.name
            for one in self._proto.graph.output
            if one.name in zipped or one.type.tensor_type.elem_type in (_FLOAT, _DOUBLE)
        ]
        likely = [name for name in floats if "prob" in name.lower()] if len(floats) > 1 else floats
        if len(likely) != 1:
            names = ", ".join(one.name for one in self._proto.graph.output)
            raise refused("graph.output", names[:80], "it must give probabilities or numbers, in one output")
        return str(likely[0])

    def _unwrapped(self, name: str, nodes: list[Any]) -> str:
        """What an output of one dimension was before it lost the other."""
        producers = {node.output[0]: node for node in nodes}
        for _ in nodes:  # as a graph may go round in a circle
            found = producers.get(name)
            if found is None or found.op_type not in _SAME_ROWS or found.input[0] not in producers:
                break
            name = found.input[0]
        return name

    def _back(self, lowering: Lowering, source: str, shape: Shape, nodes: list[Any]) -> list[Any]:
        """From the scores as the graph gives them to `scores`; of two probabilities the second."""
        made = []
        if shape.kind == "binary" and self._columns(source, nodes, lowering) == 2:
            place = lowering.constant("scores:column", [1], np.int64)
            made.append(lowering.make("Gather", [source, place], "scores:positive", axis=1))
            source = "scores:positive"
        return [*made, lowering.make("Cast", [source], "scores", to=_FLOAT)]

    def _columns(self, name: str, nodes: list[Any], lowering: Lowering) -> int | None:
        """How many columns a tensor has, by what is declared of it or by the layer that gives it."""
        graph = self._proto.graph
        for one in (*graph.output, *graph.value_info):
            dims = one.type.tensor_type.shape.dim
            if one.name == name and len(dims) == 2 and dims[1].dim_value:
                return int(dims[1].dim_value)
        sizes = {one.name: tuple(one.dims) for one in graph.initializer}
        sizes |= {key: array.shape for key, array in lowering.constants.items()}
        producers = {node.output[0]: node for node in nodes}
        for _ in range(len(nodes)):
            node = producers.get(name)
            if node is None:
                return None
            if node.op_type in ("MatMul", "Gemm") and len(sizes.get(node.input[1], ())) == 2:
                transposed = any(one.name == "transB" and one.i for one in node.attribute)
                return int(sizes[node.input[1]][0 if transposed else 1])
            if node.op_type == "Concat":
                return len(node.input)
            if node.op_type == "TreeEnsembleRegressor":
                return next((int(one.i) for one in node.attribute if one.name == "n_targets"), None)
            name = node.input[0]
        return None


def _free_names(graph: Any) -> None:
    """Gives other names to tensors that are called as ours are."""
    ours = {name: f"{name}:foreign" for name in ("input", "scores")}
    for one in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        one.name = ours.get(one.name, one.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [ours.get(name, name) for name in names]


def _needed(nodes: list[Any]) -> list[Any]:
    """The nodes that `scores` comes from, in their order; outputs that nobody reads lose their names."""
    wanted, kept = {"scores"}, []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return kept[::-1]
