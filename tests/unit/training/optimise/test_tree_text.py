from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tropism.learners.model import Model
from tropism.learners.trees import FILE, TreeEnsemble
from tropism.training.optimise.tree_text import Tree, first_trees, parse


def _leaf(tree: Tree, row: list[float]) -> float:
    """What the format says that a tree gives; the reference is written out from LightGBM's documentation."""
    if len(tree.feature) == 0:
        return float(tree.leaves[0])
    node = 0
    while node >= 0:
        value, kind = row[int(tree.feature[node])], int(tree.decision[node])
        if kind & 1:
            goes_left = value == value and int(value) in tree.categories[node]
        elif value != value and kind & 8:
            goes_left = bool(kind & 2)
        else:
            goes_left = (0.0 if value != value else value) <= tree.threshold[node]
        node = int(tree.left[node] if goes_left else tree.right[node])
    return float(tree.leaves[-node - 1])


@pytest.mark.parametrize("learner", ["lightgbm", "random-forest"])
def test_trees_that_were_read_say_what_the_model_says(
    trees_of: Callable[..., Model], rows_of: Callable[..., Any], learner: str
) -> None:
    model = trees_of("regression", learner)
    forest = parse(model.estimator.export()[FILE])
    assert forest.averaged == (learner == "random-forest")
    assert any(tree.categories for tree in forest.trees)
    matrix = model.encoding.matrix(rows_of("regression", 50, 1, 50).features)
    sums = np.array([sum(_leaf(tree, row) for tree in forest.trees) for row in matrix.tolist()])
    sums = sums / len(forest.trees) if forest.averaged else sums
    np.testing.assert_allclose(sums, model.estimator.predict(matrix)[:, 0], rtol=1e-12)


def test_the_first_trees_alone_are_a_sound_model(trees_of: Callable[..., Model], rows_of: Callable[..., Any]) -> None:
    model = trees_of("regression")
    text = model.estimator.export()[FILE]
    few = TreeEnsemble(first_trees(text, 7), model.shape)
    assert few.trees == 7
    matrix = model.encoding.matrix(rows_of("regression", 20, 1).features)
    trees = parse(text).trees[:7]
    expected = [sum(_leaf(tree, row) for tree in trees) for row in matrix.tolist()]
    np.testing.assert_allclose(few.predict(matrix)[:, 0], expected, rtol=1e-12)
    assert first_trees(text, 60) == text
