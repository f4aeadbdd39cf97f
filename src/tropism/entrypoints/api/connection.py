"""One HTTP connection: plain requests to predict are answered at once, all others by the ASGI application.

It is uvicorn's connection. Most of what one request costs there is not HTTP but building what ASGI passes on: a
scope, a task, two messages each way. A request to predict whose head was seen before, and whose body came with it,
needs none of that (docs/adr/0009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tropism.core.errors import Fault, InputError
from tropism.entrypoints.api.asgi import problem_reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sized

    from tropism.core.errors import TropismError
    from tropism.entrypoints.api.asgi import Reply
    from tropism.entrypoints.api.data_plane import DataPlane

_MOST_BACKLOG = 256 * 1024
_MOST_HEAD = 64 * 1024
_HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive once it has begun."""
_PATIENCE = 2.0
"""Seconds for which what a caller goes on sending is taken in, once he was told that no more is read."""
_SHORTEST_WATCH = 1.0
"""Seconds that the timer rests at least: ten thousand connections have as many timers."""


class Connection(HttpToolsProtocol):
    """Speaks HTTP/1.1. One request at a time is worked on; those sent ahead wait for their turn, in order.

    `head_seconds`: how long the head of a request may take to arrive.
    """

    def __init__(self, plane: DataPlane, head_seconds: float = _HEAD_SECONDS, **given: Any) -> None:
        super().__init__(**given)
        self._plane = plane
        self._heads = plane.heads
        self._waits = False
        """Whether what arrives has to wait: for the reply to a request that went the short way, or for ever."""
        self._last_words = b""
        """What is still to be said before the connection is closed, once all that was asked is answered."""
        self._within = False
        """Whether the parser is in the middle of a message."""
        self._in_body = False
        """Whether it is past that message's head."""
        self._backlog = b""
        self._data = b""
        self._closing = False
        self._ended = False
        """Whether the last words were said."""
        self._head_bytes = 0
        self._head_data = 0
        """Bytes that came of a head since its first segment: the parser tells of a header when it is whole."""
        self._begun = 0.0
        """When the head that is arriving began, or the rest of a body that nobody waits for; 0 when there is none."""
        self._head_seconds = head_seconds
        self._last = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._plane.meters.connections += 1
        self._last = self.loop.time()
        self._watch(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._plane.meters.connections -= 1
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._waits or self._backlog:
            self._put_off(data)
            return
        if not self._within and (self.cycle is None or self.cycle.response_complete):
            if self.flow.write_paused:  # the caller does not read what he is told
                self._put_off(data)
                return
            if self._short(data):
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        begun = self._begun
        super().data_received(data)
        if not self._begun or self.transport.is_closing():
            return
        if self._begun != begun:
            self._head_data = 0
            self._watch(self._head_seconds)
        elif not self._in_body:
            self._head_data += len(data)
            if self._head_data > _MOST_HEAD:
                self._refuse_head()

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
        if self._ended:
            return
        self._backlog += data
        if len(self._backlog) > _MOST_BACKLOG:
            self.transport.pause_reading()

    def reply(self, body: bytes) -> None:
        """Sends the reply to the request that waits."""
        self._send(STATUS_LINE[200], b"content-type: application/json\r\n", body)

    def refuse(self, error: TropismError) -> None:
        """Sends the problem that the request that waits met with."""
        found = problem_reply(error)
        head = self._heads.read(self._data[: self._data.find(b"\r\n\r\n") + 4])
        self._plane.count_failure("" if head is None else head.task, found)
        self._send(STATUS_LINE[found.status], _lines(found.headers), found.body)

    def ask_long(self) -> None:
        """The request that waits goes the long way."""
        self._waits = False
        data, self._data = self._data, b""
        if self.transport.is_closing():
            return
        head = self._heads.read(data[: data.find(b"\r\n\r\n") + 4])
        if head is not None:
            self._plane.rates.give_back(head.key, self.client)
        self._parse(data + self._take_backlog())
        if self._closing:
            super().shutdown()

    def _send(self, status: bytes, headers: bytes, body: bytes) -> None:
        self._waits = False
        self._data = b""
        self._last = self.loop.time()
        if self.transport.is_closing():
            return
        own = _lines(self.server_state.default_headers)
        if self._closing:
            own += b"connection: close\r\n"
        self.transport.write(b"%b%b%bcontent-length: %d\r\n\r\n%b" % (status, own, headers, len(body), body))
        if self._closing:
            self.transport.close()
        elif self._backlog:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Takes up what was sent ahead."""
        if not self._waits and self._backlog and not self.transport.is_closing():
            self.data_received(self._take_backlog())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._backlog:
            self.loop.call_soon(self._go_on)

    def _take_backlog(self) -> bytes:
        backlog, self._backlog = self._backlog, b""
        if len(backlog) > _MOST_BACKLOG:
            self.transport.resume_reading()
        return backlog

    def shutdown(self) -> None:
        if self._waits and not self._ended:
            self._closing = True
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        fault = Fault("request", msg, "send HTTP/1.1 as RFC 9112 has it")
        self._end(problem_reply(InputError("this is not HTTP", fault)))

    def _end(self, last: Reply) -> None:
        """Reads no more, and says why once all that was asked before is answered."""
        if self._waits or self.transport.is_closing():
            return
        words = STATUS_LINE[last.status] + _lines([*self.server_state.default_headers, *last.headers])
        words += b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(last.body), last.body)
        self._plane.meters.errors.add(InputError.code)
        if self._in_body and self.pipeline:
            self.pipeline.popleft()  # the newest: it will never be whole
        elif self._in_body or self.cycle is None or self.cycle.response_complete:
            self._leave(words if not (self._in_body and self.cycle.response_started) else b"")
            return
        self._waits = True
        self._last_words = words

    def _leave(self, words: bytes) -> None:
        """Says the last words. A caller that is cut off while he sends may never read them: what comes is dropped."""
        self._waits = self._ended = True
        self._backlog = b""
        self.transport.write(words)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._watch(_PATIENCE)

    # What follows bounds the time and the size of heads, which uvicorn does not.

    def on_message_begin(self) -> None:
        self._within, self._in_body = True, False
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
        self._in_body = True
        self._begun = 0.0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._within = self._in_body = False
        self._begun = 0.0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._last = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_words:
            self._leave(self._last_words)
        elif self._in_body:  # nobody waits for the rest of it, so it must not take long
            self._begun = self._last
            self._watch(self._head_seconds)

    def _count(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > _MOST_HEAD:
            self._refuse_head()
            raise _Enough

    def _refuse_head(self) -> None:
        fault = Fault("headers", f"more than {_MOST_HEAD} bytes", "send fewer or shorter ones")
        self._end(problem_reply(InputError("the head of the request is too large", fault), 431))

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
        if self._ended:
            self.transport.abort()
        if self.transport.is_closing():
            return
        now = self.loop.time()
        busy = self._waits or (self.cycle is not None and not self.cycle.response_complete)
        left = (self._begun + self._head_seconds if self._begun else self._last + self.timeout_keep_alive) - now
        if left > 0 or busy:
            self._watch(max(min(left, self._head_seconds), min(self._head_seconds, _SHORTEST_WATCH)))
        elif self.flow.write_paused:  # what the caller was told would wait for him for ever
            self.transport.abort()
        else:
            self.transport.close()


class _Flow(FlowControl):
    """Reads no more while requests that were sent ahead wait: uvicorn reads on with every reply, without end."""

    def __init__(self, transport: asyncio.Transport, ahead: Sized) -> None:
        super().__init__(transport)
        self._ahead = ahead

    def resume_reading(self) -> None:
        if not self._ahead:
            super().resume_reading()


class _Enough(Exception):
    """Stops the parser."""


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)
