"""Deadlines: a caller says how long he waits, and is told when it would come too late."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput, Overloaded
from tropism.entrypoints.api.asgi import header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tropism.entrypoints.api.asgi import Scope

HEADER = b"x-timeout-ms"
_LONGEST = 600_000


@asynccontextmanager
async def deadline(scope: Scope) -> AsyncIterator[None]:
    """Work on a request for as long as its `x-timeout-ms` allows; without that header, for as long as it takes.

    Raises:
        Overloaded: it took longer. What was asked for may be done all the same.
        InvalidInput: the header is no number of milliseconds.
    """
    asked = header(scope, HEADER)
    if asked is None:
        yield
        return
    if not asked.isdigit() or not 0 < int(asked[:9]) <= _LONGEST:
        fix = f"send whole milliseconds, 1 to {_LONGEST}"
        raise InvalidInput("the time-out is no time", Fault(HEADER.decode(), asked[:40].decode("latin-1"), fix))
    try:
        async with asyncio.timeout(int(asked) / 1_000):
            yield
    except TimeoutError as error:
        fix = "it may be recorded all the same: repeat it with the same prediction_id, and allow more time"
        fault = Fault(HEADER.decode(), f"{int(asked)} ms", fix)
        raise Overloaded("the reply would come too late", fault) from error
