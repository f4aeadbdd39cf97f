"""The trees in LightGBM's text: read in one pass, checked, and kept as arrays.

Numbers of a line are read as a JSON array, which is fast and admits no infinity and nothing that LightGBM's own
parser could take for another number. Each tree gives up its lines; what the numbers must fulfil is then checked over
all trees at once. Beside the speed this matters to whoever waits for the interpreter meanwhile: many small array
operations in a row let go of it so briefly that a waiting thread always comes too late.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.core.courtesy import give_way
from tropism.core.errors import ArtifactRefused, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tropism.learners.base import Floats

Ints = npt.NDArray[np.int64]
MOST_LEAVES = 65_536
LARGEST_LEAF = 1e100
"""Sums over all trees stay finite below it."""
_MOST_WORDS = 2**27
_NODE_INTS = (b"split_feature", b"decision_type", b"left_child", b"right_child", b"internal_count")
_NODE_REALS = (b"split_gain", b"threshold", b"internal_value", b"internal_weight")
_LEAF_FACTS = (b"leaf_weight", b"leaf_count")
_TREE = frozenset(
    (b"num_leaves", b"num_cat", b"is_linear", b"shrinkage", b"leaf_value", *_NODE_INTS, *_NODE_REALS, *_LEAF_FACTS)
)
_FIELDS = (_TREE, _TREE | {b"cat_boundaries", b"cat_threshold"})
_NUMERIC = b"0123456789+-.e "
_SETS = ("cat_boundaries", "cat_threshold")
_INTS, _REALS = msgspec.json.Decoder(list[int]), msgspec.json.Decoder(list[float])
_KEPT_INTS = ("num_cat", "split_feature", "decision_type", "left_child", "right_child", *_SETS)
_KEPT_REALS = ("split_gain", "threshold", "leaf_value")


class Forest(NamedTuple):
    """Trees below each other, in their order.

    `leaves` (trees,): how many each has; it has one split less. Of splits: `split_feature`, `decision_type`,
    `left_child`, `right_child`, `threshold` and `split_gain`, as LightGBM numbers them within a tree. Of leaves:
    `leaf_value`. `num_cat` (trees,): categorical splits; `sets`: for each of them the ends of its words in
    `cat_threshold`, whose bits are the categories that go left.
    """

    leaves: Ints
    split_feature: Ints
    decision_type: Ints
    left_child: Ints
    right_child: Ints
    threshold: Floats
    split_gain: Floats
    leaf_value: Floats
    num_cat: Ints
    sets: Ints
    cat_threshold: Ints

    @property
    def tree(self) -> Ints:
        """The tree of each split."""
        return np.repeat(np.arange(len(self.leaves)), self.leaves - 1)


class TreeReader:
    """Takes the blocks of text of a model's trees, one after the other, and gives the forest."""

    def __init__(self, width: int) -> None:
        """`width`: columns that splits may look at."""
        self._width = width
        self._leaves, self._words = array("q"), array("q")
        self._kept = {field: array("q") for field in _KEPT_INTS} | {field: array("d") for field in _KEPT_REALS}

    def add(self, index: int, block: bytes) -> None:
        """Reads a tree. Raises `ArtifactRefused` if it lacks something, or has too much of it."""
        where = f"Tree={index}"
        tree = _fields(where, block)
        leaves = _ints(where, tree, b"num_leaves", 1)[0]
        if not 1 <= leaves <= MOST_LEAVES:
            raise refused(f"{where}.num_leaves", str(leaves), f"a tree has 1 to {MOST_LEAVES} leaves")
        if tree[b"is_linear"] != b"0":
            raise refused(f"{where}.is_linear", _shown(tree[b"is_linear"]), "only constant leaves are accepted")
        found: dict[str, Any] = {"num_cat": _ints(where, tree, b"num_cat", 1)}
        found |= {field.decode(): _ints(where, tree, field, leaves - 1) for field in _NODE_INTS}
        found |= {field.decode(): _reals(where, tree, field, leaves - 1) for field in _NODE_REALS}
        for field in _LEAF_FACTS:  # a tree that never split has no weight in it
            _reals(where, tree, field, leaves if leaves > 1 or tree[field] else 0)
        _reals(where, tree, b"shrinkage", 1)
        found["leaf_value"] = _reals(where, tree, b"leaf_value", leaves)
        if b"cat_threshold" in tree:
            found |= _sets(where, tree, found["num_cat"][0])
        self._leaves.append(leaves)
        self._words.append(len(found.get("cat_threshold", ())))
        self._keep(where, found)

    def _keep(self, where: str, found: Mapping[str, list[int] | list[float]]) -> None:
        for field, numbers in self._kept.items():
            try:
                numbers.extend(found.get(field, ()))  # type: ignore[arg-type]
            except OverflowError as error:
                raise refused(f"{where}.{field}", str(error), "it must be whole numbers of 64 bits") from error

    def forest(self) -> Forest:
        """All that was added. Raises `ArtifactRefused` unless native code can follow it."""
        kept: dict[str, npt.NDArray[Any]] = {
            field: np.frombuffer(numbers, np.int64 if numbers.typecode == "q" else np.float64)
            for field, numbers in self._kept.items()
            if field != "cat_boundaries"
        }
        give_way()
        leaves, words = np.frombuffer(self._leaves, np.int64), np.frombuffer(self._words, np.int64)
        before = np.repeat(np.cumsum(words) - words, np.where(kept["num_cat"] > 0, kept["num_cat"] + 1, 0))
        found = Forest(leaves, sets=np.frombuffer(self._kept["cat_boundaries"], np.int64) + before, **kept)
        give_way()
        _check(found, self._width)
        return found


def _fields(where: str, block: bytes) -> dict[bytes, bytes]:
    first, *lines = block.rstrip(b"\n").split(b"\n")
    fields = {}
    for line in lines:
        key, mark, value = line.partition(b"=")
        if not mark or key in fields:
            raise refused(where, _shown(line), "each line is a field=value, each field once")
        fields[key] = value
    if first != where.encode() or fields.keys() not in _FIELDS:
        shown = b", ".join(sorted(fields.keys() ^ _TREE)) if first == where.encode() else first
        raise refused(where, _shown(shown), "a field is missing or unknown")
    return fields


def _sets(where: str, tree: dict[bytes, bytes], count: int) -> dict[str, list[int]]:
    if not 0 < count < MOST_LEAVES:
        raise refused(f"{where}.num_cat", str(count), "it does not count the categorical splits")
    bounds = _ints(where, tree, b"cat_boundaries", count + 1)
    words = _ints(where, tree, b"cat_threshold", bounds[-1] if 0 < bounds[-1] <= _MOST_WORDS else 0)
    if words and not 0 <= min(words) <= max(words) < 2**32:
        raise refused(f"{where}.cat_threshold", f"{min(words)} to {max(words)}", f"it must be 0 to {2**32 - 1}")
    if bounds[0] != 0 or any(after <= before for before, after in pairwise(bounds)):
        raise refused(f"{where}.cat_boundaries", _shown(tree[b"cat_boundaries"]), "it must rise from 0")
    return {"cat_boundaries": bounds, "cat_threshold": words}


def _check(forest: Forest, width: int) -> None:
    tree = forest.tree
    _check_range(tree, "split_feature", forest.split_feature, 0, width - 1)
    # Bit 0: categorical, bit 1: missing goes left, bits 2 and 3: none, zero or NaN counts as missing.
    _check_range(tree, "decision_type", forest.decision_type, 0, 11)
    owner = np.repeat(np.arange(len(forest.leaves)), forest.leaves)
    _check_range(owner, "leaf_value", forest.leaf_value, -LARGEST_LEAF, LARGEST_LEAF)
    give_way()
    _check_children(forest, tree)
    give_way()
    _check_categories(forest, tree)


def _check_range(tree: Ints, field: str, values: Ints | Floats, low: float, high: float) -> None:
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        shown = f"{values[wrong[0]]:g}"
        raise refused(f"Tree={tree[wrong[0]]}.{field}", shown, f"it must be {low:g} to {high:g}")


def _check_children(forest: Forest, tree: Ints) -> None:
    """Each leaf and each node but the root hangs once below an older node: a tree, without cycles."""
    nodes = forest.leaves - 1
    starts = np.cumsum(nodes) - nodes
    children = np.concatenate([forest.left_child, forest.right_child])
    owner, own = np.tile(tree, 2), np.tile(np.arange(len(tree)) - starts[tree], 2)
    wrong = (children < -forest.leaves[owner]) | (children >= nodes[owner]) | (children == 0)
    # Of n splits there are n + 1 leaves and n - 1 nodes to be hung: 2n places, each to be taken once.
    places = np.where(children < 0, -1 - children, forest.leaves[owner] + children - 1) + 2 * starts[owner]
    wrong |= np.bincount(np.where(wrong, 0, places), minlength=len(children))[np.where(wrong, 0, places)] > 1
    _check_no_child("a child is out of range, missing or hangs twice", owner[wrong])
    _check_no_child("a node hangs below itself", owner[(children > 0) & (children <= own)])


def _check_no_child(fix: str, trees: Ints) -> None:
    if len(trees):
        raise refused(f"Tree={trees.min()}.left_child", "", fix)


def _check_categories(forest: Forest, tree: Ints) -> None:
    categorical = (forest.decision_type & 1) == 1
    counts = np.bincount(tree[categorical], minlength=len(forest.leaves))
    wrong = np.flatnonzero(counts != forest.num_cat)
    if len(wrong):
        shown = str(forest.num_cat[wrong[0]])
        raise refused(f"Tree={wrong[0]}.num_cat", shown, "it does not count the categorical splits")
    owner, named = tree[categorical], forest.threshold[categorical]
    order = np.lexsort((named, owner))
    expected = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    wrong = np.flatnonzero(named[order] != expected)
    if len(wrong):
        field = f"Tree={owner[order][wrong[0]]}.threshold"
        raise refused(field, f"{named[order][wrong[0]]:g}", "each categorical split names its own set of categories")


def _array(where: str, tree: dict[bytes, bytes], field: bytes, count: int) -> bytes:
    line = tree[field]
    if line.translate(None, _NUMERIC):
        raise refused(f"{where}.{field.decode()}", _shown(line), "it must be finite numbers")
    found = line.count(b" ") + 1 if line else 0
    if found != count:
        raise refused(f"{where}.{field.decode()}", f"{found} numbers", f"it must have {count}")
    return b"[%s]" % line.replace(b" ", b",")


def _ints(where: str, tree: dict[bytes, bytes], field: bytes, count: int) -> list[int]:
    try:
        return _INTS.decode(_array(where, tree, field, count))
    except msgspec.DecodeError as error:
        raise refused(f"{where}.{field.decode()}", str(error)[:80], "it must be whole numbers") from error


def _reals(where: str, tree: dict[bytes, bytes], field: bytes, count: int) -> list[float]:
    try:
        return _REALS.decode(_array(where, tree, field, count))
    except msgspec.DecodeError as error:
        raise refused(f"{where}.{field.decode()}", str(error)[:80], "it must be finite numbers") from error


def _shown(text: bytes) -> str:
    return repr(text[:80].decode(errors="replace"))


def refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the LightGBM model is malformed and was not loaded", Fault(field, value, fix))
