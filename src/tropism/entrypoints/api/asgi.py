"""The part of ASGI that the data plane speaks, and replies in it. https://asgi.readthedocs.io"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

from tropism.core.errors import TropismError
from tropism.entrypoints.api.problems import problem, problem_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Headers = [(b"content-type", b"application/json")]


class Reply(NamedTuple):
    """A whole reply. `content-length` is added when it is sent.

    `unread`: the request's body was not read to its end, so the connection cannot serve another request. `code`: of
    the error that it tells of, if it does.
    """

    status: int
    body: bytes
    headers: Headers = JSON
    unread: bool = False
    code: str = ""


def problem_reply(error: TropismError, status: int | None = None, headers: Headers | None = None) -> Reply:
    """A problem document as a reply, with more headers if there are any."""
    document = problem(error, status)
    own = [(name.encode(), value.encode()) for name, value in problem_headers(document.status).items()]
    return Reply(document.status, msgspec.json.encode(document), [*own, *(headers or [])], code=error.code)


async def send_reply(send: Send, reply: Reply) -> None:
    """Sends a reply. One whose request was not read to its end is left open until `end_reply`."""
    headers = [*reply.headers, (b"content-length", str(len(reply.body)).encode())]
    if reply.unread:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": reply.unread})


async def end_reply(send: Send) -> None:
    """Ends a reply that was left open."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first request header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None
