from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.splits.arms import Arm, checked

MEAN = Metric(name="spent")
SHARE = Metric(name="clicks", kind="proportion")
RATIO = Metric(name="per_visit", kind="ratio", of="spent", over="visits")
TAIL = Metric(name="latency", kind="quantile", quantile=0.95)


@pytest.mark.parametrize(
    ("metric", "arm", "field"),
    [
        (MEAN, Arm([]), "spent.new.values"),
        (MEAN, Arm([1.0, float("nan")]), "spent.new.values[1]"),
        (MEAN, Arm([float("inf")]), "spent.new.values[0]"),
        (MEAN, Arm([[1.0]]), "spent.new.values"),
        (MEAN, Arm(["much"]), "spent.new.values"),
        (MEAN, Arm([1.0, 2.0], covariate=[1.0]), "spent.new.covariate"),
        (MEAN, Arm([1.0, 2.0], day=[1]), "spent.new.day"),
        (MEAN, Arm([1.0], day=[0.5]), "spent.new.day"),
        (SHARE, Arm([0, 1, 0.5]), "clicks.new.values[2]"),
        (SHARE, Arm([0, -1]), "clicks.new.values[1]"),
        (RATIO, Arm([1.0]), "per_visit.new.over"),
        (RATIO, Arm([1.0, 2.0], over=[0, 0]), "per_visit.new.over"),
        (RATIO, Arm([1.0, 2.0], over=[-1, 5]), "per_visit.new.over"),
        (RATIO, Arm([1.0, 2.0], over=[1]), "per_visit.new.over"),
        (TAIL, Arm([1.0], covariate=[1.0]), "latency.new.covariate"),
    ],
)
def test_what_does_not_fit_the_metric_is_refused_by_name(metric: Metric, arm: Arm, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked(metric, "new", arm)
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix


def test_a_proportion_names_its_metric_and_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"'clicks' is a proportion, and 2 of its values are neither 0 nor 1"):
        checked(SHARE, "new", Arm([0, 3, 4]))


def test_units_are_chosen_with_all_that_belongs_to_them() -> None:
    arm = checked(RATIO, "new", Arm([1, 2, 3], over=[4, 5, 6], covariate=[7, 8, 9], day=[0, 1, 1]))
    some: Any = arm.at(np.array([False, True, False]))
    assert [part.tolist() for part in some] == [[2], [5], [8], [1]]
    assert checked(MEAN, "new", Arm([True, False])).day.tolist() == [0, 0]
