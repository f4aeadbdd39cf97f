"""`GET /v1/flags`, which in-process providers poll: from memory, so it is there while the control plane is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.entrypoints.api.asgi import JSON, Reply, problem_reply
from tropism.entrypoints.api.protocols.base import Found
from tropism.experiments.flags.ofrep import matches
from tropism.serving.predictions import live

if TYPE_CHECKING:
    from tropism.core.errors import TropismError
    from tropism.entrypoints.api.protocols.base import Core, Request


class FlagList:
    """Sends the flags of the live snapshot; 304 to who has them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def find(self, method: str, path: str) -> Found | None:
        """What answers a path; None if it is another."""
        return Found(("GET",), self._list) if (method, path) == ("GET", "/v1/flags") else None

    def refusal(self, error: TropismError) -> Reply:
        """A problem document, as everywhere under `/v1`."""
        return problem_reply(error)

    async def _list(self, request: Request) -> Reply:
        found = live(self._core.holder).flags
        own = [(b"etag", found.etag.encode()), (b"cache-control", b"no-cache")]
        if matches((request.header(b"if-none-match") or b"").decode("latin-1"), found.etag):
            return Reply(304, b"", own)
        return Reply(200, found.body, [*JSON, *own])
