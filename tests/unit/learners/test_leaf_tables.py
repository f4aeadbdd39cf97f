from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from tests.unit.learners.lightgbm_models import rows, train

from tropism.learners import leaf_tables as module
from tropism.learners.leaf_tables import leaf_tables


@pytest.mark.parametrize("leaves", [7, 12, 30, 60])
def test_one_leaf_a_tree_is_left_and_it_is_lightgbms(leaves: int) -> None:
    model = train("regression", leaves, rounds=40, num_leaves=leaves, min_data_in_leaf=1)
    tables = leaf_tables(model.audited().forest)
    assert tables is not None
    matrix = rows(model.text, 300, 1)
    left = np.full((300, len(tables.starts)), np.iinfo(tables.masks.dtype).max)
    first = 0
    for feature, breaks in zip(tables.features, tables.breaks, strict=True):
        column = matrix[:, feature]
        place = np.where(np.isnan(column), len(breaks) + 1, np.searchsorted(breaks, column))
        left &= tables.masks[first + place]
        first += len(breaks) + 2
    np.testing.assert_array_equal(np.bitwise_count(left), 1)
    expected = lightgbm.Booster(model_str=model.text.decode()).predict(matrix, pred_leaf=True, num_threads=1)
    np.testing.assert_array_equal(np.bitwise_count(left - 1), expected)


def test_masks_are_as_narrow_as_the_trees_allow() -> None:
    sizes = {}
    for leaves in (8, 9, 17, 33):
        model = train("regression", 3, rounds=60, num_leaves=leaves, min_data_in_leaf=1)
        tables = leaf_tables(model.audited().forest)
        assert tables is not None
        sizes[leaves] = tables.masks.itemsize
    assert sizes == {8: 1, 9: 2, 17: 4, 33: 8}


def test_trees_that_do_not_fit_have_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leaf_tables(train("regression", 0, num_leaves=65, min_data_in_leaf=1).audited().forest) is None
    assert leaf_tables(train("regression", 0, min_gain_to_split=1e9).audited().forest) is None  # nothing to look up
    forest = train("regression", 0, num_leaves=31).audited().forest
    tables = leaf_tables(forest)
    assert tables is not None
    monkeypatch.setattr(module, "MOST_BYTES", tables.masks.nbytes)
    assert leaf_tables(forest) is not None
    monkeypatch.setattr(module, "MOST_BYTES", tables.masks.nbytes - 1)
    assert leaf_tables(forest) is None
    monkeypatch.undo()
    monkeypatch.setattr(module, "_MOST_SPLITS", len(forest.threshold) - 1)
    assert leaf_tables(forest) is None


def test_many_features_with_a_few_trees_are_left_to_lightgbm() -> None:
    assert leaf_tables(train("regression", 0, rounds=1, num_leaves=4).audited().forest) is None
    assert leaf_tables(train("regression", 0, rounds=60, num_leaves=4).audited().forest) is not None
