from __future__ import annotations

from decimal import Decimal as Number
from typing import TYPE_CHECKING

from tests.unit.features.store.world import World

from tropism.features.store.following import Follower
from tropism.features.windows import WindowStore

if TYPE_CHECKING:
    import pytest

NAMES = ["spend.sum_amount_24h", "spend.count_7d", "last.merchant"]


def test_events_in_the_lake_are_served_as_windows_and_as_rows(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "12.50", "m1"), ("a", 9, "7.25", "m2"), ("b", 9, "1.00", "m3"))
    assert world.follow() == 5  # three events for the windows, the newest row of each of two accounts
    world.at(10.1)
    assert list(world.get(NAMES).values()) == [Number("19.75"), 2, "m2"]
    assert list(world.get(NAMES, "nobody").values()) == [None, 0, None]


def test_nothing_new_is_nothing_to_do_and_what_is_new_is_added_once(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "1.00", "m"))
    assert world.follow() == 2
    assert world.follow() == 0
    world.at(11)
    world.push(("a", 9, "2.00", "m"))
    assert world.follow() == 2
    world.at(12)
    assert world.get(NAMES)["spend.sum_amount_24h"] == Number("3.00")


def test_another_process_goes_on_from_where_the_last_one_stopped(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "1.00", "m"))
    world.follow()
    world.at(11)
    world.push(("a", 9, "2.00", "m"))
    assert Follower(world.lake, world.online, world.windows).run(world.views.values()) == 2
    world.at(12)
    assert world.get(NAMES)["spend.count_7d"] == 2


def test_a_store_that_was_emptied_is_filled_again_from_the_lake(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "1.00", "m1"))
    world.follow()
    world.online.clear()
    world.at(10.5)
    assert world.get(["last.merchant"]) == {"last.merchant": None}
    assert world.follow() == 1
    assert world.get(["last.merchant"]) == {"last.merchant": "m1"}


def test_windows_that_were_lost_are_made_again_from_the_lake(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "1.00", "m1"), ("a", 9, "2.00", "m1"))
    world.follow()
    fresh = WindowStore(world.root / "others.sqlite", world.clock)
    Follower(world.lake, world.online, fresh).run(world.views.values())
    world.at(11)
    assert fresh.read(world.views["spend"].view, ["a"], world.clock.now()) == world.windows.read(
        world.views["spend"].view, ["a"], world.clock.now()
    )
    fresh.close()


def test_an_older_row_that_comes_late_does_not_replace_a_newer_one(world: World) -> None:
    world.at(10)
    world.push(("a", 9, "1.00", "new"))
    world.follow()
    world.at(11)
    world.push(("a", 8, "1.00", "old"))
    world.follow()
    assert world.get(["last.merchant"]) == {"last.merchant": "new"}


def test_a_long_history_is_taken_in_parts_that_end_where_a_moment_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tropism.features.store.following._BATCH", 2)
    for hour in range(1, 6):
        world.at(hour)
        world.push(*[("a", hour - 0.5, "1.00", "m")] * 3)
    told: list[tuple[int, int]] = []
    world.follower.run([world.views["spend"]], lambda done, of: told.append((done, of)))
    assert told == [(3, 15), (6, 15), (9, 15), (12, 15), (15, 15)]
    world.at(6)
    assert world.get(["spend.count_7d"]) == {"spend.count_7d": 15}


def test_a_view_without_events_is_left_alone(world: World) -> None:
    assert world.follow() == 0
