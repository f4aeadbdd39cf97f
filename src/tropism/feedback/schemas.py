"""Columns of the lake's tables of events.

Every row names its record in the journal by `writer` and `seq`. Times are µs, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tropism.core.task import Feature

MOMENT = pa.timestamp("us", "UTC")
TYPES = {"number": pa.float64(), "category": pa.string(), "boolean": pa.bool_()}
"""A feature's type in the lake."""
REJECTED_NAME = "_rejected"
SERVICE_NAME = "_service"

_RECORD = [pa.field("writer", pa.string()), pa.field("seq", pa.int64())]
PREDICTIONS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("at", MOMENT),
        pa.field("entity", pa.string()),
        pa.field("unit", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("variant", pa.string()),
        pa.field("scores", pa.list_(pa.float64())),
        pa.field("degraded", pa.list_(pa.string())),
        pa.field("served", pa.string()),
        pa.field("propensity", pa.float64()),
        *_RECORD,
    ]
)
"""Predictions, before one column `f_<name>` for each feature."""
OUTCOMES = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("at", MOMENT),
        pa.field("received", MOMENT),
        pa.field("prediction_id", pa.string()),
        pa.field("entity", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("values", pa.map_(pa.string(), pa.float64())),
        *_RECORD,
    ]
)
"""Outcomes. `value`: the label, null where only `values` were told: figures by name, null where there are none."""
REJECTED = pa.schema(
    [
        pa.field("at", MOMENT),
        *_RECORD,
        pa.field("reason", pa.string()),
        pa.field("payload", pa.binary()),
    ]
)
"""Records that no table can take. `at` is when they were rejected."""
SERVICE = pa.schema(
    [
        pa.field("at", MOMENT),
        pa.field("start", MOMENT),
        pa.field("process", pa.string()),
        pa.field("task", pa.string()),
        pa.field("versions", pa.list_(pa.int32())),
        pa.field("predictions", pa.list_(pa.int64())),
        pa.field("requests", pa.int64()),
        pa.field("latency", pa.list_(pa.int64())),
        pa.field("seconds", pa.float64()),
        *(pa.field(name, pa.int64()) for name in ("errors", "refused", "degraded", "outcomes")),
        pa.field("cpu_seconds", pa.float64()),
        pa.field("memory_bytes", pa.int64()),
        pa.field("gpus", pa.int64()),
        pa.field("gpu_seconds", pa.float64()),
        pa.field("gpu_memory_bytes", pa.int64()),
        pa.field("mirrored", pa.string()),
        *_RECORD,
    ]
)
"""What data planes did and used from `start` to `at`, see `core.events.Measured`.

A row without a task is of the process: what it used, from `cpu_seconds` on, and as `mirrored` what it saw of treatments
that were sent the requests of others, a list of `core.events.Mirrored` as JSON, or null. One with a task is what it
did for it: `predictions` by `versions`; `latency`: `requests` by bucket.
"""


def predictions_name(task: str) -> str:
    """The table of a task's predictions."""
    return f"{task}/predictions"


def outcomes_name(task: str) -> str:
    """The table of a task's outcomes."""
    return f"{task}/outcomes"


def told_name(name: str) -> str:
    """The column of a figure that outcomes carry, where it is joined to predictions."""
    return f"v_{name}"


def feature_fields(features: Iterable[Feature]) -> list[pa.Field]:
    """The columns of features, in order."""
    return [pa.field(f"f_{feature.name}", TYPES[feature.type]) for feature in features]
