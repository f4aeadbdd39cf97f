"""A stream of predictions over one connection: WebSocket (RFC 6455), a JSON message for each request and reply."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tropism.core.errors import Fault, InputError, PolicyRefused, RateLimited, TropismError
from tropism.entrypoints.api.asgi import header, problem_reply, send_reply
from tropism.entrypoints.api.protocols.websocket_connections import Connection, Terms
from tropism.entrypoints.api.protocols.websocket_messages import Messages
from tropism.serving.predictions import live

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.entrypoints.api.asgi import Receive, Reply, Scope, Send
    from tropism.entrypoints.api.protocols.base import Core

_PREFIX, _SUFFIX = "/v1/tasks/", "/stream"
_UPGRADE = [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]


class PredictionStream:
    """Serves `/v1/tasks/{task}/stream`. For one event loop.

    `most`: connections at once. The messages of all of them that are worked on at once are limited as requests
    are, by `max_inflight`; further ones wait. `admit`: whether the caller of a scope may ask now; each message asks.
    """

    def __init__(
        self,
        core: Core,
        terms: Terms | None = None,
        most: int = 10_000,
        admit: Callable[[Scope], bool] = lambda _: True,
    ) -> None:
        self._core = core
        self._may_ask = admit
        self._terms = terms or Terms()
        self._most = most
        self._places = asyncio.Semaphore(core.settings.max_inflight)
        self.open = 0
        """Connections that are open."""

    def matches(self, path: str) -> bool:
        """Whether a path is one of these."""
        return is_stream(path)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a connection until it ends, or a plain HTTP request with what it should have been."""
        if scope["type"] != "websocket":
            fault = Fault("upgrade", "", "connect to it by WebSocket, with ws:// in place of http://")
            reply = problem_reply(InputError("this path is a WebSocket", fault), 426, _UPGRADE)
            await send_reply(send, reply)
            return
        await receive()
        task = scope["path"][len(_PREFIX) : -len(_SUFFIX)]
        try:
            self._admit(scope, task)
        except TropismError as error:
            await _refuse(scope, send, problem_reply(error))
            return
        self.open += 1
        try:
            await send({"type": "websocket.accept"})
            messages = Messages(self._core, task, partial(self._may_ask, scope))
            await Connection(messages, self._terms, self._places).run(receive, send)
        except OSError:
            return  # the caller has gone
        finally:
            self.open -= 1

    def _admit(self, scope: Scope, task: str) -> None:
        origin = header(scope, b"origin")
        own = (header(scope, b"x-forwarded-host"), header(scope, b"host"))
        if origin is not None and _host(origin) not in own:
            fault = Fault("origin", origin.decode("latin-1")[:80], "connect from a page of this address, or a program")
            raise PolicyRefused("a page of another address may not connect", fault)
        live(self._core.holder).deployment(task)
        if self.open >= self._most:
            fault = Fault("connections", str(self.open), "close some, or try again in a moment")
            raise RateLimited("too many streams at once", fault)


def is_stream(path: str) -> bool:
    """Whether a path is a stream's.

    >>> is_stream("/v1/tasks/price/stream"), is_stream("/v1/tasks//stream")
    (True, False)
    """
    task = path[len(_PREFIX) : -len(_SUFFIX)]
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX) and bool(task) and "/" not in task


def _host(origin: bytes) -> bytes:
    try:
        return urlsplit(origin.decode("latin-1")).netloc.encode("latin-1")
    except ValueError:
        return b""


async def _refuse(scope: Scope, send: Send, reply: Reply) -> None:
    """Refuses the handshake with an HTTP reply, where the server can send one; else with its bare 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [*reply.headers, (b"content-length", str(len(reply.body)).encode())]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body, "more_body": False})
