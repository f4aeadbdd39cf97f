from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.features.store.world import World

from tropism.core.errors import UnknownFeature
from tropism.features.online.store import OnlineStore
from tropism.features.windows import WindowStore
from tropism.featurestore.readers import Readers


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.online.close()
    made.windows.close()


def test_a_reader_is_made_once_for_a_set_of_features_and_stores_are_opened_with_the_first(world: World) -> None:
    opened: list[int] = []

    def stores() -> tuple[OnlineStore, WindowStore]:
        opened.append(1)
        return world.online, world.windows

    readers = Readers(world.definitions, stores)
    assert readers.kept(["spend.count_7d"]) is None
    assert not opened
    made = readers(["spend.count_7d"])
    assert readers(("spend.count_7d",)) is made
    assert readers.kept(["spend.count_7d"]) is made
    assert readers.kept(["spend"]) is None
    assert len(opened) == 1
    assert made.read([{"account_id": "a"}], [{}], world.clock.now())[0].values == {"spend.count_7d": 0}


def test_what_there_is_not_is_not_kept(world: World) -> None:
    readers = Readers(world.definitions, lambda: (world.online, world.windows))
    with pytest.raises(UnknownFeature):
        readers(["spent"])
    assert readers.kept(["spent"]) is None


def test_many_sets_do_not_pile_up(world: World) -> None:
    readers = Readers(world.definitions, lambda: (world.online, world.windows))
    parts = ["spend.count_7d", "profile.segment"]
    sets = [[parts[number >> bit & 1] for bit in range(10)] for number in range(1_001)]
    for names in sets:
        readers(names)
    kept = [names for names in sets if readers.kept(names) is not None]
    assert sets[-1] in kept
    assert len(kept) <= 1_000
