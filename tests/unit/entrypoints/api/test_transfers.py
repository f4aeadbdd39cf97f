"""Files through the data plane, to a control plane that is played by a function."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from tropism.core.errors import NotReady
from tropism.entrypoints.api.forwarding import Forwarder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PATH = "/api/2.0/mlflow-artifacts/artifacts/0/run/model.bin"


class Control(httpx.AsyncBaseTransport):
    """A control plane that counts what comes, a piece at a time, and answers."""

    def __init__(self, reply: bytes = b"{}", status: int = 200) -> None:
        self.reply, self.status = reply, status
        self.got = 0
        self.pieces = 0
        self.broken = False
        self.headers = httpx.Headers()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.headers = request.headers
        assert isinstance(request.stream, httpx.AsyncByteStream)
        try:
            async for piece in request.stream:
                self.got += len(piece)
                self.pieces += 1
        except BaseException:
            self.broken = True
            raise
        return httpx.Response(self.status, stream=_Pieces(self.reply), headers={"content-length": str(len(self.reply))})


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), 1_000):
            yield self._data[start : start + 1_000]


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
async def http(plane: Any, control: Control) -> AsyncIterator[httpx.AsyncClient]:
    plane.settings = msgspec.structs.replace(plane.settings, max_artifact_bytes=50_000, body_timeout="200ms")
    plane.forwarder = Forwarder("127.0.0.1", 8701, 1.0, control)
    transport = httpx.ASGITransport(plane.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


async def _pieces(count: int, pause: float = 0) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1_000
        await asyncio.sleep(pause)


async def test_a_file_larger_than_other_bodies_goes_through_in_pieces(
    http: httpx.AsyncClient, control: Control
) -> None:
    response = await http.put(_PATH, content=_pieces(40), headers={"content-length": "40000"})
    assert (response.status_code, response.json()) == (200, {})
    assert (control.got, control.pieces) == (40_000, 40)
    assert control.headers["content-length"] == "40000"
    assert "transfer-encoding" not in control.headers


async def test_a_file_comes_back_with_its_length(http: httpx.AsyncClient, control: Control) -> None:
    control.reply = b"y" * 30_500
    response = await http.get(_PATH)
    assert (response.content, response.headers["content-length"]) == (control.reply, "30500")


async def test_a_file_that_announces_itself_as_too_long_is_not_asked_for(
    http: httpx.AsyncClient, control: Control
) -> None:
    response = await http.put(_PATH, content=_pieces(60), headers={"content-length": "60000"})
    assert response.status_code == 413
    assert "http.max_artifact_bytes" in response.json()["message"]
    assert response.json()["error_code"] == "BAD_REQUEST"
    assert control.got == 0


async def test_a_file_that_turns_out_too_long_is_cut_off(http: httpx.AsyncClient, control: Control) -> None:
    response = await http.put(_PATH, content=_pieces(60))
    assert response.status_code == 413
    assert control.broken
    assert control.got <= 50_000


async def test_a_file_that_does_not_go_on_is_given_up(http: httpx.AsyncClient, control: Control) -> None:
    response = await http.put(_PATH, content=_pieces(2, pause=5))
    assert response.status_code == 400
    assert "http.body_timeout" in response.json()["message"]
    assert control.broken


async def test_what_the_control_plane_refuses_is_passed_on(http: httpx.AsyncClient, control: Control) -> None:
    control.status, control.reply = 507, b'{"error_code":"RESOURCE_LIMIT_EXCEEDED","message":"no room"}'
    response = await http.put(_PATH, content=b"x" * 20_000)
    assert (response.status_code, response.content) == (507, control.reply)


async def test_without_the_control_plane_the_caller_is_told_so(plane: Any) -> None:
    class Away(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.WriteError("gone")

    plane.forwarder = Forwarder("127.0.0.1", 8701, 1.0, Away())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
        response = await client.put(_PATH, content=b"x" * 20_000)
    assert response.status_code == 503
    assert response.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


async def test_a_download_that_breaks_off_never_looks_whole(plane: Any) -> None:
    class Broken(_Pieces):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"y" * 1_000
            raise httpx.ReadError("gone")

    class Dying(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Broken(b""), headers={"content-length": "5000"})

    plane.forwarder = Forwarder("127.0.0.1", 8701, 1.0, Dying())
    sent: list[Any] = []
    scope = {"type": "http", "method": "GET", "path": _PATH, "raw_path": _PATH.encode(), "query_string": b""}
    gone = asyncio.Event()

    async def receive() -> Any:
        await gone.wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await plane.app()({**scope, "headers": []}, receive, send)
    assert sent[0]["status"] == 200
    assert all(message["more_body"] for message in sent[1:])


async def test_a_caller_who_leaves_ends_the_upload(plane: Any, control: Control) -> None:
    plane.forwarder = Forwarder("127.0.0.1", 8701, 1.0, control)
    messages = [{"type": "http.request", "body": b"x" * 1_000, "more_body": True}, {"type": "http.disconnect"}]
    scope = {"type": "http", "method": "PUT", "path": _PATH, "raw_path": _PATH.encode(), "query_string": b""}

    async def receive() -> Any:
        return messages.pop(0)

    async def send(_: Any) -> None:
        raise AssertionError("nobody is there")

    await plane.app()({**scope, "headers": [(b"content-length", b"9000")]}, receive, send)
    assert control.broken


async def test_a_reply_that_fails_while_it_is_read_is_the_control_plane_being_away() -> None:
    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"y"
            raise httpx.ReadError("gone")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Broken()))
    scope = {"method": "GET", "raw_path": b"/v1/tasks", "query_string": b"", "headers": []}
    with pytest.raises(NotReady):
        await Forwarder("127.0.0.1", 8701, 1.0, transport).forward(scope, b"")
