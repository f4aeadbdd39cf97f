"""A project with features of all kinds, its platform, and requests that are served from its store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tropism.config import load_settings
from tropism.core.clock import DAY, SECOND
from tropism.core.events import Prediction, Push, Served, encode
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import task_value
from tropism.featurestore.upkeep import Upkeep
from tropism.wiring import Platform, apply_project, open_platform

PROJECT = """
from tropism import Feature, Task
from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand

account = Entity("account", key="account_id")
columns = {"account_id": str, "amount": Decimal(2), "merchant": str}
payments = StreamSource("payments", timestamp="at", schema=columns)
profiles = ParquetSource("profiles.parquet", timestamp="updated_at")
kept = [Field("segment", str), Field("limit", Decimal(2))]
profile = FeatureView("profile", entity=account, source=profiles, fields=kept)
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.sum("amount", "24h"), agg.count("7d")])
last = FeatureView("last", entity=account, source=payments, fields=[Field("amount", Decimal(2))])
ratio = on_demand(lambda f, request: request["amount"] / f["spend.count_7d"], name="ratio")
fraud = Task(name="fraud", kind="binary", target="fraud", features=(Feature("amount"),),
             views=("spend", "profile", "last", "ratio"))
plain = Task(name="plain", kind="binary", target="y", features=(Feature("amount"),))
"""
SETTINGS = '[journal]\nfsync = "os"\n[lake]\ndurability = "os"\n[time]\nclock = "file"\n'
START = 20_000 * DAY + DAY // 2


class Watched:
    """The project in a folder. Time is moved by hand and begins at noon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "project.py").write_text(PROJECT)
        (folder / "tropism.toml").write_text(SETTINGS)
        self.platform = self._opened()
        self.profiles(("a", "gold", "100.00"), ("b", "silver", "20.00"))
        self.to(START)
        apply_project(self.platform.settings)

    def _opened(self) -> Platform:
        return open_platform(load_settings(self.folder, environment={}))

    def to(self, moment: int) -> None:
        self.platform.clock.set(moment)  # type: ignore[attr-defined]  # a FileClock, by the settings

    def after(self, span: int = SECOND) -> int:
        self.to(self.platform.clock.now() + span)
        return self.platform.clock.now()

    def profiles(self, *rows: tuple[str, str, str], day: int = 0) -> None:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START + (day - 1) * DAY)
        names, segments, limits = zip(*rows, strict=True)
        columns = {
            "account_id": names,
            "updated_at": pa.array([at] * len(rows), pa.timestamp("us", "UTC")),
            "segment": segments,
            "limit": pa.array([Number(one) for one in limits], pa.decimal128(12, 2)),
        }
        pq.write_table(pa.table(columns), self.folder / "profiles.parquet")

    def journal(self, *events: Any) -> None:
        writer = self.platform.journal()
        try:
            writer.append([encode(event) for event in events])
        finally:
            writer.close()
        self.platform.ingest()

    def push(self, *rows: tuple[str, str]) -> None:
        """Events (account, amount) of now, taken in and into the stores."""
        now = self.platform.clock.now()
        pushed = [(who, amount, "m", now) for who, amount in rows]
        names = ("account_id", "amount", "merchant", "at")
        self.journal(Push(source="payments", received=now, names=names, rows=pushed))
        Upkeep(self.platform.features)()
        self.after()

    def predict(self, who: str | None, amount: float = 6.0) -> str:
        task = self.platform.registry.tasks.get("fraud")
        reader = self.platform.features.task_reader(task)
        assert reader is not None
        now = self.platform.clock.now()
        (read,) = reader.read([{"account_id": who}], [{"amount": amount, "account_id": who}], now)
        values = {one.name: task_value(one, read.values[one.name]) if one.view else amount for one in task.features}
        made = Identifiers().new(now, task_tag("fraud"))
        served = Served(keys={"account_id": who}, at=read.at, known=read.known)
        self.journal(Prediction(id=made, task="fraud", at=now, features=values, scores=(0.5,), served=served))
        self.after()
        return made

    def close(self) -> None:
        self.platform.features.online.close()
        self.platform.features.windows.close()
        self.platform.database.dispose()
