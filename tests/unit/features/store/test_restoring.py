from __future__ import annotations

import pyarrow.parquet as pq
from tests.unit.features.store.world import START, World

from tropism.core.clock import DAY
from tropism.core.errors import DataInvalid, UnknownFeature
from tropism.core.events import Served
from tropism.features.store.restoring import Restored, restored

HOUR = 3_600_000_000


def read(world: World, view: str, known: int, at: int | None = None, key: str | None = "a") -> object:
    """The first feature of a view as it was when it was filled at `known`."""
    one = Served(keys={"account_id": key}, at=world.clock.now() if at is None else at, known={f"{view}@1": known})
    found = restored([one], world.definitions, world.sources, world.lake)[f"{view}@1"]
    assert isinstance(found, Restored), found
    return found.columns[world.views[view].view.names[0]][found.places[0]]


def test_rows_of_files_are_those_known_when_the_view_was_filled(world: World) -> None:
    world.profiles(("a", 1, "silver", "5.00"), ("a", 5, "gold", "7.50"))
    world.at(6)
    assert read(world, "profile", START + 4 * HOUR) == "silver"
    assert read(world, "profile", START + 5 * HOUR) == "gold"
    assert read(world, "profile", START + 5 * HOUR, key=None) is None
    assert read(world, "profile", START + 5 * HOUR, key="nobody") is None
    assert read(world, "profile", START + 5 * HOUR, at=START + 5 * HOUR + 30 * DAY) is None


def test_a_view_that_was_never_filled_has_nothing_however_old_its_rows(world: World) -> None:
    world.profiles(("a", -24 * 21_000, "old", "5.00"))
    assert pq.read_table(world.root / "profiles" / "a.parquet")["updated_at"][0].as_py().year < 1970
    assert read(world, "profile", 0) is None
    world.visits(("a", -24 * 21_000))
    assert read(world, "visits", 0) is None
    assert read(world, "visits", START) == 0


def test_events_count_from_when_they_were_taken_in(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "10.00", "m1"))
    world.at(11)
    world.push(("a", 7, "5.00", "m2"), ("a", 9, "1.00", "m3"))
    world.at(12)
    assert [read(world, "last", START + hour * HOUR) for hour in (9, 10, 11)] == [None, "m1", "m3"]
    sums = [read(world, "spend", START + hour * HOUR) for hour in (9, 10, 11)]
    assert [None if one is None else str(one) for one in sums] == [None, "10.00", "16.00"]


def test_what_is_gone_is_told_for_its_view_alone(world: World) -> None:
    known = {"spend@1": START, "profile@1": START, "spend@7": START}
    found = restored(
        [Served(keys={"account_id": "a"}, at=START, known=known)], world.definitions, world.sources, world.lake
    )
    assert isinstance(found["spend@1"], Restored)
    assert isinstance(found["profile@1"], DataInvalid)
    assert isinstance(found["spend@7"], UnknownFeature)
