"""XGBoost's JSON model format: what we store of it, and the audit that comes before anything follows its numbers.

The file is a whole XGBoost model, which XGBoost itself can load. Tropism only ever reads it here: every index is
checked, and what does not look exactly as XGBoost 3 writes it is refused, because an unknown field might change
what the others mean. https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.encoding import MOST_CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Shape

Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]
MOST_BYTES = 128 * 2**20
MOST_TREES = 20_000
MOST_LEAVES = 65_536
LARGEST_LEAF = 1e30
"""Sums over all trees stay finite below it, in single precision."""
SMALLEST_SHARE = 1e-30
"""Of base scores that are probabilities: one over it stays finite, in single precision."""
ROOT_PARENT = 2**31 - 1
_INTS = ("default_left", "left_children", "parents", "right_children", "split_indices", "split_type")
_REALS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_BASE = re.compile(r"\[?(-?[0-9.]+(?:[eE][+-]?[0-9]+)?(?:,-?[0-9.]+(?:[eE][+-]?[0-9]+)?)*)\]?")


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Cats(_Strict):
    enc: list[None]
    feature_segments: list[None]
    sorted_idx: list[None]


class _TreeParam(_Strict):
    num_deleted: str
    num_feature: str
    num_nodes: str
    size_leaf_vector: str


class _TreeJson(_Strict):
    base_weights: list[float]
    categories: list[int]
    categories_nodes: list[int]
    categories_segments: list[int]
    categories_sizes: list[int]
    default_left: list[int]
    id: int
    left_children: list[int]
    loss_changes: list[float]
    parents: list[int]
    right_children: list[int]
    split_conditions: list[float]
    split_indices: list[int]
    split_type: list[int]
    sum_hessian: list[float]
    tree_param: _TreeParam


class _TreesParam(_Strict):
    num_parallel_tree: str
    num_trees: str


class _Trees(_Strict):
    cats: _Cats
    gbtree_model_param: _TreesParam
    iteration_indptr: list[int]
    tree_info: list[int]
    trees: list[_TreeJson]


class _Booster(_Strict):
    model: _Trees
    name: str


class _LearnerParam(_Strict):
    base_score: str
    boost_from_average: str
    num_class: str
    num_feature: str
    num_target: str


class _Learner(_Strict):
    attributes: dict[str, str]
    feature_names: list[str]
    feature_types: list[str]
    gradient_booster: _Booster
    learner_model_param: _LearnerParam
    objective: dict[str, Any]


class _File(_Strict):
    learner: _Learner
    version: tuple[int, int, int]


class Tree(NamedTuple):
    """One checked tree of n nodes; the root is node 0 and children come after their parents. Leaves have left -1.

    A number below `condition` goes left; a category in the node's set goes right. `condition` of a leaf is its value.
    """

    left: Ints
    right: Ints
    feature: Ints
    condition: Singles
    default_left: Ints
    categorical: npt.NDArray[np.bool_]
    sets: dict[int, Ints]
    gain: Singles
    cover: Singles


class Forest(NamedTuple):
    """What an audit learns. `base` (outputs,): scores before the first tree, as `base_score` of the file.

    `categorical`: the columns whose numbers are categories. Trees come round by round, one an output.
    """

    base: Singles
    categorical: tuple[int, ...]
    trees: list[Tree]


def canonical(data: bytes | bytearray) -> bytes:
    """A model that XGBoost wrote, with fields in one order and without attributes.

    Raises:
        ArtifactRefused: this version of XGBoost writes something that the audit does not know.
    """
    file = _read(data)
    file.learner.attributes = {}
    file.learner.feature_names = []
    return msgspec.json.encode(file, order="deterministic")


def audit(data: bytes, shape: Shape) -> Forest:
    """Reads a whole model and checks every index and number in it.

    Raises:
        ArtifactRefused: names the tree, the field and what is wrong with it.
    """
    if len(data) > MOST_BYTES:
        raise _refused("size", f"{len(data)} bytes", f"a model has at most {MOST_BYTES}")
    file = _read(data)
    learner, booster = file.learner, file.learner.gradient_booster
    _check_learner(file, shape)
    types = learner.feature_types
    if types and (len(types) != shape.width or not set(types) <= {"q", "c"}):
        raise _refused("feature_types", str(types)[:80], f"it must be {shape.width} times q or c")
    categorical = np.array([kind == "c" for kind in types] or [False] * shape.width, np.bool_)
    _check_rounds(booster.model, shape.outputs)
    trees = [_tree(f"trees.{index}", index, tree, categorical) for index, tree in enumerate(booster.model.trees)]
    base = _base(learner.learner_model_param.base_score, shape)
    return Forest(base, tuple(np.flatnonzero(categorical).tolist()), trees)


def _read(data: bytes | bytearray) -> _File:
    try:
        return msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("model.json", str(error), "keep it as XGBoost 3 wrote it") from error


def _check_learner(file: _File, shape: Shape) -> None:
    learner, outputs, width = file.learner, shape.outputs, shape.width
    param = learner.learner_model_param
    scale = {"reg_loss_param": {"scale_pos_weight": "1"}}
    objectives: dict[str, list[dict[str, Any]]] = {
        "binary": [{"name": "binary:logistic", **scale}],
        "multiclass": [{"name": "multi:softprob", "softmax_multiclass_param": {"num_class": str(outputs)}}],
        "regression": [{"name": "reg:squarederror", **scale}, {"name": "reg:absoluteerror"}],
    }
    classes = str(outputs) if shape.kind == "multiclass" else "0"
    found: dict[str, tuple[Any, list[Any]]] = {
        "version": (file.version[0], [3]),
        "attributes": (learner.attributes, [{}]),
        "feature_names": (learner.feature_names, [[]]),
        "objective": (learner.objective, objectives[shape.kind]),
        "gradient_booster.name": (learner.gradient_booster.name, ["gbtree"]),
        "num_class": (param.num_class, [classes]),
        "num_feature": (param.num_feature, [str(width)]),
        "num_target": (param.num_target, ["1"]),
        "boost_from_average": (param.boost_from_average, ["0", "1"]),
    }
    for field, (value, allowed) in found.items():
        if value not in allowed:
            raise _refused(field, repr(value)[:80], f"it must be {' or '.join(map(str, allowed))}")


def _check_rounds(model: _Trees, outputs: int) -> None:
    count = len(model.trees)
    if not 0 < count <= MOST_TREES or count % outputs:
        raise _refused("trees", f"{count} trees", f"use 1 to {MOST_TREES}, {outputs} a round")
    param, rounds = model.gbtree_model_param, count // outputs
    if (param.num_trees, param.num_parallel_tree) != (str(count), "1"):
        raise _refused("gbtree_model_param", f"{param}"[:80], f"it must say {count} trees, one in parallel")
    if model.tree_info != list(range(outputs)) * rounds or model.iteration_indptr != list(range(0, count + 1, outputs)):
        raise _refused("tree_info", "", "the trees of a round must follow the order of the outputs")


def _base(text: str, shape: Shape) -> Singles:
    found = _BASE.fullmatch(text) if len(text) <= 64 * shape.outputs + 2 else None
    try:
        with np.errstate(over="ignore"):
            values = np.array([float(word) for word in found[1].split(",")] if found else [], np.float64)
            base = values.astype(np.float32)
    except ValueError as error:
        raise _refused("base_score", text[:80], "it must be numbers") from error
    low, high = (SMALLEST_SHARE, 1.0) if shape.kind == "binary" else (-LARGEST_LEAF, LARGEST_LEAF)
    if len(base) not in (1, shape.outputs) or not np.all((base > low) & (base < high)):
        raise _refused("base_score", text[:80], f"it must be {shape.outputs} numbers between {low:g} and {high:g}")
    return np.broadcast_to(base, (shape.outputs,)).copy()


def _tree(where: str, index: int, tree: _TreeJson, categorical: npt.NDArray[np.bool_]) -> Tree:
    nodes, width = len(tree.left_children), len(categorical)
    if not 1 <= nodes <= 2 * MOST_LEAVES - 1:
        raise _refused(f"{where}.left_children", f"{nodes} nodes", f"a tree has 1 to {2 * MOST_LEAVES - 1}")
    param = tree.tree_param
    said = (tree.id, param.num_nodes, param.num_feature, param.num_deleted, param.size_leaf_vector)
    if said != (index, str(nodes), str(width), "0", "1"):
        raise _refused(f"{where}.tree_param", f"{said}"[:80], f"it must be {(index, nodes, width, 0, 1)}")
    ints = {field: _ints(f"{where}.{field}", getattr(tree, field), nodes) for field in _INTS}
    reals = {field: _singles(f"{where}.{field}", getattr(tree, field), nodes) for field in _REALS}
    left, right = ints["left_children"], ints["right_children"]
    inner = left != -1
    _check_children(where, left, right, ints["parents"])
    _check_range(f"{where}.split_indices", ints["split_indices"][inner], 0, width - 1)
    _check_range(f"{where}.default_left", ints["default_left"], 0, 1)
    _check_range(f"{where}.split_type", ints["split_type"], 0, 1)
    sets = inner & (ints["split_type"] == 1)
    if not np.array_equal(sets[inner], categorical[ints["split_indices"][inner]]):
        raise _refused(f"{where}.split_type", "", "categories are split by sets, numbers by conditions")
    if np.max(np.abs(reals["split_conditions"][~inner])) > LARGEST_LEAF:
        raise _refused(f"{where}.split_conditions", "a leaf", f"leaves are at most {LARGEST_LEAF:g}")
    if np.min(reals["sum_hessian"]) < 0:
        raise _refused(f"{where}.sum_hessian", f"{np.min(reals['sum_hessian'])}", "it must not be negative")
    return Tree(
        left,
        right,
        ints["split_indices"],
        reals["split_conditions"],
        ints["default_left"],
        sets,
        _sets(where, tree, np.flatnonzero(sets)),
        reals["loss_changes"],
        reals["sum_hessian"],
    )


def _check_children(where: str, left: Ints, right: Ints, parents: Ints) -> None:
    """Each node but the root hangs once below an older node: a tree, without cycles."""
    inner = np.flatnonzero(left != -1)
    if np.any((left == -1) != (right == -1)):
        raise _refused(f"{where}.left_children", "", "a node has two children or none")
    children = np.concatenate([left[inner], right[inner]])
    if not np.array_equal(np.sort(children), np.arange(1, len(left))):
        raise _refused(f"{where}.left_children", "", "a child is out of range, missing or hangs twice")
    if np.any(children <= np.tile(inner, 2)):
        raise _refused(f"{where}.left_children", "", "a node hangs below itself")
    if parents[0] != ROOT_PARENT or not np.array_equal(parents[children], np.tile(inner, 2)):
        raise _refused(f"{where}.parents", "", "it does not fit the children")


def _sets(where: str, tree: _TreeJson, nodes: npt.NDArray[np.intp]) -> dict[int, Ints]:
    """The categories that go right, by node."""
    sizes = _ints(f"{where}.categories_sizes", tree.categories_sizes, len(nodes))
    starts = _ints(f"{where}.categories_segments", tree.categories_segments, len(nodes))
    values = _ints(f"{where}.categories", tree.categories, None)
    if tree.categories_nodes != nodes.tolist():
        raise _refused(f"{where}.categories_nodes", str(tree.categories_nodes)[:80], "it must name each such node")
    _check_range(f"{where}.categories_sizes", sizes, 1, len(values))
    if not np.array_equal(starts, np.cumsum(sizes) - sizes) or sizes.sum() != len(values):
        raise _refused(f"{where}.categories_segments", "", "the sets must follow each other")
    _check_range(f"{where}.categories", values, 0, MOST_CATEGORIES["codes"])
    return dict(zip(nodes.tolist(), np.split(values, starts[1:]), strict=True)) if len(nodes) else {}


def _check_range(where: str, values: Ints, low: int, high: int) -> None:
    if len(values) and (values.min() < low or values.max() > high):
        shown = str(values.min() if values.min() < low else values.max())
        raise _refused(where, shown, f"it must be {low} to {high}")


def _ints(where: str, values: Sequence[int], count: int | None) -> Ints:
    _check_count(where, values, count)
    try:
        return np.array(values, np.int64)
    except OverflowError as error:
        raise _refused(where, str(error)[:80], "it must be whole numbers of 64 bits") from error


def _singles(where: str, values: Sequence[float], count: int) -> Singles:
    _check_count(where, values, count)
    with np.errstate(over="ignore"):
        singles = np.array(values, np.float64).astype(np.float32)
    if not np.all(np.isfinite(singles)):
        raise _refused(where, "a number that is not finite", "it must be finite in single precision")
    return singles


def _check_count(where: str, values: Sequence[object], count: int | None) -> None:
    if count is not None and len(values) != count:
        raise _refused(where, f"{len(values)} numbers", f"it must have {count}")


def _refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the XGBoost model is malformed and was not loaded", Fault(field, value, fix))
