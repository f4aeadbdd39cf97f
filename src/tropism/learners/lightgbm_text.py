"""LightGBM's text format: what we store of it, and the audit that comes before its native parser.

The native parser and predictor follow the numbers they read without checking them: a child pointer, a feature
index or a bitset boundary out of range reads memory that is not theirs, and a cycle never ends. So the grammar
accepted here is exactly what LightGBM 4 writes for the models we train, and each number is checked.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tropism.core.errors import ArtifactRefused, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Floats, Shape

Ints = npt.NDArray[np.int64]
MOST_BYTES = 128 * 2**20
MOST_TREES = 20_000
MOST_LEAVES = 65_536
LARGEST_LEAF = 1e100
"""Sums over all trees stay finite below it."""
_HEADER = (
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "feature_names",
    "feature_infos",
    "tree_sizes",
)
_NODE_INTS = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_NODE_REALS = ("split_gain", "threshold", "internal_value", "internal_weight")
_LEAF_FACTS = ("leaf_weight", "leaf_count")
_TREE = {"num_leaves", "num_cat", "is_linear", "shrinkage", "leaf_value", *_NODE_INTS, *_NODE_REALS, *_LEAF_FACTS}
_CATEGORICAL = {"cat_boundaries", "cat_threshold"}
_INFOS = re.compile(r"none|\[[0-9+\-.e]+:[0-9+\-.e]+\]|-?\d+(:-?\d+)*")
_BLOCK = re.compile(r"^(?=Tree=)", re.MULTILINE)
_TREE_TEXT = re.compile(r"^Tree=\d+\n.*?\n\n", re.MULTILINE | re.DOTALL)
_LEAF_VALUE = re.compile(r"^leaf_value=.*$", re.MULTILINE)
_THRESHOLDS = re.compile(r"^threshold=.*$", re.MULTILINE)
_INFINITE = re.compile(r"(?<=[= ])inf(?= |$)")
_LARGEST = repr(sys.float_info.max)
# Python reads more as a number than LightGBM does, such as 1_000 or a digit of another script.
_NOT_NUMERIC = re.compile(r"[^0-9+\-.e ]")


class Ensemble(NamedTuple):
    """What an audit learns: number of trees, and the gain of each feature's splits (width,)."""

    trees: int
    gains: Floats


def canonical(text: str) -> bytes:
    """Header and trees of a model that LightGBM wrote, without the sections that prediction does not read.

    A split of missing values from all numbers has the threshold inf in it. That becomes the largest float, which
    decides alike because no infinite number is ever encoded, so that the audit can refuse what is not finite.
    """
    head, _, body = text[: text.rindex("\nend of trees\n") + 1].partition("\n\n")
    finite = _THRESHOLDS.sub(lambda line: _INFINITE.sub(_LARGEST, line[0]), body)
    blocks = [block for block in _BLOCK.split(finite) if block]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head}\n\n{''.join(blocks)}end of trees\n".encode("ascii")


def with_constants(text: str, constants: Sequence[float]) -> str:
    """A forest whose trees without a split give `constants` (outputs,).

    LightGBM's `rf` gives 0 there instead of the initial score, which pulls the average of the forest towards 0.
    """
    numbers = iter(range(sys.maxsize))

    def fill(tree: re.Match[str]) -> str:
        constant = constants[next(numbers) % len(constants)]
        if "\nnum_leaves=1\n" not in tree[0]:
            return tree[0]
        return _LEAF_VALUE.sub(f"leaf_value={constant!r}", tree[0])

    return _TREE_TEXT.sub(fill, text)


def audit(data: bytes, shape: Shape) -> Ensemble:
    """Reads a whole model and checks that the native code can follow it.

    Raises:
        ArtifactRefused: names the tree, the field and what is wrong with it.
    """
    if len(data) > MOST_BYTES:
        raise _refused("size", f"{len(data)} bytes", f"a model has at most {MOST_BYTES}")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise _refused("text", str(error), "a model is ASCII text") from error
    head, mark, body = text.partition("\n\n")
    if not mark:
        raise _refused("header", repr(text[:40]), "the text ends in the header")
    header = _header(head)
    _check_header(header, shape)
    sizes = _ints("header", header, "tree_sizes", None)
    if not 0 < len(sizes) <= MOST_TREES or len(sizes) % shape.outputs:
        raise _refused("tree_sizes", f"{len(sizes)} trees", f"use 1 to {MOST_TREES}, {shape.outputs} an iteration")
    gains = np.zeros(shape.width)
    start = 0
    for index, size in enumerate(sizes.tolist()):
        block = body[start : start + size]
        if size <= 0 or len(block) < size or not block.endswith("\n\n"):
            raise _refused(f"Tree={index}", f"{size} bytes", "tree_sizes does not fit the text, or it is cut off")
        _audit_tree(index, block, shape.width, gains)
        start += size
    if body[start:] != "end of trees\n":
        raise _refused("text", repr(body[start : start + 40]), "after the last tree only 'end of trees' may follow")
    return Ensemble(len(sizes), gains)


def _header(text: str) -> dict[str, str]:
    first, *lines = text.split("\n")
    if first != "tree":
        raise _refused("header", repr(first[:40]), "a model starts with the line 'tree'")
    average = "average_output" in lines
    header = _fields("header", [line for line in lines if line != "average_output"])
    if header.keys() != set(_HEADER) or len(lines) != len(_HEADER) + average:
        shown = ", ".join(sorted(header.keys() ^ set(_HEADER))) or "a repeated line"
        raise _refused("header", shown[:200], f"it must have exactly: {', '.join(_HEADER)}")
    return header


def _check_header(header: dict[str, str], shape: Shape) -> None:
    objectives = {
        "binary": ("binary sigmoid:1",),
        "multiclass": (f"multiclass num_class:{shape.outputs}",),
        "regression": ("regression", "regression_l1"),
    }
    expected = {
        "version": ("v4",),
        "num_class": (str(shape.outputs),),
        "num_tree_per_iteration": (str(shape.outputs),),
        "label_index": ("0",),
        "max_feature_idx": (str(shape.width - 1),),
        "objective": objectives[shape.kind],
        "feature_names": (" ".join(column_names(shape.width)),),
    }
    for field, allowed in expected.items():
        if header[field] not in allowed:
            raise _refused(field, repr(header[field][:80]), f"it must be {' or '.join(allowed)[:200]}")
    infos = header["feature_infos"].split(" ")
    if len(infos) != shape.width or not all(_INFOS.fullmatch(info) for info in infos):
        raise _refused("feature_infos", repr(header["feature_infos"][:80]), f"it must describe {shape.width} features")


def column_names(width: int) -> list[str]:
    """The names that features have inside a model, whatever users call them: f0, f1, ..."""
    return [f"f{index}" for index in range(width)]


def _audit_tree(index: int, block: str, width: int, gains: Floats) -> None:
    where = f"Tree={index}"
    first, *lines = block.rstrip("\n").split("\n")
    tree = _fields(where, lines)
    found = tree.keys()
    if first != where or found - _TREE - _CATEGORICAL or _TREE - found or len(found & _CATEGORICAL) == 1:
        shown = ", ".join(sorted(found ^ _TREE)) if first == where else repr(first[:40])
        raise _refused(where, shown[:200], "a field is missing or unknown")
    leaves = int(_ints(where, tree, "num_leaves", 1)[0])
    if not 1 <= leaves <= MOST_LEAVES:
        raise _refused(f"{where}.num_leaves", str(leaves), f"a tree has 1 to {MOST_LEAVES} leaves")
    if tree["is_linear"] != "0":
        raise _refused(f"{where}.is_linear", tree["is_linear"][:40], "only trees with constant leaves are accepted")
    _reals(where, tree, "shrinkage", 1)
    nodes = leaves - 1
    ints = {field: _ints(where, tree, field, nodes) for field in _NODE_INTS}
    reals = {field: _reals(where, tree, field, nodes) for field in _NODE_REALS}
    for field in _LEAF_FACTS:  # a tree that never split has no weight in it
        _reals(where, tree, field, leaves if leaves > 1 or tree[field] else 0)
    values = _reals(where, tree, "leaf_value", leaves)
    if np.max(np.abs(values)) > LARGEST_LEAF:
        raise _refused(f"{where}.leaf_value", f"{np.max(np.abs(values)):g}", f"it must be at most {LARGEST_LEAF:g}")
    _check_range(where, "split_feature", ints["split_feature"], 0, width - 1)
    _check_children(where, ints["left_child"], ints["right_child"], leaves)
    _check_decisions(where, tree, ints["decision_type"], reals["threshold"])
    np.add.at(gains, ints["split_feature"], reals["split_gain"])


def _check_children(where: str, left: Ints, right: Ints, leaves: int) -> None:
    """Each leaf and each node but the root hangs once below an older node: a tree, without cycles."""
    children, parents = np.concatenate([left, right]), np.tile(np.arange(leaves - 1), 2)
    expected = np.concatenate([np.arange(-leaves, 0), np.arange(1, leaves - 1)]) if leaves > 1 else children
    if not np.array_equal(np.sort(children), expected):
        raise _refused(f"{where}.left_child", "", "a child is out of range, missing or hangs twice")
    if np.any((children >= 0) & (children <= parents)):
        raise _refused(f"{where}.left_child", "", "a node hangs below itself")


def _check_decisions(where: str, tree: dict[str, str], decisions: Ints, thresholds: Floats) -> None:
    """Bit 0: categorical, bit 1: missing goes left, bits 2 and 3: none, zero or NaN counts as missing."""
    _check_range(where, "decision_type", decisions, 0, 11)
    categories = int(_ints(where, tree, "num_cat", 1)[0])
    if categories != np.count_nonzero(decisions & 1) or (categories > 0) != ("cat_threshold" in tree):
        raise _refused(f"{where}.num_cat", str(categories), "it does not count the categorical splits")
    if categories == 0:
        return
    bounds = _ints(where, tree, "cat_boundaries", categories + 1)
    bits = _ints(where, tree, "cat_threshold", int(bounds[-1]) if 0 < bounds[-1] <= MOST_BYTES else 0)
    if bounds[0] != 0 or np.any(np.diff(bounds) <= 0):
        raise _refused(f"{where}.cat_boundaries", tree["cat_boundaries"][:80], "it must rise from 0")
    _check_range(where, "cat_threshold", bits, 0, 2**32 - 1)
    if not np.array_equal(np.sort(thresholds[(decisions & 1) == 1]), np.arange(categories)):
        raise _refused(f"{where}.threshold", "", "each categorical split names its own set of categories")


def _check_range(where: str, field: str, values: Ints, low: int, high: int) -> None:
    if len(values) and (values.min() < low or values.max() > high):
        shown = str(values.min() if values.min() < low else values.max())
        raise _refused(f"{where}.{field}", shown, f"it must be {low} to {high}")


def _fields(where: str, lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        key, mark, value = line.partition("=")
        if not mark or key in fields:
            raise _refused(where, repr(line[:40]), "each line is a field=value, each field once")
        fields[key] = value
    return fields


def _tokens(where: str, fields: dict[str, str], field: str, count: int | None) -> list[str]:
    text = fields[field]
    if _NOT_NUMERIC.search(text):
        raise _refused(f"{where}.{field}", repr(text[:80]), "it must be finite numbers")
    tokens = text.split(" ") if text else []
    if count is not None and len(tokens) != count:
        raise _refused(f"{where}.{field}", f"{len(tokens)} numbers", f"it must have {count}")
    return tokens


def _ints(where: str, fields: dict[str, str], field: str, count: int | None) -> Ints:
    try:
        return np.array([int(token) for token in _tokens(where, fields, field, count)], np.int64)
    except (ValueError, OverflowError) as error:
        raise _refused(f"{where}.{field}", str(error)[:80], "it must be whole numbers") from error


def _reals(where: str, fields: dict[str, str], field: str, count: int) -> Floats:
    try:
        values = np.array([float(token) for token in _tokens(where, fields, field, count)], np.float64)
    except ValueError as error:
        raise _refused(f"{where}.{field}", str(error)[:80], "it must be numbers") from error
    if not np.all(np.isfinite(values)):
        raise _refused(f"{where}.{field}", "a number that is not finite", "it must be finite numbers")
    return values


def _refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the LightGBM model is malformed and was not loaded", Fault(field, value, fix))
