"""What a fitted model is made of: trees and how deep, layers, weights, members. As plain data, and as text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tropism.learners import lightgbm_text
from tropism.learners.affine import Affine
from tropism.learners.calibration import Identity
from tropism.learners.constant import Constant
from tropism.learners.early_exit import EarlyExitTrees
from tropism.learners.ensemble import Ensemble
from tropism.learners.onnx_model import OnnxModel
from tropism.learners.trees import FILE, TreeEnsemble
from tropism.learners.xgboost_trees import XGBoostTrees

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tropism.learners.base import Estimator, Shape
    from tropism.learners.model import Model

_MOST_SHOWN = 200


def architecture(model: Model) -> dict[str, Any]:
    """Plain data: the learner, the bytes it takes, its inputs, and what its format is made of."""
    owners = list(model.encoding.owners)
    return {
        "learner": model.origin.learner,
        "kind": model.signature.kind,
        "outputs": model.signature.outputs,
        "inputs": [{"name": one.name, "type": one.type} for one in model.encoding.facts.columns],
        "columns": len(owners),
        "bytes": sum(len(data) for data in model.estimator.export().values()),
        "calibrated": not isinstance(model.calibration, Identity),
        **_made_of(model.estimator, model.shape, owners),
    }


def as_text(facts: Mapping[str, Any]) -> str:
    """The same for people, a line each.

    >>> print(as_text({"learner": "lightgbm", "trees": {"number": 2, "leaves": 14}, "inputs": [{"name": "a"}]}), end="")
    learner: lightgbm
    trees:
      number: 2
      leaves: 14
    inputs:
      - name: a
    """
    return "".join(f"{line}\n" for line in _lines(facts))


def _made_of(estimator: Estimator, shape: Shape, owners: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"format": estimator.format}
    if isinstance(estimator, Ensemble):
        members = [{"learner": one.learner, **_made_of(one.estimator, shape, ())} for one in estimator.members]
        return {**facts, "combination": type(estimator.combination).__name__, "members": members}
    if isinstance(estimator, TreeEnsemble | EarlyExitTrees):
        return {**facts, "trees": _trees(estimator.export()[FILE], shape, owners)}
    if isinstance(estimator, XGBoostTrees):
        return {**facts, "trees": _trees(estimator.translated, shape, owners)}
    if isinstance(estimator, Affine):
        outputs, width = estimator.weights.shape
        return {**facts, "weights": {"outputs": outputs, "columns": width, "parameters": outputs * (width + 1)}}
    if isinstance(estimator, OnnxModel):
        return {**facts, "layers": _layers(estimator.export())}
    if isinstance(estimator, Constant):
        return {**facts, "rule": "a constant, or a mean of earlier labels; no feature is looked at"}
    return facts


def _trees(text: bytes, shape: Shape, owners: Sequence[str]) -> dict[str, Any]:
    """How many there are, their leaves and depths, and on what they split how often."""
    forest = lightgbm_text.audit(text, shape).forest
    left, right = forest.left_child.tolist(), forest.right_child.tolist()
    depths, start = [], 0
    for leaves in forest.leaves.tolist():
        depths.append(_depth(left[start : start + leaves - 1], right[start : start + leaves - 1]))
        start += leaves - 1
    splits = Counter(owners[column] for column in forest.split_feature.tolist() if column < len(owners))
    counts = forest.leaves
    return {
        "number": len(depths),
        "leaves": int(counts.sum()),
        "most_leaves": int(counts.max(initial=0)),
        "deepest": max(depths, default=0),
        "mean_depth": sum(depths) / max(len(depths), 1),
        "splits_by_feature": dict(splits.most_common()),
    }


def _depth(left: Sequence[int], right: Sequence[int]) -> int:
    """Of a tree whose splits are numbered, each after its parent; children below 0 are leaves."""
    depth = [0] * len(left)
    for split in range(len(left)):
        for child in (left[split], right[split]):
            if child >= 0:
                depth[child] = depth[split] + 1
    return max(depth, default=-1) + 1


def _layers(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The operators of a graph with the shapes of their weights; nothing where ONNX is not installed."""
    try:
        import onnx
    except ImportError:
        return []
    (data,) = (data for name, data in files.items() if name.endswith(".onnx"))
    graph = onnx.load_from_string(data).graph
    shapes = {one.name: list(one.dims) for one in graph.initializer}
    nodes = list(graph.node)[:_MOST_SHOWN]
    return [{"operator": node.op_type, "weights": [shapes[n] for n in node.input if n in shapes]} for node in nodes]


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield f"{indent}{name}:"
            yield from _lines(inner, f"{indent}  ")
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield f"{indent}{name}:"
            for one in inner:
                first, *rest = _lines(one, f"{indent}    ")
                yield f"{indent}  - {first.strip()}"
                yield from rest
        else:
            yield f"{indent}{name}: {inner}"
