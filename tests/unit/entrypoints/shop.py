"""A project with features, and their history: three payments of `a-1`, one of `a-2`, and a profile of `a-1`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as Number
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tropism.config import load_settings
from tropism.core.clock import SECOND
from tropism.core.events import Push, encode
from tropism.featurestore.upkeep import Upkeep
from tropism.wiring import Platform, apply_project, open_platform

DEFINED = """\
from tropism import Feature, Task
from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand

account = Entity("account", key="account_id")
customer = Entity("customer", key=("shop", "customer"))
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.sum("amount", "7d"), agg.count("7d")])
profile = FeatureView("profile", entity=account, source=ParquetSource("profiles.parquet", timestamp="updated_at"),
                      ttl="30d", fields=[Field("segment", str, description="Which"), Field("limit", Decimal(2))],
                      owner="ann", tags={"team": "risk"})
visits = FeatureView("visits", entity=customer, source=ParquetSource("visits.parquet", timestamp="at"),
                     fields=[Field("pages", int)])
ratio = on_demand(lambda f, request: request["amount"] / f["spend.count_7d"], name="ratio", description="Per payment")
views = ("spend.count_7d", "ratio")
fraud = Task(name="fraud", kind="binary", target="fraud", features=(Feature("amount"),), views=views)
"""
MINUTE = 60 * SECOND


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)


def open_shop(folder: Path) -> Platform:
    """Its parts, with everything brought in."""
    folder.mkdir(parents=True)
    (folder / "project.py").write_text(DEFINED)
    (folder / "tropism.toml").write_text('[journal]\nfsync = "os"\n[lake]\ndurability = "os"\n')
    settings = load_settings(folder, environment={})
    platform = open_platform(settings)
    now = platform.clock.now()
    times = pa.array([moment(now - 100 * MINUTE)], pa.timestamp("us", "UTC"))
    limit = pa.array([Number("100.00")], pa.decimal128(10, 2))
    profiles = {"account_id": ["a-1"], "updated_at": times, "segment": ["gold"], "limit": limit}
    pq.write_table(pa.table(profiles), folder / "profiles.parquet")
    visits = {"shop": ["s"], "customer": [7], "at": times, "pages": [12]}
    pq.write_table(pa.table(visits), folder / "visits.parquet")
    apply_project(settings)
    push(platform, ("a-1", "10.00", 90), ("a-1", "20.00", 80), ("a-1", "5.50", 70), ("a-2", "1.00", 60))
    return platform


def push(platform: Platform, *events: tuple[str, str, int]) -> None:
    """Brings in payments: (account, amount, minutes ago)."""
    now = platform.clock.now()
    rows = [(account, amount, now - ago * MINUTE) for account, amount, ago in events]
    journal = platform.journal()
    try:
        made = Push(source="payments", received=now, names=("account_id", "amount", "at"), rows=rows)
        journal.append([encode(made)])
    finally:
        journal.close()
    platform.ingest()
    Upkeep(platform.features)()
