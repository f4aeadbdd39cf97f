from __future__ import annotations

from decimal import Decimal as Number

import pytest
from tests.unit.features.store.world import START, World

from tropism.core.errors import InvalidInput, UnknownFeature

HOUR = 3_600_000_000


def filled(world: World) -> None:
    world.profiles(("a", 0, "gold", "100.00"))
    world.at(10)
    world.push(("a", 8, "10.00", "m1"), ("a", 9, "20.00", "m2"))
    world.follow()
    world.materialise("profile")
    world.at(11)


def test_views_windows_and_on_demand_features_are_read_together_in_the_order_asked(world: World) -> None:
    filled(world)
    names = ["amount_ratio", "profile.limit", "spend.count_7d", "last.merchant"]
    assert list(world.get(names, amount=30.0).items()) == [
        ("amount_ratio", 2.0),
        ("profile.limit", Number("100.00")),
        ("spend.count_7d", 2),
        ("last.merchant", "m2"),
    ]


def test_it_says_what_is_stored_and_how_far_each_view_had_come(world: World) -> None:
    filled(world)
    reader = world.reader("profile", "spend", "last")
    known, unknown = reader.read([{"account_id": "a"}, {"account_id": "b"}], [{}, {}], world.clock.now())
    assert {view: str(status) for view, status in known.statuses.items()} == dict.fromkeys(
        ("profile", "spend", "last"), "PRESENT"
    )
    assert set(unknown.statuses.values()) == {"MISSING"}
    assert known.known == dict.fromkeys(("profile@1", "spend@1", "last@1"), START + 10 * HOUR)
    assert unknown.values["spend.count_7d"] == 0
    assert unknown.values["profile.limit"] is None


def test_an_unknown_key_is_an_entity_without_anything(world: World) -> None:
    filled(world)
    assert world.get(["spend.count_7d", "profile.segment"], None) == {"spend.count_7d": 0, "profile.segment": None}


def test_a_row_that_is_too_old_is_expired(world: World) -> None:
    filled(world)
    world.at(24 * 31)
    (read,) = world.reader("profile").read([{"account_id": "a"}], [{}], world.clock.now())
    assert (read.values["profile.segment"], str(read.statuses["profile"])) == (None, "EXPIRED")


def test_numbers_and_text_name_the_same_entity(world: World) -> None:
    world.profiles((17, 0, "gold", "1.00"))
    world.materialise("profile")
    reader = world.reader("profile.segment")
    reads = reader.read([{"account_id": 17}, {"account_id": "17"}], [{}, {}], world.at(1))
    assert [read.values["profile.segment"] for read in reads] == ["gold", "gold"]


@pytest.mark.parametrize(
    ("keys", "value"), [({}, "missing"), ({"account_id": 1.5}, "1.5"), ({"account_id": True}, "T")]
)
def test_a_key_that_is_none_is_refused_by_name(world: World, keys: dict[str, object], value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.reader("spend").read([keys], [{}], world.clock.now())
    assert "account_id" in refused.value.faults[0].field
    assert refused.value.faults[0].value.startswith(value)


def test_a_feature_that_is_not_there_is_refused_when_the_reader_is_made(world: World) -> None:
    with pytest.raises(UnknownFeature, match=r"spend\.count_7d"):
        world.reader("spend.count_8d")


def test_a_moment_before_what_came_in_last_cannot_be_read_any_more(world: World) -> None:
    filled(world)
    reader = world.reader("spend.count_7d")
    now = world.clock.now()
    (past,) = reader.read([{"account_id": "a"}], [{}], now, START + 9 * HOUR)
    (near,) = reader.read([{"account_id": "a"}], [{}], now, START + 10 * HOUR + 1)
    assert (past.at, near.at) == (now, START + 10 * HOUR + 1)
    assert past.values == near.values == {"spend.count_7d": 2}


def test_windows_over_files_count_nothing_where_there_is_nothing(world: World) -> None:
    world.visits(("a", -5), ("a", -3))
    world.materialise("visits")
    assert [world.get(["visits.count_7d"], key) for key in ("a", "b")] == [
        {"visits.count_7d": 2},
        {"visits.count_7d": 0},
    ]
