from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Prediction, Push, Served, encode
from tropism.core.task import Feature, Task, task_value
from tropism.features import Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.features.store import Definitions, FeatureReader, StoredView
from tropism.features.store.binding import bind
from tropism.features.store.following import Follower
from tropism.features.store.materialising import materialise_view
from tropism.features.store.replaying import Skew, skew
from tropism.features.store.sources import Sources
from tropism.features.store.stamping import Stamps
from tropism.features.store.streams import stream_table
from tropism.features.streams import lake_schema
from tropism.features.windows import WindowStore
from tropism.feedback import Ingestion, Streams
from tropism.feedback.schemas import PREDICTIONS, feature_fields, predictions_name
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.lake import Lake, LakeSettings

MOMENT = pa.timestamp("us", "UTC")
START = 20_000 * 86_400 * SECOND
ACCOUNT = Entity("account", key="who")
SCHEMA = {"who": str, "amount": float, "cents": Decimal(2), "items": int, "shop": str, "ok": bool}
STREAM = StreamSource("payments", timestamp="at", schema=SCHEMA)
SUMS = (
    agg.count("10s", hop="5s"),
    agg.sum("amount", "10s", hop="5s"),
    agg.mean("cents", "7s", hop="3s"),
    agg.std("amount", "7s", hop="3s"),
    agg.min("items", "6s", hop="3s"),
    agg.max("cents", "6s", hop="2s"),
    agg.last("shop", "10s", hop="5s"),
    agg.distinct("shop", "10s", hop="5s"),
)
LAST = (Field("shop", str), Field("amount"), Field("cents", Decimal(2)), Field("ok", bool))
NOTED = ParquetSource("noted/*.parquet", timestamp="at", created="written")
PLAIN = ParquetSource("plain/*.parquet", timestamp="at")
FILED = (Field("amount"), Field("cents", Decimal(2)), Field("shop", str), Field("euros", float, column="cents"))
COUNTED = (agg.count("10s", hop="5s"), agg.sum("amount", "7s", hop="3s"), agg.last("amount", "10s", hop="5s"))


def view(name: str, source: Any, fields: Any, **more: Any) -> FeatureView:
    return FeatureView(name, entity=ACCOUNT, source=source, fields=fields, **more)


VIEWS = (
    view("spend", STREAM, SUMS),
    view("happened", STREAM, SUMS, known="event"),
    view("last", STREAM, LAST, ttl="4s"),
    view("lasting", STREAM, LAST),
    view("noted", NOTED, FILED, ttl="6s"),
    view("noted_event", NOTED, FILED, known="event"),
    view("filed", PLAIN, FILED),
    view("filed_short", PLAIN, FILED, ttl="3s"),
    view("visits", NOTED, COUNTED, ttl="5s"),
    view("visits_event", NOTED, COUNTED, known="event"),
    view("walks", PLAIN, COUNTED),
)
RATIO = on_demand(lambda f, request: request["amount"] / f["spend.sum_amount_10s"], name="ratio")
MIXED = on_demand(
    lambda f, request: f["noted.euros"] + f["walks.count_10s"] + f["last.amount"] * len(request["who"]), name="mixed"
)


class Shop:
    """A platform in small: journal, lake, stores and files in a folder, and a clock that is moved by hand."""

    def __init__(self, root: Path, views: tuple[FeatureView, ...] = VIEWS) -> None:
        self.root, self.clock = root, ManualClock(START)
        self.lake = Lake(root / "lake", LakeSettings(durability="os"))
        self.journal = JournalWriter(root / "journal", JournalSettings(fsync="os"))
        self.cursors: dict[str, Any] = {}
        self.online = SQLiteOnlineStore(f"sqlite:///{root / 'online.sqlite'}")
        self.views = [StoredView(one, f"{one.name}@1") for one in views]
        named = {one.name for one in views}
        computed = [
            one for one in (RATIO, MIXED) if {text.partition(".")[0] for text in one.texts if "." in text} <= named
        ]
        self.definitions = Definitions(self.views, (), computed)
        plain = Task(name="fraud", kind="binary", target="y", features=(Feature("amount"),), views=tuple(named))
        self.task = bind(
            msgspec.structs.replace(plain, views=(*sorted(named), *self.definitions.on_demand)), self.definitions
        )
        self.made = 0
        self.open()

    def open(self) -> None:
        self.windows = WindowStore(self.root / "windows.sqlite", self.clock)
        self.follower = Follower(self.lake, self.online, self.windows)
        self.ingestion = Ingestion(
            JournalReader(self.root / "journal"),
            self.lake,
            lambda name: self.task if name == "fraud" else None,
            self,
            self.clock,
            Streams(lambda name: STREAM if name == "payments" else None, Stamps(self.root / "stamps"), self.clock),
        )

    def get(self, name: str) -> Any:
        return self.cursors.get(name)

    def set(self, name: str, value: Any, *, now: int) -> None:
        self.cursors[name] = value

    def close(self) -> None:
        self.journal.close()
        self.online.close()
        self.windows.close()

    def push(self, *rows: tuple[Any, ...]) -> None:
        names = ("who", "at", "amount", "cents", "items", "shop", "ok")
        push = Push(source="payments", received=self.clock.now(), names=names, rows=list(rows))
        self.journal.append([encode(push)])

    def bring(self, *rows: tuple[Any, ...], arrived: int | None) -> None:
        """Events of a history that is loaded, with arrivals of their own."""
        self.made += 1
        columns = ("who", "at", "amount", "cents", "items", "shop", "ok")
        schema = lake_schema(STREAM, (*columns, "arrived_at"))
        with Stamps(self.root / "stamps").taken(self.clock.now()) as stamp:
            pass
        moments = {"at": stamp, "writer": "history", "seq": self.made}
        found = [
            moments
            | {"row": place, "c_arrived_at": arrived}
            | {f"c_{name}": value for name, value in zip(columns, row, strict=True)}
            for place, row in enumerate(rows)
        ]
        table = pa.Table.from_pylist(
            found, schema=pa.schema([(one.name, pa.string() if one.name == "c_cents" else one.type) for one in schema])
        )
        self.lake.append(stream_table("payments"), table.cast(schema), positions={"history": self.made})

    def write(self, folder: str, rows: list[dict[str, Any]]) -> None:
        self.made += 1
        (self.root / folder).mkdir(exist_ok=True)
        types = {
            "who": pa.string(),
            "at": MOMENT,
            "written": MOMENT,
            "amount": pa.float64(),
            "cents": pa.decimal128(12, 2),
            "shop": pa.string(),
        }
        schema = pa.schema([(name, kind) for name, kind in types.items() if name != "written" or folder == "noted"])
        from decimal import Decimal as Number

        rows = [row | {"cents": None if row["cents"] is None else Number(row["cents"])} for row in rows]
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), self.root / folder / f"{self.made:06}.parquet")

    def sources(self) -> Sources:
        return Sources(self.root, self.lake, "skew", self.clock.now())

    def materialise(self, name: str) -> None:
        one = next(one for one in self.views if one.view.name == name)
        materialise_view(one, self.sources(), self.online, self.clock.now())

    def predict(self, who: str | None, amount: float | None = 3.0, at: int | None = None) -> dict[str, Any]:
        names = [
            one.name if "@" not in one.view else f"{one.view}.{one.name.partition('.')[2]}"
            for one in self.task.features
            if one.view
        ]
        reader = FeatureReader(self.definitions, names, self.online, self.windows)
        row = {"amount": amount, "who": who}
        (read,) = reader.read([{"who": who}], [row], self.clock.now(), at)
        features = {
            one.name: task_value(one, read.values[one.name]) if one.view else amount for one in self.task.features
        }
        self.made += 1
        served = Served(keys={"who": who}, at=read.at, known=read.known)
        event = Prediction(id=f"p{self.made}", task="fraud", at=self.clock.now(), features=features, served=served)
        self.journal.append([encode(event)])
        return features

    def ingest(self) -> None:
        while not self.ingestion.run().caught_up:
            pass

    def skew(self, **more: Any) -> Skew:
        self.ingest()
        schema = pa.schema([*PREDICTIONS, *feature_fields(self.task.features)])
        rows = self.lake.read(predictions_name("fraud"), schema=schema)
        return skew(self.task, rows, self.definitions, self.sources, self.lake, **more)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def one(*views: FeatureView) -> Shop:
        made.append(Shop(tmp_path / str(len(made)), views or VIEWS))
        return made[-1]

    yield one
    for shop in made:
        shop.close()


def mismatches(found: Skew) -> dict[str, Any]:
    return {one.name: one.examples for one in found.report.features if one.mismatches}


class Chance:
    """Random events, rows and requests around the present."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def one(self, *of: Any) -> Any:
        return of[int(self.random.integers(len(of)))]

    def who(self) -> str:
        return f"a{int(self.random.integers(5))}"

    def when(self, now: int, ahead: int = 3) -> int:
        """Mostly a little before now, sometimes late, on the second, or in the future."""
        kind = self.random.random()
        if kind < 0.1:
            return now + int(self.random.integers(0, ahead * SECOND + 1))
        if kind < 0.2:
            return now - int(self.random.integers(0, 15 * SECOND))
        at = now - int(self.random.integers(0, SECOND // 2))
        return at // SECOND * SECOND if kind < 0.5 else at

    def values(self) -> tuple[Any, ...]:
        """amount, cents, items, shop, ok"""
        amount = float(self.random.normal(0, 10.0 ** int(self.random.integers(-3, 9))))
        cents = f"{int(self.random.integers(-10_000, 10_000)) / 100:.2f}"
        items = int(self.random.integers(-(10**12), 10**12))
        found = (amount, cents, items, f"s{int(self.random.integers(5))}", bool(self.random.integers(2)))
        return tuple(None if self.random.random() < 0.1 else value for value in found)

    def event(self, now: int) -> tuple[Any, ...]:
        return (self.who(), self.when(now), *self.values())

    def rows(self, shop: Shop, folder: str) -> list[dict[str, Any]]:
        """Rows that are written now. Without a time of writing they cannot come late."""
        now, rows = shop.clock.now(), []
        for _ in range(int(self.random.integers(1, 6))):
            amount, cents, _, name, _ = self.values()
            at = self.when(now) if folder == "noted" else now + int(self.random.integers(1, 3 * SECOND))
            row = {
                "who": self.one(self.who(), self.who(), None),
                "at": at,
                "amount": amount,
                "cents": cents,
                "shop": name,
            }
            rows.append(row | ({"written": now} if folder == "noted" else {}))
        return rows

    def step(self, shop: Shop) -> None:
        kind, now = self.random.random(), shop.clock.now()
        if kind < 0.25:
            shop.push(*(self.event(now) for _ in range(int(self.random.integers(1, 6)))))
        elif kind < 0.35:
            shop.ingest()
        elif kind < 0.45:
            shop.follower.run(shop.views)
        elif kind < 0.53:
            folder = self.one("noted", "plain")
            shop.clock.advance(1)
            shop.write(folder, self.rows(shop, folder))
            shop.clock.advance(1)
        elif kind < 0.6:
            one = self.one(*(one.view for one in shop.views if not one.view.streamed))
            if list((shop.root / one.source.path).parent.glob("*.parquet")):
                shop.materialise(one.name)
        elif kind < 0.62:
            shop.bring(*(self.event(now) for _ in range(3)), arrived=self.one(None, now - 5 * SECOND, now - 2))
        elif kind < 0.64:
            shop.online.clear()
        elif kind < 0.65:
            shop.windows.close()
            for path in shop.root.glob("windows.sqlite*"):
                path.unlink()
            shop.open()
        elif kind < 0.8:
            shop.clock.advance(int(self.random.choice([1, 1_000, SECOND // 3, 2 * SECOND, 9 * SECOND])))
        else:
            at = self.one(None, None, now - 1, now - SECOND // 2, now + 5)
            shop.predict(self.one(self.who(), self.who(), self.who(), "nobody", None), self.one(3.0, None), at)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_served_is_computed_again_to_the_last_bit(make: Callable[..., Shop], seed: int) -> None:
    shop, chance = make(), Chance(seed)
    for _ in range(400):
        chance.step(shop)
    found = shop.skew()
    assert mismatches(found) == {}
    assert found.report.rows > 40
    assert found.compared == dict.fromkeys((one.name for one in shop.task.features if one.view), found.report.rows)
    assert found.unplayed == ()


def event(who: str, at: int, amount: float) -> tuple[Any, ...]:
    return (who, at, amount, "1.00", 1, "s", True)


def test_an_event_that_was_ahead_of_its_time_and_one_not_followed_yet(make: Callable[..., Shop]) -> None:
    """A row may be true later than all that the store has come to: what came in meanwhile was not served."""
    shop = make(view("lasting", STREAM, LAST), view("spend", STREAM, SUMS))
    shop.push(event("a", START + 5 * SECOND, 1.0))
    shop.ingest()
    shop.follower.run(shop.views)
    shop.clock.advance(3 * SECOND)
    shop.push(event("a", START + 6 * SECOND, 2.0))
    shop.ingest()
    shop.clock.advance(5 * SECOND)
    assert shop.predict("a")["lasting.amount"] == 1.0
    assert mismatches(shop.skew()) == {}


def test_after_a_flush_nothing_is_served_until_it_is_filled_again(make: Callable[..., Shop]) -> None:
    shop = make()
    shop.push(event("a", START, 2.0))
    shop.ingest()
    shop.follower.run(shop.views)
    shop.clock.advance(SECOND)
    before = shop.predict("a")
    shop.online.clear()
    shop.windows.close()
    for path in shop.root.glob("windows.sqlite*"):
        path.unlink()
    shop.open()
    flushed = shop.predict("a")
    shop.follower.run(shop.views)
    assert (flushed["lasting.amount"], flushed["spend.count_10s"]) == (None, 0.0)
    assert shop.predict("a") == before
    assert before["lasting.amount"] == before["spend.sum_amount_10s"] == 2.0
    found = shop.skew()
    assert (mismatches(found), found.report.rows) == ({}, 3)


def test_a_value_that_was_not_served_is_found(make: Callable[..., Shop]) -> None:
    shop = make(view("spend", STREAM, SUMS))
    shop.push(event("a", START, 2.0))
    shop.ingest()
    shop.follower.run(shop.views)
    shop.clock.advance(SECOND)
    shop.predict("a")
    shop.bring(event("a", START, 3.0), arrived=None)
    assert mismatches(shop.skew()) == {}, "it was taken in later"
    shop.lake.append(stream_table("payments"), shop.lake.read(stream_table("payments"), until=START + 1))
    assert set(mismatches(shop.skew())) == {"spend.count_10s", "spend.sum_amount_10s", "spend.std_amount_7s", "ratio"}
