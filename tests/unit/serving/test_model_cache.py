from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tropism.core.errors import ArtifactTampered, Fault, NotReady, Overloaded, TropismError, UnknownVersion
from tropism.core.task import Task
from tropism.serving import Deployment, ServedModel
from tropism.serving.model_cache import ModelCache


class Shelf:
    """Where models lie; counts what was fetched, and by which thread."""

    def __init__(self, made: Any) -> None:
        self.made = made
        self.asked: list[int] = []
        self.threads: set[int] = set()
        self.errors: dict[int, Exception] = {}
        self.open = threading.Event()
        self.open.set()

    def fetch(self, task: Task, version: int) -> Any:
        self.asked.append(version)
        self.threads.add(threading.get_ident())
        assert self.open.wait(30)
        if version in self.errors:
            raise self.errors[version]
        return self.made(version / 1_000)


@pytest.fixture
def shelf(stub_model: Any) -> Shelf:
    return Shelf(stub_model)


async def test_a_version_is_loaded_once_and_off_the_event_loop(shelf: Shelf, price: Task) -> None:
    cache, deployment = ModelCache(shelf.fetch, 5), Deployment(price)
    shelf.open.clear()
    waiting = [asyncio.create_task(cache.get(deployment, 3)) for _ in range(20)]
    await asyncio.sleep(0)
    shelf.open.set()
    found = await asyncio.gather(*waiting)
    assert all(one is found[0] for one in found)
    assert await cache.get(deployment, 3) is found[0]
    assert shelf.asked == [3]
    assert threading.get_ident() not in shelf.threads


async def test_a_caller_who_goes_away_does_not_take_the_load_with_him(shelf: Shelf, price: Task) -> None:
    cache, deployment = ModelCache(shelf.fetch, 5), Deployment(price)
    shelf.open.clear()
    gone, stays = (asyncio.create_task(cache.get(deployment, 3)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    shelf.open.set()
    assert (await stays).version == 3
    assert shelf.asked == [3]


async def test_the_least_recently_asked_for_goes_first(shelf: Shelf, price: Task) -> None:
    cache, deployment = ModelCache(shelf.fetch, 2), Deployment(price)
    for version in (1, 2, 1, 3):
        await cache.get(deployment, version)
    assert cache.kept == (("price", 1), ("price", 3))


async def test_versions_of_different_tasks_are_different(shelf: Shelf, price: Task, amount: Task) -> None:
    cache = ModelCache(shelf.fetch, 5)
    one, other = await cache.get(Deployment(price), 1), await cache.get(Deployment(amount), 1)
    assert one is not other
    assert cache.kept == (("price", 1), ("amount", 1))


async def test_live_versions_neither_count_nor_leave(shelf: Shelf, price: Task, stub_model: Any) -> None:
    live, before = ServedModel(8, stub_model(0.8)), ServedModel(7, stub_model(0.7))
    cache, deployment = ModelCache(shelf.fetch, 1), Deployment(price, live, before)
    for version in (1, 8, 7, 2, 8):
        await cache.get(deployment, version)
    assert (await cache.get(deployment, 8), await cache.get(deployment, 7)) == (live, before)
    assert shelf.asked == [1, 2]
    assert cache.kept == (("price", 2),)


async def test_one_that_went_live_makes_room(shelf: Shelf, price: Task, stub_model: Any) -> None:
    cache = ModelCache(shelf.fetch, 2)
    await cache.get(Deployment(price), 1)
    await cache.get(Deployment(price, ServedModel(1, stub_model(0.1))), 1)
    assert cache.kept == ()


async def test_with_no_room_versions_are_loaded_each_time(shelf: Shelf, price: Task) -> None:
    cache, deployment = ModelCache(shelf.fetch, 0), Deployment(price)
    assert [(await cache.get(deployment, 1)).version for _ in range(2)] == [1, 1]
    assert shelf.asked == [1, 1]


@pytest.mark.parametrize("error", [UnknownVersion, ArtifactTampered])
async def test_errors_reach_every_caller_as_themselves(shelf: Shelf, price: Task, error: type[TropismError]) -> None:
    shelf.errors[9] = error("no such thing", Fault("version", "9", "use one of 1 to 8"))
    cache, deployment = ModelCache(shelf.fetch, 5), Deployment(price)
    for _ in range(3):
        with pytest.raises(error) as refused:
            await cache.get(deployment, 9)
        assert refused.value.faults[0].fix == "use one of 1 to 8"
    assert shelf.asked == [9], "a failure is remembered"


async def test_a_failure_is_forgotten_after_a_while(shelf: Shelf, price: Task) -> None:
    now = [0.0]
    cache, deployment = ModelCache(shelf.fetch, 5, remember=3.0, now=lambda: now[0]), Deployment(price)
    shelf.errors[9] = UnknownVersion("not yet")
    with pytest.raises(UnknownVersion):
        await cache.get(deployment, 9)
    del shelf.errors[9]
    now[0] = 2.9
    with pytest.raises(UnknownVersion):
        await cache.get(deployment, 9)
    now[0] = 3.0
    assert (await cache.get(deployment, 9)).version == 9


async def test_a_surprise_says_which_version_and_not_what(shelf: Shelf, price: Task) -> None:
    shelf.errors[4] = RuntimeError("/secret/path")
    with pytest.raises(NotReady) as refused:
        await ModelCache(shelf.fetch, 5).get(Deployment(price), 4)
    assert "version 4 of 'price'" in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_a_flood_of_versions_is_turned_away(shelf: Shelf, price: Task) -> None:
    cache, deployment = ModelCache(shelf.fetch, 5), Deployment(price)
    shelf.open.clear()
    waiting = [asyncio.create_task(cache.get(deployment, version)) for version in range(1, 201)]
    for _ in range(3):
        await asyncio.sleep(0)
    shelf.open.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(end, Overloaded) for end in ends) == 136
    assert sum(isinstance(end, ServedModel) for end in ends) == 64
