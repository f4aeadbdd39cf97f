"""Which leaves of LightGBM's trees a feature's value leaves standing, as tables.

A split looks at one feature, so what a feature says of all trees changes only at its breaks: thresholds, and the ends
of categories. Between two of them one row of a table tells, for each tree, the leaves that no split on this feature
rules out, a bit a leaf. Of all features' rows together exactly one leaf a tree is left: the one that the row falls in.
Lucchese et al., QuickScorer: a Fast Algorithm to Rank Documents with Additive Ensembles of Regression Trees, SIGIR
2015; there splits are followed one by one, here their sum is looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tropism.learners.data import Floats

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LEAVES = 64
MOST_BYTES = 16 * 2**20
_MOST_TEXT = 3 * 2**20
"""Longer models would not fit, and would take long to find that out."""
_GAIN = 0.75
"""Share of LightGBM's time that the tables may take at most, as far as can be told before."""
Bits = npt.NDArray[np.unsignedinteger]
_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_ZERO = float(np.float32(1e-35))
"""LightGBM takes numbers up to it for 0 when it reads a row."""
_AS_ZERO, _AS_NAN = 1, 2
"""What counts as missing at a split, as LightGBM numbers it."""


class LeafTables(NamedTuple):
    """`features` (f,): columns that splits look at. `breaks`: for each, where its table goes on to the next row; the
    value itself still belongs to the row before. One more row is for NaN, the last of each feature. `masks`: the
    tables, one below the other (rows, trees). `values`: leaves of all trees, `starts` (trees,): where a tree's begin.
    """

    features: npt.NDArray[np.intp]
    breaks: list[Floats]
    masks: Bits
    values: Floats
    starts: npt.NDArray[np.intp]


class _Nodes(NamedTuple):
    """Splits of all trees; `left` and `right` are the leaves on either side, a bit each."""

    tree: _Ints
    feature: _Ints
    threshold: Floats
    decision: _Ints
    left: npt.NDArray[np.uint64]
    right: npt.NDArray[np.uint64]
    categories: list[_Ints]
    """The set that each categorical split sends to the left, empty for others."""


def leaf_tables(text: bytes) -> LeafTables | None:
    """The tables of audited model text.

    None if a tree has more than `MOST_LEAVES` leaves, if they would be larger than `MOST_BYTES`, or if LightGBM would
    not be much slower.
    """
    if len(text) > _MOST_TEXT:
        return None
    trees = [_fields(block) for block in text.split(b"\nTree=")[1:]]
    leaves = np.array([int(tree[b"num_leaves"]) for tree in trees], np.int64)
    most = int(leaves.max())
    if not 2 <= most <= MOST_LEAVES:
        return None
    nodes = _nodes(trees, leaves)
    features = np.unique(nodes.feature)
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= most)
    if not _worthwhile(leaves, len(features), size):
        return None
    parts = [_select(nodes, nodes.feature == feature) for feature in features]
    breaks = [_breaks(part) for part in parts]
    if sum(len(one) + 2 for one in breaks) * len(trees) * size > MOST_BYTES:
        return None
    standing = np.array([2**count - 1 for count in leaves.tolist()], np.uint64)
    masks = [_masks(part, one, standing, np.dtype(f"u{size}")) for part, one in zip(parts, breaks, strict=True)]
    values = _floats(tree[b"leaf_value"] for tree in trees)
    starts = np.concatenate([[0], np.cumsum(leaves)[:-1]]).astype(np.intp)
    return LeafTables(features.astype(np.intp), breaks, np.concatenate(masks), values, starts)


def _worthwhile(leaves: _Ints, features: int, size: int) -> bool:
    """Nanoseconds a row, as bench/trees.py measured them: LightGBM's go up with the depth of the trees, ours with the
    number of features and the bytes of a mask. Machines differ, but in both alike."""
    trees = len(leaves)
    ours = features * (20.0 + 0.08 * trees * size) + 6.0 * trees
    return ours <= _GAIN * 10.0 * float(np.log2(leaves).sum())


def _fields(block: bytes) -> dict[bytes, bytes]:
    return {key: value for key, mark, value in (line.partition(b"=") for line in block.split(b"\n")) if mark}


def _floats(texts: Iterable[bytes]) -> Floats:
    return np.array([float(token) for token in b" ".join(texts).split()], np.float64)


def _nodes(trees: list[dict[bytes, bytes]], leaves: _Ints) -> _Nodes:
    left, right, categories = [], [], []
    for tree in trees:
        sides = _sides(tree)
        left += sides[0]
        right += sides[1]
        categories += _categories(tree)
    return _Nodes(
        np.repeat(np.arange(len(trees)), leaves - 1),
        _floats(tree[b"split_feature"] for tree in trees).astype(np.int64),
        _floats(tree[b"threshold"] for tree in trees),
        _floats(tree[b"decision_type"] for tree in trees).astype(np.int64),
        np.array(left, np.uint64),
        np.array(right, np.uint64),
        categories,
    )


def _sides(tree: dict[bytes, bytes]) -> tuple[list[int], list[int]]:
    """Leaves below either side of each split. Children come after their parents, so this goes backwards."""
    sides = [[int(token) for token in tree[name].split()] for name in (b"left_child", b"right_child")]
    for node in range(len(sides[0]) - 1, -1, -1):
        for side in sides:
            child = side[node]
            side[node] = 1 << ~child if child < 0 else sides[0][child] | sides[1][child]
    return sides[0], sides[1]


def _categories(tree: dict[bytes, bytes]) -> list[_Ints]:
    decisions = tree[b"decision_type"].split()
    none = np.zeros(0, np.int64)
    if tree[b"num_cat"] == b"0":
        return [none] * len(decisions)
    bounds = [int(token) for token in tree[b"cat_boundaries"].split()]
    words = np.array([int(token) for token in tree[b"cat_threshold"].split()], "<u4")
    found = []
    for decision, threshold in zip(decisions, tree[b"threshold"].split(), strict=True):
        if not int(decision) & 1:
            found.append(none)
            continue
        start, end = bounds[int(float(threshold)) : int(float(threshold)) + 2]
        found.append(np.flatnonzero(np.unpackbits(words[start:end].view(np.uint8), bitorder="little")))
    return found


def _select(nodes: _Nodes, chosen: _Bools) -> _Nodes:
    tree, feature, threshold, decision, left, right, categories = nodes
    return _Nodes(
        tree[chosen],
        feature[chosen],
        threshold[chosen],
        decision[chosen],
        left[chosen],
        right[chosen],
        [categories[index] for index in np.flatnonzero(chosen)],
    )


def _breaks(nodes: _Nodes) -> Floats:
    """Values after which a decision changes, in order; the numbers that LightGBM takes for 0 lie between two breaks."""
    numeric = nodes.decision & 1 == 0
    thresholds = nodes.threshold[numeric]
    found = [thresholds]
    if np.any(nodes.decision[numeric] >> 2 == _AS_ZERO) or np.any((thresholds >= -_ZERO) & (thresholds < _ZERO)):
        found.append(np.array([np.nextafter(-_ZERO, -np.inf), _ZERO]))
    for members in (nodes.categories[index] for index in np.flatnonzero(~numeric)):
        below = np.nextafter(members.astype(np.float64), -np.inf)
        below[members == 0] = -1.0  # what lies between -1 and 1 is category 0, cut off at the point
        found += [below, np.nextafter(members + 1.0, -np.inf)]
    return np.unique(np.concatenate(found))


def _masks(
    nodes: _Nodes, breaks: Floats, standing: npt.NDArray[np.uint64], dtype: np.dtype[np.unsignedinteger]
) -> Bits:
    """The table of one feature (rows, trees)."""
    # Decisions are the same up to the next break, so each row is worked out for the largest value that it is for.
    values = np.concatenate([breaks, [np.inf, np.nan]])
    left = _goes_left(nodes, np.where(np.abs(values) <= _ZERO, 0.0, values))
    removed = np.where(left, nodes.right[:, None], nodes.left[:, None])
    trees, starts = np.unique(nodes.tree, return_index=True)
    table = np.repeat(standing[None], len(values), axis=0)
    table[:, trees] &= ~np.bitwise_or.reduceat(removed, starts, axis=0).T
    return table.astype(dtype)


def _goes_left(nodes: _Nodes, values: Floats) -> _Bools:
    """What LightGBM's `Tree::Decision` says at each split of each value (splits, values)."""
    missing = (nodes.decision >> 2)[:, None]
    default = (nodes.decision & 2 > 0)[:, None]
    numbers = np.where(np.isnan(values) & (missing != _AS_NAN), 0.0, values)
    absent = (missing == _AS_NAN) & np.isnan(numbers) | (missing == _AS_ZERO) & (np.abs(numbers) <= _ZERO)
    left: _Bools = np.where(absent, default, numbers <= nodes.threshold[:, None])
    codes = np.trunc(np.where(np.isnan(values), -1.0, values))
    for index in np.flatnonzero(nodes.decision & 1):
        left[index] = np.isin(codes, nodes.categories[index])
    return left
