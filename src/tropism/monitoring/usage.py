"""What each model was used for, day by day, and what it took: from rows of the lake's table `_service`.

Processor time is measured of a process, not of a model. That of each minute is divided among the tasks that the process
answered for in that minute, by the time their requests took together, from the request to the reply. That time holds
the wait for the journal's disk, which is alike for all, so a light model among heavy ones is given a little more than
its own. Time in which a process answered nothing is nobody's: it is told as idle. GPU time is divided in the same way,
among the tasks of the process that tells of the machine's devices.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COLUMNS = (
    *("at", "process", "task", "versions", "predictions", "requests", "seconds"),
    *("errors", "refused", "degraded", "outcomes", "cpu_seconds", "gpu_seconds"),
)
"""What is read of the table."""
_COUNTS = ("requests", "errors", "refused", "degraded", "outcomes")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a task was used for on a UTC day (`2024-05-01`). `versions`: its predictions by version, 0: the baseline."""

    task: str
    day: str
    predictions: int
    versions: dict[int, int]
    requests: int
    errors: int
    refused: int
    degraded: int
    outcomes: int
    cpu_seconds: float
    gpu_seconds: float


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks and days, by task, then by day. `idle_…`: what processes took while they answered nothing."""

    usage: tuple[Usage, ...]
    idle_cpu_seconds: float
    idle_gpu_seconds: float


def usage(rows: pa.Table) -> Used:
    """What rows of `_service` tell of use, `COLUMNS` of them, in any order. A row belongs to the day it ended on.

    >>> from tropism.feedback.schemas import SERVICE
    >>> usage(SERVICE.empty_table()).usage
    ()
    """
    of_process = pc.is_null(rows["task"])
    models, processes = rows.filter(pc.invert(of_process)), rows.filter(of_process)
    cpu, gpu, idle = _divided(models, processes)
    days = models["at"].cast(pa.int64()).to_numpy() // DAY
    columns = {name: models[name] for name in ("task", *_COUNTS)} | {"day": days, "cpu": cpu, "gpu": gpu}
    sums = [(name, "sum") for name in (*_COUNTS, "cpu", "gpu")]
    found = pa.table(columns).group_by(["task", "day"]).aggregate(sums)
    versions = _versions(models, days)
    return Used(
        usage=tuple(
            Usage(
                task=row["task"],
                day=_iso(row["day"]),
                predictions=sum(versions.get((row["task"], row["day"]), {}).values()),
                versions=versions.get((row["task"], row["day"]), {}),
                **{name: row[f"{name}_sum"] or 0 for name in _COUNTS},
                cpu_seconds=row["cpu_sum"],
                gpu_seconds=row["gpu_sum"],
            )
            for row in found.sort_by([("task", "ascending"), ("day", "ascending")]).to_pylist()
        ),
        idle_cpu_seconds=idle[0],
        idle_gpu_seconds=idle[1],
    )


def _divided(models: pa.Table, processes: pa.Table) -> tuple[Floats, Floats, tuple[float, float]]:
    """CPU and GPU seconds of each row of a model, and those that are nobody's. A process's minute ends once."""
    minutes = [pa.table({name: one[name] for name in ("process", "at")}) for one in (models, processes)]
    numbers = _numbered(pa.concat_tables(minutes))
    of_model, of_process = numbers[: models.num_rows], numbers[models.num_rows :]
    size = int(numbers.max()) + 1 if len(numbers) else 0
    seconds = _numbers(models["seconds"])
    together = np.bincount(of_model, seconds, size)
    spent: list[Floats] = [
        np.bincount(of_process, _numbers(processes[name]), size).astype(np.float64)
        for name in ("cpu_seconds", "gpu_seconds")
    ]
    share: Floats = np.divide(seconds, together[of_model], out=np.zeros_like(seconds), where=together[of_model] > 0)
    idle = together == 0
    cpu, gpu = (share * one[of_model] for one in spent)
    return cpu, gpu, (float(spent[0][idle].sum()), float(spent[1][idle].sum()))


def _numbered(minutes: pa.Table) -> NDArray[np.int64]:
    """A number for each row, the same for the same process and moment."""
    names = pc.dictionary_encode(minutes["process"]).combine_chunks()
    codes = np.zeros(0, np.int64) if not minutes.num_rows else names.indices.to_numpy().astype(np.int64)
    _, moments = np.unique(minutes["at"].cast(pa.int64()).to_numpy(), return_inverse=True)
    _, numbers = np.unique(moments * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)
    return numbers.astype(np.int64)


def _versions(models: pa.Table, days: NDArray[np.int64]) -> dict[tuple[str, int], dict[int, int]]:
    """Predictions by version, of each task and day."""
    parents = pc.list_parent_indices(models["versions"].combine_chunks()).to_numpy()
    rows = pa.table(
        {
            "task": models["task"].take(pa.array(parents)),
            "day": days[parents],
            "version": pc.list_flatten(models["versions"]),
            "predictions": pc.list_flatten(models["predictions"]),
        }
    )
    found: dict[tuple[str, int], dict[int, int]] = {}
    counted = rows.group_by(["task", "day", "version"]).aggregate([("predictions", "sum")])
    for row in counted.sort_by("version").to_pylist():
        found.setdefault((row["task"], row["day"]), {})[row["version"]] = row["predictions_sum"]
    return found


def _numbers(column: pa.ChunkedArray) -> Floats:
    found: Floats = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy()
    return found


def _iso(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
