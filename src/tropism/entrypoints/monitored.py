"""A task's performance over time beside its baseline, its drift and its data quality, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.evaluation.metrics import losses
from tropism.evaluation.references import reference_scores
from tropism.feedback.joining import moments
from tropism.learners.artifact import read_manifest
from tropism.loop.losses import served
from tropism.monitoring.drift import drift
from tropism.monitoring.performance import by_window, decay
from tropism.monitoring.quality import quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.registry import ModelVersion
    from tropism.wiring import Platform

_REFERENCE, _CURRENT = 2_000, 500


def monitored(platform: Platform, name: str, bins: int = 20) -> dict[str, Any]:
    """Matured predictions only; `bins` windows of equal length.

    `decay`: has the champion's loss risen since its first matured predictions; it cries wolf once in 10,000
    outcomes at most, on average. `drift`: the last 500 rows against the last 2,000 the champion was trained on.
    `quality`: the same 500 rows.

    Raises:
        UnknownTask: there is none of that name.
    """
    task = platform.registry.tasks.get(name)
    now = platform.clock.now()
    table = platform.cohorts.matured(task, now=now).table
    made = table.filter(pa.array(pc.list_value_length(table["scores"]).to_numpy() > 0))
    loss = served(task, made)
    live = platform.registry.aliases.live(name)
    champion = None if live is None else platform.registry.versions.get(name, live.champion)
    return {
        "metric": task.metric_name,
        "windows": _windows(task, table, made, loss, bins),
        "decay": None if live is None else _decay(made, loss, live.champion, live.since),
        "drift": None if champion is None else _drift(task, table, champion),
        "quality": _quality(platform, task, table, champion),
    }


def _windows(task: Task, table: pa.Table, made: pa.Table, loss: NDArray[np.float64], bins: int) -> list[Any]:
    if made.num_rows == 0:
        return []
    labels = table["label"].to_numpy()
    scores = reference_scores(task, labels, moments(table, "at"), moments(table, "label_at"))
    by_rule = {rule: losses(task.metric_name, labels, values) for rule, values in scores.items()}
    best = min(by_rule.values(), key=lambda values: values.mean())
    rows = np.flatnonzero(pc.list_value_length(table["scores"]).to_numpy() > 0)
    found = by_window(moments(made, "at"), made["version"].to_numpy(), loss, best[rows], bins)
    return [msgspec.to_builtins(window) for window in found]


def _decay(made: pa.Table, loss: NDArray[np.float64], champion: int, since: int) -> Any:
    own = loss[(made["version"].to_numpy() == champion) & (moments(made, "at") >= since)]
    first = max(min(len(own) // 2, 500), 0)
    return msgspec.to_builtins(decay(own[:first], own[first:]))


def _drift(task: Task, table: pa.Table, champion: ModelVersion) -> Any:
    before = int(np.searchsorted(moments(table, "at"), champion.created_at, side="right"))
    reference = table.slice(max(before - _REFERENCE, 0), min(before, _REFERENCE)).drop_columns(["scores"])
    current = table.slice(max(table.num_rows - _CURRENT, 0)).drop_columns(["scores"])
    return msgspec.to_builtins(drift(reference, current, task.features))


def _quality(platform: Platform, task: Task, table: pa.Table, champion: ModelVersion | None) -> Any:
    categories = {}
    if champion is not None:
        facts = read_manifest(champion.artifact, platform.blobs).encoding
        categories = {column.name: column.categories for column in facts.columns if column.categories}
    current = table.slice(max(table.num_rows - _CURRENT, 0))
    return msgspec.to_builtins(quality(current, task.features, categories))
