"""Requests over sockets: in order, however they are cut and mixed, and the same whichever way they go."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from tropism.core.errors import DiskFull
from tropism.entrypoints.api.connection import Connection
from tropism.entrypoints.api.server import Terms, bind, serve
from tropism.serving import HttpSettings

ROW = b'{"features": {"demand": 1}}'
PREDICT = "POST /v1/tasks/price/predict HTTP/1.1"


def request(body: bytes = ROW, *more: str, start: str = PREDICT) -> bytes:
    return "\r\n".join([start, "host: x", f"content-length: {len(body)}", *more, "", ""]).encode() + body


class Gate:
    """Holds back what waits for the journal, until it is opened or broken."""

    def __init__(self, plane: Any) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        plane.journal.flushing = self._flushing

    def _flushing(self, seq: int) -> asyncio.Future[None]:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    async def reached(self, count: int = 1) -> None:
        async with asyncio.timeout(20):
            while len(self.waiting) < count:
                await asyncio.sleep(0)

    def open(self) -> None:
        for one in self.waiting:
            one.set_result(None)
        self.waiting.clear()


@pytest.fixture
def quick(plane: Any, swift: Any) -> Any:
    """A plane whose model has a short way; `model.asked` says what came by it."""
    plane.settings = HttpSettings(max_body_bytes=10_000, max_rows=20)
    plane.model = swift()
    plane.serve(plane.model)
    return plane


@pytest.fixture
async def caller(quick: Any, served: Callable[..., Any]) -> AsyncIterator[Any]:
    async with served(quick) as server:
        yield await server.caller()


async def test_one_connection_serves_request_after_request(quick: Any, caller: Any) -> None:
    for _ in range(5):
        caller.send(request())
        status, headers, content = await caller.reply()
        assert (status, headers["content-type"], content["version"]) == (200, "application/json", 4)
        assert headers["date"]
    assert quick.model.asked == [1] * 5, "all went the short way"
    assert quick.recorded() == 5


async def test_requests_sent_ahead_are_answered_in_order(quick: Any, caller: Any) -> None:
    def one(index: int) -> tuple[bytes, int]:
        return [
            (request(), 200),
            (request(b'{"features": {"demand": null}}'), 200),
            (request(b"{"), 400),
            (request(b"", start="GET /healthz HTTP/1.1"), 200),
            (request(b'{"features": {"other": 1}}'), 422),
            (request(start="POST /v1/tasks/prise/predict HTTP/1.1"), 404),
            (request(b'{"instances": [' + ROW + b", " + ROW + b"]}"), 200),
            (request(ROW, "x-more: 1"), 200),
            (request(start="POST /v1/tasks/price/predict?a=b HTTP/1.1"), 200),
        ][index * index * 7 % 9]

    sent = [one(index) for index in range(300)]
    caller.send(b"".join(data for data, _ in sent))
    assert await caller.statuses(len(sent)) == [status for _, status in sent]


async def test_a_request_may_come_cut_anywhere(quick: Any, caller: Any) -> None:
    caller.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for data in (request(), request(b"", start="GET /healthz HTTP/1.1")):
        for cut in range(1, len(data)):
            caller.send(data[:cut])
            await caller.writer.drain()
            await asyncio.sleep(0)
            caller.send(data[cut:])
            assert await caller.statuses(1) == [200]
            caller.send(request())
            assert await caller.statuses(1) == [200]
    assert sum(quick.model.asked) > 100, "a connection is none the worse for it"


async def test_requests_come_a_byte_at_a_time(caller: Any) -> None:
    for byte in request(ROW, "x-a: b") + request(b"nothing") + request():
        caller.send(bytes([byte]))
        await asyncio.sleep(0)
    assert await caller.statuses(3) == [200, 400, 200]


async def test_who_asks_for_the_end_gets_it(quick: Any, served: Callable[..., Any]) -> None:
    async with served(quick) as server:
        for data in (request(ROW, "connection: close"), request(start=PREDICT.replace("1.1", "1.0"))):
            caller = await server.caller()
            caller.send(data + request())
            status, headers, _ = await caller.reply()
            assert (status, headers["connection"]) == (200, "close")
            assert await caller.rest() == b""


async def test_heads_ask_for_heads_only(caller: Any) -> None:
    caller.send(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await asyncio.wait_for(caller.reader.readuntil(b"\r\n\r\n"), 20)
    assert head.startswith(b"HTTP/1.1 200")
    caller.send(request())
    assert await caller.statuses(1) == [200]


async def test_who_waits_to_be_told_to_go_on_is_told(caller: Any) -> None:
    caller.send(request(ROW, "expect: 100-continue")[: -len(ROW)])
    assert await asyncio.wait_for(caller.reader.readuntil(b"\r\n\r\n"), 20) == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.send(ROW + request())
    assert await caller.statuses(2) == [200, 200]


async def test_bodies_may_come_in_chunks(caller: Any) -> None:
    head = f"{PREDICT}\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (ROW[:4], ROW[4:]))
    caller.send(head + chunks + b"0\r\n\r\n" + request())
    assert await caller.statuses(2) == [200, 200]


async def test_what_is_no_http_is_refused_after_what_was_asked_before(quick: Any, caller: Any) -> None:
    gate = Gate(quick)
    caller.send(request(ROW, "x-timeout-ms: 900") + b"what is this?\r\n\r\n" + request())
    await gate.reached()
    gate.open()
    first, second = await caller.reply(), await caller.reply()
    assert (first[0], second[0], second[2]["code"]) == (200, 400, "input-error")
    assert second[1]["connection"] == "close"
    assert await caller.rest() == b""
    assert quick.recorded() == 1


async def test_a_broken_body_is_refused_at_once(caller: Any) -> None:
    caller.send(f"{PREDICT}\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnot a size\r\n".encode())
    assert await caller.statuses(1) == [400]
    assert await caller.rest() == b""


async def test_a_caller_that_leaves_is_still_recorded(quick: Any, served: Callable[..., Any]) -> None:
    gate = Gate(quick)
    async with served(quick) as server:
        caller = await server.caller()
        caller.send(request())
        await gate.reached()
        caller.writer.transport.abort()
        while server.app.meters.connections:
            await asyncio.sleep(0)
        gate.open()
        other = await server.caller()
        other.send(request())
        await gate.reached()
        gate.open()
        assert await other.statuses(1) == [200]
        assert server.app.meters.in_flight == 0
    assert quick.recorded() == 2


async def test_a_journal_that_fails_acknowledges_nothing(quick: Any, caller: Any) -> None:
    gate = Gate(quick)
    caller.send(request() + request())
    await gate.reached()
    gate.waiting.pop().set_exception(DiskFull("no room"))
    assert (await caller.reply())[2]["code"] == "disk-full"
    await gate.reached()
    gate.waiting.pop().cancel()
    assert (await caller.reply())[2]["code"] == "not-ready"


async def test_both_ways_meet_a_full_disk_alike(full_plane: Any, swift: Any, served: Callable[..., Any]) -> None:
    full_plane.serve(swift())
    async with served(full_plane) as server:
        caller = await server.caller()
        caller.send(request() + request(ROW, "x-timeout-ms: 900"))
        short, long = await caller.reply(), await caller.reply()
    for status, _, content in (short, long):
        assert (status, content["code"], content["faults"][0]["field"]) == (507, "disk-full", "journal")
    assert full_plane.recorded() == 0


async def test_too_many_at_once_are_told_to_come_back(quick: Any, served: Callable[..., Any]) -> None:
    quick.settings = HttpSettings(max_inflight=2)
    gate = Gate(quick)
    async with served(quick) as server:
        waiting = [await server.caller() for _ in range(2)]
        for one in waiting:
            one.send(request())
        while server.app.meters.in_flight < 2:
            await asyncio.sleep(0)
        late = await server.caller()
        late.send(request() + request(ROW, "x-timeout-ms: 900"))
        for _ in range(2):
            status, headers, content = await late.reply()
            assert (status, content["code"], headers["retry-after"]) == (503, "overloaded", "1")
        gate.open()
        assert [await one.statuses(1) for one in waiting] == [[200], [200]]


@pytest.mark.parametrize("way", [(), ("x-timeout-ms: 900",)])
async def test_each_caller_has_a_rate_of_his_own(quick: Any, served: Callable[..., Any], way: tuple[str, ...]) -> None:
    quick.settings = HttpSettings(rate_limit=0.001, rate_burst=3)
    async with served(quick) as server:
        caller = await server.caller()
        for key in ("x-api-key: a", "authorization: b"):
            caller.send(request(ROW, key, *way) * 4)
            assert await caller.statuses(4) == [200, 200, 200, 429], key
        caller.send(request(b"{") + request() * 3)
        assert await caller.statuses(4) == [400, 200, 200, 429], "each request counts once, whichever way it goes"


async def test_a_model_that_fails_is_counted_once_against_the_rate(quick: Any, served: Callable[..., Any]) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    quick.settings = HttpSettings(rate_limit=0.001, rate_burst=2)
    quick.model.act = fail
    async with served(quick) as server:
        caller = await server.caller()
        caller.send(request() * 3)
        replies = [await caller.reply() for _ in range(3)]
    assert [reply[0] for reply in replies] == [200, 200, 429]
    assert replies[0][2]["degraded"] == ["champion-failed"]
    assert quick.recorded() == 2


def test_requests_in_progress_are_answered_before_the_end(quick: Any) -> None:
    listener = bind("127.0.0.1", 0)
    address, app = listener.getsockname(), quick.app()
    ended: list[int] = []
    replies: list[bytes] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    reached = threading.Event()
    gates: list[tuple[Any, Any]] = []

    def flushing(seq: int) -> Any:
        gates.append((asyncio.get_running_loop(), asyncio.get_running_loop().create_future()))
        reached.set()
        return gates[-1][1]

    def ask_and_stop() -> None:
        with (
            socket.create_connection(address, timeout=30) as one,
            socket.create_connection(address, timeout=30) as idle,
        ):
            one.sendall(request())
            assert reached.wait(30)
            os.kill(os.getpid(), signal.SIGTERM)
            assert idle.recv(100) == b"", "an idle connection is closed at once"
            gates[0][0].call_soon_threadsafe(gates[0][1].set_result, None)
            while data := one.recv(10_000):
                replies.append(data)

    quick.journal.flushing = flushing
    asker = threading.Thread(target=ask_and_stop)
    asker.start()
    try:
        serve(app, listener, Terms(partial(Connection, app), 60.0, 10_000, lambda: None))
    finally:
        asker.join()
        signal.signal(signal.SIGTERM, previous)
    head, _, body = b"".join(replies).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in head
    assert json.loads(body)["version"] == 4
    assert ended == [signal.SIGTERM]
