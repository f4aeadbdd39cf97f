from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import DataInvalid, SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.calibration import Platt
from tropism.learners.fitting import fit_model, make_learner


def test_a_model_knows_where_it_comes_from(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    model = fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 5}, seed=3)
    assert model.signature.task == "shop"
    assert (model.origin.learner, model.origin.seed, model.origin.rows) == ("lightgbm", 3, 600)
    assert model.origin.parameters["num_trees"] == 5
    assert model.origin.parameters["num_leaves"] == 7
    assert set(model.origin.libraries) == {"tropism", "numpy", "lightgbm"}


def test_calibration_can_be_fitted_on_the_way(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task, data, fresh = make_task("binary"), make_data("binary"), make_data("binary", seed=8)
    large = {"num_leaves": 31, "min_data_in_leaf": 20, "learning_rate": 0.1}
    plain = fit_model(task, "lightgbm", data, parameters=large)
    scores = plain.uncalibrated(fresh.features)
    model = fit_model(task, "lightgbm", data, parameters=large, calibrate=(fresh.labels, scores))
    assert isinstance(model.calibration, Platt)
    assert model.calibration.slope < 0.9  # a hundred large trees on 600 rows are too sure of themselves
    np.testing.assert_array_equal(model.predict(fresh.features), model.calibration.apply(scores))


def test_weights_count(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    data = make_data("binary")
    heavy = np.where(data.labels == 1, 50.0, 1.0)
    for name in ("majority", "linear", "lightgbm", "random-forest"):
        plain = fit_model(make_task("binary"), name, data).predict(data.features).mean()
        assert fit_model(make_task("binary"), name, data._replace(weights=heavy)).predict(data.features).mean() > plain


def test_an_unknown_learner_or_parameter_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingInvalid, match="lightgbm"):
        make_learner("deep-magic", {})
    with pytest.raises(SettingInvalid) as caught:
        make_learner("linear", {"l2": 1.0, "depth": 3})
    assert [fault.field for fault in caught.value.faults] == ["parameters.depth"]
    assert "l2" in caught.value.faults[0].fix


def test_rows_that_do_not_line_up_are_refused(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data("binary")
    with pytest.raises(DataInvalid, match="line up"):
        fit_model(make_task("binary"), "majority", data._replace(labels=data.labels[:-1], at=data.at[:-1]))
