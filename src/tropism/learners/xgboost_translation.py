"""Writes an audited XGBoost model as LightGBM text, whose leaves XGBoost's own scores are then added up from.

XGBoost's C interface reads two JSON texts and rebuilds its view of all trees at every call: some 50 µs for one row
of 200 trees, where LightGBM's single-row path takes 6. A tree decides alike in both if three things are translated:

- XGBoost compares single-precision numbers by `<`, LightGBM by `<=`: the condition becomes the next lower number.
- XGBoost sends categories that a node's set holds to the right, LightGBM to the left: the children change sides.
- XGBoost gives missing categories a side of their own, LightGBM always the right: missing becomes a category, 0.

LightGBM takes numbers within 1e-35 of 0 for 0; so does `xgboost_growing`, before XGBoost sees them.

Leaves hold XGBoost's values. `internal_count` and `leaf_count` hold its covers, scaled, for Shapley values.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from tropism.learners.lightgbm_text import column_names

if TYPE_CHECKING:
    import numpy.typing as npt

    from tropism.learners.base import Shape
    from tropism.learners.xgboost_json import Forest, Ints, Tree

MISSING = 0
"""The category that stands for a missing one; XGBoost's own are one higher than in its file."""
_DEFAULT_LEFT, _MISSING_IS_NAN, _CATEGORICAL = 2, 8, 1
_COVER = 2**30


def translate(forest: Forest, shape: Shape) -> bytes:
    """The model as LightGBM text of the same shape; its scores lack the base score and are sums in double precision."""
    blocks = [_block(index, tree) for index, tree in enumerate(forest.trees)]
    objective = {
        "binary": "binary sigmoid:1",
        "multiclass": f"multiclass num_class:{shape.outputs}",
        "regression": "regression",
    }[shape.kind]
    head = [
        "tree",
        "version=v4",
        f"num_class={shape.outputs}",
        f"num_tree_per_iteration={shape.outputs}",
        "label_index=0",
        f"max_feature_idx={shape.width - 1}",
        f"objective={objective}",
        f"feature_names={' '.join(column_names(shape.width))}",
        f"feature_infos={' '.join(['none'] * shape.width)}",
        f"tree_sizes={' '.join(str(len(block)) for block in blocks)}",
    ]
    text = "\n".join(head) + "\n\n" + "".join(blocks) + "end of trees\n"
    return text.encode("ascii")


def leaf_values(tree: Tree) -> npt.NDArray[np.float32]:
    """What each leaf adds, in the order in which the translated tree numbers its leaves."""
    values: npt.NDArray[np.float32] = tree.condition[tree.left == -1]
    return values


def _block(index: int, tree: Tree) -> str:
    inner = tree.left != -1
    nodes, leaves = np.flatnonzero(inner), np.flatnonzero(~inner)
    numbers = np.empty(len(inner), np.int64)
    numbers[nodes], numbers[leaves] = np.arange(len(nodes)), -1 - np.arange(len(leaves))
    swapped = tree.categorical[nodes]
    left, right = numbers[tree.left[nodes]], numbers[tree.right[nodes]]
    decisions = np.where(swapped, _CATEGORICAL, _MISSING_IS_NAN + _DEFAULT_LEFT * tree.default_left[nodes])
    with np.errstate(over="ignore"):
        below = np.nextafter(tree.condition[nodes], np.float32(-np.inf)).astype(np.float64)
    thresholds = np.maximum(below, -sys.float_info.max)
    thresholds[swapped] = np.arange(np.count_nonzero(swapped))
    counts = _counts(tree)
    split = len(nodes) > 0
    lines = [
        f"Tree={index}",
        f"num_leaves={len(leaves)}",
        f"num_cat={np.count_nonzero(swapped)}",
        f"split_feature={_words(tree.feature[nodes])}",
        f"split_gain={_words(tree.gain[nodes].astype(np.float64))}",
        f"threshold={_words(thresholds)}",
        f"decision_type={_words(decisions)}",
        f"left_child={_words(np.where(swapped, right, left))}",
        f"right_child={_words(np.where(swapped, left, right))}",
        f"leaf_value={_words(leaf_values(tree).astype(np.float64))}",
        f"leaf_weight={_words(tree.cover[leaves].astype(np.float64)) if split else ''}",
        f"leaf_count={_words(counts[leaves]) if split else ''}",
        f"internal_value={_words(np.zeros(len(nodes)))}",
        f"internal_weight={_words(tree.cover[nodes].astype(np.float64))}",
        f"internal_count={_words(counts[nodes])}",
        *_sets(tree, nodes[swapped]),
        "is_linear=0",
        "shrinkage=1",
    ]
    return "\n".join(lines) + "\n\n\n"


def _counts(tree: Tree) -> Ints:
    """Each node's share of the cover, as whole numbers: a node has as much as its children, as Shapley values need."""
    leaves = tree.left == -1
    cover = np.where(leaves, tree.cover, 0.0).astype(np.float64)
    share = cover / max(float(cover.sum()), np.finfo(np.float64).tiny)
    counts = np.where(leaves, np.maximum(np.rint(share * _COVER), 1.0), 0.0).astype(np.int64)
    for node in np.flatnonzero(~leaves)[::-1].tolist():
        counts[node] = counts[tree.left[node]] + counts[tree.right[node]]
    return counts


def _sets(tree: Tree, nodes: npt.NDArray[np.intp]) -> list[str]:
    """Bitsets of 32-bit words, one after another."""
    if len(nodes) == 0:
        return []
    words: list[int] = []
    bounds = [0]
    for node in nodes.tolist():
        members = [int(category) + 1 for category in tree.sets[node]]
        if not tree.default_left[node]:
            members.append(MISSING)
        bits = sum(1 << member for member in set(members))
        words += [bits >> shift & 0xFFFFFFFF for shift in range(0, max(members) + 1, 32)]
        bounds.append(len(words))
    return [f"cat_boundaries={' '.join(map(str, bounds))}", f"cat_threshold={' '.join(map(str, words))}"]


def _words(values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> str:
    return " ".join(map(str, values.tolist()))
