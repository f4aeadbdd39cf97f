"""OpenFeature Remote Evaluation Protocol (OFREP) 0.2: flags, evaluated from memory.

https://github.com/open-feature/protocol/blob/main/service/openapi.yaml
"""

from __future__ import annotations

from asyncio import to_thread
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tropism.entrypoints.api.asgi import JSON, Reply
from tropism.entrypoints.api.problems import RETRY_AFTER, status_of
from tropism.entrypoints.api.protocols.base import Found
from tropism.entrypoints.api.protocols.open_inference_errors import sentence
from tropism.experiments.flags.ofrep import answer_all, answer_one
from tropism.serving.flags import count_given
from tropism.serving.predictions import live

if TYPE_CHECKING:
    from tropism.core.errors import TropismError
    from tropism.entrypoints.api.protocols.base import Core, Request
    from tropism.experiments.flags.ofrep import OfrepReply
    from tropism.serving.meters import Meters

PATH = "/ofrep/v1/evaluate/flags"
_MANY = 200
"""With more flags than this, all of them are evaluated in a thread, so that predictions do not wait."""


class Ofrep:
    """Answers for the flags of the live snapshot, and counts what was given.

    Errors have the form `{"errorDetails": "..."}`, those of a flag `{"key", "errorCode", "errorDetails"}`.
    """

    def __init__(self, core: Core, meters: Meters) -> None:
        self._core = core
        self._meters = meters

    def find(self, method: str, path: str) -> Found | None:
        """What answers a path; None if it is not one of OFREP's."""
        if path == PATH:
            answer = self._all
        elif path.startswith(f"{PATH}/"):
            answer = partial(self._one, path[len(PATH) + 1 :])
        else:
            return None
        return Found(("POST",), answer) if method == "POST" else Found((method,), _wrong)

    def refusal(self, error: TropismError) -> Reply:
        """An error in the protocol's form, whoever met it. OFREP knows no 422."""
        status = status_of(error)
        status = 400 if status == 422 else status
        headers = [*JSON, (b"retry-after", str(RETRY_AFTER).encode())] if status in (429, 503) else JSON
        return Reply(status, msgspec.json.encode({"errorDetails": sentence(error)}), headers, code=error.code)

    async def _one(self, key: str, request: Request) -> Reply:
        return self._sent(answer_one(live(self._core.holder).flags.flags, key, request.body, self._core.clock.now()))

    async def _all(self, request: Request) -> Reply:
        flags, now = live(self._core.holder).flags.flags, self._core.clock.now()
        known = (request.header(b"if-none-match") or b"").decode("latin-1")
        if len(flags) > _MANY:
            return self._sent(await to_thread(answer_all, flags, request.body, now, known))
        return self._sent(answer_all(flags, request.body, now, known))

    def _sent(self, reply: OfrepReply) -> Reply:
        count_given(self._meters, reply.given)
        etag = [(b"etag", reply.etag.encode())] if reply.etag else []
        return Reply(reply.status, reply.body, [*(JSON if reply.body else []), *etag])


async def _wrong(request: Request) -> Reply:
    body = msgspec.json.encode({"errorDetails": f"{request.method} does not fit this path; use POST"})
    return Reply(405, body, [*JSON, (b"allow", b"POST")])
