"""The other end of a connection, played by hand: what is taken of a caller who does not read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tropism.core.errors import NotReady
from tropism.entrypoints.api.protocols.websocket import PredictionStream
from tropism.entrypoints.api.protocols.websocket_connections import Terms

GOOD = json.dumps({"features": {"demand": 12.5, "zone": "north"}})


class Caller:
    """The other end of a connection, played by hand: sends messages, and reads replies only when it likes."""

    def __init__(self, *messages: str) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.taken: list[Any] = []
        self.sent.put_nowait({"type": "websocket.connect"})
        for text in messages:
            self.sent.put_nowait({"type": "websocket.receive", "text": text})

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.reads.wait()
        self.taken.append(message)


SCOPE = {"type": "websocket", "path": "/v1/tasks/price/stream", "headers": []}


async def test_a_caller_that_does_not_read_is_not_read_from(shop: Any) -> None:
    caller = Caller(*[GOOD] * 20)
    stream = PredictionStream(shop.core, Terms(in_flight=6))
    serving = asyncio.create_task(stream.serve(SCOPE, caller.sent.get, caller.send))
    while len(shop.recorded()) < 6:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(shop.recorded()) == 6
    assert caller.sent.qsize() == 14
    caller.reads.set()
    while len(caller.taken) < 21:
        await asyncio.sleep(0)
    caller.sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    assert len(shop.recorded()) == 20
    assert stream.open == 0


async def test_a_caller_that_never_reads_is_let_go(shop: Any) -> None:
    caller = Caller(GOOD)
    stream = PredictionStream(shop.core, Terms(patience=0.01))
    await stream.serve(SCOPE, caller.sent.get, caller.send)
    assert stream.open == 0


async def test_messages_in_flight_are_limited_over_all_connections(shop: Any) -> None:
    assert shop.settings.max_inflight == 3
    at_once, most = 0, 0
    release = asyncio.Event()

    class Slow:
        def failed(self, *_: Any) -> None:
            pass

        async def score(self, *_: Any, **__: Any) -> Any:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await release.wait()
            at_once -= 1
            raise NotReady("later")

    stream = PredictionStream(shop.core._replace(predictions=Slow()))
    callers = [Caller(GOOD, GOOD) for _ in range(3)]
    for caller in callers:
        caller.reads.set()
    serving = [asyncio.create_task(stream.serve(SCOPE, caller.sent.get, caller.send)) for caller in callers]
    for _ in range(50):
        await asyncio.sleep(0)
    assert at_once == 3
    release.set()
    while any(len(caller.taken) < 3 for caller in callers):
        await asyncio.sleep(0)
    assert most == 3
    for caller in callers:
        caller.sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.gather(*serving)


async def test_a_server_that_cannot_refuse_with_a_reply_closes(shop: Any) -> None:
    caller = Caller()
    await PredictionStream(shop.core).serve({**SCOPE, "path": "/v1/tasks/x/stream"}, caller.sent.get, caller.send)
    assert caller.taken == [{"type": "websocket.close", "code": 1008}]


async def test_each_message_counts_for_its_caller(shop: Any) -> None:
    asked: list[Any] = []

    def admit(scope: Any) -> bool:
        asked.append(scope["client"])
        return len(asked) < 2

    caller = Caller(GOOD, GOOD)
    caller.reads.set()
    stream = PredictionStream(shop.core, admit=admit)
    serving = asyncio.create_task(stream.serve({**SCOPE, "client": ("10.0.0.1", 1)}, caller.sent.get, caller.send))
    while len(caller.taken) < 3:
        await asyncio.sleep(0)
    caller.sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    assert [json.loads(one["text"]).get("status", 200) for one in caller.taken[1:]] == [200, 429]
    assert asked == [("10.0.0.1", 1)] * 2
