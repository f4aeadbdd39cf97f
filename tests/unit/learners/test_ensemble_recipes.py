from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners import ensemble_recipes
from tropism.learners.base import Dataset, Encoded
from tropism.learners.encoding import Encoding
from tropism.learners.ensemble_recipes import Recipe, check_recipe, fit_member, read_recipes


def test_members_are_names_with_parameters_of_every_type() -> None:
    found = read_recipes(" lightgbm( num_trees=5  learning_rate=0.1 ) ,linear,seasonal(period=1d bins=24)")
    assert [(recipe.name, recipe.parameters) for recipe in found] == [
        ("lightgbm", {"num_trees": 5, "learning_rate": 0.1}),
        ("linear", {}),
        ("seasonal", {"period": "1d", "bins": 24}),
    ]
    assert found[0].text == "lightgbm(num_trees=5 learning_rate=0.1)"
    assert found[0].learner().parameters["num_trees"] == 5


@pytest.mark.parametrize(
    "members",
    [
        "",
        "linear",
        "linear, linear",
        "linear(l2=1), linear(l2=1)",
        "linear, , lightgbm",
        "linear lightgbm",
        "linear(, lightgbm",
        "linear(l2), lightgbm",
        "linear(l2=), lightgbm",
        "linear(l2=[1]), lightgbm",
        ",".join(f"linear(l2={number})" for number in range(1, 18)),
        7,
    ],
)
def test_members_that_cannot_be_read_are_refused(members: object) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_recipes(cast("str", members))
    assert caught.value.faults[0].field == "parameters.members"


def test_a_member_for_another_kind_of_task_is_named(make_task: Callable[..., Task]) -> None:
    (majority, linear) = read_recipes("majority, linear")
    check_recipe(linear, make_task("regression"))
    check_recipe(majority, make_task("binary"))
    with pytest.raises(SettingInvalid) as caught:
        check_recipe(majority, make_task("regression"))
    assert caught.value.faults[0].value == "majority"
    with pytest.raises(SettingInvalid, match="deep-magic"):
        check_recipe(Recipe("deep-magic", "deep-magic", {}), make_task("binary"))


def test_a_learner_whose_format_cannot_be_audited_is_no_member(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, data = make_task("binary"), make_data("binary")
    matrix = Encoding.fit(task.features, data.features, "codes").matrix(data.features)
    encoded = Encoded(matrix, data.labels, data.at)
    recipe = Recipe("linear", "linear", {})
    assert np.all(np.isfinite(fit_member(recipe, encoded, task, 0).predict(matrix, None)))
    formats: dict[str, Any] = {}
    monkeypatch.setattr(ensemble_recipes, "SINGLE_FORMATS", formats)
    with pytest.raises(SettingInvalid, match="not valid") as caught:
        fit_member(recipe, encoded, task, 0)
    assert "safetensors" in caught.value.faults[0].fix
