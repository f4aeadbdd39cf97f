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

from tropism.core.courtesy import give_way
from tropism.learners.data import Floats

if TYPE_CHECKING:
    from tropism.learners.lightgbm_trees import Forest

MOST_LEAVES = 64
MOST_BYTES = 16 * 2**20
_MOST_SPLITS = 2**15
"""Models of more would not fit, and would take long to find that out."""
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
    left: Bits
    right: Bits
    categories: dict[int, _Ints]
    """The set that a categorical split sends to the left, by its place."""


def leaf_tables(forest: Forest) -> LeafTables | None:
    """The tables of audited trees.

    None if a tree has more than `MOST_LEAVES` leaves, if they would be larger than `MOST_BYTES`, or if LightGBM would
    not be much slower.
    """
    leaves = forest.leaves
    most = int(leaves.max())
    if not 2 <= most <= MOST_LEAVES or len(forest.threshold) > _MOST_SPLITS:
        return None
    features = np.unique(forest.split_feature)
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= most)
    if not _worthwhile(leaves, len(features), size):
        return None
    nodes = _nodes(forest, np.dtype(f"u{size}"))
    parts = [_select(nodes, np.flatnonzero(nodes.feature == feature)) for feature in features]
    breaks = [_breaks(part) for part in parts]
    if sum(len(one) + 2 for one in breaks) * len(leaves) * size > MOST_BYTES:
        return None
    standing = (np.uint64(2**64 - 1) >> (64 - leaves).astype(np.uint64)).astype(f"u{size}")
    masks = [_masks(part, one, standing) for part, one in zip(parts, breaks, strict=True)]
    starts = (np.cumsum(leaves) - leaves).astype(np.intp)
    return LeafTables(features.astype(np.intp), breaks, np.concatenate(masks), forest.leaf_value, starts)


def _worthwhile(leaves: _Ints, features: int, size: int) -> bool:
    """Nanoseconds a row, as bench/trees.py measured them: LightGBM's go up with the depth of the trees, ours with the
    number of features and the bytes of a mask. Machines differ, but in both alike."""
    trees = len(leaves)
    ours = features * (20.0 + 0.08 * trees * size) + 6.0 * trees
    return ours <= _GAIN * 10.0 * float(np.log2(leaves).sum())


def _nodes(forest: Forest, dtype: np.dtype[np.unsignedinteger]) -> _Nodes:
    left, right = _sides(forest, dtype)
    return _Nodes(
        forest.tree,
        forest.split_feature,
        forest.threshold,
        forest.decision_type,
        left,
        right,
        _categories(forest),
    )


def _sides(forest: Forest, dtype: np.dtype[np.unsignedinteger]) -> tuple[Bits, Bits]:
    """Leaves below either side of each split. Children come after their parents, so this goes backwards, through the
    splits of the same number in all trees at once."""
    nodes = forest.leaves - 1
    starts = np.cumsum(nodes) - nodes
    left, right, both = (np.zeros(len(forest.threshold), dtype) for _ in range(3))
    sides = ((left, forest.left_child), (right, forest.right_child))
    for number in range(int(nodes.max()) - 1, -1, -1):
        give_way()
        first = starts[nodes > number]
        place = first + number
        for side, children in sides:
            child = children[place]
            leaf = child < 0
            bit = np.left_shift(1, np.where(leaf, ~child, 0).astype(np.uint64)).astype(dtype)
            side[place] = np.where(leaf, bit, both[np.where(leaf, 0, first + child)])
        both[place] = left[place] | right[place]
    return left, right


def _categories(forest: Forest) -> dict[int, _Ints]:
    ends = np.cumsum(forest.num_cat + (forest.num_cat > 0))
    first = ends - forest.num_cat - 1  # of each tree that has any, where its bounds begin
    words = forest.cat_threshold.astype("<u4")
    found = {}
    for split in np.flatnonzero(forest.decision_type & 1):
        bound = first[forest.tree[split]] + int(forest.threshold[split])
        chosen = words[forest.sets[bound] : forest.sets[bound + 1]]
        found[int(split)] = np.flatnonzero(np.unpackbits(chosen.view(np.uint8), bitorder="little"))
    return found


def _select(nodes: _Nodes, chosen: _Ints) -> _Nodes:
    give_way()
    tree, feature, threshold, decision, left, right, categories = nodes
    return _Nodes(
        tree[chosen],
        feature[chosen],
        threshold[chosen],
        decision[chosen],
        left[chosen],
        right[chosen],
        {place: categories[split] for place, split in enumerate(chosen.tolist()) if split in categories},
    )


def _breaks(nodes: _Nodes) -> Floats:
    """Values after which a decision changes, in order; the numbers that LightGBM takes for 0 lie between two breaks."""
    give_way()
    numeric = nodes.decision & 1 == 0
    thresholds = nodes.threshold[numeric]
    found = [thresholds]
    if np.any(nodes.decision[numeric] >> 2 == _AS_ZERO) or np.any((thresholds >= -_ZERO) & (thresholds < _ZERO)):
        found.append(np.array([np.nextafter(-_ZERO, -np.inf), _ZERO]))
    for members in nodes.categories.values():
        below = np.nextafter(members.astype(np.float64), -np.inf)
        below[members == 0] = -1.0  # what lies between -1 and 1 is category 0, cut off at the point
        found += [below, np.nextafter(members + 1.0, -np.inf)]
    return np.unique(np.concatenate(found))


def _masks(nodes: _Nodes, breaks: Floats, standing: Bits) -> Bits:
    """The table of one feature (rows, trees)."""
    give_way()
    # Decisions are the same up to the next break, so each row is worked out for the largest value that it is for.
    values = np.concatenate([breaks, [np.inf, np.nan]])
    left = _goes_left(nodes, np.where(np.abs(values) <= _ZERO, 0.0, values))
    removed = np.where(left, nodes.right[:, None], nodes.left[:, None])
    give_way()
    trees, starts = np.unique(nodes.tree, return_index=True)
    give_way()
    table = np.repeat(standing[None], len(values), axis=0)
    table[:, trees] &= ~np.bitwise_or.reduceat(removed, starts, axis=0).T
    return table


def _goes_left(nodes: _Nodes, values: Floats) -> _Bools:
    """What LightGBM's `Tree::Decision` says at each split of each value (splits, values)."""
    missing = (nodes.decision >> 2)[:, None]
    default = (nodes.decision & 2 > 0)[:, None]
    numbers = np.where(np.isnan(values) & (missing != _AS_NAN), 0.0, values)
    absent = (missing == _AS_NAN) & np.isnan(numbers) | (missing == _AS_ZERO) & (np.abs(numbers) <= _ZERO)
    left: _Bools = np.where(absent, default, numbers <= nodes.threshold[:, None])
    codes = np.trunc(np.where(np.isnan(values), -1.0, values))
    for place, members in nodes.categories.items():
        left[place] = np.isin(codes, members)
    return left
