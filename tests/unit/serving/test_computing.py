from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.features.store.world import START, World

from tropism.core.clock import SECOND, iso
from tropism.core.errors import InputError, InvalidInput, MalformedBody, NotReady, TooLarge, UnknownFeature
from tropism.features.online.reader import Status
from tropism.features.store import FeatureReader, Read
from tropism.serving import Snapshot
from tropism.serving.computing import Computing
from tropism.serving.snapshot import FeatureReaders, NamedFeatures

HOUR = 3_600 * SECOND
NAMES = ["spend.sum_amount_24h", "profile", "amount_ratio"]


class Readers:
    """Makes readers over a world's stores."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.made: dict[tuple[str, ...], FeatureReader] = {}

    def kept(self, names: Sequence[str]) -> FeatureReader | None:
        return self.made.get(tuple(names))

    def __call__(self, names: Sequence[str]) -> FeatureReader:
        self.made[tuple(names)] = self.world.reader(*names)
        return self.made[tuple(names)]


@pytest.fixture
def live(desk: Any, tmp_path: Path) -> Iterator[Any]:
    """A desk whose features are those of a world, eleven hours after START."""
    world = World(tmp_path / "world")
    world.clock = desk.clock
    desk.clock.set(START)
    world.profiles(("a", 0, "gold", "100.00"))
    world.at(10)
    world.push(("a", 8, "10.00", "m1"), ("a", 9, "20.00", "m2"))
    world.follow()
    world.materialise("profile")
    world.at(11)
    serve(desk, Readers(world))
    yield desk
    world.online.close()
    world.windows.close()


def serve(desk: Any, readers: FeatureReaders | None) -> None:
    desk.holder.current = Snapshot(1, {}, features=readers)


async def ask(desk: Any, content: Any) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return json.loads(await Computing(desk.parts).compute(body))


async def refused(desk: Any, content: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        await ask(desk, content)
    assert all(fault.field and fault.fix for fault in caught.value.faults)
    return caught.value


async def test_views_windows_and_on_demand_features_of_many_entities_come_in_one_reply(live: Any) -> None:
    rows = [{"account_id": "a", "amount": 30}, {"account_id": 7, "amount": 30}, {"account_id": None, "amount": None}]
    reply = await ask(live, {"features": NAMES, "rows": rows})
    names = ["spend.sum_amount_24h", "profile.segment", "profile.limit", "amount_ratio"]
    assert (reply["names"], reply["at"]) == (names, iso(START + 11 * HOUR))
    filled = iso(START + 10 * HOUR)
    first, *others = reply["rows"]
    assert first == {
        "values": dict(zip(names, ["30.00", "gold", "100.00", 2.0], strict=True)),
        "statuses": {"profile": "PRESENT", "spend": "PRESENT"},
        "known": {"profile@1": filled, "spend@1": filled},
    }
    for other in others:
        assert set(other["values"].values()) == {None}
        assert set(other["statuses"].values()) == {"MISSING"}


async def test_a_view_that_was_never_filled_is_known_up_to_nothing(live: Any, tmp_path: Path) -> None:
    empty = World(tmp_path / "empty")
    serve(live, Readers(empty))
    reply = await ask(live, {"features": ["spend.count_7d", "profile.limit"], "rows": [{"account_id": "a"}]})
    assert reply["rows"][0]["known"] == {"profile@1": None, "spend@1": None}
    assert reply["rows"][0]["values"] == {"spend.count_7d": 0, "profile.limit": None}
    empty.online.close()
    empty.windows.close()


async def test_many_rows_are_answered_as_few_are(live: Any) -> None:
    live.settings = type(live.settings)(max_rows=100)
    rows = [{"account_id": "a" if n % 2 else "b", "amount": n} for n in range(100)]
    reply = await ask(live, {"features": ["amount_ratio"], "rows": rows})
    assert [row["values"]["amount_ratio"] for row in reply["rows"]] == [n / 15 if n % 2 else None for n in range(100)]


@pytest.mark.parametrize(
    ("content", "field", "says"),
    [
        ({"features": ["spent.count_7d"], "rows": [{}]}, "features", "did you mean 'spend.count_7d'?"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}, {"acount": "a"}]}, "rows[1].account_id", "send it"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}, {"account_id": 1.5}]}, "rows[1].account_id", "text"),
        (
            {"features": ["amount_ratio"], "rows": [{"account_id": "a", "amount": 1}] * 3 + [{"account_id": "a"}]},
            "rows[3].on_demand.amount_ratio",
            "send the column",
        ),
        (
            {"features": ["amount_ratio"], "rows": [{"account_id": "a", "amount": "x"}]},
            "rows[0].on_demand.amount_ratio",
            "",
        ),
        ({"features": ["spend"], "rows": [{"account_id": "a"}, 5]}, "rows[1]", "send an object"),
        ({"features": ["spend"], "rows": []}, "rows", "send a list"),
        ({"features": ["spend"], "rows": {"account_id": "a"}}, "rows", "send a list"),
        ({"features": [], "rows": [{"account_id": "a"}]}, "features", "send names"),
        ({"features": "spend", "rows": [{"account_id": "a"}]}, "features", "send names"),
        ({"features": [5], "rows": [{"account_id": "a"}]}, "features", "send names"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}], "att": 5}, "att", "did you mean 'at'?"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}], "at": "x"}, "at", "ISO 8601"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}], "at": START + 20 * HOUR}, "at", "up to now"),
        ([], "body", "send {"),
    ],
)
async def test_what_cannot_be_used_is_named(live: Any, content: Any, field: str, says: str) -> None:
    error = await refused(live, content)
    assert isinstance(error, InvalidInput)
    assert error.faults[0].field == field
    assert says in error.faults[0].fix


async def test_every_row_without_a_key_is_named(live: Any) -> None:
    error = await refused(live, {"features": ["spend"], "rows": [{}, {"account_id": "a"}, {}]})
    assert [fault.field for fault in error.faults] == ["rows[0].account_id", "rows[2].account_id"]


async def test_too_many_rows_or_features_say_how_many_are_taken(live: Any) -> None:
    assert isinstance(await refused(live, {"features": ["spend"], "rows": [{"account_id": "a"}] * 6}), TooLarge)
    assert isinstance(await refused(live, {"features": ["spend"] * 1_001, "rows": [{"account_id": "a"}]}), TooLarge)


async def test_what_is_not_json_is_refused(live: Any) -> None:
    assert isinstance(await refused(live, b"{"), MalformedBody)


@pytest.mark.parametrize("number", [10**400, 2**70, -1, 0])
async def test_a_number_of_any_size_is_no_failure_of_ours(live: Any, number: int) -> None:
    for row in ({"account_id": number, "amount": 1}, {"account_id": "a", "amount": number}):
        try:
            assert len((await ask(live, {"features": ["amount_ratio"], "rows": [row]}))["rows"]) == 1
        except InvalidInput as error:
            assert error.faults[0].field.startswith("rows[0].")


async def test_without_features_or_a_snapshot_it_says_so(live: Any) -> None:
    serve(live, None)
    error = await refused(live, {"features": ["spend"], "rows": [{"account_id": "a"}]})
    assert isinstance(error, UnknownFeature)
    assert "tropism features apply" in error.faults[0].fix
    live.holder.current = None
    with pytest.raises(NotReady):
        await ask(live, {"features": ["spend"], "rows": [{"account_id": "a"}]})


class Elsewhere:
    """A reader whose store is another machine."""

    names, keys, remote = ("far.size",), ("id",), True

    def __init__(self, away: bool) -> None:
        self.away, self.threads = away, set[int]()

    def kept(self, names: Sequence[str]) -> NamedFeatures | None:
        return self

    def __call__(self, names: Sequence[str]) -> NamedFeatures:
        return self

    def read(
        self, keys: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]], now: int, at: int | None = None
    ) -> list[Read]:
        self.threads.add(threading.get_ident())
        if self.away:
            raise NotReady("the store is away")
        return [Read(now, {"far.size": 1.5}, {"far@1": now}, {"far": Status.PRESENT}) for _ in keys]


async def test_another_machine_is_never_waited_for_in_the_event_loop(live: Any) -> None:
    elsewhere = Elsewhere(away=False)
    serve(live, elsewhere)
    reply = await ask(live, {"features": ["far"], "rows": [{"id": 1}]})
    assert reply["rows"][0]["values"] == {"far.size": 1.5}
    assert threading.get_ident() not in elsewhere.threads


async def test_a_store_that_is_away_is_said(live: Any) -> None:
    serve(live, Elsewhere(away=True))
    with pytest.raises(NotReady):
        await ask(live, {"features": ["far"], "rows": [{"id": 1}]})
