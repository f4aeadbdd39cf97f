"""The Open Inference Protocol, version 2, over REST, with Triton's binary tensors and classifications.

https://github.com/open-inference/open-inference-protocol
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, NotFound, TropismError
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.base import Found
from tropism.entrypoints.api.protocols.open_inference_bodies import read_inference, write_inference
from tropism.entrypoints.api.protocols.open_inference_compression import decompressed
from tropism.entrypoints.api.protocols.open_inference_errors import error_reply, wrong_method
from tropism.entrypoints.api.protocols.open_inference_models import SERVER, Models

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tropism.entrypoints.api.protocols.base import Core, Request

_READ = ("GET", "HEAD")
_POST = ("POST",)


class OpenInference:
    """Answers every path below `/v2`. Its errors have the protocol's form, `{"error": "..."}`."""

    def __init__(self, core: Core) -> None:
        self._settings = core.settings
        self._models = Models(core)

    def find(self, method: str, path: str) -> Found | None:
        """What answers a path; None if it is not below `/v2`."""
        if path != "/v2" and not path.startswith("/v2/"):
            return None
        match path[4:].split("/"):
            case [""]:
                return self._found(method, _READ, _server)
            case ["health", "live"]:
                return self._found(method, _READ, _live)
            case ["health", "ready"]:
                return self._found(method, _READ, self._ready)
            case ["models", name, *rest] if name:
                return self._model(method, name, rest)
        return self._found(method, (method,), _nothing)

    def refusal(self, error: TropismError) -> Reply:
        """An error in the protocol's form, whoever met it."""
        return error_reply(error)

    def _model(self, method: str, name: str, rest: list[str]) -> Found:
        version = ""
        if len(rest) > 1 and rest[0] == "versions" and rest[1]:
            version, rest = rest[1], rest[2:]
        if rest == ["infer"]:
            return self._found(method, _POST, partial(self._infer, name, version))
        if rest == ["ready"]:
            return self._found(method, _READ, partial(self._model_ready, name, version))
        if not rest:
            return self._found(method, _READ, partial(self._metadata, name, version))
        return self._found(method, (method,), _nothing)

    def _found(self, method: str, allowed: tuple[str, ...], answer: Callable[[Request], Awaitable[Reply]]) -> Found:
        async def told(request: Request) -> Reply:
            try:
                return await answer(request)
            except TropismError as error:
                return self.refusal(error)

        async def refuse(request: Request) -> Reply:
            return wrong_method(request.method, allowed)

        return Found(allowed, told) if method in allowed else Found((method,), refuse)

    async def _ready(self, _: Request) -> Reply:
        self._models.ready()
        return _json({"live": True, "ready": True})

    async def _model_ready(self, name: str, version: str, _: Request) -> Reply:
        self._models.find(name, version)
        return _json({"name": name, "ready": True})

    async def _metadata(self, name: str, version: str, _: Request) -> Reply:
        return _json(self._models.metadata(name, version))

    async def _infer(self, name: str, version: str, request: Request) -> Reply:
        self._models.asked(name, version)
        coding = request.header(b"content-encoding")
        body = decompressed(request.body, coding, self._settings.max_body_bytes)
        asked = read_inference(body, request.header(b"inference-header-content-length"))
        found = await self._models.infer(name, version, asked.tensors, asked.outputs, request.started)
        return write_inference(asked, found)


async def _server(_: Request) -> Reply:
    return _json(SERVER)


async def _live(_: Request) -> Reply:
    return _json({"live": True})


async def _nothing(request: Request) -> Reply:
    fix = "the models are below /v2/models; see the Open Inference Protocol"
    raise NotFound(f"there is no {request.path[:200]}", Fault("path", "", fix))


def _json(content: Any) -> Reply:
    return Reply(200, msgspec.json.encode(content))
