"""A project on a real platform, whose predictions and outcomes are put straight into the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.config import load_settings
from tropism.core.clock import SECOND, FileClock
from tropism.core.identity import derived_id
from tropism.core.monitoring import Monitoring
from tropism.core.task import Feature, Policy, Task, Triggers
from tropism.feedback.schemas import (
    MOMENT,
    OUTCOMES,
    PREDICTIONS,
    feature_fields,
    outcomes_name,
    predictions_name,
)
from tropism.loop.watching.history import levels_name
from tropism.loop.watching.watch import Watch
from tropism.monitoring.watch.store import MonitorStore
from tropism.registry import NewVersion
from tropism.wiring import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from tropism.loop.watching.watch import Watched

MINUTE = 60 * SECOND
START = 1_000_000 * 60 * SECOND
FEATURES = (Feature("a"), Feature("b"), Feature("c", type="category"))
SETTINGS: dict[str, dict[str, Any]] = {
    "time": {"clock": "file"},
    "journal": {"fsync": "os"},
    "lake": {"durability": "os"},
}


def task_of(features: tuple[Feature, ...] = FEATURES, kind: Any = "binary", **monitoring: Any) -> Task:
    return Task(
        name="price",
        kind=kind,
        target="up",
        features=features,
        outcome_window="10m",
        policy=Policy(triggers=Triggers(decay_rows=200)),
        monitoring=Monitoring(**monitoring),
    )


class Place:
    """A project in a folder. `second` opens the same one again, as another process would."""

    def __init__(self, folder: Path, task: Task | None = None) -> None:
        self.platform = Platform(load_settings(folder, SETTINGS, environment={}))
        self.task = task_of() if task is None else task
        self.platform.registry.tasks.apply(self.task, START)
        self.to(START)
        self.rng = np.random.default_rng(5)
        self._number = 0

    def close(self) -> None:
        self.platform.database.dispose()

    def to(self, at: int) -> None:
        assert isinstance(self.platform.clock, FileClock)
        self.platform.clock.set(at)

    def change(self, task: Task) -> None:
        self.task = task
        self.platform.registry.tasks.apply(task, START)

    def second(self) -> Watch:
        platform = Platform(self.platform.settings)
        store = MonitorStore(platform.database)
        return Watch(platform.registry, platform.lake, platform.cohorts, store)

    def rows(self, count: int, shift: float = 0.0) -> dict[str, Any]:
        """Independent rows of the three features; `a` shifted by as many standard deviations."""
        return {
            "a": self.rng.normal(size=count) + shift,
            "b": self.rng.normal(size=count),
            "c": self.rng.choice(["x", "y", "z"], size=count, p=[0.5, 0.3, 0.2]),
        }

    def served(
        self,
        at: ArrayLike,
        columns: dict[str, Any],
        *,
        version: int = 1,
        variant: str = "champion",
        scores: ArrayLike | None = None,
    ) -> list[str]:
        """Predictions made at these times; their ids."""
        times = np.asarray(at, dtype=np.int64)
        ids = [f"{self._number + k:012d}" for k in range(len(times))]
        given = np.full((len(times), 1), 0.5) if scores is None else np.asarray(scores).reshape(len(times), -1)
        flat, width = pa.array(given.ravel()), given.shape[1]
        offsets = pa.array(np.arange(len(times) + 1, dtype=np.int32) * width)
        fields = [
            field for field in PREDICTIONS if field.name not in ("entity", "unit", "degraded", "served", "propensity")
        ]
        made = {
            "id": ids,
            "at": pa.array(times).cast(MOMENT),
            "version": np.full(len(times), version, dtype=np.int32),
            "variant": [variant] * len(times),
            "scores": pa.ListArray.from_arrays(offsets, flat),
            "writer": ["w"] * len(times),
            "seq": self._number + 1 + np.arange(len(times)),
        }
        known = {field.name: field.type for field in feature_fields(self.task.features)}
        columns = {f"f_{name}": pa.array(column, known[f"f_{name}"]) for name, column in columns.items()}
        schema = pa.schema([*fields, *[pa.field(name, known[name]) for name in columns]])
        self._number += len(times)
        self.platform.lake.append(predictions_name("price"), pa.table({**made, **columns}, schema=schema))
        return ids

    def told(self, ids: list[str], values: ArrayLike, received: ArrayLike) -> None:
        """Outcomes of predictions."""
        times, count = np.asarray(received, dtype=np.int64), len(ids)
        rows = {
            "id": [f"o{one}" for one in ids],
            "at": pa.array(times).cast(MOMENT),
            "received": pa.array(times).cast(MOMENT),
            "prediction_id": ids,
            "entity": pa.nulls(count, pa.string()),
            "value": np.asarray(values, dtype=np.float64),
            "writer": ["o"] * count,
            "seq": np.asarray([int(one) + 1 for one in ids]),
        }
        self.platform.lake.append(
            outcomes_name("price"), pa.table({"values": [None] * len(rows["at"]), **rows}, schema=OUTCOMES)
        )

    def promote(self, at: int) -> int:
        """A further version becomes the champion, trained a moment before."""
        registry = self.platform.registry
        champion = registry.aliases.get("price", "champion")
        artifact = self.platform.blobs.put(b"version %d" % ((champion or 0) + 1))
        new = NewVersion(model="price", artifact=artifact, learner="linear", window="all")
        version = registry.versions.register(new, now=at - 1)
        registry.promotion.promote(
            "price",
            version,
            expected=champion,
            actor="test",
            decision_id=derived_id(at, f"promote {version}"),
            policy=self.task.policy,
            now=at,
        )
        return version

    def look(self, now: int) -> Watched:
        self.to(now)
        return self.platform.watch.look(self.task, now)

    def begun(self, rows: int = 5_000) -> int:
        """Rows before a champion's training, and the champion; when it became one."""
        self.served(times(START - 1_000 * MINUTE, START, rows), self.rows(rows), version=0, variant="baseline")
        self.promote(START)
        return START


def times(start: int, end: int, count: int) -> NDArray[np.int64]:
    """So many moments evenly in a span (µs)."""
    return start + (np.arange(count) * ((end - start) / count)).astype(np.int64)


def levels(place: Place, subject: str = "features/1") -> pa.Table:
    """Windows of a subject in the lake, in order of time."""
    table = place.platform.lake.read(levels_name("price"))
    return table.filter(pc.equal(table["subject"], subject)).sort_by("at")


def ends(place: Place, subject: str = "features/1") -> list[int]:
    return [int(one) for one in levels(place, subject)["at"].cast(pa.int64()).to_pylist()]


def minutes(place: Place, count: int, *, start: int = START, each: int = 100, shift: float = 0.0) -> int:
    """So many minutes of traffic; when they are over and everything is in the lake."""
    end = start + count * MINUTE
    place.served(times(start, end, count * each), place.rows(count * each, shift))
    return end + 10 * SECOND
