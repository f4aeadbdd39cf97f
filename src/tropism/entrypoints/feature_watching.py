"""Watching features: what was served against the history, and statistics of what there is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import NotFound
from tropism.feedback.cohorts import LakeVersions
from tropism.feedback.joining import distinct_predictions
from tropism.feedback.schemas import PREDICTIONS, feature_fields, predictions_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Task
    from tropism.featurestore.skew import TaskSkew
    from tropism.featurestore.statistics import FeatureStatistics
    from tropism.wiring import Platform

ROWS, DAYS = 10_000, 7
_SERVED = ("id", "at", "writer", "seq", "served")


def served_skew(platform: Platform, name: str, since: int | None = None, rows: int = ROWS) -> TaskSkew:
    """Replays the newest `rows` predictions of a task that were served from the store since `since` (µs).

    Raises:
        UnknownTask: there is none.
    """
    from tropism.featurestore.skew import task_skew

    task = platform.registry.tasks.get(name)
    return task_skew(platform.features, task, _newest(platform, task, since, rows))


def _newest(platform: Platform, task: Task, since: int | None, rows: int) -> pa.Table:
    own = [field for field in PREDICTIONS if field.name in _SERVED]
    schema = pa.schema([*own, *feature_fields(task.features)])
    name = predictions_name(task.name)
    times = platform.lake.read(
        name, schema=pa.schema([field for field in own if field.name in ("at", "served")]), since=since
    )
    served = times.filter(times["served"].is_valid())["at"].cast(pa.int64()).sort("descending")
    if not len(served):
        return schema.empty_table()
    oldest = served[min(rows, len(served)) - 1].as_py()
    table = platform.lake.read(name, schema=schema, since=oldest)
    table = distinct_predictions(table.filter(table["served"].is_valid()))
    return table.slice(max(0, table.num_rows - rows))


def feature_statistics(
    platform: Platform, names: Sequence[str], days: int = DAYS, task: str | None = None
) -> list[FeatureStatistics]:
    """Statistics of the last `days` days of features, and their drift against what champions were trained on, or
    against as many days before. `task`: the one whose requests count; all without it.

    Raises:
        UnknownFeature, UnknownTask: there is none.
    """
    from tropism.featurestore.statistics import TaskRows, statistics

    tasks = platform.registry.tasks.all() if task is None else [platform.registry.tasks.get(task)]
    rows = [TaskRows(one, partial(_predictions, platform, one), partial(_training, platform, one)) for one in tasks]
    return statistics(platform.features, names, days, rows)


def _predictions(platform: Platform, task: Task, since: int) -> pa.Table:
    """Imported rows were not served, and a row that a caller pinned to a version was."""
    own = [field for field in PREDICTIONS if field.name in ("id", "at", "writer", "seq", "variant")]
    schema = pa.schema([*own, *feature_fields(one for one in task.features if one.view)])
    table = platform.lake.read(predictions_name(task.name), schema=schema, since=since)
    return distinct_predictions(table.filter(pc.fill_null(pc.not_equal(table["variant"], "import"), fill_value=True)))


def _training(platform: Platform, task: Task) -> tuple[str, pa.Table] | None:
    """The rows that the champion was trained on; None without a champion, or where the lake has let them go."""
    champion = platform.registry.aliases.get(task.name, "champion")
    if champion is None:
        return None
    data = platform.registry.versions.get(task.name, champion).data
    columns = ("at", *(f"f_{one.name}" for one in task.features if one.view))
    try:
        versions = msgspec.convert(data["lake"], LakeVersions)
        known = platform.cohorts.known(task, now=data["now"], since=data["from"], versions=versions, columns=columns)
    except (KeyError, msgspec.ValidationError, NotFound):
        return None
    return f"training rows of {task.name}/{champion}", known.table
