"""Trees inside of an ONNX graph, checked before ONNX Runtime follows them.

https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html. Nodes may share what hangs below them, as sets
of categories do when they are written as chains of equality tests; no path may lead back, or be longer than
`MOST_DEPTH`, because ONNX Runtime reads trees by recursion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tropism.learners.onnx_protobuf import refused

Ints = npt.NDArray[np.int64]
MOST_NODES = 1_000_000
MOST_DEPTH = 4_096
_MODES = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF"}
_CHOICES = {
    "aggregate_function": ("SUM", "AVERAGE", "MIN", "MAX"),
    "post_transform": ("NONE", "LOGISTIC", "SOFTMAX"),
}
_INTS = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
_LARGEST = 2**31 - 1


def check_trees(where: str, attributes: dict[str, Any], columns: int) -> int:
    """Checks the attributes of a `TreeEnsembleRegressor` over so many columns, and gives its number of targets.

    Raises:
        ArtifactRefused: names the attribute and what is wrong with it.
    """
    read = _Attributes(where, attributes)
    modes = read.take("nodes_modes")
    nodes = len(modes) if isinstance(modes, list) else 0
    if not 1 <= nodes <= MOST_NODES or not set(modes) <= _MODES:
        raise refused(f"{where}.nodes_modes", f"{nodes} nodes", f"1 to {MOST_NODES}, each {', '.join(sorted(_MODES))}")
    ints = {name: read.ints(f"nodes_{name}", nodes) for name in _INTS}
    read.floats("nodes_values", nodes)
    read.floats("nodes_hitrates", nodes, absent=True)
    read.ints("nodes_missing_value_tracks_true", nodes, absent=True)
    leaf = np.array([mode == "LEAF" for mode in modes], np.bool_)
    if np.any(ints["featureids"][~leaf] >= columns):
        raise refused(f"{where}.nodes_featureids", str(ints["featureids"].max()), f"there are {columns} columns")
    places = _places(where, ints["treeids"], ints["nodeids"])
    inner = np.flatnonzero(~leaf)
    sides = (ints["truenodeids"], ints["falsenodeids"])
    children = [_find(where, places, ints["treeids"][inner], side[inner]) for side in sides]
    _check_paths(where, inner, np.stack(children), nodes)
    targets = _check_targets(where, read, places, leaf)
    read.done()
    return targets


class _Attributes:
    """Attributes of one node, each of which must be asked for."""

    def __init__(self, where: str, attributes: dict[str, Any]) -> None:
        self._where, self._left = where, dict(attributes)

    def take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def ints(self, name: str, count: int, absent: bool = False) -> Ints:
        values = self._counted(name, count, absent)
        if any(not isinstance(value, int) or not 0 <= value <= _LARGEST for value in values):
            raise refused(f"{self._where}.{name}", "", f"it must be whole numbers from 0 to {_LARGEST}")
        return np.array(values, np.int64)

    def floats(self, name: str, count: int, absent: bool = False) -> None:
        values = self._counted(name, count, absent)
        if not isinstance(values, np.ndarray | tuple) or not np.all(np.isfinite(values)):
            raise refused(f"{self._where}.{name}", "", "it must be finite numbers")

    def done(self) -> None:
        for name, allowed in _CHOICES.items():
            value = self._left.pop(name, allowed[0])
            if value not in allowed:
                raise refused(f"{self._where}.{name}", str(value)[:40], f"use one of: {', '.join(allowed)}")
        if self._left:
            raise refused(self._where, ", ".join(sorted(self._left))[:80], "these attributes are not allowed")

    def _counted(self, name: str, count: int, absent: bool) -> Any:
        values = self.take(name)
        if values is None and absent:
            return ()
        if not isinstance(values, list | np.ndarray) or len(values) != count:
            raise refused(f"{self._where}.{name}", "", f"it must have {count} entries")
        return values


def _places(where: str, trees: Ints, nodes: Ints) -> tuple[Ints, npt.NDArray[np.intp]]:
    """Keys of all nodes, sorted, and where each is."""
    keys = trees << 32 | nodes
    order = np.argsort(keys, kind="stable")
    if np.any(np.diff(keys[order]) == 0):
        raise refused(f"{where}.nodes_nodeids", "", "each node of a tree has a number of its own")
    return keys[order], order


def _find(where: str, places: tuple[Ints, npt.NDArray[np.intp]], trees: Ints, nodes: Ints) -> npt.NDArray[np.intp]:
    keys, order = places
    wanted = trees << 32 | nodes
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    if np.any(keys[found] != wanted):
        raise refused(f"{where}.nodes_truenodeids", "", "a node leads to one that its tree does not have")
    return order[found]


def _check_paths(where: str, inner: npt.NDArray[np.intp], children: npt.NDArray[np.intp], nodes: int) -> None:
    """Takes nodes away that nothing leads to, level by level: what a cycle holds is never taken."""
    parents = np.bincount(children.ravel(), minlength=nodes)
    row = np.full(nodes, -1, np.intp)
    row[inner] = np.arange(len(inner))
    level, taken = np.flatnonzero(parents == 0), 0
    for _ in range(MOST_DEPTH):
        if len(level) == 0:
            break
        taken += len(level)
        below = children[:, row[level[row[level] >= 0]]].ravel()
        np.subtract.at(parents, below, 1)
        level = np.unique(below)
        level = level[parents[level] == 0]
    if taken != nodes:
        raise refused(f"{where}.nodes_truenodeids", "", f"a path leads back or is longer than {MOST_DEPTH}")


def _check_targets(
    where: str, read: _Attributes, places: tuple[Ints, npt.NDArray[np.intp]], leaf: npt.NDArray[np.bool_]
) -> int:
    targets = read.take("n_targets")
    weights = read.take("target_ids")
    if not isinstance(targets, int) or not 1 <= targets <= 10_000 or not isinstance(weights, list):
        raise refused(f"{where}.n_targets", str(targets)[:40], "use 1 to 10000 targets")
    count = len(weights)
    ids = _Attributes(where, {"target_ids": weights}).ints("target_ids", count)
    found = _find(where, places, read.ints("target_treeids", count), read.ints("target_nodeids", count))
    read.floats("target_weights", count)
    read.floats("base_values", targets, absent=True)
    if count == 0 or np.any(ids >= targets) or not np.all(leaf[found]):
        raise refused(f"{where}.target_ids", "", "each weight belongs to a leaf and one of the targets")
    return targets
