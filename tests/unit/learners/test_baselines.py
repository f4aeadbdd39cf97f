from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import InvalidInput, SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Encoded
from tropism.learners.baselines import LastLabel, Majority, Mean, Seasonal

HOUR = 3_600_000_000


def rows(labels: list[float], weights: list[float] | None = None) -> Encoded:
    at = np.arange(len(labels), dtype=np.int64) * HOUR
    return Encoded(np.zeros((len(labels), 4)), np.array(labels), at, None if weights is None else np.array(weights))


def test_majority_gives_each_class_its_share(make_task: Callable[..., Task]) -> None:
    scores = Majority().fit(rows([1, 1, 1, 0]), make_task("binary")).predict(np.zeros((1, 4)))
    np.testing.assert_allclose(scores, [[4 / 6]])
    scores = Majority().fit(rows([2, 2, 0, 2, 0]), make_task("multiclass")).predict(np.zeros((1, 4)))
    np.testing.assert_allclose(scores, [[3 / 8, 1 / 8, 4 / 8]])
    weighted = Majority().fit(rows([1, 0], [3.0, 0.5]), make_task("binary")).predict(np.zeros((1, 4)))
    np.testing.assert_allclose(weighted, [[4 / 5.5]])


def test_mean_is_the_weighted_mean(make_task: Callable[..., Task]) -> None:
    task = make_task("regression")
    assert Mean().fit(rows([1, 2, 6]), task).predict(np.zeros((1, 4)))[0, 0] == 3.0
    assert Mean().fit(rows([1, 5], [3.0, 1.0]), task).predict(np.zeros((1, 4)))[0, 0] == 2.0


def test_last_label_is_the_newest_by_time_not_by_row(make_task: Callable[..., Task]) -> None:
    data = rows([7.0, 8.0, 9.0])
    data = data._replace(at=data.at[::-1].copy())
    assert LastLabel().fit(data, make_task("regression")).predict(np.zeros((1, 4)))[0, 0] == 7.0


def test_lag_sets_which_labels_are_compared(make_task: Callable[..., Task]) -> None:
    alternating = rows([0.0, 1.0] * 50)
    task = make_task("binary")
    assert LastLabel(lag=2).fit(alternating, task).predict(np.zeros((1, 4)))[0, 0] > 0.95
    assert LastLabel(lag=1).fit(alternating, task).predict(np.zeros((1, 4)))[0, 0] < 0.51
    assert np.isfinite(LastLabel(lag=5_000).fit(alternating, task).predict(np.zeros((1, 4)))[0, 0])


def test_seasonal_knows_the_hour_of_the_week(make_task: Callable[..., Task]) -> None:
    hours = np.arange(24 * 7 * 20)
    data = rows((hours % 24).astype(float).tolist())
    estimator = Seasonal().fit(data, make_task("regression"))
    at = data.at[-1] + np.arange(1, 49, dtype=np.int64) * HOUR
    np.testing.assert_allclose(
        estimator.predict(np.zeros((48, 4)), at)[:, 0], (hours[-1] + np.arange(1, 49)) % 24, atol=0.6
    )


def test_parameters_out_of_range_are_named() -> None:
    with pytest.raises(SettingInvalid) as caught:
        LastLabel(lag=0)
    assert caught.value.faults[0].field == "lag"
    with pytest.raises(SettingInvalid):
        Seasonal(bins=0)
    with pytest.raises(SettingInvalid, match="period"):
        Seasonal(period="5000d")
    with pytest.raises(InvalidInput, match="period"):
        Seasonal(period="a fortnight")
