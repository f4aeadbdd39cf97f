"""The data plane: answers predictions and outcomes, and passes everything else on to the control plane."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InputError, RateLimited, TooLarge, TropismError
from tropism.entrypoints.api.asgi import Reply, end_reply, problem_reply, send_reply
from tropism.entrypoints.api.bodies import discard, read_body
from tropism.entrypoints.api.forwarding import Forwarder
from tropism.entrypoints.api.metrics import MEDIA_TYPE, exposition
from tropism.entrypoints.api.problems import internal
from tropism.entrypoints.api.routing import route
from tropism.serving.meters import Meters
from tropism.serving.outcomes import Outcomes
from tropism.serving.parts import Parts
from tropism.serving.predictions import Predictions, live

if TYPE_CHECKING:
    from tropism.core.clock import Clock
    from tropism.core.identity import Identifiers
    from tropism.entrypoints.api.asgi import Headers, Receive, Scope, Send
    from tropism.entrypoints.api.routing import Route
    from tropism.serving.journaling import Journal
    from tropism.serving.settings import HttpSettings
    from tropism.serving.snapshot import Deployment, SnapshotHolder

_log = logging.getLogger(__name__)


class DataPlane:
    """A bare ASGI application. One event loop; any number of processes may serve one project.

    No prediction or outcome is acknowledged before it is durable in `journal`. Whatever a caller sends, he gets
    a problem document (RFC 9457) that names what to change, never a traceback.
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
    ) -> None:
        self.meters = Meters()
        self._holder = holder
        self._journal = journal
        self._settings = settings
        self._body_seconds = parse_duration(settings.body_timeout, "http.body_timeout") / SECOND
        control_seconds = parse_duration(settings.control_timeout, "http.control_timeout") / SECOND
        self._forwarder = forwarder or Forwarder(settings.control_port, control_seconds)
        parts = Parts(holder, journal, clock, identifiers, settings, self.meters)
        self._predictions = Predictions(parts)
        self._outcomes = Outcomes(parts)
        self._reads = {"healthz": _healthz, "readyz": self._readyz, "metrics": self._metrics}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
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
            return await self._dispatch(scope, receive)
        except TropismError as error:
            return self._refusal(error)
        except Exception:  # noqa: BLE001  a caller gets an answer whatever happens, without the traceback
            _log.error("%s %s failed", scope["method"], scope["path"], exc_info=True)
            return self._refusal(internal())
        finally:
            self.meters.in_flight -= 1

    async def _dispatch(self, scope: Scope, receive: Receive) -> Reply | None:
        found = route(scope["path"])
        if found is not None and scope["method"] not in found.allowed:
            return self._wrong_method(scope, found)
        if found is not None and found.name in self._reads:
            return self._reads[found.name]()
        if self.meters.in_flight > self._settings.max_inflight:
            fault = Fault("requests in flight", str(self.meters.in_flight), "try again in a moment, or send batches")
            raise RateLimited("too many requests at once", fault)
        try:
            body = await read_body(scope, receive, self._settings.max_body_bytes, self._body_seconds)
        except TooLarge as error:
            return self._refusal(error)._replace(unread=True)
        if body is None:
            return None
        if found is None:
            return await self._forwarder.forward(scope, body)
        if found.name == "predict":
            return Reply(200, await self._predictions.predict(found.task, body))
        return Reply(202, await self._outcomes.accept(body))

    def _wrong_method(self, scope: Scope, found: Route) -> Reply:
        method, allowed = scope["method"], ", ".join(found.allowed)
        error = InputError(f"{method} does not fit this path", Fault("method", method, f"use {allowed}"))
        return self._refusal(error, 405, [(b"allow", allowed.encode())])

    def _refusal(self, error: TropismError, status: int | None = None, headers: Headers | None = None) -> Reply:
        self.meters.errors.add(error.code)
        return problem_reply(error, status, headers)

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
        text = exposition(self.meters, self._holder, self._journal.name)
        return Reply(200, text.encode(), [(b"content-type", MEDIA_TYPE.encode())])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._forwarder.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            self._forwarder.open()
            await send({"type": "lifespan.startup.complete"})


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
