"""Several workers over real Unix sockets: a subscriber at one hears of the predictions of all."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tropism.core.events import Prediction
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.protocols.subscriptions import Subscription, Subscriptions
from tropism.entrypoints.api.protocols.subscriptions_interests import Wish
from tropism.entrypoints.api.protocols.subscriptions_links import Links

TASK = Task(name="price", kind="regression", target="y", features=(Feature("demand"),))


class Worker:
    """One of several; `predict` tells of a prediction as a data plane would."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.subscriptions = Subscriptions(backlog=100_000)
        self.links = Links(folder, self.subscriptions, again=0.01, **options)

    def predict(self, identifier: str, entity: str | None = "a") -> None:
        if self.subscriptions.active:
            event = Prediction(id=identifier, task="price", at=0, features={}, scores=(1.0,), entity=entity)
            self.subscriptions.publish(TASK, [event], [()])

    async def subscribe(self, *entities: str) -> Subscription:
        return await self.subscriptions.subscribe(Wish("price", frozenset(entities) or None))


async def ids(subscription: Subscription, count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            text = (await subscription.take(30)).decode()
            found += [line[4:] for line in text.splitlines() if line.startswith("id: ")]
    return found


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short path, as sockets need."""
    made = Path(tempfile.mkdtemp(prefix="tropism-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def workers(folder: Path) -> AsyncIterator[list[Worker]]:
    made = [Worker(folder) for _ in range(3)]
    await asyncio.gather(*(one.links.open() for one in made))
    yield made
    await asyncio.gather(*(one.links.close() for one in made))
    assert not list(folder.iterdir())


async def test_predictions_of_every_worker_arrive_once(workers: list[Worker]) -> None:
    subscription = await workers[0].subscribe()
    for number in range(30):
        workers[number % 3].predict(str(number))
    assert sorted(map(int, await ids(subscription, 30))) == list(range(30))


async def test_those_who_are_subscribed_at_once_hear_at_once(workers: list[Worker]) -> None:
    first, second = await asyncio.gather(workers[0].subscribe("a"), workers[2].subscribe("a", "b"))
    assert all(one.subscriptions.active for one in workers)
    workers[1].predict("x", "a")
    workers[1].predict("y", "b")
    workers[1].predict("z", "c")
    workers[1].predict("last", "a")
    assert await ids(first, 2) == ["x", "last"]
    assert await ids(second, 3) == ["x", "y", "last"]


async def test_nothing_is_looked_for_when_nobody_is_left(workers: list[Worker]) -> None:
    assert not any(one.subscriptions.active for one in workers)
    subscription = await workers[0].subscribe()
    assert all(one.subscriptions.active for one in workers)
    workers[0].subscriptions.unsubscribe(subscription)
    await until(lambda: not any(one.subscriptions.active for one in workers))


async def test_a_worker_that_starts_later_knows_of_subscribers_before_it_serves(
    workers: list[Worker], folder: Path
) -> None:
    subscription = await workers[0].subscribe()
    late = Worker(folder)
    await late.links.open()
    assert late.subscriptions.active
    late.predict("x")
    assert await ids(subscription, 1) == ["x"]
    theirs = await late.subscribe()
    workers[1].predict("y")
    assert await ids(theirs, 1) == ["y"]
    await late.links.close()


async def test_a_worker_that_leaves_leaves_no_gap(workers: list[Worker], folder: Path) -> None:
    subscription = await workers[0].subscribe()
    leaver = Worker(folder)
    await leaver.links.open()
    leaver.predict("x")
    await asyncio.sleep(0)
    await leaver.links.close()
    workers[1].predict("y")
    text = ""
    while "id: y" not in text or "id: x" not in text:
        text += (await subscription.take(30)).decode()
    assert "gap" not in text


async def test_a_worker_that_breaks_off_leaves_a_gap_and_is_joined_anew(workers: list[Worker]) -> None:
    subscription = await workers[0].subscribe()
    for teller in workers[1].links._tellers:
        teller._writer.transport.abort()
    text = (await subscription.take(30)).decode()
    assert "event: gap" in text
    await until(lambda: workers[1].subscriptions.active)
    workers[1].predict("x")
    assert await ids(subscription, 1) == ["x"]


async def test_a_worker_that_does_not_keep_up_is_cut_off_and_its_subscribers_told(folder: Path) -> None:
    teller, listener = Worker(folder, backlog=100_000), Worker(folder)
    await asyncio.gather(teller.links.open(), listener.links.open())
    subscription = await listener.subscribe()
    for number in range(20_000):
        teller.predict(str(number))  # one turn of the event loop: the listener has no time to read
    text = ""
    async with asyncio.timeout(30):
        while "event: gap" not in text:
            text += (await subscription.take(30)).decode()
    assert text.count("event: prediction") < 20_000
    await asyncio.gather(teller.links.close(), listener.links.close())


async def test_a_socket_of_a_worker_that_was_killed_is_cleared_away(folder: Path) -> None:
    left = folder / "1-dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    worker = Worker(folder)
    await worker.links.open()
    assert not left.exists()
    await worker.subscribe()
    await worker.links.close()


async def test_what_is_no_message_ends_the_link_and_nothing_else(workers: list[Worker], folder: Path) -> None:
    path = next(folder.glob("*.sock"))
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\1\xc1", b"\0\0", b""):
        _, writer = await asyncio.open_unix_connection(str(path))
        writer.write(noise)
        writer.close()
        await writer.wait_closed()
    subscription = await workers[0].subscribe()
    workers[1].predict("x")
    assert await ids(subscription, 1) == ["x"]


async def test_a_worker_that_never_answers_holds_nobody_up_for_long(folder: Path) -> None:
    path = folder / "1-stuck.sock"
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(path))
        stuck.listen()
        worker = Worker(folder, patience=0.01)
        async with asyncio.timeout(30):
            await worker.links.open()
            await worker.subscribe()
            await worker.links.close()
