"""Answers the requests of one turn of the event loop together: one scoring a model, one record, one wait for the disk.

Requests that come while the disk is at work, or in rounds of the event loop that follow each other, share a batch. So
a model that gains by batches gets the larger ones the busier it is, and nobody waits for a batch to fill.
"""

from __future__ import annotations

import logging
from asyncio import get_running_loop
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from tropism.core.errors import TropismError
from tropism.core.events import Predictions
from tropism.serving.predictor import CHAMPION
from tropism.serving.requests import Ask
from tropism.serving.trials import seat_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.serving.lanes import Asked, Lane
    from tropism.serving.parts import Parts
    from tropism.serving.predictor import Predictor
    from tropism.serving.snapshot import Deployment, ServedModel

_log = logging.getLogger(__name__)
_MOST_LOOKS = 16
"""Rounds of the event loop for which a turn stays open while each brings more requests."""
_OURS = TropismError("this is our fault, not the request's")


class Caller(Protocol):
    """Whoever waits for a reply."""

    def reply(self, body: bytes) -> None: ...

    def refuse(self, error: TropismError) -> None: ...

    def ask_long(self) -> None:
        """The short way did not do: the request goes the long way."""
        ...


class _Way(NamedTuple):
    """What answers a request, and how that is recorded. `propensities`: of its rows, where a bandit chose."""

    served: ServedModel
    lane: Lane
    variant: str = CHAMPION
    propensities: tuple[float, ...] = ()


class _Call(NamedTuple):
    """One request, read, and when it came."""

    asked: Asked
    caller: Caller
    started: float
    way: _Way


class Turns:
    """The short way from a body to a reply. For one event loop."""

    def __init__(self, parts: Parts, predictor: Predictor) -> None:
        self._parts = parts
        self._predictor = predictor
        self._limits = parts.settings.max_inflight, parts.settings.max_rows
        self._closed = parts.settings.prediction_cache > 0
        """A reply from the cache says so, which is for the long way."""
        self._keeps_features = parts.feature_cache() is not None
        self._waiting: dict[tuple[int, str], tuple[Deployment, list[_Call]]] = {}
        self._taken = 0
        parts.recorder.flushed = self._flushed
        self._encode = msgspec.json.Encoder().encode

    def take(self, task: str, body: bytes, caller: Caller) -> bool:
        """Takes a request if nothing about it is unusual; its caller then hears of it. False: ask the long way."""
        snapshot = self._parts.holder.current
        deployment = snapshot.deployments.get(task) if snapshot is not None else None
        most, most_rows = self._limits
        if deployment is None or deployment.lane is None or self._closed or self._parts.meters.in_flight >= most:
            return False
        asked = deployment.lane.read(body)
        if asked is None or len(asked.elements) > most_rows:
            return False
        if self._keeps_features and any(one.entity is not None for one in asked.elements):
            return False
        found = _way(deployment, asked)
        if found is None:
            return False
        if not self._waiting and not self._parts.recorder.flushing:
            get_running_loop().call_soon(self._look, 0, 0)
        self._taken += 1
        self._parts.meters.in_flight += 1
        way, coded = found
        _, calls = self._waiting.setdefault((id(deployment), way.variant), (deployment, []))
        calls.append(_Call(coded, caller, perf_counter(), way))
        return True

    def _flushed(self) -> None:
        if self._waiting:
            get_running_loop().call_soon(self._look, 0, 0)

    def _look(self, taken: int, looks: int) -> None:
        """Ends the turn, unless the last round of the event loop brought more and the next may too."""
        if self._parts.recorder.flushing:
            return  # nothing is lost by waiting for that flush: the next one could not begin sooner
        if self._taken > taken and looks < _MOST_LOOKS:
            get_running_loop().call_soon(self._look, self._taken, looks + 1)
        else:
            self._end()

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._taken = 0
        now = self._parts.clock.now()
        for deployment, calls in waiting.values():
            self._answer(deployment, calls, now)
        self._parts.recorder.append()

    def _answer(self, deployment: Deployment, calls: list[_Call], now: int) -> None:
        try:
            made = self._predicted(deployment, calls, now)
        except Exception:  # noqa: BLE001  nobody may wait for ever because of a fault of ours
            _log.error("the short way to '%s' failed", deployment.task.name, exc_info=True)
            made = None
        if made is None:
            for call in calls:
                self._parts.meters.in_flight -= 1
                call.caller.ask_long()
            return
        batch: Sequence[Predictions] = (made,)
        start = 0
        for call in calls:
            end = start + len(call.asked.rows)
            done = partial(self._recorded, deployment, call, made, slice(start, end))
            self._parts.recorder.add(batch, done)
            start, batch = end, ()
        if deployment.mirrors and calls[0].way.served is deployment.served:
            self._parts.mirroring.offer(deployment, made)

    def _predicted(self, deployment: Deployment, calls: list[_Call], now: int) -> Predictions | None:
        """What is to be recorded of all calls; None if the model did not answer."""
        served, lane, variant, _ = calls[0].way
        asked = [call.asked for call in calls]
        one = len(asked) == 1
        codes = asked[0].codes if one else [row for each in asked for row in each.codes]
        scores = self._predictor.scores(deployment, served, codes, now)
        if scores is None:
            return None
        elements = [element for each in asked for element in each.elements] if any(e.named for e in asked) else ()
        return Predictions(
            task=deployment.task.name,
            at=now,
            version=served.version,
            names=lane.names,
            ids=self._parts.identifiers.several(now, deployment.tag, len(scores)),
            rows=asked[0].rows if one else [row for each in asked for row in each.rows],
            scores=scores,
            entities=[element.entity for element in elements],
            units=[element.unit for element in elements],
            variant=variant,
            propensities=[one for call in calls for one in call.way.propensities],
        )

    def _recorded(
        self, deployment: Deployment, call: _Call, made: Predictions, part: slice, error: TropismError | None
    ) -> None:
        meters, task = self._parts.meters, deployment.task
        meters.in_flight -= 1
        if error is not None:
            call.caller.refuse(error)
            return
        try:
            replies = call.way.lane.tell(made.variant)(made.ids[part], made.scores[part])
            body = self._encode({"predictions": replies} if call.asked.many else replies[0])
        except Exception:  # noqa: BLE001  nobody may wait for ever because of a fault of ours
            _log.error("a prediction of '%s' could not be told", task.name, exc_info=True)
            call.caller.refuse(_OURS)
            return
        call.caller.reply(body)
        meters.predictions.add(task.name, str(made.version), made.variant, by=len(replies))
        meters.latency.observe(perf_counter() - call.started, task.name)
        publisher = self._parts.publisher
        if publisher.active:
            publisher.publish(task, made.each()[part], [()] * len(replies))


def _way(deployment: Deployment, asked: Asked) -> tuple[_Way, Asked] | None:
    """What answers the rows of a request, and the rows in its codes. None if that is not one model, or it has no lane,
    or there is something to say of it."""
    served, lane = deployment.served, deployment.lane
    if served is None or lane is None:
        return None
    if not deployment.trials:
        return _Way(served, lane), asked
    rows = zip(asked.elements, asked.rows, strict=True)
    seats = [seat_of(deployment.trials, _ask(lane, element, row)) for element, row in rows]
    first = seats[0]
    if len(seats) > 1 and any((seat and seat.variant) != (first and first.variant) for seat in seats):
        return None
    if first is None:
        return _Way(served, lane), asked
    chosen = tuple(seat.propensity for seat in seats if seat is not None and seat.propensity is not None)
    if first.degraded or first.model is None or first.model is served:
        return None if first.degraded else (_Way(served, lane, first.variant, chosen), asked)
    own = first.model.lane(deployment.task)
    coded = None if own is None else own.code(asked)
    return None if own is None or coded is None else (_Way(first.model, own, first.variant, chosen), coded)


def _ask(lane: Lane, element: Any, row: tuple[Any, ...]) -> Ask:
    return Ask(dict(zip(lane.names, row, strict=True)), (), element.entity, element.unit)
