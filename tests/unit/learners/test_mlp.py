from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import MissingExtra, SettingInvalid, TrainingFailed
from tropism.core.task import Feature, Task
from tropism.learners.artifact import load, store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.mlp import MLP

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason="needs the extra 'onnx'")


def task_of(kind: str, classes: tuple[str, ...] = ()) -> Task:
    return Task(name="rings", kind=kind, target="y", features=(Feature("a"), Feature("b")), classes=classes)  # type: ignore[arg-type]


def rings(kind: str, rows: int = 2_000, seed: int = 0) -> Dataset:
    """Labels depend on how far from the middle a point is, which no linear model can learn."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rows, 2))
    far = np.hypot(*points.T)
    labels = {"binary": far > 1.2, "multiclass": np.digitize(far, [0.8, 1.4]), "regression": far * 1e6 + 5e6}[kind]
    table = pa.table({"a": points[:, 0], "b": points[:, 1]})
    return Dataset(table, labels.astype(np.float64), np.arange(rows, dtype=np.int64))


def test_it_learns_what_a_linear_model_cannot() -> None:
    data, fresh = rings("binary"), rings("binary", seed=1)
    right = {
        name: np.mean((fit_model(task_of("binary"), name, data).predict(fresh.features)[:, 0] > 0.5) == fresh.labels)
        for name in ("mlp", "linear")
    }
    assert right["mlp"] > 0.95
    assert right["linear"] < 0.7


def test_numbers_of_any_size_are_learnt() -> None:
    data, fresh = rings("regression"), rings("regression", seed=1)
    found = fit_model(task_of("regression"), "mlp", data).predict(fresh.features)[:, 0]
    assert np.mean((found - fresh.labels) ** 2) < 0.1 * np.var(fresh.labels)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_served_graph_scores_as_scikit_learn_does(
    kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset], blobs: object
) -> None:
    model = fit_model(make_task(kind), "mlp", make_data(kind))
    again = load(store(model, blobs), blobs)  # type: ignore[arg-type]
    assert again.verified is not None
    assert 0.0 < again.verified.difference < 1e-5
    assert again.verified.batch_difference == 0.0


def test_a_multiclass_task_of_two_classes_has_two_scores() -> None:
    data, fresh = rings("binary"), rings("binary", seed=1)
    model = fit_model(task_of("multiclass", ("near", "far")), "mlp", data)
    scores = model.predict(fresh.features)
    assert scores.shape == (2_000, 2)
    assert np.mean(scores.argmax(axis=1) == fresh.labels) > 0.95
    assert model.sample is not None
    assert np.max(np.abs(model.sample.scores - model.estimator.predict(model.sample.matrix))) < 1e-5


def test_weights_seed_and_layers_count() -> None:
    data = rings("binary", rows=300)
    heavy = data._replace(weights=np.where(data.labels == 1, 50.0, 1.0))
    plain = fit_model(task_of("binary"), "mlp", data)
    assert (
        fit_model(task_of("binary"), "mlp", heavy).predict(data.features).mean() > plain.predict(data.features).mean()
    )
    other = fit_model(task_of("binary"), "mlp", data, seed=1)
    assert other.estimator.export() != plain.estimator.export()
    deep = fit_model(task_of("binary"), "mlp", data, parameters={"hidden": " 8, 4,2"})
    assert deep.origin.parameters["hidden"] == " 8, 4,2"
    assert len(deep.estimator.export()["model.onnx"]) < len(plain.estimator.export()["model.onnx"])


@pytest.mark.parametrize(
    "hidden", ["", "0", "8,", "8;8", "-3", "1e3", "9999", ",".join(["4"] * 9), "²", 12, None, "8.5"]
)
def test_layers_that_are_none_are_refused(hidden: object) -> None:
    with pytest.raises(SettingInvalid) as caught:
        MLP(hidden=hidden)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == "parameters.hidden"
    assert "512,512" in caught.value.faults[0].fix


def test_training_that_gets_out_of_hand_is_said() -> None:
    data = rings("regression", rows=200)
    with pytest.raises(TrainingFailed, match="rings"):
        fit_model(task_of("regression"), "mlp", data._replace(labels=data.labels * 1e80))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"tropism\[onnx\]"):
        fit_model(task_of("binary"), "mlp", rings("binary", rows=50))
