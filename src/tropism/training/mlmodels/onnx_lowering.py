"""Operators of ONNX's `ai.onnx.ml` domain, as converters of scikit-learn write them, in terms of those served here.

https://onnx.ai/onnx/operators/index.html#ai-onnx-ml. What is not here stays as it is, for the audit to refuse by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.training.mlmodels.folder import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Nodes = list[Any]

_AXES_AS_INPUT = 13


class Lowering:
    """Rewrites the nodes of one graph; constants that they need are kept in `constants` by name."""

    def __init__(self, onnx: Any, opset: int) -> None:
        self._onnx, self._opset = onnx, opset
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self._rules: dict[str, Callable[[Any, dict[str, Any]], Nodes]] = {
            "ArrayFeatureExtractor": self._picked,
            "FeatureVectorizer": self._joined,
            "Imputer": self._imputed,
            "LinearClassifier": self._classified,
            "LinearRegressor": self._regressed,
            "Normalizer": self._normalised,
            "Scaler": self._scaled,
            "TreeEnsembleClassifier": self._voted,
            "ZipMap": self._passed,
        }

    def lower(self, node: Any) -> Nodes:
        """The nodes that stand for a node; itself, if it is served as it is."""
        if node.domain != "ai.onnx.ml" or node.op_type not in self._rules:
            return [node]
        read = self._onnx.helper.get_attribute_value
        return self._rules[node.op_type](node, {one.name: read(one) for one in node.attribute})

    def make(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        """One node."""
        return self._onnx.helper.make_node(operator, inputs, [output], **attributes)

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """A constant's name."""
        self.constants[name] = np.ascontiguousarray(values, kind)
        return name

    def _passed(self, node: Any, _: dict[str, Any]) -> Nodes:
        return [self.make("Identity", [node.input[0]], node.output[0])]

    def _picked(self, node: Any, _: dict[str, Any]) -> Nodes:
        return [self.make("Gather", list(node.input), node.output[0], axis=1)]

    def _joined(self, node: Any, _: dict[str, Any]) -> Nodes:
        return [self.make("Concat", list(node.input), node.output[0], axis=1)]

    def _scaled(self, node: Any, said: dict[str, Any]) -> Nodes:
        out = node.output[0]
        offset = self.constant(f"{out}:offset", said.get("offset", [0.0]))
        scale = self.constant(f"{out}:scale", said.get("scale", [1.0]))
        return [
            self.make("Sub", [node.input[0], offset], f"{out}:moved"),
            self.make("Mul", [f"{out}:moved", scale], out),
        ]

    def _imputed(self, node: Any, said: dict[str, Any]) -> Nodes:
        out = node.output[0]
        if "imputed_value_floats" not in said or not np.isnan(said.get("replaced_value_float", np.nan)):
            raise refused(f"node {node.name or node.op_type}", "Imputer", "only NaN is replaced, by numbers")
        values = self.constant(f"{out}:imputed", said["imputed_value_floats"])
        return [
            self.make("IsNaN", [node.input[0]], f"{out}:missing"),
            self.make("Where", [f"{out}:missing", values, node.input[0]], out),
        ]

    def _normalised(self, node: Any, said: dict[str, Any]) -> Nodes:
        out, source, norm = node.output[0], node.input[0], said.get("norm", b"MAX")
        if norm not in (b"L1", b"L2"):
            raise refused(f"node {node.name or node.op_type}", f"norm {norm!r}", "L1 and L2 are served")
        first = [self.make("Abs", [source], f"{out}:size")]
        if norm == b"L2":
            first = [self.make("Mul", [source, source], f"{out}:size")]
        total = f"{out}:sum"
        if self._opset < _AXES_AS_INPUT:
            first.append(self.make("ReduceSum", [f"{out}:size"], total, axes=[1], keepdims=1))
        else:
            axes = self.constant(f"{out}:axes", [1], np.int64)
            first.append(self.make("ReduceSum", [f"{out}:size", axes], total, keepdims=1))
        if norm == b"L2":
            first.append(self.make("Sqrt", [total], f"{out}:root"))
            total = f"{out}:root"
        least = self.constant(f"{out}:least", [1e-30])
        return [
            *first,
            self.make("Max", [total, least], f"{out}:norm"),
            self.make("Div", [source, f"{out}:norm"], out),
        ]

    def _regressed(self, node: Any, said: dict[str, Any]) -> Nodes:
        return self._linear(node.input[0], node.output[0], int(said.get("targets", 1)), said)

    def _classified(self, node: Any, said: dict[str, Any]) -> Nodes:
        out, classes = node.output[1], _classes(said)
        rows = len(said.get("intercepts", ())) or classes
        if rows != classes:
            raise refused(f"node {node.name or node.op_type}", f"{rows} rows of coefficients", f"give {classes}")
        return [*self._linear(node.input[0], f"{out}:raw", classes, said), self._link(f"{out}:raw", out, said, node)]

    def _linear(self, source: str, out: str, targets: int, said: dict[str, Any]) -> Nodes:
        weights = np.asarray(said["coefficients"], np.float32).reshape(targets, -1).T
        bias = said.get("intercepts") or [0.0] * targets
        matrix, added = self.constant(f"{out}:weights", weights), self.constant(f"{out}:bias", bias)
        return [
            self.make("MatMul", [source, matrix], f"{out}:product"),
            self.make("Add", [f"{out}:product", added], out),
        ]

    def _link(self, source: str, out: str, said: dict[str, Any], node: Any) -> Any:
        after = said.get("post_transform", b"NONE")
        made = {b"NONE": "Identity", b"LOGISTIC": "Sigmoid", b"SOFTMAX": "Softmax"}.get(after)
        if made is None:
            raise refused(f"node {node.name or node.op_type}", f"post_transform {after!r}", "use probabilities")
        return self.make(made, [source], out, **({"axis": -1} if made == "Softmax" else {}))

    def _voted(self, node: Any, said: dict[str, Any]) -> Nodes:
        """Trees that add to one score a class; where they add to one of two only, the other is what is left."""
        out, classes = node.output[1], _classes(said)
        ids = [int(one) for one in said["class_ids"]]
        single = classes == 2 and len(set(ids)) == 1
        trees = {name: value for name, value in said.items() if name.startswith("nodes_")}
        trees |= {f"target_{name}": said[f"class_{name}"] for name in ("treeids", "nodeids", "weights")}
        trees["target_ids"] = [0] * len(ids) if single else ids
        trees["n_targets"] = 1 if single else classes
        base = list(said.get("base_values") or ())
        if base:
            trees["base_values"] = base[-1:] if single else base
        raw = f"{out}:raw"
        made = [self.make("TreeEnsembleRegressor", [node.input[0]], raw, domain="ai.onnx.ml", **trees)]
        if not single:
            return [*made, self._link(raw, out, said, node)]
        if said.get("post_transform", b"NONE") not in (b"NONE", b"LOGISTIC"):
            raise refused(f"node {node.name or node.op_type}", "one score for two classes", "use LOGISTIC or NONE")
        one = self.constant(f"{out}:one", [1.0])
        return [
            *made,
            self._link(raw, f"{out}:positive", said, node),
            self.make("Sub", [one, f"{out}:positive"], f"{out}:negative"),
            self.make("Concat", [f"{out}:negative", f"{out}:positive"], out, axis=1),
        ]


def _classes(said: dict[str, Any]) -> int:
    found = said.get("classlabels_ints") or said.get("classlabels_int64s") or said.get("classlabels_strings") or ()
    return len(found)
