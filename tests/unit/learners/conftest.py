"""Small tasks and data sets that the tests of learners share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature, Task
from tropism.learners.base import Dataset, Encoded
from tropism.learners.encoding import Encoding
from tropism.learners.model import Model, Origin, Signature

if TYPE_CHECKING:
    from tropism.core.task import Kind
    from tropism.learners.base import Learner

FEATURES = (Feature("x"), Feature("noise"), Feature("city", "category"), Feature("new", "boolean"))


class Blobs(dict[str, bytes]):
    """A content-addressed store in memory that, unlike the real one, believes what it holds."""

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self[digest] = data
        return digest

    def get(self, digest: str) -> bytes:  # type: ignore[override]
        return self[digest]


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def make_task() -> Callable[..., Task]:
    def make(kind: Kind, metric: str | None = None) -> Task:
        classes = ("low", "middle", "high") if kind == "multiclass" else ()
        return Task(name="shop", kind=kind, target="y", features=FEATURES, classes=classes, metric=metric)

    return make


@pytest.fixture
def make_data() -> Callable[..., Dataset]:
    """Labels depend on `x`, a little on `city`, and not on `noise`."""

    def make(kind: Kind, rows: int = 600, seed: int = 5) -> Dataset:
        rng = np.random.default_rng(seed)
        x, city = rng.normal(size=rows), rng.integers(0, 5, rows)
        z = 2 * x + (city == 1)
        labels = {
            "binary": (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.float64),
            "multiclass": np.digitize(z + 0.3 * rng.normal(size=rows), [-0.5, 0.8]).astype(np.float64),
            "regression": z + 0.3 * rng.normal(size=rows),
        }[kind]
        table = pa.table(
            {
                "x": pa.array(x, mask=rng.random(rows) < 0.1),
                "noise": rng.normal(size=rows),
                "city": pa.array([f"c{i}" for i in city], pa.string(), mask=rng.random(rows) < 0.1),
                "new": rng.random(rows) < 0.5,
            }
        )
        return Dataset(table, labels, np.arange(rows, dtype=np.int64) * 3_600_000_000)

    return make


@pytest.fixture
def fit_learner() -> Callable[..., Model]:
    """As `fit_model`, for a learner that is given rather than named."""

    def fit(learner: Learner, task: Task, data: Dataset, seed: int = 0) -> Model:
        encoding = Encoding.fit(task.features, data.features, learner.style)
        encoded = Encoded(encoding.matrix(data.features), data.labels, data.at, data.weights)
        origin = Origin(type(learner).__name__, learner.parameters, seed, len(data.labels), {})
        signature = Signature(task.name, task.kind, task.classes)
        return Model(signature, origin, encoding, learner.fit(encoded, task, seed))

    return fit
