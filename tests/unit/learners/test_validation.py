from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import DataInvalid, SettingInvalid
from tropism.core.task import Kind, Task
from tropism.learners.base import Encoded
from tropism.learners.validation import check_training, real, whole

KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")
GOOD = Encoded(np.zeros((3, 4)), np.array([0.0, 1.0, 1.0]), np.arange(3))


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (GOOD._replace(matrix=np.zeros((2, 4))), "features"),
        (GOOD._replace(at=np.arange(4)), "at"),
        (GOOD._replace(weights=np.ones(2)), "weights"),
        (GOOD._replace(weights=np.array([1.0, -1.0, 1.0])), "weights"),
        (GOOD._replace(weights=np.array([1.0, np.nan, 1.0])), "weights"),
        (GOOD._replace(weights=np.zeros(3)), "weights"),
        (GOOD._replace(labels=np.array([0.0, np.nan, 1.0])), "y"),
        (GOOD._replace(labels=np.array([0.0, 2.0, 1.0])), "y"),
        (GOOD._replace(labels=np.ones(3)), "y"),
        (Encoded(np.zeros((0, 4)), np.zeros(0), np.arange(0)), "rows"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_named(data: Encoded, field: str, make_task: Callable[..., Task]) -> None:
    check_training(GOOD, make_task("binary"), KINDS)
    with pytest.raises(DataInvalid) as caught:
        check_training(data, make_task("binary"), KINDS)
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix


def test_the_only_class_is_named_as_the_user_names_it(make_task: Callable[..., Task]) -> None:
    with pytest.raises(DataInvalid, match="only middle"):
        check_training(GOOD._replace(labels=np.ones(3)), make_task("multiclass"), KINDS)


def test_numbers_beyond_reason_are_refused(make_task: Callable[..., Task]) -> None:
    with pytest.raises(DataInvalid, match="rescale"):
        check_training(GOOD._replace(labels=np.array([0.0, 1e200, 1.0])), make_task("regression"), KINDS)


def test_parameters_have_types_and_bounds() -> None:
    assert real("x", 1, 0, 2) == 1.0
    for bad in (True, "1", None, 3, float("nan")):
        with pytest.raises(SettingInvalid, match="from 0 to 2"):
            real("x", bad, 0, 2)
    for value in (True, 1.0, "1", 3):
        with pytest.raises(SettingInvalid, match="whole number"):
            whole("x", value, 0, 2)
