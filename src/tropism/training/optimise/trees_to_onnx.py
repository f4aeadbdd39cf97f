"""LightGBM's trees as one node of ONNX: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html

ONNX compares in single precision, LightGBM in double. A threshold becomes the largest single that is not above it,
so every number that is a single is decided alike; a number between two singles is rounded to one of them first and
may, rarely, fall on the other side. Category sets become chains of equality tests that share the subtree they lead to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.core.errors import Fault
from tropism.core.plugins import require
from tropism.training.optimise.base import EXTRA, DoesNotFit
from tropism.training.optimise.tree_text import Tree, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Floats, Shape

MOST_NODES = 1_000_000
_NO_CODE = -9  # of no category: nothing but what is missing goes left
_CATEGORICAL, _LEFT, _ZERO, _NAN = 1, 2, 4, 8


def trees_to_onnx(text: bytes, shape: Shape, *, base: Sequence[float] = (), shift: int = 0) -> Any:
    """An `onnx.ModelProto` of an audited LightGBM model: input (n, width) to scores (n, outputs), both float32.

    For trees that were translated from another library's: `base` (outputs,) is added to the sums, and the trees know
    the category of code c as c + `shift`, a missing one as 0.

    Raises:
        DoesNotFit: a split treats zeros as missing, or category sets make it too large.
        MissingExtra: the package `onnx` is not installed.
    """
    onnx = require("onnx", EXTRA)
    forest = parse(text)
    scale = shape.outputs / len(forest.trees) if forest.averaged else 1.0
    nodes = _Nodes(shift)
    for index, tree in enumerate(forest.trees):
        nodes.add(index, tree, index % shape.outputs, scale)
    helper = onnx.helper
    attributes = {**nodes.attributes(), "n_targets": shape.outputs, "aggregate_function": "SUM"}
    if base:
        attributes["base_values"] = list(base)
    link = {"binary": "Sigmoid", "multiclass": "Softmax"}.get(shape.kind)
    raw = "scores" if link is None else "raw"
    graph = [helper.make_node("TreeEnsembleRegressor", ["input"], [raw], domain="ai.onnx.ml", **attributes)]
    if link is not None:
        graph.append(helper.make_node(link, ["raw"], ["scores"]))
    return model_proto(graph, [], shape, trees=True)


def model_proto(nodes: list[Any], constants: list[Any], shape: Shape, *, trees: bool = False) -> Any:
    """A whole `onnx.ModelProto` around nodes that lead from `input` to `scores`."""
    onnx = require("onnx", EXTRA)
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tropism",
        [helper.make_tensor_value_info("input", single, ["N", shape.width])],
        [helper.make_tensor_value_info("scores", single, ["N", shape.outputs])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if trees else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tropism")


def floor_single(values: Floats) -> Floats:
    """The largest single-precision number not above each value, or the lowest or highest one where singles end.

    >>> float(floor_single(np.array([0.1]))[0]) <= 0.1
    True
    """
    with np.errstate(over="ignore"):
        nearest = np.asarray(values, np.float64).astype(np.float32)
        lower = np.nextafter(nearest, np.float32(-np.inf))
    largest = np.finfo(np.float32).max
    out: Floats = np.where(nearest.astype(np.float64) <= values, nearest, lower).clip(-largest, largest)
    return out.astype(np.float64)


class _Nodes:
    """The node's attributes: parallel lists over all nodes and leaves of all trees."""

    def __init__(self, shift: int) -> None:
        self._shift = shift
        self._nodes: dict[str, list[Any]] = {
            name: []
            for name in (
                "treeids",
                "nodeids",
                "featureids",
                "values",
                "modes",
                "truenodeids",
                "falsenodeids",
                "missing",
            )
        }
        self._leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}

    def attributes(self) -> dict[str, list[Any]]:
        nodes = {f"nodes_{name}": values for name, values in self._nodes.items() if name != "missing"}
        nodes["nodes_missing_value_tracks_true"] = self._nodes["missing"]
        return {**nodes, **{f"target_{name}": values for name, values in self._leaves.items()}}

    def add(self, number: int, tree: Tree, target: int, scale: float) -> None:
        """Adds a tree. Its nodes keep their order, each chain's further links follow, then the leaves."""
        splits = len(tree.feature)
        chained = splits
        tests = {node: self._tests(codes) for node, codes in tree.categories.items()}
        first_leaf = splits + sum(len(codes) - 1 for codes in tests.values())
        if len(self._nodes["modes"]) + first_leaf + len(tree.leaves) > MOST_NODES:
            fix = "train with fewer trees, or with fewer categories"
            raise DoesNotFit("its category sets make it too large for ONNX", Fault("nodes", f"over {MOST_NODES}", fix))

        def place(child: int) -> int:
            return child if child >= 0 else first_leaf - child - 1

        thresholds = floor_single(tree.threshold)
        for node in range(splits):
            left, right = place(int(tree.left[node])), place(int(tree.right[node]))
            feature = int(tree.feature[node])
            if not tree.decision[node] & _CATEGORICAL:
                missing = _missing_goes_left(int(tree.decision[node]), float(tree.threshold[node]))
                self._split(number, node, feature, "BRANCH_LEQ", float(thresholds[node]), left, right, missing)
                continue
            codes = tests[node]
            missing = self._shift > 0 and 0 in tree.categories[node]
            links = [node, *range(chained, chained + len(codes) - 1)]
            for link, code, after in zip(links, codes, [*links[1:], right], strict=True):
                self._split(number, link, feature, "BRANCH_EQ", float(code), left, after, missing)
            chained += len(codes) - 1
        for leaf, value in enumerate(tree.leaves.tolist()):
            self._split(number, first_leaf + leaf, 0, "LEAF", 0.0, 0, 0, False)
            for name, said in (("treeids", number), ("nodeids", first_leaf + leaf), ("ids", target)):
                self._leaves[name].append(said)
            self._leaves["weights"].append(value * scale)

    def _tests(self, codes: list[int]) -> list[int]:
        """The codes, as rows have them, that a chain tests for; one that no row has stands for none at all."""
        return [code - self._shift for code in codes if code or not self._shift] or [_NO_CODE]

    def _split(
        self, number: int, node: int, feature: int, mode: str, value: float, true: int, false: int, missing: bool
    ) -> None:
        said = (number, node, feature, value, mode, true, false, int(missing))
        for column, entry in zip(self._nodes.values(), said, strict=True):
            column.append(entry)


def _missing_goes_left(decision: int, threshold: float) -> bool:
    """Where a missing number goes. A split that saw none in training takes it for 0."""
    if decision & _ZERO:
        fix = "train without zero_as_missing"
        raise DoesNotFit("a split treats zeros as missing, which ONNX cannot say", Fault("decision_type", "zero", fix))
    return bool(decision & _LEFT) if decision & _NAN else threshold >= 0.0
