"""What only real sockets show: large, slow and cut-off bodies, and the life of the server itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from tropism.core.errors import PortInUse, SettingInvalid
from tropism.entrypoints.api.server import bind, serve

BODY = json.dumps({"features": {"demand": 1}}).encode()


@pytest.fixture
async def port(plane: Any) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(plane.app(), http="httptools", ws="none", log_config=None, lifespan="on"))
    running = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await running


def head(length: int | None, *more: str) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = ["POST /v1/tasks/price/predict HTTP/1.1", "host: x", size, *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def reply_of(reader: asyncio.StreamReader) -> tuple[int, Any]:
    start = await reader.readuntil(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in start.decode().lower().split("\r\n")[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(start.split()[1]), json.loads(body)


async def test_fifty_megabytes_are_refused_before_they_are_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(50_000_000))
    async with asyncio.timeout(30):
        status, content = await reply_of(reader)
    assert (status, content["code"]) == (413, "too-large")
    assert "max_body_bytes" in content["faults"][0]["fix"]
    writer.close()


async def test_a_sender_of_too_much_gets_to_read_why(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        writer.write(head(20_000_000))
        for _ in range(20):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
        status, _ = await reply_of(reader)
        assert status == 413
        assert await reader.read() == b"", "the connection is closed"
    writer.close()


async def test_a_stream_is_refused_once_it_is_too_long(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(None))
    writer.write((b"%x\r\n" % 6_000 + b"x" * 6_000 + b"\r\n") * 2)
    async with asyncio.timeout(30):
        status, content = await reply_of(reader)
    assert (status, content["code"]) == (413, "too-large")
    writer.close()


async def test_a_sender_that_asks_first_is_told_no(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(50_000_000, "expect: 100-continue"))
    async with asyncio.timeout(30):
        status, _ = await reply_of(reader)
        assert status == 413
        assert await reader.read() == b""
    writer.close()


async def test_a_body_that_never_arrives_is_not_waited_for(plane: Any) -> None:
    app = plane.app()
    app._body_seconds = 0.01
    never = asyncio.Event()

    async def receive() -> Any:
        await never.wait()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/tasks/price/predict", "headers": []}
    await app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert b"did not arrive" in sent[1]["body"]


async def test_a_caller_that_leaves_in_the_middle_leaves_nothing(port: int, plane: Any) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(len(BODY)) + BODY[:5])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        writer.write(head(len(BODY)) + BODY)
        assert (await reply_of(reader))[0] == 200
        writer.write(head(len(BODY)) + BODY)
        assert (await reply_of(reader))[0] == 200, "the connection is kept"
    writer.close()
    assert plane.recorded() == 2


def test_a_port_in_use_is_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        with pytest.raises(PortInUse) as caught:
            bind("127.0.0.1", taken.getsockname()[1])
        assert caught.value.faults[0].field == "http.port"


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("127.0.0.1", 99_999), ("no such host.", 0)])
def test_an_address_that_is_not_ours_is_named(host: str, port: int) -> None:
    with pytest.raises(SettingInvalid):
        bind(host, port)


def test_the_server_ends_when_it_is_told(plane: Any) -> None:
    listener = bind("127.0.0.1", 0)
    address = listener.getsockname()
    ended: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))

    def ask_and_stop() -> None:
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask_and_stop)
    asker.start()
    try:
        serve(plane.app(), listener)
    finally:
        asker.join()
        signal.signal(signal.SIGTERM, previous)
    assert ended == [signal.SIGTERM]
