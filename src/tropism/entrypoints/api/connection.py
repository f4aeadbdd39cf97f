"""One HTTP connection: plain requests to predict are answered at once, all others by the ASGI application.

It is uvicorn's connection. Most of what one request costs there is not HTTP but building what ASGI passes on: a
scope, a task, two messages each way. A request to predict whose head was seen before, and whose body came with it,
needs none of that (docs/adr/0009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tropism.entrypoints.api.asgi import problem_reply

if TYPE_CHECKING:
    import asyncio

    from tropism.core.errors import TropismError
    from tropism.entrypoints.api.data_plane import DataPlane

_MOST_BACKLOG = 256 * 1024
_MOST_HEAD = 64 * 1024
_HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive once it has begun."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connection(HttpToolsProtocol):
    """Speaks HTTP/1.1. One request at a time is worked on; those sent ahead wait for their turn, in order."""

    def __init__(self, plane: DataPlane, **given: Any) -> None:
        super().__init__(**given)
        self._plane = plane
        self._heads = plane.heads
        self._waits = False
        """Whether a request that was taken the short way is not answered yet."""
        self._within = False
        """Whether the parser is in the middle of a message."""
        self._backlog = b""
        self._data = b""
        self._closing = False
        self._head_bytes = 0
        self._begun = 0.0
        self._last = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._plane.meters.connections += 1
        self._last = self.loop.time()
        self._watch(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._plane.meters.connections -= 1
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._waits:
            self._put_off(data)
            return
        if not self._within and (self.cycle is None or self.cycle.response_complete) and self._short(data):
            return
        super().data_received(data)
        if self._begun > 0 and not self.transport.is_closing():  # the head is not whole
            self._watch(_HEAD_SECONDS)

    def handle_websocket_upgrade(self) -> None:
        self._unset_timer()
        self._plane.meters.connections -= 1
        super().handle_websocket_upgrade()

    def _short(self, data: bytes) -> bool:
        end = data.find(b"\r\n\r\n") + 4
        head = self._heads.read(data[:end]) if end > 3 else None
        if head is None:
            return False
        stop = end + head.length
        if stop > len(data) or not self._plane.rates.admit(head.key, self.client):
            return False
        self._data = data if stop == len(data) else data[:stop]
        self._waits = True
        if not self._plane.turns.take(head.task, self._data[end:], self):
            self._waits = False
            self._plane.rates.give_back(head.key, self.client)
            return False
        if stop < len(data):
            self._put_off(data[stop:])
        return True

    def _put_off(self, data: bytes) -> None:
        self._backlog += data
        if len(self._backlog) > _MOST_BACKLOG:
            self.transport.pause_reading()

    def reply(self, body: bytes) -> None:
        """Sends the reply to the request that waits."""
        self._send(b"200 OK", b"content-type: application/json\r\n", body)

    def refuse(self, error: TropismError) -> None:
        """Sends the problem that the request that waits met with."""
        self._plane.meters.errors.add(error.code)
        found = problem_reply(error)
        headers = b"".join(b"%b: %b\r\n" % pair for pair in found.headers)
        self._send(b"%d Refused" % found.status, headers, found.body)

    def ask_long(self) -> None:
        """The request that waits goes the long way."""
        self._waits = False
        data, self._data = self._data, b""
        if not self.transport.is_closing():
            super().data_received(data + self._take_backlog())

    def _send(self, status: bytes, headers: bytes, body: bytes) -> None:
        self._waits = False
        self._data = b""
        self._last = self.loop.time()
        if self.transport.is_closing():
            return
        own = b"".join(b"%b: %b\r\n" % pair for pair in self.server_state.default_headers)
        if self._closing:
            own += b"connection: close\r\n"
        self.transport.write(
            b"HTTP/1.1 %b\r\n%b%bcontent-length: %d\r\n\r\n%b" % (status, own, headers, len(body), body)
        )
        if self._closing:
            self.transport.close()
        elif self._backlog:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Takes up what was sent ahead."""
        if not self._waits and self._backlog and not self.transport.is_closing():
            self.data_received(self._take_backlog())

    def _take_backlog(self) -> bytes:
        backlog, self._backlog = self._backlog, b""
        if len(backlog) > _MOST_BACKLOG:
            self.transport.resume_reading()
        return backlog

    def shutdown(self) -> None:
        if self._waits:
            self._closing = True
        else:
            super().shutdown()

    # What follows bounds the time and the size of heads, which uvicorn does not.

    def on_message_begin(self) -> None:
        self._within = True
        self._head_bytes = 0
        self._begun = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._begun = 0.0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._within = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._last = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def _count(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > _MOST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    # uvicorn sets and cancels a timer with every request. Here one timer a connection looks when it is due whether
    # anything has happened, and waits for what is left.

    def _watch(self, seconds: float) -> None:
        self._unset_timer()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_timer(self) -> None:
        super()._unset_keepalive_if_required()

    def _unset_keepalive_if_required(self) -> None:
        """The timer looks for itself."""

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        now = self.loop.time()
        busy = self._waits or (self.cycle is not None and not self.cycle.response_complete)
        late = self._begun > 0 and now - self._begun >= _HEAD_SECONDS
        idle = not busy and not self._within and now - self._last >= self.timeout_keep_alive
        if late and not busy or idle:
            self.transport.close()
            return
        self._watch(max(min(self._last + self.timeout_keep_alive - now, _HEAD_SECONDS), 1.0))
