"""Answers predict requests: reads, predicts, journals, replies."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import Fault, NotReady
from tropism.core.events import Prediction
from tropism.serving.predictor import Predictor, unseen
from tropism.serving.replies import Replies, reply_of
from tropism.serving.requests import read_predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.serving.parts import Parts
    from tropism.serving.predictor import Answer
    from tropism.serving.requests import Ask
    from tropism.serving.rows import Note
    from tropism.serving.snapshot import Deployment, Snapshot, SnapshotHolder


class Scored(NamedTuple):
    """Rows as they were scored and recorded, and what a caller should know of each."""

    events: list[Prediction]
    notes: list[tuple[Note, ...]]


def live(holder: SnapshotHolder) -> Snapshot:
    """The snapshot that is live.

    Raises:
        NotReady: none is loaded yet.
    """
    if holder.current is None:
        reason = holder.problem or "the models are being loaded"
        raise NotReady("starting up", Fault("snapshot", reason, "try again in a moment; /readyz says when"))
    return holder.current


class Predictions:
    """Answers predict requests of any task. For one event loop.

    A reply leaves only when its events are durable in the journal.
    """

    def __init__(self, parts: Parts, predictor: Predictor | None = None) -> None:
        self._holder = parts.holder
        self._recorder = parts.recorder
        self._clock = parts.clock
        self._identifiers = parts.identifiers
        self._limits = parts.limits()
        self._meters = parts.meters
        self._predictor = predictor or Predictor()
        self._publisher = parts.publisher
        self._encode = msgspec.json.Encoder().encode

    async def predict(self, task: str, body: bytes) -> bytes:
        """The reply to a request, as JSON.

        Raises:
            UnknownTask, MalformedBody, InvalidInput, TooLarge: the request cannot be used.
            NotReady, DiskFull: nothing was recorded; the caller may try again.
        """
        started = perf_counter()
        deployment = live(self._holder).deployment(task)
        asks, many = read_predict(body, deployment, self._clock.now(), self._limits)
        scored = await self.score(deployment, asks)
        rows = zip(scored.events, scored.notes, strict=True)
        replies = [reply_of(deployment.task, event, notes) for event, notes in rows]
        self._meters.latency.observe(perf_counter() - started, task)
        return self._encode(Replies(replies) if many else replies[0])

    async def score(self, deployment: Deployment, asks: Sequence[Ask]) -> Scored:
        """Scores rows, and records them: when this returns they are durable, and may be told to the caller.

        Raises:
            NotReady, DiskFull: nothing was recorded; the caller may try again.
        """
        now = self._clock.now()
        moments = [now if ask.at is None else ask.at for ask in asks]
        answer = self._predictor.answer(deployment, [ask.row for ask in asks], moments)
        rows = zip(asks, moments, answer.scores, strict=True)
        events = [self._event(deployment, ask, at, answer, scores) for ask, at, scores in rows]
        await self._recorder.record(events)
        noted = [(*ask.notes, *unseen(answer.model, ask.row)) for ask in asks]
        self._count(deployment.task.name, answer, noted)
        if self._publisher.active:
            self._publisher.publish(deployment.task, events, noted)
        return Scored(events, noted)

    def _event(
        self, deployment: Deployment, ask: Ask, at: int, answer: Answer, scores: tuple[float, ...]
    ) -> Prediction:
        return Prediction(
            id=ask.prediction_id or self._identifiers.new(at, deployment.tag),
            task=deployment.task.name,
            at=at,
            features=ask.row,
            scores=scores,
            version=answer.version,
            variant=answer.variant,
            entity=ask.entity,
            unit=ask.unit,
            degraded=answer.degraded,
        )

    def _count(self, task: str, answer: Answer, noted: list[tuple[Note, ...]]) -> None:
        meters = self._meters
        meters.predictions.add(task, str(answer.version), answer.variant, by=len(noted))
        for reason in answer.degraded:
            meters.degraded.add(task, reason, by=len(noted))
        for notes in noted:
            for note in notes:
                meters.notes.add(task, note.feature, note.kind)
