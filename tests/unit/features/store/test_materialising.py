from __future__ import annotations

from decimal import Decimal as Number

import msgspec
import pytest
from tests.unit.features.store.world import PROFILE, START, World

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features.checks import rule
from tropism.features.online.marks import marked
from tropism.features.store import StoredView
from tropism.features.store.materialising import materialise_view
from tropism.features.store.sources import FAILURES


def test_the_newest_row_of_each_entity_is_served(world: World) -> None:
    world.profiles(("a", 1, "silver", "5.00"), ("a", 2, "gold", "7.50"), ("b", 1, None, None), (None, 1, "x", "1.00"))
    world.at(3)
    assert world.materialise("profile") == (4, 2)
    assert world.get(["profile"]) == {"profile.segment": "gold", "profile.limit": Number("7.50")}
    assert world.get(["profile"], "b") == {"profile.segment": None, "profile.limit": None}
    assert marked(world.online, ["profile@1", "spend@1"]) == [world.clock.now(), 0]


def test_what_is_not_true_yet_waits(world: World) -> None:
    world.profiles(("a", 1, "silver", "5.00"), ("a", 9, "gold", "7.50"))
    world.at(3)
    world.materialise("profile")
    assert world.get(["profile.segment"]) == {"profile.segment": "silver"}
    world.at(9)
    assert world.materialise("profile") == (2, 1)
    assert world.get(["profile.segment"]) == {"profile.segment": "gold"}


def test_the_same_again_writes_the_same(world: World) -> None:
    world.profiles(("a", 1, "gold", "5.00"))
    world.at(3)
    first = world.materialise("profile")
    assert world.materialise("profile") == first
    assert world.get(["profile.segment"]) == {"profile.segment": "gold"}


def test_windows_over_a_file_are_those_of_now(world: World) -> None:
    world.visits(("a", 1), ("a", 2), ("b", -24 * 30), ("a", 50))
    world.at(3)
    assert world.materialise("visits") == (4, 2)
    assert [world.get(["visits.count_7d"], key)["visits.count_7d"] for key in "abc"] == [2, 0, 0]


def test_a_view_over_a_stream_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="tropism features backfill"):
        world.materialise("spend")


def test_a_source_that_is_gone_is_named_and_what_is_served_stays(world: World) -> None:
    world.profiles(("a", 1, "gold", "5.00"))
    world.at(3)
    world.materialise("profile")
    (world.root / "profiles" / "a.parquet").unlink()
    with pytest.raises(DataInvalid, match=r"profiles/\*\.parquet"):
        world.materialise("profile")
    assert world.get(["profile.segment"]) == {"profile.segment": "gold"}
    assert marked(world.online, ["profile@1"]) == [START + 3 * 3_600_000_000]


def test_a_value_that_does_not_fit_is_shown(world: World) -> None:
    world.profiles(("a", 1, "gold", "5.00"))
    narrow = msgspec.structs.replace(PROFILE, fields=(msgspec.structs.replace(PROFILE.plain[0], type="integer"),))
    with pytest.raises(DataInvalid) as refused:
        materialise_view(StoredView(narrow, "profile@2"), world.sources(), world.online, world.at(3))
    assert refused.value.faults[0].field == "profile.segment"


def checked(world: World, policy: str) -> StoredView:
    rules = (rule.range("limit", 0, policy=policy),)
    source = msgspec.structs.replace(PROFILE.source, rules=rules)
    return StoredView(msgspec.structs.replace(PROFILE, source=source), "profile@1")


@pytest.mark.parametrize(("policy", "limit"), [("warn", Number("-1.00")), ("null", None), ("reject", Number("5.00"))])
def test_rules_of_the_source_are_followed_and_failures_kept(world: World, policy: str, limit: Number | None) -> None:
    world.profiles(("a", 1, "gold", "5.00"), ("a", 2, "gold", "-1.00"))
    sources = world.sources()
    materialise_view(checked(world, policy), sources, world.online, world.at(3))
    assert world.get(["profile.limit"]) == {"profile.limit": limit}
    assert sources.reports["profile"].rules[0].failures == 1
    (kept,) = world.lake.read(FAILURES).to_pylist()
    assert (kept["source"], kept["while"], kept["policy"], kept["failures"]) == ("profile", "materialise", policy, 1)
    assert kept["examples"] == ["Decimal('-1.00')"]


def test_a_rule_that_stops_lets_nothing_in(world: World) -> None:
    world.profiles(("a", 1, "gold", "5.00"), ("b", 2, "gold", "-1.00"))
    with pytest.raises(DataInvalid, match="breaks a rule"):
        materialise_view(checked(world, "stop"), world.sources(), world.online, world.at(3))
    assert world.get(["profile.limit"]) == {"profile.limit": None}


def test_rules_are_no_part_of_what_a_version_is(world: World) -> None:
    assert checked(world, "null").view.fingerprint == PROFILE.fingerprint
