"""What each task was used for, and what that cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from tropism.core.clock import DAY
from tropism.feedback.schemas import SERVICE, SERVICE_NAME
from tropism.monitoring.costs import Cost, cost
from tropism.monitoring.usage import COLUMNS, Usage, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.loop.viewing.sources import Sources

SPAN = 30 * DAY
_COUNTS = ("predictions", "requests", "errors", "refused", "degraded", "outcomes", "cpu_seconds", "gpu_seconds")
_NOTHING = "no data plane told anything of this time; each does once a minute"


class TaskUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a task was used for in all. `versions`: predictions by version, 0 is the baseline. `days`: of UTC."""

    task: str
    predictions: int = 0
    versions: dict[int, int] = {}
    requests: int = 0
    errors: int = 0
    refused: int = 0
    degraded: int = 0
    outcomes: int = 0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    days: tuple[Usage, ...] = ()


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    """Use from `since` to `until` (µs). `idle_...`: what processes took while they answered nothing, of all tasks."""

    since: int
    until: int
    tasks: tuple[TaskUsage, ...]
    idle_cpu_seconds: float
    idle_gpu_seconds: float
    waiting: str = ""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What something cost: for predictions, for time of processors and of GPUs, and in all."""

    predictions: float
    cpu: float
    gpu: float
    total: float


class DayCost(msgspec.Struct, frozen=True, kw_only=True):
    """Of a UTC day (`2024-05-01`)."""

    day: str
    predictions: int
    cost: Spent


class TaskCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a task cost. `per_1000`: the price of a thousand of its predictions, its own or the project's."""

    task: str
    per_1000: float
    predictions: int
    cost: Spent
    days: tuple[DayCost, ...]


class CostView(msgspec.Struct, frozen=True, kw_only=True):
    """Costs from `since` to `until` (µs) in `currency`, by the project's prices. `idle`: of time without requests."""

    currency: str
    cpu_hour: float
    gpu_hour: float
    since: int
    until: int
    tasks: tuple[TaskCost, ...]
    idle: Spent
    total: float
    waiting: str = ""


def usage_of(sources: Sources, name: str | None = None, *, since: int | None = None) -> UsageView:
    """What a task, or each, was used for from `since` (µs; 30 days ago by default) until now.

    Raises:
        UnknownTask: there is none of that name.
    """
    if name is not None:
        sources.task(name)
    now = sources.clock.now()
    start = max(now - SPAN, 0) if since is None else since
    schema = pa.schema([field for field in SERVICE if field.name in COLUMNS])
    rows = sources.lake.read(SERVICE_NAME, schema=schema, since=start, until=now)
    used = usage(rows)
    names = [name] if name is not None else list(dict.fromkeys(one.task for one in used.usage))
    return UsageView(
        since=start,
        until=now,
        tasks=tuple(_total(task, [one for one in used.usage if one.task == task]) for task in names),
        idle_cpu_seconds=used.idle_cpu_seconds,
        idle_gpu_seconds=used.idle_gpu_seconds,
        waiting="" if rows.num_rows else _NOTHING,
    )


def costs_of(sources: Sources, name: str | None = None, *, since: int | None = None) -> CostView:
    """What a task, or each, cost from `since` (µs; 30 days ago by default) until now.

    Raises:
        UnknownTask: there is none of that name.
    """
    used, prices = usage_of(sources, name, since=since), sources.prices
    own = {task.name: task.monitoring.cost_per_1000 for task in sources.registry.tasks.all()}
    tasks = tuple(_priced(sources, one, own.get(one.task) or None) for one in used.tasks)
    idle = _spent(cost(prices, cpu_seconds=used.idle_cpu_seconds, gpu_seconds=used.idle_gpu_seconds))
    return CostView(
        currency=prices.currency,
        cpu_hour=prices.cpu_hour,
        gpu_hour=prices.gpu_hour,
        since=used.since,
        until=used.until,
        tasks=tasks,
        idle=idle,
        total=sum(one.cost.total for one in tasks) + idle.total,
        waiting=used.waiting,
    )


def _total(task: str, days: Sequence[Usage]) -> TaskUsage:
    counts: dict[str, Any] = {name: sum(getattr(day, name) for day in days) for name in _COUNTS}
    versions: dict[int, int] = {}
    for day in days:
        for version, count in day.versions.items():
            versions[version] = versions.get(version, 0) + count
    return TaskUsage(task=task, days=tuple(days), versions=versions, **counts)


def _priced(sources: Sources, used: TaskUsage, per_1000: float | None) -> TaskCost:
    def spent(of: TaskUsage | Usage) -> Spent:
        times = {"cpu_seconds": of.cpu_seconds, "gpu_seconds": of.gpu_seconds}
        return _spent(cost(sources.prices, predictions=of.predictions, per_1000=per_1000, **times))

    return TaskCost(
        task=used.task,
        per_1000=sources.prices.per_1000 if per_1000 is None else per_1000,
        predictions=used.predictions,
        cost=spent(used),
        days=tuple(DayCost(day=day.day, predictions=day.predictions, cost=spent(day)) for day in used.days),
    )


def _spent(of: Cost) -> Spent:
    return Spent(predictions=of.predictions, cpu=of.cpu, gpu=of.gpu, total=of.total)
