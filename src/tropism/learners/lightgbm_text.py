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

from tropism.core.courtesy import give_way
from tropism.learners.lightgbm_trees import TreeReader, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Floats, Shape
    from tropism.learners.lightgbm_trees import Forest

MOST_BYTES = 128 * 2**20
MOST_TREES = 20_000
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
_INFOS = re.compile(r"none|\[[0-9+\-.e]+:[0-9+\-.e]+\]|-?\d+(:-?\d+)*")
_BLOCK = re.compile(r"^(?=Tree=)", re.MULTILINE)
_TREE_TEXT = re.compile(r"^Tree=\d+\n.*?\n\n", re.MULTILINE | re.DOTALL)
_LEAF_VALUE = re.compile(r"^leaf_value=.*$", re.MULTILINE)
_THRESHOLDS = re.compile(r"^threshold=.*$", re.MULTILINE)
_INFINITE = re.compile(r"(?<=[= ])inf(?= |$)")
_LARGEST = repr(sys.float_info.max)
_SIZES = re.compile(r"[1-9][0-9]{0,9}( [1-9][0-9]{0,9})*")


class Ensemble(NamedTuple):
    """What an audit learns: the trees, whether their sum is divided by their number, and the gain of each feature's
    splits (width,)."""

    forest: Forest
    averaged: bool
    gains: Floats

    @property
    def trees(self) -> int:
        return len(self.forest.leaves)


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
        raise refused("size", f"{len(data)} bytes", f"a model has at most {MOST_BYTES}")
    if not data.isascii():
        raise refused("text", "other bytes", "a model is ASCII text")
    end = data.find(b"\n\n")
    if end < 0:
        raise refused("header", repr(data[:40].decode()), "the text ends in the header")
    average, header = _header(data[:end].decode())
    _check_header(header, shape)
    sizes = [int(size) for size in header["tree_sizes"].split()] if _SIZES.fullmatch(header["tree_sizes"]) else []
    if not 0 < len(sizes) <= MOST_TREES or len(sizes) % shape.outputs:
        raise refused("tree_sizes", f"{len(sizes)} trees", f"use 1 to {MOST_TREES}, {shape.outputs} an iteration")
    give_way()
    forest = _forest(data, end + 2, sizes, shape.width)
    return Ensemble(forest, average, _gains(forest, shape.width))


def _gains(forest: Forest, width: int) -> Floats:
    return np.bincount(forest.split_feature, forest.split_gain, width).astype(np.float64)


def _forest(data: bytes, start: int, sizes: Sequence[int], width: int) -> Forest:
    reader = TreeReader(width)
    for index, size in enumerate(sizes):
        block = data[start : start + size]
        if len(block) < size or not block.endswith(b"\n\n"):
            raise refused(f"Tree={index}", f"{size} bytes", "tree_sizes does not fit the text, or it is cut off")
        reader.add(index, block)
        give_way()
        start += size
    if data[start:] != b"end of trees\n":
        shown = repr(data[start : start + 40].decode())
        raise refused("text", shown, "after the last tree only 'end of trees' may follow")
    return reader.forest()


def _header(text: str) -> tuple[bool, dict[str, str]]:
    first, *lines = text.split("\n")
    if first != "tree":
        raise refused("header", repr(first[:40]), "a model starts with the line 'tree'")
    average = "average_output" in lines
    found = [line.partition("=") for line in lines if line != "average_output"]
    header = {key: value for key, mark, value in found if mark}
    if header.keys() != set(_HEADER) or len(lines) != len(_HEADER) + average:
        shown = ", ".join(sorted(header.keys() ^ set(_HEADER))) or "a repeated line"
        raise refused("header", shown[:200], f"it must have exactly: {', '.join(_HEADER)}")
    return average, header


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
            raise refused(field, repr(header[field][:80]), f"it must be {' or '.join(allowed)[:200]}")
    infos = header["feature_infos"].split(" ")
    if len(infos) != shape.width or not all(_INFOS.fullmatch(info) for info in infos):
        raise refused("feature_infos", repr(header["feature_infos"][:80]), f"it must describe {shape.width} features")


def column_names(width: int) -> list[str]:
    """The names that features have inside a model, whatever users call them: f0, f1, ..."""
    return [f"f{index}" for index in range(width)]
