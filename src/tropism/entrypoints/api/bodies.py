"""Reads request bodies, up to a limit in bytes and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, MalformedBody, TooLarge
from tropism.entrypoints.api.asgi import header

if TYPE_CHECKING:
    from tropism.entrypoints.api.asgi import Receive, Scope

_PATIENCE = 2.0
"""Seconds for which a refused body is still taken in, so that its sender gets to read why."""


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes | None:
    """The whole body of a request; None if the caller went away before it was whole.

    Raises:
        TooLarge: it is, or announces itself as, longer than `limit` bytes. It has not been read to its end.
        MalformedBody: it did not arrive within `seconds`.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise _too_large(f"{int(announced)} bytes", limit)
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive, limit)
    except TimeoutError as error:
        fault = Fault("body", f"incomplete after {seconds:g} s", "send it whole, in smaller batches if need be")
        raise MalformedBody("the body did not arrive in time", fault) from error


async def _collect(receive: Receive, limit: int) -> bytes | None:
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise _too_large(f"more than {limit} bytes", limit)
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


def _too_large(size: str, limit: int) -> TooLarge:
    fix = f"send at most {limit} bytes (max_body_bytes), in several requests"
    return TooLarge("the body is too large", Fault("body", size, fix))


async def discard(scope: Scope, receive: Receive) -> None:
    """Takes in what is left of a refused body, for a moment: a sender that is cut off may never read the reply.

    A sender that waits for `100 Continue` has not begun, and is left alone.
    """
    if header(scope, b"expect") is not None:
        return
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
