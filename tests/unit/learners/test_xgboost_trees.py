from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, NotReady
from tropism.core.task import Task
from tropism.learners.base import Dataset, Floats
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.xgboost_growing import as_xgboost_takes_it
from tropism.learners.xgboost_trees import XGBoostTrees, logit

xgboost = pytest.importorskip("xgboost", reason="needs the extra 'xgboost'")
KINDS = ("binary", "multiclass", "regression")
DEEP = {"num_trees": 60, "max_depth": 7, "min_child_weight": 0.1, "max_cat_to_onehot": 1}


@pytest.fixture
def make_model(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Model]:
    def make(kind: str, **parameters: Any) -> Model:
        return fit_model(make_task(kind), "xgboost", make_data(kind), parameters={**DEEP, **parameters})

    return make


def rows(count: int) -> Floats:
    """Codes of x, noise, city and new, some missing, absurdly large, or never seen."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(count, 4))
    matrix[:, 2] = rng.integers(-1, 8, count)
    matrix[rng.random((count, 4)) < 0.2] = np.nan
    matrix[:3, 0] = np.array([1e300, -1e300, 3.5e38])[: len(matrix)]
    return matrix


def booster_and_rows(estimator: XGBoostTrees, matrix: Floats) -> tuple[Any, Any]:
    numbers = as_xgboost_takes_it(matrix, [2])
    taken = xgboost.DMatrix(numbers, feature_types=["q", "q", "c", "q"], enable_categorical=True)
    return xgboost.Booster(model_file=bytearray(estimator.export()["model.json"])), taken


@pytest.mark.parametrize("kind", KINDS)
def test_sums_have_the_bits_of_xgboost(kind: str, make_model: Callable[..., Model]) -> None:
    estimator, matrix = make_model(kind).estimator, rows(2_000)
    assert isinstance(estimator, XGBoostTrees)
    booster, taken = booster_and_rows(estimator, matrix)
    margins = booster.predict(taken, output_margin=True).reshape(len(matrix), -1)
    np.testing.assert_array_equal(estimator.margins(matrix), margins, strict=True)
    scores = booster.predict(taken).reshape(len(matrix), -1)
    assert np.max(np.abs(estimator.predict(matrix) - scores)) <= 2e-7


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_way_gives_equal_bits(kind: str, make_model: Callable[..., Model]) -> None:
    estimator, matrix = make_model(kind).estimator, rows(500)
    assert isinstance(estimator, XGBoostTrees)
    together = estimator.predict(matrix)
    assert np.vstack([estimator.score(row) for row in matrix.tolist()]).tobytes() == together.tobytes()
    assert estimator.predict(np.asfortranarray(matrix)).tobytes() == together.tobytes()
    assert estimator.predict(matrix[:0]).shape == (0, together.shape[1])


def test_many_rows_are_scored_part_by_part(make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, matrix = make_model("multiclass").estimator, rows(100)
    whole = estimator.predict(matrix)
    monkeypatch.setattr("tropism.learners.xgboost_trees._MOST_LEAVES", 2_000)
    assert estimator.predict(matrix).tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_are_those_of_xgboost_and_sum_to_the_raw_score(
    kind: str, make_model: Callable[..., Model]
) -> None:
    estimator, matrix = make_model(kind).estimator, rows(200)
    assert isinstance(estimator, XGBoostTrees)
    booster, taken = booster_and_rows(estimator, matrix)
    found = estimator.contributions(matrix)
    expected = booster.predict(taken, pred_contribs=True).reshape(found.shape)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=2), estimator.margins(matrix), atol=2e-5)


def test_only_its_one_file_is_loaded(make_model: Callable[..., Model]) -> None:
    model = make_model("binary")
    files = model.estimator.export()
    assert XGBoostTrees.load(files, model.shape).trees == 60
    for wrong in ({}, {**files, "hook.py": b""}, {"other.json": files["model.json"]}):
        with pytest.raises(ArtifactRefused, match="wrong files"):
            XGBoostTrees.load(wrong, model.shape)


def test_importance_is_the_gain_that_xgboost_tells(make_model: Callable[..., Model]) -> None:
    estimator = make_model("binary").estimator
    booster = xgboost.Booster(model_file=bytearray(estimator.export()["model.json"]))
    gains = booster.get_score(importance_type="total_gain")
    assert isinstance(estimator, XGBoostTrees)
    np.testing.assert_allclose(estimator.importance(), [gains.get(f"f{i}", 0.0) for i in range(4)], rtol=1e-5)


def test_close_lets_the_native_memory_go(make_model: Callable[..., Model]) -> None:
    model = make_model("binary")
    assert isinstance(model.estimator, XGBoostTrees)
    model.estimator.contributions(rows(2))
    model.estimator.close()
    with pytest.raises(NotReady):
        model.predict_rows([{}])
    with pytest.raises(NotReady):
        model.estimator.contributions(rows(2))


def test_log_odds_of_the_extremes_are_finite() -> None:
    found = logit(np.array([1e-6, 0.5, 1 - 2**-24, 2e-30], np.float32))
    assert found[1] == 0.0
    assert np.all(np.isfinite(found))
