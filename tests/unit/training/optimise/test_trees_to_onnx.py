from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.task import Kind
from tropism.learners.base import Shape
from tropism.learners.model import Model
from tropism.learners.onnx_model import FILE, OnnxModel
from tropism.learners.trees import FILE as TREES
from tropism.training.optimise.graphs import graph_of
from tropism.training.optimise.trees_to_onnx import floor_single, trees_to_onnx

Trees = Callable[..., Model]
Rows = Callable[..., Any]


def _exported(model: Model) -> OnnxModel:
    proto = graph_of(model)
    assert proto is not None
    return OnnxModel.load({FILE: proto.SerializeToString()}, model.shape)


@pytest.mark.parametrize("learner", ["lightgbm", "random-forest", "xgboost"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_onnx_says_what_the_trees_say(trees_of: Trees, rows_of: Rows, kind: Kind, learner: str) -> None:
    """On rows with missing values, missing categories and categories that were never seen."""
    model = trees_of(kind, learner)
    matrix = model.encoding.matrix(rows_of(kind, 3_000, 1, 50).features)
    assert np.isnan(matrix).any() and (matrix[:, 5] == -1).any()
    expected = model.estimator.predict(matrix)
    size = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(_exported(model).predict(matrix), expected, rtol=0, atol=1e-5 * size)


def test_numbers_at_a_threshold_go_the_same_way(trees_of: Trees, rows_of: Rows) -> None:
    """Each threshold, and the singles next to it on both sides."""
    model = trees_of("binary")
    text = model.estimator.export()[TREES].decode()
    lines = [line.removeprefix("threshold=") for line in text.split("\n") if line.startswith("threshold=")]
    at = np.unique([float(word) for line in lines for word in line.split()]).astype(np.float32)
    beside = np.concatenate([np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf))])
    matrix = np.tile(model.encoding.matrix(rows_of("binary", 1, 1).features), (len(beside), 1))
    exported = _exported(model)
    for column in range(5):
        rows = matrix.copy()
        rows[:, column] = beside.astype(np.float64)
        np.testing.assert_allclose(exported.predict(rows), model.estimator.predict(rows), rtol=0, atol=1e-6)


def test_absurd_numbers_go_the_same_way(trees_of: Trees, rows_of: Rows) -> None:
    model = trees_of("binary")
    matrix = np.tile(model.encoding.matrix(rows_of("binary", 1, 1).features), (8, 1))
    matrix[:, 0] = [0.0, -0.0, 1e-40, -1e-40, 1e300, -1e300, 1e-300, 3.5e38]
    np.testing.assert_allclose(_exported(model).predict(matrix), model.estimator.predict(matrix), rtol=0, atol=1e-6)


def test_a_split_that_takes_zeros_for_missing_is_refused(trees_of: Trees) -> None:
    model = trees_of("regression")
    lines = model.estimator.export()[TREES].decode().split("\n")
    place = next(index for index, line in enumerate(lines) if line.startswith("decision_type=") and "10" in line)
    lines[place] = lines[place].replace("10", "6", 1)
    with pytest.raises(InvalidInput, match="zeros as missing"):
        trees_to_onnx("\n".join(lines).encode(), model.shape)


def test_a_tree_without_a_split_gives_its_leaf() -> None:
    head = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n"
        "objective=regression\nfeature_names=f0 f1\nfeature_infos=none none\ntree_sizes=1\n\n"
    )
    names = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
    tree = "Tree=0\nnum_leaves=1\nnum_cat=0\n" + "".join(f"{name}=\n" for name in names) + "leaf_value=2.5\n\n\n"
    shape = Shape("regression", 1, 2)
    proto = trees_to_onnx((head + tree + "end of trees\n").encode(), shape)
    model = OnnxModel.load({FILE: proto.SerializeToString()}, shape)
    assert model.predict(np.zeros((3, 2))).tolist() == [[2.5]] * 3


def test_thresholds_round_down() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=1_000), [1e300, -1e300, 0.0, 1.0000000180025095e-35]])
    found = floor_single(values)
    assert np.array_equal(found, found.astype(np.float32).astype(np.float64))
    assert np.all((found <= values) | (values < -1e39))
    with np.errstate(over="ignore"):
        above = np.nextafter(found.astype(np.float32), np.float32(np.inf)).astype(np.float64)
    assert np.all((above > values) | (values > 1e39))
