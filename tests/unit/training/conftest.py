"""Training requests over rows that are made up: the label follows `a`, and is known some seconds after its row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature, Task
from tropism.storage.blobs import Blobs
from tropism.training.request import Span, TrainingRequest

SECOND = 1_000_000
Rows = dict[str, Any]


def make_task(**fields: Any) -> Task:
    values: dict[str, Any] = {
        "name": "t",
        "kind": "binary",
        "target": "y",
        "features": (Feature("a"), Feature("c", type="category")),
        "learners": ("linear",),
    }
    return Task(**(values | fields))


def make_rows(count: int = 300, kind: str = "binary", delay: int = 2) -> Rows:
    random = np.random.default_rng(5)
    a = random.normal(size=count)
    noisy = a + 0.5 * random.normal(size=count)
    at = np.arange(count, dtype=np.int64) * SECOND
    labels = {"regression": noisy, "binary": (noisy > 0) * 1.0, "multiclass": np.digitize(noisy, [-0.5, 0.5]) * 1.0}
    return {
        "at": at,
        "label_at": at + delay * SECOND,
        "label": labels[kind],
        "f_a": a,
        "f_c": ["xyz"[int(n)] for n in random.integers(3, size=count)],
    }


@pytest.fixture
def task_of() -> Callable[..., Task]:
    """A binary task with a linear learner, but for the fields given."""
    return make_task


@pytest.fixture
def rows_of() -> Callable[..., Rows]:
    """Columns of `count` rows, one a second, whose labels are known `delay` seconds later."""
    return make_rows


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[..., TrainingRequest]:
    """Writes rows to a file and makes the request that names it."""

    def make(task: Task | None = None, rows: Rows | None = None, **fields: Any) -> TrainingRequest:
        table = pa.table(make_rows() if rows is None else rows)
        path = tmp_path / f"rows-{len(list(tmp_path.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        request = TrainingRequest(
            job="job",
            task=task or make_task(),
            table=str(path),
            data={"lake": {"predictions": 3}},
            blobs=str(tmp_path / "blobs"),
            spans=(Span("all"),),
        )
        return msgspec.structs.replace(request, **fields)

    return make


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))
