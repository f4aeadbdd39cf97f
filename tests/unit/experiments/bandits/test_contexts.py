"""Contexts are the same, however the features of many rows are given."""

from __future__ import annotations

import numpy as np

from tropism.experiments.bandits.contexts import contexts_of


def test_arrays_and_lists_give_the_same_contexts() -> None:
    rng = np.random.default_rng(0)
    size, plan = rng.normal(40, 10, 100), rng.choice(["a", "b"], 100)
    size[3] = np.nan
    lists = {"size": [None if np.isnan(one) else float(one) for one in size], "plan": plan.tolist()}
    arrays = {"size": size, "plan": plan.astype(object)}
    made = contexts_of({"size": "number", "plan": "category"}, lists)
    assert contexts_of({"size": "number", "plan": "category"}, arrays) == made
    assert np.array_equal(made.of_many(lists, 100), made.of_many(arrays, 100))
    assert np.array_equal(made.of_many(arrays, 100)[3], made.of({"size": None, "plan": str(plan[3])}))
