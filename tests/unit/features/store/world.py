from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tropism.core.clock import DAY, SECOND, ManualClock
from tropism.core.events import Push
from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.features.store import Definitions, FeatureReader, StoredView
from tropism.features.store.following import Follower
from tropism.features.store.materialising import Materialised, materialise_view
from tropism.features.store.sources import Sources
from tropism.features.store.streams import stream_table
from tropism.features.streams import events_table
from tropism.features.windows import WindowStore
from tropism.storage.lake import Lake

HOUR = 3_600 * SECOND
START = 20_000 * DAY
ACCOUNT = Entity("account", key="account_id")
PAYMENTS = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2), "merchant": str})
SPEND = FeatureView(
    "spend",
    entity=ACCOUNT,
    source=PAYMENTS,
    fields=(
        agg.sum("amount", "24h"),
        agg.count("7d"),
        agg.mean("amount", "30d"),
        agg.distinct("merchant", "7d"),
    ),
)
LAST = FeatureView("last", entity=ACCOUNT, source=PAYMENTS, ttl="2d", fields=(Field("merchant", str),))
PROFILE = FeatureView(
    "profile",
    entity=ACCOUNT,
    source=ParquetSource("profiles/*.parquet", timestamp="updated_at"),
    ttl="30d",
    fields=(
        Field("segment", str),
        Field("limit", Decimal(2)),
    ),
)
VISITS = FeatureView(
    "visits", entity=ACCOUNT, source=ParquetSource("visits.parquet", timestamp="at"), fields=(agg.count("7d"),)
)
RATIO = on_demand(lambda f, request: request["amount"] / f["spend.mean_amount_30d"], name="amount_ratio")


def moment(hours: float) -> datetime:
    return datetime.fromtimestamp((START + int(hours * HOUR)) / SECOND, UTC)


class World:
    """A lake, stores and definitions in a folder. Time begins at START."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(START)
        self.lake = Lake(root / "lake")
        self.online = SQLiteOnlineStore(f"sqlite:///{root / 'online.sqlite'}")
        self.windows = WindowStore(root / "windows.sqlite", self.clock)
        self.follower = Follower(self.lake, self.online, self.windows)
        self.views = {one.name: StoredView(one, f"{one.name}@1") for one in (SPEND, LAST, PROFILE, VISITS)}
        self.definitions = Definitions(self.views.values(), (), (RATIO,))
        self.pushed = 0

    def at(self, hours: float) -> int:
        self.clock.set(START + int(hours * HOUR))
        return self.clock.now()

    def push(self, *events: tuple[str, float, str, str], source: StreamSource = PAYMENTS) -> None:
        """Events (account, hour, amount, merchant), taken into the lake now."""
        rows = [(key, amount, merchant, START + int(hour * HOUR)) for key, hour, amount, merchant in events]
        names = ("account_id", "amount", "merchant", "at")
        self.pushed += 1
        push = Push(source=source.name, received=self.clock.now(), names=names, rows=rows)
        table = events_table(source, [(push, "w0", self.pushed, 0)], self.clock.now())
        self.lake.append(stream_table(source.name), table, positions={"w0": self.pushed})

    def follow(self) -> int:
        return self.follower.run(self.views.values())

    def profiles(self, *rows: tuple[Any, float, str | None, str | None], name: str = "a") -> None:
        """Rows (account, hour, segment, limit) of one file."""
        (self.root / "profiles").mkdir(exist_ok=True)
        keys, hours, segments, limits = zip(*rows, strict=True)
        amounts = [None if one is None else Number(one) for one in limits]
        columns = {
            "account_id": pa.array(keys),
            "updated_at": pa.array([moment(hour) for hour in hours]),
            "segment": pa.array(segments, pa.string()),
            "limit": pa.array(amounts, pa.decimal128(12, 2)),
        }
        pq.write_table(pa.table(columns), self.root / "profiles" / f"{name}.parquet")

    def visits(self, *rows: tuple[str, float]) -> None:
        keys, hours = zip(*rows, strict=True)
        table = pa.table({"account_id": keys, "at": [moment(hour) for hour in hours]})
        pq.write_table(table, self.root / "visits.parquet")

    def sources(self, doing: str = "materialise") -> Sources:
        return Sources(self.root, self.lake, doing, self.clock.now())

    def materialise(self, view: str) -> Materialised:
        return materialise_view(self.views[view], self.sources(), self.online, self.clock.now())

    def reader(self, *names: str) -> FeatureReader:
        return FeatureReader(self.definitions, names, self.online, self.windows)

    def get(self, names: Sequence[str], key: str | None = "a", **request: Any) -> dict[str, Any]:
        (read,) = self.reader(*names).read([{"account_id": key}], [request], self.clock.now())
        return read.values
