"""Models of every kind that techniques work on, and rows that they have not seen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY
from tropism.core.task import Feature, Kind, Task
from tropism.learners.base import Dataset, Encoded, Learner
from tropism.learners.encoding import Encoding
from tropism.learners.fitting import fit_model
from tropism.learners.mlp import MLP
from tropism.learners.model import Model, Origin, Signature
from tropism.learners.xgboost_boosting import XGBoost
from tropism.training.optimise.base import Sample
from tropism.training.optimise.quality import Judge

CLASSES = ("low", "middle", "high")


def _features() -> tuple[Feature, ...]:
    numbers = [Feature(f"n{index}") for index in range(5)]
    return (
        *numbers,
        Feature("shop", type="category"),
        Feature("kind", type="category"),
        Feature("new", type="boolean"),
    )


@functools.cache
def _task(kind: Kind, metric: str | None = None) -> Task:
    classes = CLASSES if kind == "multiclass" else ()
    return Task(name="sales", kind=kind, target="y", features=_features(), classes=classes, metric=metric)


@functools.cache
def _rows(kind: Kind, count: int = 2_000, seed: int = 0, shops: int = 40) -> Sample:
    """Numbers with gaps (but `n4`), a category of many values and one of few; half an hour between rows."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(count, 5))
    shop, other = rng.integers(shops, size=count), rng.integers(4, size=count)
    signal = numbers @ [1.0, -0.5, 0.3, 0.0, 0.7] + np.sin(3 * numbers[:, 4]) + (shop % 7 - 3) * 0.5
    noisy = signal + rng.normal(size=count) * 0.7
    labels = {
        "binary": (noisy > 0).astype(np.float64),
        "multiclass": np.digitize(noisy, [-1.0, 1.0]).astype(np.float64),
        "regression": 1e4 + 1e3 * noisy,
    }[kind]
    numbers[:, :4][rng.random((count, 4)) < 0.1] = np.nan
    columns: dict[str, Any] = {f"n{index}": pa.array(numbers[:, index], from_pandas=True) for index in range(5)}
    columns["shop"] = pa.array([f"shop {one}" if one else None for one in shop.tolist()])
    columns["kind"] = pa.array([f"kind {one}" for one in other.tolist()])
    columns["new"] = pa.array(numbers[:, 4] > 1)
    return Sample(pa.table(columns), labels, np.arange(count) * (DAY // 48))


@functools.cache
def _trees(kind: Kind, learner: str = "lightgbm", trees: int = 60, leaves: int = 15) -> Model:
    rows, task = _rows(kind), _task(kind)
    data = Dataset(rows.features, rows.labels, rows.at)
    if learner == "xgboost":
        return _fitted(XGBoost(num_trees=trees), task, rows)
    return fit_model(task, learner, data, parameters={"num_trees": trees, "num_leaves": leaves})


@functools.cache
def _linear(kind: Kind) -> Model:
    rows = _rows(kind)
    return fit_model(_task(kind), "linear", Dataset(rows.features, rows.labels, rows.at))


@functools.cache
def _network(kind: Kind, hidden: str = "48,32") -> Model:
    return _fitted(MLP(hidden=hidden, epochs=15), _task(kind), _rows(kind))


def _fitted(learner: Learner, task: Task, rows: Sample) -> Model:
    encoding = Encoding.fit(task.features, rows.features, learner.style)
    estimator = learner.fit(Encoded(encoding.matrix(rows.features), rows.labels, rows.at), task)
    origin = Origin(type(learner).__name__.lower(), learner.parameters, 0, len(rows.labels), {})
    return Model(Signature(task.name, task.kind, task.classes), origin, encoding, estimator)


@pytest.fixture(scope="session")
def task_of() -> Callable[..., Task]:
    return _task


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., Sample]:
    return _rows


@pytest.fixture(scope="session")
def trees_of() -> Callable[..., Model]:
    return _trees


@pytest.fixture(scope="session")
def linear_of() -> Callable[..., Model]:
    return _linear


@pytest.fixture(scope="session")
def network_of() -> Callable[..., Model]:
    return _network


@pytest.fixture(scope="session")
def fitted() -> Callable[..., Model]:
    return _fitted


@pytest.fixture
def judge() -> Judge:
    return Judge("binary", "brier")
