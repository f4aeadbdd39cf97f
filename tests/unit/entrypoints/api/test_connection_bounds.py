"""What a connection may cost: heads that are slow or large, bodies that never end, callers that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tropism.entrypoints.api.connection import _MOST_BACKLOG
from tropism.serving import HttpSettings

ROW = b'{"features": {"demand": 1}}'
PREDICT = b"POST /v1/tasks/price/predict HTTP/1.1\r\nhost: x\r\n"
PLAIN = PREDICT + b"content-length: %d\r\n\r\n%b" % (len(ROW), ROW)


@pytest.fixture
def quick(plane: Any, swift: Any) -> Any:
    plane.settings = HttpSettings(max_body_bytes=10_000, max_rows=20, body_timeout="100ms")
    plane.serve(swift())
    return plane


async def closed_by_the_other(caller: Any, trickle: bytes) -> None:
    """Sends a byte now and then until the connection is closed."""
    async with asyncio.timeout(10):
        while not caller.reader.at_eof():
            if not caller.writer.is_closing():
                caller.send(trickle)
            try:
                await asyncio.wait_for(caller.reader.read(1000), 0.02)
            except TimeoutError:
                continue
            except ConnectionError:
                return


@pytest.mark.parametrize(
    "begin", [b"P", PREDICT, PLAIN + PREDICT, PLAIN.replace(b"host", b"x-timeout-ms: 9\r\nhost") + PREDICT]
)
async def test_a_head_that_trickles_in_is_not_waited_for(quick: Any, served: Callable[..., Any], begin: bytes) -> None:
    async with served(quick, head_seconds=0.2) as server:
        caller = await server.caller()
        caller.send(begin)
        await closed_by_the_other(caller, b"O" if begin == b"P" else b"x")
        other = await server.caller()
        other.send(PLAIN)
        assert await other.statuses(1) == [200]


async def test_an_idle_connection_is_closed_and_a_busy_one_kept(quick: Any, served: Callable[..., Any]) -> None:
    async with served(quick, keep_alive=0.2, head_seconds=0.1) as server:
        idle, used = await server.caller(), await server.caller()
        used.send(PLAIN)
        assert await used.statuses(1) == [200]
        assert (await idle.rest(), await used.rest()) == (b"", b"")
        assert server.app.meters.connections == 0


@pytest.mark.parametrize(
    "flood",
    [
        b"".join(b"x-%d: %b\r\n" % (index, b"y" * 100) for index in range(1_000)),
        b"x: " + b"y" * 100_000 + b"\r\n",
        b"x:" + b" " * 200_000 + b"\x01\r\n",
    ],
)
@pytest.mark.parametrize("pieces", [1, 50])
async def test_a_flood_of_headers_is_refused(quick: Any, served: Callable[..., Any], flood: bytes, pieces: int) -> None:
    async with served(quick) as server:
        caller = await server.caller()
        data = PREDICT + flood + b"content-length: %d\r\n\r\n%b" % (len(ROW), ROW)
        size = len(data) // pieces + 1
        for start in range(0, len(data), size):
            caller.send(data[start : start + size])
            await asyncio.sleep(0)
        status, headers, content = await caller.reply()
        assert (status, headers["connection"], content["code"]) in [
            (431, "close", "input-error"),
            (400, "close", "input-error"),
        ]
        assert await caller.rest() == b"", "one reply, then the end"
    assert quick.recorded() == 0


async def test_a_header_that_never_ends_is_not_kept(quick: Any, served: Callable[..., Any]) -> None:
    async with served(quick) as server:
        caller = await server.caller()
        caller.send(PREDICT + b"x: ")
        for _ in range(100):
            caller.send(b"y" * 10_000)
            await asyncio.sleep(0)
        assert await caller.statuses(1) == [431]
        other = await server.caller()
        other.send(PLAIN)
        assert await other.statuses(1) == [200]


async def test_a_body_that_never_ends_is_refused_and_the_connection_closed(
    quick: Any, served: Callable[..., Any]
) -> None:
    async with served(quick, head_seconds=0.2) as server:
        caller = await server.caller()
        caller.send(PREDICT + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n")
        status, _, content = await caller.reply()
        assert (status, content["code"]) == (400, "malformed-body")
        assert "did not arrive" in content["detail"]
        await closed_by_the_other(caller, b"1\r\n \r\n")


async def test_a_body_that_nobody_asked_for_may_end_late(quick: Any, served: Callable[..., Any]) -> None:
    async with served(quick) as server:
        caller = await server.caller()
        caller.send(b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
        assert await caller.statuses(1) == [405]
        caller.send(b"cde" + PLAIN)
        assert await caller.statuses(1) == [200]


async def test_who_does_not_read_is_not_answered_without_end(quick: Any, served: Callable[..., Any]) -> None:
    async with served(quick, keep_alive=0.5, head_seconds=0.2) as server:
        caller = await server.caller()
        caller.send(PLAIN)
        assert await caller.statuses(1) == [200]
        caller.reader._transport.pause_reading()
        largest = 0
        while not caller.writer.is_closing() and server.app.meters.connections:
            if caller.writer.transport.get_write_buffer_size() < 1_000_000:
                caller.send(PLAIN * 500)
            for one in server.server.server_state.connections:
                held = one.transport.get_write_buffer_size() + len(one._backlog)
                largest = max(largest, held)
            await asyncio.sleep(0)
        caller.writer.transport.abort()
        assert 0 < largest < 4 * _MOST_BACKLOG
        other = await server.caller()
        other.send(PLAIN)
        assert await other.statuses(1) == [200]


async def test_who_reads_late_gets_every_reply(quick: Any, served: Callable[..., Any]) -> None:
    async with served(quick) as server:
        caller = await server.caller()
        caller.reader._transport.pause_reading()
        caller.send(PLAIN * 6_000)
        for _ in range(200):
            await asyncio.sleep(0)
        caller.reader._transport.resume_reading()
        assert await caller.statuses(6_000) == [200] * 6_000
    assert quick.recorded() == 6_000
