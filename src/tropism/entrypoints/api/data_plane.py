"""The data plane: answers predictions, outcomes, events, features, flags; passes all else on to the control plane."""

from __future__ import annotations

import logging
from asyncio import get_running_loop, to_thread
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import (
    Fault,
    InputError,
    MalformedBody,
    Overloaded,
    RateLimited,
    SetupError,
    TooLarge,
    TropismError,
)
from tropism.entrypoints.api.asgi import Reply, end_reply, header, problem_reply, send_reply
from tropism.entrypoints.api.background import Background
from tropism.entrypoints.api.bodies import discard, read_body
from tropism.entrypoints.api.deadlines import deadline
from tropism.entrypoints.api.forwarding import Forwarder
from tropism.entrypoints.api.heads import Heads
from tropism.entrypoints.api.metrics import MEDIA_TYPE, exposition
from tropism.entrypoints.api.problems import internal
from tropism.entrypoints.api.protocols.base import Core, Request
from tropism.entrypoints.api.protocols.batches import answer_batch, is_batch
from tropism.entrypoints.api.protocols.flag_list import FlagList
from tropism.entrypoints.api.protocols.kserve_v1 import KServeV1
from tropism.entrypoints.api.protocols.mlflow_scoring import MlflowScoring
from tropism.entrypoints.api.protocols.ofrep import Ofrep
from tropism.entrypoints.api.protocols.open_inference import OpenInference
from tropism.entrypoints.api.protocols.server_sent import PredictionEvents
from tropism.entrypoints.api.protocols.subscriptions import Subscriptions
from tropism.entrypoints.api.protocols.websocket import PredictionStream
from tropism.entrypoints.api.routing import predicting, route
from tropism.entrypoints.api.transfers import Transfers
from tropism.serving.computing import Computing
from tropism.serving.meters import Meters
from tropism.serving.mirroring import Mirroring
from tropism.serving.model_cache import ModelCache
from tropism.serving.options import predict_options
from tropism.serving.outcomes import Outcomes
from tropism.serving.parts import Parts
from tropism.serving.predictions import Predictions, live
from tropism.serving.predictor import Predictor
from tropism.serving.privacy import Privacy
from tropism.serving.pushing import Pushes
from tropism.serving.rates import Rates
from tropism.serving.recording import Recorder
from tropism.serving.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tropism.core.clock import Clock
    from tropism.core.identity import Identifiers
    from tropism.core.task import Task
    from tropism.entrypoints.api.asgi import Headers, Receive, Scope, Send
    from tropism.entrypoints.api.protocols.base import ForeignProtocol
    from tropism.entrypoints.api.routing import Route
    from tropism.serving.marking import Marker
    from tropism.serving.recording import Journal
    from tropism.serving.settings import HttpSettings
    from tropism.serving.snapshot import Deployment, Servable, SnapshotHolder

    Fetch = Callable[[Task, int], Servable]
_log = logging.getLogger(__name__)
_LEISURE = 2.0
"""Seconds after the start when what is seldom needed is made ready."""


class DataPlane:
    """A bare ASGI application. One event loop; any number of processes may serve one project.

    No prediction, outcome or event is acknowledged before it is durable in `journal`. Whatever a caller sends, he gets
    a problem document (RFC 9457) that names what to change, never a traceback; on the paths of another protocol,
    what that protocol says. Plain requests to predict come in by `turns`, past ASGI: see `connection.py`.
    """

    def __init__(
        self,
        *,
        holder: SnapshotHolder,
        journal: Journal,
        clock: Clock,
        identifiers: Identifiers,
        settings: HttpSettings,
        forwarder: Forwarder | None = None,
        marker: Marker | None = None,
        meeting: Path | None = None,
        fetch: Fetch | None = None,
        privacy: Privacy | None = None,
        mirror_marker: Marker | None = None,
    ) -> None:
        """`meeting`: the folder where the data planes of a project find each other; alone if None.

        `fetch` loads a version that is not live; only live ones may be asked for if None. `privacy` applies journal
        policies; without it a task that hashes anything answers nothing. `mirror_marker` is told which model is being
        called beside the requests.
        """
        self.meters = Meters()
        self.heads = Heads(settings.max_body_bytes)
        self.rates = Rates(settings.rate_limit, settings.rate_burst)
        self._holder = holder
        self._journal = journal
        self._settings = settings
        self._body_seconds = parse_duration(settings.body_timeout, "http.body_timeout") / SECOND
        control_seconds = parse_duration(settings.control_timeout, "http.control_timeout") / SECOND
        self._forwarder = forwarder or Forwarder(settings.control_host, settings.control_port, control_seconds)
        self.subscriptions = Subscriptions()
        self.failed: SetupError | None = None
        """Why it could not start."""
        self.others: Callable[[], Sequence[Meters]] = tuple
        """What the project's other data planes counted."""
        self.more: Callable[[], Sequence[str]] = tuple
        """Texts of metrics that other processes of the project let be told."""
        self.ending: list[Callable[[], None]] = []
        """What is called in a thread once all requests are answered: a server may end the process right after."""
        recorder = Recorder(journal, self.meters)
        parts = Parts(holder, recorder, clock, identifiers, settings, self.meters, self.subscriptions)
        self._models = None if fetch is None else ModelCache(fetch, settings.model_cache)
        parts = parts._replace(models=self._models, privacy=privacy or Privacy(None))
        self.mirroring = Mirroring(self.meters, mirror_marker)
        parts = parts._replace(mirroring=self.mirroring)
        predictor = Predictor(marker, parts.prediction_cache())
        self.turns = Turns(parts, predictor)
        self._predictions = Predictions(parts, predictor)
        self._outcomes = Outcomes(parts)
        self._pushes = Pushes(parts)
        self._computing = Computing(parts)
        self._core = Core(self._predictions, holder, settings, clock)
        self._protocols = _protocols(self._core, self.meters)
        self._streams = (
            PredictionEvents(self._core, self.subscriptions),
            PredictionStream(self._core, admit=self._admits),
            Transfers(self._forwarder, settings, self.meters, self._let_in, partial(self.count_failure, "")),
        )
        self._background = Background(self._core, self.subscriptions, meeting)
        self._reads = {"healthz": _healthz, "readyz": self._readyz, "metrics": self._metrics}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        for stream in self._streams:
            if stream.matches(scope["path"]):
                await stream.serve(scope, receive, send)
                return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        else:
            reply = await self._answer(scope, receive)
            if reply is None:
                return
            await send_reply(send, reply)
            if reply.unread:
                await discard(scope, receive)
                await end_reply(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | None:
        """The reply to any request; None if the caller has gone."""
        self.meters.in_flight += 1
        try:
            async with deadline(scope):
                reply = await self._dispatch(scope, receive)
        except TropismError as error:
            reply = self._refusal(error, self._foreign(scope))
        except Exception:  # noqa: BLE001  a caller gets an answer whatever happens, without the traceback
            _log.error("%s %s failed", scope["method"], scope["path"], exc_info=True)
            reply = self._refusal(internal(), self._foreign(scope))
        finally:
            self.meters.in_flight -= 1
        if reply is not None and reply.code:
            self.count_failure(predicting(scope["path"]), reply)
        return reply

    def count_failure(self, task: str, reply: Reply) -> None:
        """Counts a request that is answered with an error; `task`: the one it asked, if any."""
        self._predictions.failed(task, reply.code, reply.status)

    async def _dispatch(self, scope: Scope, receive: Receive) -> Reply | None:
        found = route(scope["path"])
        if found is not None and scope["method"] not in found.allowed:
            return self._wrong_method(scope, found)
        if found is not None and found.name in self._reads:
            return self._reads[found.name]()
        self._let_in(scope)
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes, self._body_seconds)
        except (TooLarge, MalformedBody) as error:
            return self._refusal(error, self._foreign(scope))._replace(unread=True)
        if body is None:
            return None
        if found is None:
            return await self._pass_on(scope, body)
        if found.name == "predict" and is_batch(header(scope, b"content-type")):
            return await answer_batch(self._core, live(self._holder).deployment(found.task), _request(scope, body))
        if found.name == "predict":
            options = predict_options(scope["query_string"])
            return Reply(200, await self._predictions.predict(found.task, body, options))
        if found.name == "events":
            return Reply(202, await self._pushes.accept(found.stream, body))
        if found.name == "compute":
            return Reply(200, await self._computing.compute(body))
        return Reply(202, await self._outcomes.accept(body))

    def _let_in(self, scope: Scope) -> None:
        """Raises: Overloaded, RateLimited: it has to come back later."""
        if self.meters.in_flight > self._settings.max_inflight:
            fault = Fault("requests in flight", str(self.meters.in_flight), "try again in a moment, or send batches")
            raise Overloaded("too many requests at once", fault)
        if not self._admits(scope):
            fix = "wait as long as `retry-after` says; send many rows in one request"
            raise RateLimited("too many requests from this caller", Fault("http.rate_limit", "used up", fix))

    def _admits(self, scope: Scope) -> bool:
        return self.rates.admit(_key(scope), scope.get("client"))

    def _foreign(self, scope: Scope) -> ForeignProtocol | None:
        """The protocol whose path this is, if it is another's."""
        method, path = scope["method"], scope["path"]
        return next((one for one in self._protocols if one.find(method, path) is not None), None)

    async def _pass_on(self, scope: Scope, body: bytes) -> Reply:
        """The answer of another protocol where the path is its own, else the control plane's."""
        for protocol in self._protocols:
            found = protocol.find(scope["method"], scope["path"])
            if found is not None:
                return await found.answer(_request(scope, body))
        return await self._forwarder.forward(scope, body)

    def _wrong_method(self, scope: Scope, found: Route) -> Reply:
        method, allowed = scope["method"], ", ".join(found.allowed)
        error = InputError(f"{method} does not fit this path", Fault("method", method, f"use {allowed}"))
        return self._refusal(error, None, 405, [(b"allow", allowed.encode())])

    def _refusal(
        self,
        error: TropismError,
        foreign: ForeignProtocol | None = None,
        status: int | None = None,
        headers: Headers | None = None,
    ) -> Reply:
        return foreign.refusal(error) if foreign is not None else problem_reply(error, status, headers)

    def _readyz(self) -> Reply:
        snapshot = live(self._holder)
        models = {name: _model(one) for name, one in sorted(snapshot.deployments.items())}
        return _json(
            {
                "ready": True,
                "generation": snapshot.generation,
                "models": models,
                "problem": self._holder.problem,
                "journal": self.meters.journal_problem or "ok",
            }
        )

    def _metrics(self) -> Reply:
        text = exposition(self.meters, self._holder, self._journal.name, self.others(), self.more())
        return Reply(200, text.encode(), [(b"content-type", MEDIA_TYPE.encode())])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._background.stop()
                if self._models is not None:
                    self._models.close()
                await self._forwarder.close()
                self.mirroring.close()
                for end in self.ending:
                    await to_thread(end)
                await send({"type": "lifespan.shutdown.complete"})
                return
            try:
                await self._background.start()
            except SetupError as error:
                self.failed = error
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            # Importing its client takes long: not now, when predictions are waited for, nor when it is first needed.
            loop = get_running_loop()
            loop.call_later(_LEISURE, loop.run_in_executor, None, self._forwarder.open)


def _request(scope: Scope, body: bytes) -> Request:
    return Request(scope["method"], scope["path"], scope["query_string"], scope["headers"], body, perf_counter())


def _key(scope: Scope) -> bytes:
    return header(scope, b"x-api-key") or header(scope, b"authorization") or b""


def _protocols(core: Core, meters: Meters) -> tuple[ForeignProtocol, ...]:
    """What is spoken besides the data plane's own paths."""
    return OpenInference(core), KServeV1(core), MlflowScoring(core), Ofrep(core, meters), FlagList(core)


def _healthz() -> Reply:
    return _json({"status": "ok"})


def _json(content: object) -> Reply:
    return Reply(200, msgspec.json.encode(content))


def _model(deployment: Deployment) -> dict[str, object]:
    served, previous = deployment.served, deployment.previous
    degraded = list(deployment.degraded) if served is not None else [*deployment.degraded, "no-model"]
    return {
        "version": served.version if served is not None else 0,
        "previous": previous.version if previous is not None else None,
        "degraded": degraded,
    }
