"""The methods of the gRPC services: `inference.GRPCInferenceService`, and `grpc.health.v1.Health` for probes."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput, NotFound, NotReady, RateLimited, TropismError
from tropism.core.plugins import require
from tropism.entrypoints.api.problems import internal, status_of
from tropism.entrypoints.api.protocols.grpc_messages import (
    load_messages,
    read_outputs,
    read_tensors,
    write_answer,
    write_metadata,
)
from tropism.entrypoints.api.protocols.grpc_status import code_of, details_of
from tropism.entrypoints.api.protocols.open_inference_errors import sentence
from tropism.entrypoints.api.protocols.open_inference_models import SERVER, Models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tropism.entrypoints.api.protocols.base import Core

    Answer = Callable[[Any], Awaitable[Any]]

_log = logging.getLogger(__name__)
INFERENCE = "inference.GRPCInferenceService"
_HEALTH = "grpc.health.v1.Health"


class GrpcService:
    """Answers calls. For one event loop.

    Whatever a caller sends, it gets a status that says what to change, never a traceback.
    """

    def __init__(self, core: Core) -> None:
        self._models = Models(core)
        self._predictions = core.predictions
        self._most = core.settings.max_inflight
        self._in_flight = 0
        self._grpc = require("grpc", "grpc")
        self._messages = load_messages("open_inference")
        self._health = load_messages("health")
        self._malformed = require("google.protobuf.message", "grpc").DecodeError

    def handlers(self) -> tuple[Any, ...]:
        """What a `grpc.aio` server routes calls to."""
        messages = self._messages
        unary: dict[str, tuple[Any, Answer]] = {
            "ServerLive": (messages.ServerLiveRequest, self._live),
            "ServerReady": (messages.ServerReadyRequest, self._ready),
            "ModelReady": (messages.ModelReadyRequest, self._model_ready),
            "ServerMetadata": (messages.ServerMetadataRequest, self._server),
            "ModelMetadata": (messages.ModelMetadataRequest, self._metadata),
            "ModelInfer": (messages.ModelInferRequest, self._infer),
        }
        inference = {name: self._unary(kind, answer) for name, (kind, answer) in unary.items()}
        inference["ModelStreamInfer"] = self._grpc.stream_stream_rpc_method_handler(self._stream)
        health = {"Check": self._unary(self._health.HealthCheckRequest, self._check)}
        made = self._grpc.method_handlers_generic_handler
        return made(INFERENCE, inference), made(_HEALTH, health)

    def _unary(self, kind: Any, answer: Answer) -> Any:
        async def call(raw: bytes, context: Any) -> bytes:
            try:
                return bytes((await answer(self._parse(kind, raw))).SerializeToString())
            except TropismError as error:
                refused = error
            except Exception:  # noqa: BLE001  a caller gets a status whatever happens, without the traceback
                refused = _failed(kind.DESCRIPTOR.name)
            await context.abort(getattr(self._grpc.StatusCode, code_of(refused)), details_of(refused))
            raise AssertionError  # abort has raised

        return self._grpc.unary_unary_rpc_method_handler(call)

    async def _stream(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        """Triton's stream: one answer for each request, in their order; an error ends only its own request."""
        kind, answer = self._messages.ModelInferRequest, self._messages.ModelStreamInferResponse
        async for raw in requests:
            identifier = ""
            try:
                request = self._parse(kind, raw)
                identifier = request.id
                made = answer(infer_response=await self._infer(request))
            except TropismError as error:
                made = self._refused(error, identifier)
            except Exception:  # noqa: BLE001  as above
                made = self._refused(_failed(kind.DESCRIPTOR.name), identifier)
            yield bytes(made.SerializeToString())

    def _refused(self, error: TropismError, identifier: str) -> Any:
        made = self._messages.ModelStreamInferResponse(error_message=sentence(error))
        made.infer_response.id = identifier  # says which of the stream's requests it was
        return made

    def _parse(self, kind: Any, raw: bytes) -> Any:
        try:
            return kind.FromString(raw)
        except self._malformed as error:
            fault = Fault("message", f"{len(raw)} bytes", "send a message of the Open Inference Protocol")
            raise InvalidInput(f"the message is not a {kind.DESCRIPTOR.name}", fault) from error

    async def _live(self, _: Any) -> Any:
        return self._messages.ServerLiveResponse(live=True)

    async def _ready(self, _: Any) -> Any:
        return self._messages.ServerReadyResponse(ready=self._answers())

    def _answers(self) -> bool:
        try:
            self._models.ready()
        except NotReady:
            return False
        return True

    async def _model_ready(self, request: Any) -> Any:
        try:
            self._models.find(request.name, request.version)
        except (NotFound, NotReady):
            return self._messages.ModelReadyResponse(ready=False)
        return self._messages.ModelReadyResponse(ready=True)

    async def _server(self, _: Any) -> Any:
        return self._messages.ServerMetadataResponse(**SERVER)

    async def _metadata(self, request: Any) -> Any:
        return write_metadata(self._messages, self._models.metadata(request.name, request.version))

    async def _infer(self, request: Any) -> Any:
        try:
            return await self._inferred(request, perf_counter())
        except Exception as error:
            told = error if isinstance(error, TropismError) else internal()
            self._predictions.failed(request.model_name, told.code, status_of(told))
            raise

    async def _inferred(self, request: Any, started: float) -> Any:
        if self._in_flight >= self._most:
            fault = Fault("requests in flight", str(self._in_flight), "try again in a moment, or send batches")
            raise RateLimited("too many requests at once", fault)
        self._in_flight += 1
        try:
            name, version = request.model_name, request.model_version
            self._models.asked(name, version)
            found = await self._models.infer(name, version, read_tensors(request), read_outputs(request), started)
            return write_answer(self._messages, request, found)
        finally:
            self._in_flight -= 1

    async def _check(self, request: Any) -> Any:
        if request.service not in ("", INFERENCE):
            fault = Fault("service", request.service[:100], f"ask for {INFERENCE}, or for none")
            raise NotFound("there is no such service", fault)
        statuses = self._health.HealthCheckResponse
        return statuses(status=statuses.SERVING if self._answers() else statuses.NOT_SERVING)


def _failed(message: str) -> TropismError:
    _log.error("a %s failed", message, exc_info=True)
    return internal()
