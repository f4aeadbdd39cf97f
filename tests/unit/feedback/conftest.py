"""A journal in memory, and a lake that events are ingested into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Event, Outcome, Prediction, encode
from tropism.core.task import Feature, Task
from tropism.feedback import Cohorts, Ingested, Ingestion
from tropism.storage.lake import Lake, LakeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tropism.core.events import Value

DAY = 86_400 * SECOND
START = 20_000 * DAY


class MemoryRecord(NamedTuple):
    writer: str
    seq: int
    payload: bytes


class MemoryJournal:
    def __init__(self) -> None:
        self.payloads: dict[str, list[bytes]] = {}
        self.reads = 0

    def append(self, payload: bytes, writer: str = "w0") -> None:
        self.payloads.setdefault(writer, []).append(payload)

    def read(self, after: Mapping[str, int], limit: int = 10_000) -> list[MemoryRecord]:
        self.reads += 1
        records = [
            MemoryRecord(writer, seq, payload)
            for writer, payloads in self.payloads.items()
            for seq, payload in enumerate(payloads, start=1)
            if seq > after.get(writer, 0)
        ]
        return records[:limit]


class MemoryCursors:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def set(self, name: str, value: Any, *, now: int) -> None:
        self.values[name] = value


def price_task(**changes: Any) -> Task:
    plain: dict[str, Any] = {
        "name": "price",
        "kind": "binary",
        "target": "up",
        "features": (Feature("demand"), Feature("period", "category"), Feature("holiday", "boolean")),
        "outcome_window": "1d",
    }
    return Task(**plain | changes)


class World:
    """One task, with short ways to make its events. Times are in seconds after `START`."""

    def __init__(self, folder: Path) -> None:
        self.task = price_task()
        self.journal = MemoryJournal()
        self.cursors = MemoryCursors()
        self.clock = ManualClock(START)
        self.lake = Lake(folder, LakeSettings(durability="os"))
        self.cohorts = Cohorts(self.lake)

    def ingestion(self) -> Ingestion:
        return Ingestion(self.journal, self.lake, self.find, self.cursors, self.clock)

    def find(self, name: str) -> Task | None:
        return self.task if name == self.task.name else None

    def ingest(self, limit: int = 50_000) -> Ingested:
        return self.ingestion().run(limit)

    def send(self, event: Event, writer: str = "w0") -> None:
        self.journal.append(encode(event), writer)

    def predict(self, key: str, at: int = 0, writer: str = "w0", features: Any = None, **more: Any) -> None:
        values: dict[str, Value] = {"demand": 1.0, "period": "am", "holiday": False} if features is None else features
        moment = START + at * SECOND
        self.send(
            Prediction(id=key, task="price", at=moment, features=values, **{"version": 1, "scores": (0.5,), **more}),
            writer,
        )

    def answer(
        self, key: str | None, value: float | None, received: int = 1, writer: str = "w0", name: str = "", **more: Any
    ) -> None:
        moment = START + received * SECOND
        outcome = Outcome(
            id=name or f"o{sum(map(len, self.journal.payloads.values()))}",
            task="price",
            value=value,
            prediction_id=key,
            received=moment,
            **{"at": moment, **more},
        )
        self.send(outcome, writer)

    def after(self, seconds: int) -> int:
        return START + seconds * SECOND


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "lake")
