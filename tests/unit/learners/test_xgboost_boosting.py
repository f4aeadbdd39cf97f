from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.xgboost_boosting import XGBoost

pytest.importorskip("xgboost", reason="needs the extra 'xgboost'")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_learns(kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    data, fresh = make_data(kind, rows=3_000), make_data(kind, rows=1_000, seed=6)
    scores = fit_model(make_task(kind), "xgboost", data).predict(fresh.features)
    rival = fit_model(make_task(kind), "lightgbm", data).predict(fresh.features)
    labels = fresh.labels
    if kind == "regression":
        assert np.mean((scores[:, 0] - labels) ** 2) < 1.1 * np.mean((rival[:, 0] - labels) ** 2)
        return
    told = [p[np.arange(len(labels)), labels.astype(int)] for p in map(_all_classes, (scores, rival))]
    assert -np.mean(np.log(told[0])) < -1.1 * np.mean(np.log(told[1]))


def _all_classes(scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int, int], np.dtype]:
    return np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores


def test_absolute_errors_are_fitted_where_they_are_judged_by(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data("regression")
    labels = data.labels.copy()
    labels[::10] += 1_000.0  # means follow these, medians do not
    fitted = {
        metric: fit_model(make_task("regression", metric), "xgboost", data._replace(labels=labels))
        for metric in ("mae", "mse")
    }
    assert b"reg:absoluteerror" in fitted["mae"].estimator.export()["model.json"]
    assert np.median(fitted["mae"].predict(data.features)) < 50 < np.median(fitted["mse"].predict(data.features))


def test_a_parameter_out_of_range_is_named() -> None:
    for name, value in (("max_depth", 40), ("learning_rate", 0.0), ("subsample", 2.0), ("num_trees", 0)):
        with pytest.raises(SettingInvalid) as caught:
            XGBoost(**{name: value})  # type: ignore[arg-type]
        assert caught.value.faults[0].field.endswith(name)
