from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tropism.core.errors import RateLimited
from tropism.core.events import Prediction
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.protocols.subscriptions import SLOW, STOPPING, Subscriptions, announced, gap
from tropism.entrypoints.api.protocols.subscriptions_interests import Wish
from tropism.serving.publishing import Publisher
from tropism.serving.rows import Note

TASK = Task(name="price", kind="regression", target="y", features=(Feature("demand"),))


def made(identifier: str, entity: str | None = None) -> Prediction:
    return Prediction(id=identifier, task="price", at=0, features={}, scores=(1.5,), version=3, entity=entity)


def test_a_data_plane_can_publish_to_it() -> None:
    publisher: Publisher = Subscriptions()
    assert not publisher.active


async def test_all_who_want_it_get_it_in_the_order_of_its_making() -> None:
    subscriptions = Subscriptions()
    everything = await subscriptions.subscribe(Wish("price"))
    some = await subscriptions.subscribe(Wish("price", frozenset({"a"})))
    other = await subscriptions.subscribe(Wish("other"))
    subscriptions.publish(TASK, [made("1", "a"), made("2")], [(), ()])
    subscriptions.publish(TASK, [made("3", "a")])
    assert [line for line in (await everything.take(30)).splitlines() if line[:2] == b"id"] == [
        b"id: 1",
        b"id: 2",
        b"id: 3",
    ]
    assert (await some.take(30)).count(b"event: prediction") == 2
    assert await other.take(0) == b""


def test_an_announcement_is_one_event() -> None:
    frame = announced(TASK, made("1", "line\nend"), [Note("missing-value", "demand", "demand: missing")])
    first, second, data, *rest = frame.decode().split("\n")
    assert (first, second, rest) == ("id: 1", "event: prediction", ["", ""])
    content = json.loads(data.removeprefix("data: "))
    assert content == {
        "prediction_id": "1",
        "prediction": 1.5,
        "model": "price",
        "version": 3,
        "variant": "champion",
        "degraded": [],
        "warnings": ["demand: missing"],
        "entity": "line\nend",
        "at": "1970-01-01T00:00:00Z",
    }


async def test_one_who_lets_too_much_gather_gets_no_more() -> None:
    subscriptions = Subscriptions(backlog=2)
    slow, quick = await subscriptions.subscribe(Wish("price")), await subscriptions.subscribe(Wish("price"))
    for number in range(4):
        subscriptions.publish(TASK, [made(str(number))], [()])
        await quick.take(30)
    assert (slow.reason, quick.reason, subscriptions.dropped) == (SLOW, "", 1)
    assert (await slow.take(30)).count(b"event: prediction") == 2


async def test_waiting_ends_when_nothing_comes() -> None:
    subscription = await Subscriptions().subscribe(Wish("price"))
    assert await subscription.take(0) == b""
    waiting = asyncio.create_task(subscription.take(30))
    await asyncio.sleep(0)
    subscription.end("gone")
    subscription.end(SLOW)
    assert (await waiting, subscription.reason) == (b"", "gone")


async def test_after_the_end_there_is_only_the_end() -> None:
    subscriptions = Subscriptions()
    early = await subscriptions.subscribe(Wish("price"))
    subscriptions.end()
    late = await subscriptions.subscribe(Wish("price"))
    assert (early.reason, late.reason) == (STOPPING, STOPPING)


async def test_too_many_are_refused() -> None:
    subscriptions = Subscriptions(most=1)
    first = await subscriptions.subscribe(Wish("price"))
    with pytest.raises(RateLimited):
        await subscriptions.subscribe(Wish("price"))
    subscriptions.unsubscribe(first)
    subscriptions.unsubscribe(first)
    assert not subscriptions.active
    await subscriptions.subscribe(Wish("price"))


async def test_one_who_gives_up_while_others_are_told_leaves_nothing() -> None:
    told: list[int] = []

    class Stuck:
        async def wanted(self, number: int, wish: Any) -> None:
            await asyncio.Event().wait()

        def unwanted(self, number: int) -> None:
            told.append(number)

    subscriptions = Subscriptions()
    subscriptions.join(Stuck())
    waiting = asyncio.create_task(subscriptions.subscribe(Wish("price")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (subscriptions.active, told) == (False, [1])


def test_a_gap_may_say_what_was_last_sent() -> None:
    assert gap("why", "7") == b'event: gap\ndata: {"after":"7","detail":"why"}\n\n'
