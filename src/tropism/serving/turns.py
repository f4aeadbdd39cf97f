"""Answers the requests of one turn of the event loop together: one scoring a model, one record, one wait for the disk.

Requests that are there at the same moment share a batch, so a model that gains by batches gets the larger ones the
busier it is, and nobody waits for a batch to fill.
"""

from __future__ import annotations

from asyncio import get_running_loop
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from tropism.core.events import Prediction
from tropism.serving.predictor import CHAMPION
from tropism.serving.replies import Replies, reply_of

if TYPE_CHECKING:
    from tropism.core.errors import TropismError
    from tropism.serving.lanes import Asked
    from tropism.serving.parts import Parts
    from tropism.serving.predictor import Predictor
    from tropism.serving.snapshot import Deployment


class Caller(Protocol):
    """Whoever waits for a reply."""

    def reply(self, body: bytes) -> None: ...

    def refuse(self, error: TropismError) -> None: ...

    def ask_long(self) -> None:
        """The short way did not do: the request goes the long way."""
        ...


class _Call(NamedTuple):
    """One request, read, and when it came."""

    asked: Asked
    caller: Caller
    started: float


class Turns:
    """The short way from a body to a reply. For one event loop."""

    def __init__(self, parts: Parts, predictor: Predictor) -> None:
        self._parts = parts
        self._predictor = predictor
        self._limits = parts.settings.max_inflight, parts.settings.max_rows
        self._waiting: dict[int, tuple[Deployment, list[_Call]]] = {}
        self._encode = msgspec.json.Encoder().encode

    def take(self, task: str, body: bytes, caller: Caller) -> bool:
        """Takes a request if nothing about it is unusual; its caller then hears of it. False: ask the long way."""
        snapshot = self._parts.holder.current
        deployment = snapshot.deployments.get(task) if snapshot is not None else None
        most, most_rows = self._limits
        if deployment is None or deployment.lane is None or self._parts.meters.in_flight >= most:
            return False
        asked = deployment.lane.read(body)
        if asked is None or len(asked.elements) > most_rows:
            return False
        if not self._waiting:
            get_running_loop().call_soon(self._end)
        self._parts.meters.in_flight += 1
        _, calls = self._waiting.setdefault(id(deployment), (deployment, []))
        calls.append(_Call(asked, caller, perf_counter()))
        return True

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, {}
        now = self._parts.clock.now()
        for deployment, calls in waiting.values():
            self._answer(deployment, calls, now)
        self._parts.recorder.append()

    def _answer(self, deployment: Deployment, calls: list[_Call], now: int) -> None:
        served = deployment.served
        rows = calls[0].asked.codes if len(calls) == 1 else [row for call in calls for row in call.asked.codes]
        scores = None if served is None else self._predictor.scores(deployment, served, rows, now)
        if served is None or scores is None:
            for call in calls:
                self._parts.meters.in_flight -= 1
                call.caller.ask_long()
            return
        task, version = deployment.task, served.version
        made = zip(self._parts.identifiers.several(now, deployment.tag, len(rows)), scores, strict=True)
        for call in calls:
            events = [
                Prediction(
                    id=identifier,
                    task=task.name,
                    at=now,
                    features=element.features,
                    scores=score,
                    version=version,
                    entity=element.entity,
                    unit=element.unit,
                )
                for element, (identifier, score) in zip(call.asked.elements, made, strict=False)
            ]
            self._parts.recorder.add(events, partial(self._recorded, deployment, call, events))

    def _recorded(
        self, deployment: Deployment, call: _Call, events: list[Prediction], error: TropismError | None
    ) -> None:
        meters, task = self._parts.meters, deployment.task
        meters.in_flight -= 1
        if error is not None:
            call.caller.refuse(error)
            return
        replies = [reply_of(task, event) for event in events]
        call.caller.reply(self._encode(Replies(replies) if call.asked.many else replies[0]))
        meters.predictions.add(task.name, str(events[0].version), CHAMPION, by=len(events))
        meters.latency.observe(perf_counter() - call.started, task.name)
        publisher = self._parts.publisher
        if publisher.active:
            publisher.publish(task, events, [()] * len(events))
