from __future__ import annotations

import threading

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, NotReady
from tropism.learners.xgboost_leaves import NativeLeaves

TEXT = b"""tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=f0 f1
feature_infos=none none
tree_sizes=249

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
split_gain=1 1
threshold=0.5 0.25
decision_type=10 8
left_child=-1 -2
right_child=1 -3
leaf_value=1 2 3
leaf_weight=1 1 1
leaf_count=1 1 1
internal_value=0 0
internal_weight=1 1
internal_count=3 2
is_linear=0
shrinkage=1


end of trees
"""


def test_rows_alone_and_together_come_to_the_same_leaves() -> None:
    native = NativeLeaves(TEXT, 2, 1)
    matrix = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [np.nan, np.nan], [1.0, np.nan]], np.float32)
    together = native.all_leaves(matrix)
    assert together[:, 0].tolist() == [0, 1, 2, 0, 2]
    assert np.vstack([native.leaves(row) for row in matrix.tolist()]).tobytes() == together.tobytes()
    assert native.all_leaves(matrix[:0]).shape == (0, 1)


def test_numbers_are_taken_in_single_precision() -> None:
    native = NativeLeaves(TEXT, 2, 1)
    assert native.leaves([0.5 + 1e-12, 0.0])[0, 0] == 0
    with pytest.raises(OverflowError):
        native.leaves([1e300, 0.0])
    assert native.leaves([1.0, 0.0])[0, 0] == 1


def test_threads_do_not_mix_their_rows() -> None:
    native, wrong = NativeLeaves(TEXT, 2, 1), []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        row, leaf = ([0.0, 0.0], 0) if number % 2 else ([1.0, 1.0], 2)
        for _ in range(2_000):
            if native.leaves(row)[0, 0] != leaf:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closed_or_of_another_width_says_so() -> None:
    native = NativeLeaves(TEXT, 2, 1)
    with pytest.raises(ValueError, match="columns"):
        native.all_leaves(np.zeros((1, 3), np.float32))
    native.close()
    with pytest.raises(NotReady, match="closed"):
        native.leaves([0.0, 0.0])
    with pytest.raises(ArtifactRefused):
        NativeLeaves(b"tree\nversion=v4\n", 2, 1)
