"""Models of every kind, with every calibration, over features of every type."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature, Kind, Task
from tropism.learners.base import Dataset, Encoded
from tropism.learners.encoding import Encoding
from tropism.learners.fitting import fit_model
from tropism.learners.mlp import MLP
from tropism.learners.model import Model, Origin, Signature

FEATURES = (
    Feature("amount"),
    Feature("age", nullable=False),
    Feature("city", type="category"),
    Feature("shop", type="category", default="web"),
    Feature("new", type="boolean", default=None),
)


@functools.cache
def _task(kind: Kind) -> Task:
    classes = ("low", "middle", "high") if kind == "multiclass" else ()
    return Task(name="sales", kind=kind, target="y", features=FEATURES, classes=classes)


@functools.cache
def _model(kind: Kind, learner: str) -> Model:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {
            "amount": None if rng.random() < 0.1 else float(rng.exponential(50)),
            "age": float(rng.integers(18, 90)),
            "city": None if rng.random() < 0.1 else str(rng.choice(["Bern", "Oslo", "Rome"])),
            "shop": str(rng.choice(["web", "corner"])),
            "new": bool(rng.random() < 0.5),
        }
        for _ in range(500)
    ]
    noisy = np.array(
        [(row["amount"] or 0.0) / 50 + row["age"] / 90 + row["new"] + (row["city"] == "Oslo") for row in rows]
    )
    noisy += rng.normal(size=500) * 0.3
    labels = {"binary": noisy > 2, "multiclass": np.digitize(noisy, [1.5, 2.5]), "regression": 100 * noisy}[kind]
    table, task = pa.Table.from_pylist(rows), _task(kind)
    data = Dataset(table, np.asarray(labels, np.float64), np.arange(500))
    if learner != "mlp":
        return fit_model(task, learner, data)
    encoding = Encoding.fit(task.features, table, "standard")
    estimator = MLP(epochs=10).fit(Encoded(encoding.matrix(table), data.labels, data.at), task)
    signature = Signature(task.name, kind, task.classes)
    return Model(signature, Origin("mlp", {}, 0, 500, {}), encoding, estimator)


@pytest.fixture(scope="session")
def task_of() -> Callable[[Kind], Task]:
    return _task


@pytest.fixture(scope="session")
def model_of() -> Callable[[Kind, str], Model]:
    return _model
