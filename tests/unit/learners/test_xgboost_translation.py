from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

from tropism.learners import lightgbm_text
from tropism.learners.base import Shape
from tropism.learners.xgboost_json import Forest, Tree
from tropism.learners.xgboost_leaves import NativeLeaves
from tropism.learners.xgboost_translation import leaf_values, translate

SHAPE = Shape("regression", 1, 2)
HALF = np.float32(0.5)


def tree(condition: float, *, default_left: int, members: tuple[int, ...] | None = None) -> Tree:
    """A root over column 0 (a number), or column 1 when it splits by a set of categories, and two leaves."""
    categorical = members is not None
    return Tree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.array([int(categorical), 0, 0]),
        condition=np.array([condition, 1.0, 2.0], np.float32),
        default_left=np.array([default_left, 0, 0]),
        categorical=np.array([categorical, False, False]),
        sets={0: np.array(members)} if members is not None else {},
        gain=np.array([3.0, 0.0, 0.0], np.float32),
        cover=np.array([10.0, 4.0, 6.0], np.float32),
    )


def sides(one: Tree, rows: list[list[float]]) -> list[str]:
    text = translate(Forest(np.zeros(1, np.float32), (1,), [one]), SHAPE)
    lightgbm_text.audit(text, SHAPE)
    leaves = NativeLeaves(text, 2, 1).all_leaves(np.array(rows, np.float32))[:, 0].astype(int)
    return ["left" if leaf_values(one)[leaf] == 1.0 else "right" for leaf in leaves]


def test_a_number_below_the_condition_goes_left_and_missing_ones_go_their_way() -> None:
    below = float(np.nextafter(HALF, np.float32(0)))
    rows = [[below, 0], [0.5, 0], [-math.inf, 0], [math.nan, 0]]
    assert sides(tree(0.5, default_left=1), rows) == ["left", "right", "left", "left"]
    assert sides(tree(0.5, default_left=0), rows) == ["left", "right", "left", "right"]
    assert sides(tree(0.0, default_left=0), [[-0.0, 0], [-1e-30, 0], [-1e-36, 0]]) == ["right", "left", "right"]


def test_a_condition_that_no_number_is_below_sends_all_but_missing_ones_right() -> None:
    lowest = float(np.finfo(np.float32).min)
    assert sides(tree(lowest, default_left=1), [[lowest, 0], [0, 0], [math.nan, 0]]) == ["right", "right", "left"]
    assert sys.float_info.max > -lowest


@pytest.mark.parametrize("default_left", [0, 1])
def test_categories_in_the_set_go_right(default_left: int) -> None:
    members = (0, 3, 40, 1_024)
    rows: list[list[Any]] = [[0, category + 1] for category in range(1_030)]
    expected = ["right" if category in members else "left" for category in range(1_030)]
    one = tree(0.0, default_left=default_left, members=members)
    assert sides(one, rows) == expected
    assert sides(one, [[0, 0]]) == ["left" if default_left else "right"]  # a missing one


def test_a_tree_without_a_split_and_covers_of_nothing_are_written() -> None:
    stump = Tree(
        *(np.array([-1]), np.array([-1]), np.array([0]), np.array([0.25], np.float32), np.array([0])),
        *(np.array([False]), {}, np.zeros(1, np.float32), np.zeros(1, np.float32)),
    )
    forest = Forest(
        np.zeros(1, np.float32), (), [stump, tree(0.5, default_left=1)._replace(cover=np.zeros(3, np.float32))]
    )
    text = translate(forest, SHAPE)
    assert lightgbm_text.audit(text, SHAPE).trees == 2
    np.testing.assert_array_equal(NativeLeaves(text, 2, 2).all_leaves(np.ones((1, 2), np.float32)), [[0, 1]])


def test_a_node_counts_as_much_as_its_leaves() -> None:
    text = translate(Forest(np.zeros(1, np.float32), (), [tree(0.5, default_left=1)]), SHAPE).decode()
    fields = dict(line.split("=") for line in text.split("\n") if "=" in line)
    left, right = map(int, fields["leaf_count"].split())
    assert int(fields["internal_count"]) == left + right
    assert right / left == pytest.approx(1.5)
