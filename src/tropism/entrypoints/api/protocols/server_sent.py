"""Predictions as they are made, for whoever subscribed: server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from tropism.core.errors import Fault, InputError, InvalidInput, TropismError
from tropism.core.faults import Faults, shown
from tropism.entrypoints.api.asgi import Reply, header, problem_reply, send_reply
from tropism.entrypoints.api.protocols.subscriptions import GONE, SLOW, STOPPING, frame_of, gap
from tropism.entrypoints.api.protocols.subscriptions_interests import Wish
from tropism.serving.fields import MOST_TEXT
from tropism.serving.predictions import live

if TYPE_CHECKING:
    from tropism.entrypoints.api.asgi import Headers, Receive, Scope, Send
    from tropism.entrypoints.api.protocols.base import Core
    from tropism.entrypoints.api.protocols.subscriptions import Subscription, Subscriptions

MOST_ENTITIES = 1_000
_METHODS = ("GET", "HEAD")
_PREFIX, _SUFFIX = "/v1/tasks/", "/predictions/stream"
_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]
_GREETING = b"retry: 1000\n: subscribed\n\n"
_HEARTBEAT = b": heartbeat\n\n"
_ENDINGS = {
    SLOW: "this connection was too slow: predictions since then were not sent; connect again",
    STOPPING: "the server stops; connect again in a moment",
}


class PredictionEvents:
    """Serves `/v1/tasks/{task}/predictions/stream`. For one event loop.

    `heartbeat`: seconds of silence before a comment is sent, so that a dead connection is noticed. `patience`:
    seconds in which what is sent must be taken.
    """

    def __init__(
        self, core: Core, subscriptions: Subscriptions, heartbeat: float = 15.0, patience: float = 60.0
    ) -> None:
        self._core = core
        self._subscriptions = subscriptions
        self._heartbeat = heartbeat
        self._patience = patience

    def matches(self, path: str) -> bool:
        """Whether a path is one of these."""
        return is_events(path)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends events until the subscriber leaves, does not keep up, or the server stops."""
        if scope["method"] not in _METHODS:
            fault = Fault("method", scope["method"], "use GET")
            wrong = InputError(f"{scope['method']} does not fit this path", fault)
            await send_reply(send, problem_reply(wrong, 405, [(b"allow", ", ".join(_METHODS).encode())]))
            return
        try:
            wish = self._wish(scope)
            if scope["method"] == "HEAD":
                await send_reply(send, Reply(200, b"", _HEADERS))
                return
            subscription = await self._subscriptions.subscribe(wish)
        except TropismError as error:
            await send_reply(send, problem_reply(error))
            return
        await self._stream(subscription, _greeting(scope), receive, send)

    def _wish(self, scope: Scope) -> Wish:
        """What the caller wants to hear of.

        Raises:
            NotReady, UnknownTask, InvalidInput: nothing can be sent.
        """
        task = scope["path"][len(_PREFIX) : -len(_SUFFIX)]
        live(self._core.holder).deployment(task)
        return Wish(task, entities_of(scope["query_string"]))

    async def _stream(self, subscription: Subscription, greeting: bytes, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: subscription.end(GONE))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._send(send, greeting)
            while not subscription.reason:
                frames = await subscription.take(self._heartbeat)
                if frames or not subscription.reason:
                    await self._send(send, frames or _HEARTBEAT)
            if subscription.reason != GONE:
                rest = await subscription.take(0)
                await self._send(send, rest + _ending(subscription.reason), last=True)
        except OSError:
            return  # gone, or not reading: there is nobody to tell
        finally:
            leaving.cancel()
            self._subscriptions.unsubscribe(subscription)

    async def _send(self, send: Send, body: bytes, last: bool = False) -> None:
        async with asyncio.timeout(self._patience):
            await send({"type": "http.response.body", "body": body, "more_body": not last})


async def _left(receive: Receive) -> None:
    """Returns when the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _greeting(scope: Scope) -> bytes:
    """The beginning. Nothing is kept, so one who comes back is told that he may have missed something."""
    last = header(scope, b"last-event-id")
    if last is None:
        return _GREETING
    detail = "what was predicted since that event is not sent again"
    return _GREETING + gap(detail, last.decode("latin-1")[:MOST_TEXT])


def _ending(reason: str) -> bytes:
    return frame_of("end", msgspec.json.encode({"reason": reason, "detail": _ENDINGS[reason]}))


def is_events(path: str) -> bool:
    """Whether a path is a stream of events.

    >>> is_events("/v1/tasks/price/predictions/stream"), is_events("/v1/tasks/price/stream")
    (True, False)
    """
    task = path[len(_PREFIX) : -len(_SUFFIX)]
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX) and bool(task) and "/" not in task


def entities_of(query: bytes) -> frozenset[str] | None:
    """The entities that a query names; None, which is all of them, if it names none.

    Raises:
        InvalidInput: names something else, or too much.

    >>> sorted(entities_of(b"entity=shop-1&entity=caf%C3%A9")), entities_of(b"")
    (['café', 'shop-1'], None)
    """
    faults = Faults()
    found = set()
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MOST_ENTITIES
        )
    except ValueError as error:
        fix = f"send entity=NAME at most {MOST_ENTITIES} times, percent-encoded as UTF-8"
        raise InvalidInput("the query cannot be read", Fault("query", str(error)[:80], fix)) from error
    for name, value in pairs:
        if name != "entity":
            fix = "use entity=NAME, as often as needed"
            faults.add(InvalidInput, f"there is no parameter {shown(name)}", name[:100], shown(value), fix)
        elif not 0 < len(value) <= MOST_TEXT:
            fix = f"send 1 to {MOST_TEXT} characters"
            faults.add(InvalidInput, "'entity' is too long or empty", "entity", shown(value), fix)
        else:
            found.add(value)
    faults.check()
    return frozenset(found) or None
