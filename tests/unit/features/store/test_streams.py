from __future__ import annotations

import pyarrow as pa
from tests.unit.features.store.world import START, World

from tropism.core.events import Push
from tropism.features import Entity, FeatureView, Field, StreamSource, Vector
from tropism.features.store import Definitions, FeatureReader, StoredView
from tropism.features.store.streams import events_of, places_of, stream_rows, stream_table
from tropism.features.streams import events_table

TEXTS = StreamSource("texts", timestamp="at", schema={"account_id": str, "meaning": Vector(3)})
MEANING = FeatureView(
    "meaning", entity=Entity("account", key="account_id"), source=TEXTS, fields=(Field("meaning", Vector(3)),)
)


def test_vectors_go_through_the_lake_into_what_is_served(world: World) -> None:
    rows = [("a", [0.5, -1.0, 2.0], START), ("b", None, START)]
    push = Push(source="texts", received=START, names=("account_id", "meaning", "at"), rows=rows)
    world.lake.append(stream_table("texts"), events_table(TEXTS, [(push, "w0", 1, 0)], START), positions={"w0": 1})
    view = StoredView(MEANING, "meaning@1")
    assert world.follower.run([view]) == 2
    reader = FeatureReader(Definitions([view]), ["meaning"], world.online, world.windows)
    found = reader.read([{"account_id": key} for key in "ab"], [{}, {}], world.at(1))
    assert [read.values for read in found] == [{"meaning.meaning": [0.5, -1.0, 2.0]}, {"meaning.meaning": None}]


def test_events_come_in_the_order_in_which_they_were_taken_in(world: World) -> None:
    for hour in (3, 1, 2):
        world.at(hour)
        world.push(("a", hour, "1.00", f"m{hour}"), ("b", hour, "1.00", "x"))
    rows = stream_rows(world.lake, world.views["spend"].view.source, ["merchant"])  # type: ignore[arg-type]
    assert events_of(rows)["merchant"].to_pylist() == ["m1", "x", "m2", "x", "m3", "x"]
    assert places_of(rows) == [("w0", (seq << 24) | row) for seq in (2, 3, 1) for row in (0, 1)]
    later = stream_rows(world.lake, world.views["spend"].view.source, ["at"], world.at(2))  # type: ignore[arg-type]
    assert later.num_rows == 4
    assert later["at"].type == pa.timestamp("us", "UTC")
