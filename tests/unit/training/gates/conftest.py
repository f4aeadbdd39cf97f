"""A model in a store on its way to a level, and rows that it has not learnt from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY
from tropism.core.task import Feature, Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import ModelVersion
from tropism.registry.levels import Standing
from tropism.storage.blobs import Blobs
from tropism.training.gates import Evidence, GateContext, evidence_since
from tropism.training.trainer import signature

HOUR = DAY // 24
NOW = 1_000 * DAY


def make_task(kind: str = "binary", **fields: Any) -> Task:
    classes = ("low", "middle", "high") if kind == "multiclass" else ()
    inputs = (Feature("a"), Feature("b"), Feature("shop", type="category"))
    values: dict[str, Any] = {"name": "t", "kind": kind, "target": "y", "features": inputs, "classes": classes}
    return Task(**(values | fields))


def make_rows(
    kind: str = "binary", count: int = 1_000, seed: int = 0, signal: float = 3.0, rare: float = 0.0
) -> tuple[pa.Table, Any, Any]:
    """Features, labels and times; the label follows `a` as far as `signal` says. `rare`: moves labels towards no."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, count))
    raw = signal * a + random.normal(size=count) - rare
    labels = {"binary": raw > 0, "multiclass": np.digitize(raw, [-1, 1]), "regression": raw}[kind]
    features = pa.table({"a": a, "b": b, "shop": ["xyz"[int(n)] for n in random.integers(3, size=count)]})
    return features, np.asarray(labels, np.float64), np.arange(count) * HOUR


@pytest.fixture
def task_of() -> Callable[..., Task]:
    return make_task


@pytest.fixture
def rows_of() -> Callable[..., tuple[pa.Table, Any, Any]]:
    return make_rows


@pytest.fixture
def evidence_of() -> Callable[..., Evidence]:
    """Rows of another seed than the model's, and the baselines' scores."""

    def one(kind: str = "binary", **rows: Any) -> Evidence:
        features, labels, at = make_rows(kind, **({"seed": 7} | rows))
        found = evidence_since(make_task(kind), features, labels, at, at + HOUR, -1)
        assert found is not None
        return found

    return one


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))


@pytest.fixture
def version_of(blobs: Blobs) -> Callable[..., ModelVersion]:
    def one(kind: str = "binary", learner: str = "linear", number: int = 1, **rows: Any) -> ModelVersion:
        task = make_task(kind)
        features, labels, at = make_rows(kind, **rows)
        artifact = store(fit_model(task, learner, Dataset(features, labels, at, None)), blobs)
        return ModelVersion(
            model="t",
            artifact=artifact,
            learner=learner,
            window="all",
            data={"rows": len(labels), "sha256": "ab" * 32, "now": NOW - DAY},
            signature=signature(task),
            version=number,
            state="candidate",
            created_at=NOW - DAY,
        )

    return one


@pytest.fixture
def context_of(blobs: Blobs, version_of: Callable[..., ModelVersion]) -> Callable[..., GateContext]:
    """The context of a linear model, but for the fields given."""

    def one(kind: str = "binary", version: ModelVersion | None = None, **fields: Any) -> GateContext:
        values: dict[str, Any] = {
            "task": make_task(kind),
            "version": version or version_of(kind),
            "level": "production",
            "artifacts": blobs,
            "now": NOW,
            "standing": Standing(model="t", version=1, level="staging", since=NOW - DAY),
        }
        return GateContext(**(values | fields))

    return one
