from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid, MissingExtra
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.encoding import UNSEEN
from tropism.learners.fitting import fit_model
from tropism.learners.xgboost_growing import as_xgboost_takes_it
from tropism.learners.xgboost_trees import XGBoostTrees

pytest.importorskip("xgboost", reason="needs the extra 'xgboost'")


def test_codes_become_categories_that_xgboost_takes() -> None:
    codes = np.array([[1.0, UNSEEN], [1e300, 0.0], [np.nan, np.nan], [-1e300, 7.0], [-1e-36, 0.0], [2e-35, 0.0]])
    found = as_xgboost_takes_it(codes, [1])
    np.testing.assert_array_equal(found[:, 1], [0.0, 1.0, np.nan, 8.0, 1.0, 1.0])
    np.testing.assert_array_equal(found[:, 0], [1.0, 1e38, np.nan, -1e38, 0.0, 2e-35])


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.77, 0.99])
def test_the_base_score_is_one_that_both_compute_alike(share: float, make_task: Callable[..., Task]) -> None:
    """With trees that never split only the base score is left."""
    labels = (np.arange(1_000) < 1_000 * share).astype(np.float64)
    data = Dataset(pa.table({"x": np.zeros(1_000)}), labels, np.arange(1_000, dtype=np.int64))
    model = fit_model(make_task("binary"), "xgboost", data, parameters={"num_trees": 1})
    assert model.predict_rows([{}])[0, 0] == pytest.approx(share, abs=1e-5)
    assert model.sample is not None
    estimator = model.estimator
    assert isinstance(estimator, XGBoostTrees)
    assert estimator.framework is not None
    assert np.max(np.abs(estimator.framework(model.sample.matrix) - estimator.predict(model.sample.matrix))) < 1e-7


def test_huge_numbers_and_targets(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    data = make_data("regression")
    with pytest.raises(DataInvalid, match="too large"):
        fit_model(make_task("regression"), "xgboost", data._replace(labels=data.labels * 1e16))
    huge = data.features.set_column(0, "x", pa.array(np.sign(np.asarray(data.features["noise"])) * 1.7e308))
    model = fit_model(make_task("regression"), "xgboost", data._replace(features=huge))
    assert np.all(np.isfinite(model.predict(huge)))


def test_without_the_package_the_extra_is_named(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingExtra, match=r"tropism\[xgboost\]"):
        fit_model(make_task("binary"), "xgboost", make_data("binary"))


def test_missing_values_that_tell_the_label_are_split_off(make_task: Callable[..., Task]) -> None:
    x = pa.array([1e308 if i % 2 else None for i in range(400)], pa.float64())
    labels = (np.arange(400) % 2).astype(np.float64)
    data = Dataset(pa.table({"x": x}), labels, np.arange(400, dtype=np.int64))
    model = fit_model(make_task("binary"), "xgboost", data)
    present, missing = model.predict_rows([{"x": 5.0}, {}])[:, 0]
    assert present > 0.9
    assert missing < 0.1
