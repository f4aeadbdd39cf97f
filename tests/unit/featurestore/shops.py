"""A project in a folder, with a stream, views over it and over a file, and a task that reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tropism.config import load_settings
from tropism.core.events import Push
from tropism.features.store.streams import stream_table
from tropism.features.streams import events_table
from tropism.featurestore.applying import Applied
from tropism.wiring import Platform, apply_project, open_platform

PROJECT = """
from tropism import Feature, Policy, Task
from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
spend = FeatureView(
    "spend", entity=account, source=payments, fields=[agg.sum("amount", "24h"), agg.mean("amount", "30d")]
)
profile = FeatureView(
    "profile",
    entity=account,
    source=ParquetSource("profiles.parquet", timestamp="updated_at"),
    every="1s",
    fields=[Field("segment", str)],
)
ratio = on_demand(lambda f, request: request["amount"] / f["spend.mean_amount_30d"], name="amount_ratio")
fraud = Task(
    name="fraud",
    kind="binary",
    target="is_fraud",
    features=(Feature("amount"),),
    views=("spend", "profile", "amount_ratio"),
    outcome_window="1s",
    learners=("linear",),
    policy=Policy(min_training=100, recent=200),
)
"""


class Shop:
    """Applied and changed without a server."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        (folder / "tropism.toml").write_text(f'[time]\nclock = "system"\n{settings}')
        (folder / "project.py").write_text(PROJECT)
        write_profiles(folder, "gold")

    def apply(self) -> tuple[Applied, ...]:
        return apply_project(load_settings(self.folder, environment={}))

    def edit(self, before: str, after: str) -> None:
        text = (self.folder / "project.py").read_text()
        assert before in text
        (self.folder / "project.py").write_text(text.replace(before, after))

    def open(self) -> Platform:
        return open_platform(load_settings(self.folder, environment={}))

    def push(self, platform: Platform, number: int, *amounts: str) -> None:
        """Payments of account `a`, taken into the lake now."""
        now = platform.clock.now()
        source = platform.features.stream("payments")
        rows = [("a", amount, now - 1) for amount in amounts]
        push = Push(source="payments", received=now, names=("account_id", "amount", "at"), rows=rows)
        table = events_table(source, [(push, "w0", number, 0)], now)
        platform.lake.append(stream_table("payments"), table, positions={"w0": number})

    def spent(self, platform: Platform) -> Decimal | None:
        reader = platform.features.reader(["spend.sum_amount_24h"])
        (read,) = reader.read([{"account_id": "a"}], [{}], platform.clock.now())
        found: Decimal | None = read.values["spend.sum_amount_24h"]
        return found

    def segment(self, platform: Platform) -> str | None:
        reader = platform.features.reader(["profile.segment"])
        (read,) = reader.read([{"account_id": "a"}], [{}], platform.clock.now())
        found: str | None = read.values["profile.segment"]
        return found


def write_profiles(folder: Path, segment: str, at: object = None) -> None:
    moment = datetime.now(UTC) if at is None else at
    table = pa.table({"account_id": ["a"], "updated_at": [moment], "segment": [segment]})
    pq.write_table(table, folder / "profiles.parquet")
