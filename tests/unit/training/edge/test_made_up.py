from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.task import Kind, Task
from tropism.learners.model import Model
from tropism.training.edge.made_up import made_up_rows
from tropism.training.optimise.graphs import graph_of


@pytest.mark.parametrize("learner", ["lightgbm", "mlp"])
def test_rows_cover_what_a_model_can_meet(
    model_of: Callable[[Kind, str], Model], task_of: Callable[[Kind], Task], learner: str
) -> None:
    model = model_of("binary", learner)
    rows = made_up_rows(model, task_of("binary"), graph_of(model), 400)
    assert all(list(row) == ["amount", "age", "city", "shop", "new"] for row in rows)
    assert {row["new"] for row in rows} == {True, False, None}
    assert {"Bern", "Oslo", "Rome", None} < {row["city"] for row in rows}  # and one that nobody has seen
    assert None in {row["amount"] for row in rows}
    assert None not in {row["age"] for row in rows}, "this feature may not be missing"
    numbers = np.array([row["age"] for row in rows])
    assert np.array_equal(numbers, numbers.astype(np.float32).astype(np.float64))
    assert numbers.min() < 30 and numbers.max() > 70
    scores = model.predict_rows(rows)
    assert np.ptp(scores) > 0.5


def test_the_same_seed_gives_the_same_rows(
    model_of: Callable[[Kind, str], Model], task_of: Callable[[Kind], Task]
) -> None:
    model = model_of("binary", "linear")
    first, second, other = (made_up_rows(model, task_of("binary"), graph_of(model), 5, seed) for seed in (1, 1, 2))
    assert first == second != other
