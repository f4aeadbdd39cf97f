from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset, Learner
from tropism.learners.ensemble import Ensemble
from tropism.learners.model import Model
from tropism.learners.selection import Selection
from tropism.learners.stacking import Stacking
from tropism.learners.voting import Voting
from tropism.learners.weighted_average import WeightedAverage

KINDS = [WeightedAverage, Voting, Stacking, Selection]


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_read_when_the_learner_is_made(kind: type[Voting]) -> None:
    assert kind(members="linear, lightgbm").parameters["members"] == "linear, lightgbm"
    with pytest.raises(SettingInvalid):
        kind(members="linear")


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_for_another_kind_of_task_is_refused_before_anything_is_fitted(
    kind: type[Voting],
    make_task: Callable[..., Task],
    make_data: Callable[..., Dataset],
    fit_learner: Callable[..., Model],
) -> None:
    with pytest.raises(SettingInvalid) as caught:
        fit_learner(kind(members="linear, majority"), make_task("regression"), make_data("regression"))
    assert caught.value.faults[0].field == "parameters.members"


@pytest.mark.parametrize(
    "learner", [kind(members="linear, majority") for kind in KINDS], ids=lambda x: type(x).__name__
)
def test_a_few_rows_are_enough_to_answer(
    learner: Learner, make_task: Callable[..., Task], fit_learner: Callable[..., Model]
) -> None:
    features = pa.table({"x": [1.0, 2.0, 3.0, 4.0]})
    data = Dataset(features, np.array([0.0, 1.0, 1.0, 0.0]), np.arange(4, dtype=np.int64))
    model = fit_learner(learner, make_task("binary"), data)
    assert np.all(np.isfinite(model.predict(features)))
    assert isinstance(model.estimator, Ensemble)
    used = [member.learner for member in model.estimator.members]
    assert used == (["linear"] if isinstance(learner, Selection) else ["linear", "majority"])


def test_the_seed_reaches_the_members(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    learner = Voting(members="random-forest(num_trees=5), linear")
    task, data = make_task("regression"), make_data("regression")
    first, again, other = (fit_learner(learner, task, data, seed).estimator.export() for seed in (1, 1, 2))
    assert first == again
    assert first["0/model.txt"] != other["0/model.txt"]
    assert first["1/weights.safetensors"] == other["1/weights.safetensors"]
