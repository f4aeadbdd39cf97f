from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.errors import InvalidInput
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.explaining_trees import MOST_DEPTH, rounds_averaged
from tropism.learners.fitting import fit_model


def chain(levels: int) -> bytes:
    """Text of a tree that is one long branch; only its children matter here."""
    left = " ".join(str(-1 - level) for level in range(levels))
    right = " ".join(str(level + 1) for level in range(levels - 1)) + f" {-1 - levels}"
    return f"tree\nversion=v4\n\nTree=0\nright_child={right.strip()}\nleft_child={left}\n\n".encode()


def test_forests_are_averaged_over_their_rounds(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    for kind, outputs in (("binary", 1), ("multiclass", 3)):
        for name, expected in (("random-forest", 7), ("lightgbm", 1)):
            model = fit_model(make_task(kind), name, make_data(kind), parameters={"num_trees": 7})
            assert rounds_averaged(model.estimator.export()["model.txt"], outputs) == expected


def test_a_tree_as_deep_as_the_limit_passes_and_a_deeper_one_does_not() -> None:
    assert rounds_averaged(chain(MOST_DEPTH), 1) == 1
    with pytest.raises(InvalidInput, match="too deep") as caught:
        rounds_averaged(chain(MOST_DEPTH + 1), 1)
    assert caught.value.faults[0].field == "explain"


def test_a_tree_without_a_split_has_no_depth() -> None:
    assert rounds_averaged(b"tree\n\nTree=0\nleft_child=\nright_child=\n\n", 1) == 1
