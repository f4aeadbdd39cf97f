from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, PolynomialFeatures, StandardScaler

from tropism.core.errors import DataInvalid
from tropism.features.transformations import (
    Binning,
    Interaction,
    Log,
    MinMax,
    Polynomial,
    TrainingRows,
    Transformation,
    ZScore,
)

RANDOM = np.random.default_rng(11)
TRAINING, SERVING = RANDOM.normal(40, 9, (500, 2)), RANDOM.normal(40, 20, (200, 2))


def applied(step: Transformation, training: Any, serving: Any) -> list[list[Any]]:
    """The outputs' values for columns a, b, …"""
    tables = [
        pa.table({name: values[:, place] for place, name in enumerate("ab"[: values.shape[1]])})
        for values in (np.asarray(training, float), np.asarray(serving, float))
    ]
    found = step.fit(TrainingRows(tables[0])).apply(tables[1])
    return [column.to_pylist() for column in found.values()]


def test_z_scores_are_those_of_scikit_learn() -> None:
    expected = StandardScaler().fit(TRAINING[:, :1]).transform(SERVING[:, :1])[:, 0]
    np.testing.assert_allclose(applied(ZScore("a"), TRAINING, SERVING)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("clip", [False, True])
def test_min_max_is_that_of_scikit_learn(clip: bool) -> None:
    expected = MinMaxScaler(clip=clip).fit(TRAINING[:, :1]).transform(SERVING[:, :1])[:, 0]
    np.testing.assert_allclose(applied(MinMax("a", clip=clip), TRAINING, SERVING)[0], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("by", "strategy"), [("width", "uniform"), ("quantile", "quantile")])
def test_bins_are_those_of_scikit_learn(by: Any, strategy: str) -> None:
    more = {"quantile_method": "linear"} if by == "quantile" else {}
    oracle = KBinsDiscretizer(7, encode="ordinal", strategy=strategy, subsample=None, **more)
    expected = oracle.fit(TRAINING[:, :1]).transform(SERVING[:, :1])[:, 0]
    assert applied(Binning("a", by=by, bins=7), TRAINING, SERVING)[0] == expected.tolist()


@pytest.mark.parametrize("degree", [2, 3, 5])
def test_powers_are_those_of_scikit_learn(degree: int) -> None:
    oracle = PolynomialFeatures(degree, include_bias=False).fit(TRAINING)
    step = Polynomial(("a", "b"), degree=degree)
    assert [name.replace("*", " ") for name in step.outputs] == list(oracle.get_feature_names_out(["a", "b"]))[2:]
    np.testing.assert_allclose(np.transpose(applied(step, TRAINING, SERVING)), oracle.transform(SERVING)[:, 2:])


def test_interactions_multiply_and_logarithms_are_null_where_there_is_none() -> None:
    assert applied(Interaction(("a", "b")), [[0, 0]], [[2, 3], [np.nan, 1]]) == [[6.0, None]]
    serving = [[0], [-1], [-2], [np.e - 1], [np.inf]]
    assert applied(Log("a", offset=1), [[0]], serving) == [[0.0, None, None, 1.0, None]]


@given(st.floats(-1e9, 1e9), st.integers(1, 40))
def test_constants_do_not_divide_by_zero(value: float, rows: int) -> None:
    training = np.full((rows, 1), value)
    serving = [[value], [value + 1], [np.nan]]
    assert applied(ZScore("a"), training, serving) == [[0.0, 0.0, None]]
    assert applied(MinMax("a", clip=True), training, serving) == [[0.0, 0.0, None]]
    assert applied(Binning("a", by="quantile", bins=3), training, serving)[0] == [0, 0, None]
    assert applied(Binning("a", by="width", bins=3), training, serving)[0][0] == 0


def test_what_is_out_of_range_goes_to_the_outermost_bins() -> None:
    assert applied(Binning("a", by="edges", edges=(0, 1, 2)), [[0]], [[-9], [0], [1], [2], [9]]) == [[0, 0, 1, 1, 1]]
    for step in (Binning("a", by="width", bins=4), Binning("a", by="quantile", bins=4)):
        assert applied(step, [[0], [1], [2], [3], [4]], [[-9], [9]]) == [[0, 3]]


LEARNING = [ZScore("a"), MinMax("a"), Binning("a", by="width"), Binning("a", by="quantile")]
REFUSED = [(step, values) for step in LEARNING for values in ([], [np.nan, np.inf])]
TOO_LARGE = [(step, [-1.7e308, 1.7e308]) for step in LEARNING[:3]]


@pytest.mark.parametrize(("step", "values"), [*REFUSED, *TOO_LARGE])
def test_what_cannot_be_learned_from_is_refused_by_column(step: Transformation, values: list[float]) -> None:
    with warnings.catch_warnings(), pytest.raises(DataInvalid) as caught:
        warnings.simplefilter("error")
        step.fit(TrainingRows(pa.table({"a": pa.array(values, pa.float64())})))
    assert caught.value.faults[0].field == "a"


def test_values_that_are_missing_in_training_do_not_count() -> None:
    table = pa.table({"a": [1.0, None, 3.0, float("nan")]})
    assert ZScore("a").fit(TrainingRows(table)).apply_row({"a": 2.0}) == {"zscore_a": 0.0}
    assert MinMax("a").fit(TrainingRows(table)).apply_row({"a": 2.0}) == {"minmax_a": 0.5}
