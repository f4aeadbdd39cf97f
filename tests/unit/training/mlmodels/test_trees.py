"""LightGBM's and XGBoost's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost

from tropism.core.errors import ArtifactRefused, InvalidInput
from tropism.core.task import Feature, Task
from tropism.training.mlmodels.building import import_folder
from tropism.training.mlmodels.folder import open_folder
from tropism.training.mlmodels.ubjson import read_ubjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]

_RNG = np.random.default_rng(3)
_X = _RNG.normal(size=(400, 2)) * [3.0, 10.0] + [0.0, 40.0]
_Y = (_X[:, 0] + 0.1 * (_X[:, 1] - 40.0) > 0).astype(int)
_SENT = [{"amount": float(a), "age": float(b)} for a, b in _X[:50]]
_COLUMNS = {"amount": "double", "age": "double"}


def _lightgbm(objective: str = "binary", labels: Any = _Y) -> tuple[Any, bytes]:
    data = lightgbm.Dataset(_X, labels, feature_name=["amount", "age"])
    made = lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1}, data, 8)
    return made, made.model_to_string().encode()


def _xgboost(**settings: Any) -> Any:
    rows = xgboost.DMatrix(_X, _Y, feature_names=["amount", "age"])
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, **settings}, rows, 8)


def test_lightgbm_scores_as_it_did_though_the_task_names_its_features_in_another_order(
    write: Write, task: Task
) -> None:
    booster, text = _lightgbm()
    found = import_folder(open_folder(write("lightgbm", {"data": "model.lgb"}, text, _COLUMNS)), task)
    assert np.array_equal(found.model.predict_rows(_SENT)[:, 0], booster.predict(_X[:50]))
    assert found.facts["run_id"] == "abc"
    assert found.model.sample is not None


@pytest.mark.parametrize("objective", ["huber", "quantile", "regression_l1"])
def test_objectives_that_link_alike_are_served(write: Write, objective: str) -> None:
    task = Task(name="pay", kind="regression", target="y", features=(Feature("age"), Feature("amount")))
    booster, text = _lightgbm(objective, _X[:, 0])
    found = import_folder(open_folder(write("lightgbm", {"data": "model.lgb"}, text, _COLUMNS)), task)
    assert np.array_equal(found.model.predict_rows(_SENT)[:, 0], booster.predict(_X[:50]))


def test_an_objective_that_does_not_fit_the_task_is_named(write: Write, task: Task) -> None:
    _, text = _lightgbm("poisson", _Y)
    with pytest.raises(ArtifactRefused, match=r"objective.*poisson.*binary or cross_entropy"):
        import_folder(open_folder(write("lightgbm", {"data": "model.lgb"}, text, _COLUMNS)), task)


def test_columns_that_do_not_fit_are_named_with_what_was_found_and_wanted(write: Write, task: Task) -> None:
    _, text = _lightgbm()
    folder = write("lightgbm", {"data": "model.lgb"}, text, {"amount": "string", "height": "double"})
    with pytest.raises(InvalidInput) as caught:
        import_folder(open_folder(folder), task)
    said = str(caught.value)
    assert "signature.inputs.amount: got the model takes a category, the task has a number" in said
    assert "signature.inputs.height" in said
    assert "it has: age, amount" in said


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_xgboost_scores_as_it_did(write: Write, task: Task, form: str) -> None:
    booster = _xgboost()
    data = bytes(booster.save_raw(form))
    found = import_folder(open_folder(write("xgboost", {"data": f"model.{form}"}, data, _COLUMNS)), task)
    expected = booster.predict(xgboost.DMatrix(_X[:50], feature_names=["amount", "age"]))
    assert np.max(np.abs(found.model.predict_rows(_SENT)[:, 0] - expected)) < 1e-6


def test_a_classifier_that_stopped_early_ends_with_its_best_round(write: Write, task: Task) -> None:
    booster = _xgboost()
    booster.set_attr(best_iteration="2")
    settings = {"data": "model.ubj", "model_class": "xgboost.sklearn.XGBClassifier"}
    found = import_folder(open_folder(write("xgboost", settings, bytes(booster.save_raw("ubj")), _COLUMNS)), task)
    rows = xgboost.DMatrix(_X[:50], feature_names=["amount", "age"])
    expected = booster.predict(rows, iteration_range=(0, 3))
    assert np.max(np.abs(found.model.predict_rows(_SENT)[:, 0] - expected)) < 1e-6


def test_damaged_xgboost_is_refused_wherever_it_is_cut(write: Write, task: Task) -> None:
    data = bytes(_xgboost().save_raw("ubj"))
    for end in range(1, len(data), 97):
        with pytest.raises(ArtifactRefused):
            import_folder(open_folder(write("xgboost", {"data": "model.ubj"}, data[:end], _COLUMNS)), task)


@pytest.mark.parametrize(
    "data", [b"", b"[$U#L\x7f\xff\xff\xff\xff\xff\xff\xff", b"[" * 99, b"[$Z#U\xff", b"x", b"i\x01i"]
)
def test_ubjson_that_promises_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactRefused):
        read_ubjson(data)


def test_ubjson_reads_what_xgboost_writes_as_its_json() -> None:
    import json

    booster = _xgboost()
    ours, theirs = read_ubjson(bytes(booster.save_raw("ubj"))), json.loads(bytes(booster.save_raw("json")))
    assert ours["learner"]["feature_names"] == theirs["learner"]["feature_names"]
    trees = [one["learner"]["gradient_booster"]["model"]["trees"][3] for one in (ours, theirs)]
    assert trees[0]["left_children"] == trees[1]["left_children"]
    assert np.allclose(trees[0]["split_conditions"], trees[1]["split_conditions"], rtol=1e-6)
