"""Answers predict requests: reads, predicts, journals, replies."""

from __future__ import annotations

from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import Fault, NotReady, UnknownVersion
from tropism.core.events import Prediction
from tropism.serving.explaining import NOT_ASKED, explained_rows
from tropism.serving.feature_cache import CACHED as FILLED
from tropism.serving.feature_cache import REASON as FEATURES_CACHED
from tropism.serving.model_cache import live_version
from tropism.serving.options import PLAIN, PredictOptions
from tropism.serving.prediction_cache import CACHED
from tropism.serving.predictor import UNSCORED, Predictor, blank, unseen
from tropism.serving.privacy import UNRECORDED
from tropism.serving.replies import Replies, reply_of
from tropism.serving.requests import read_request
from tropism.serving.rows import Note
from tropism.serving.stored_features import filled
from tropism.serving.trials import seated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tropism.core.events import Value
    from tropism.learners.explaining import Explanation
    from tropism.serving.parts import Parts
    from tropism.serving.predictor import Answer
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import Deployment, Seat, ServedModel, Snapshot, SnapshotHolder


class Scored(NamedTuple):
    """Rows as they were scored, and what a caller should know of each.

    They are recorded, but for those that have a note of the kind `not-recorded`. `explanations`: one a row if they
    were asked for and can be given.
    """

    events: list[Prediction]
    notes: list[tuple[Note, ...]]
    explanations: list[Explanation] | None = None


def together(parts: Sequence[Scored], order: Sequence[int]) -> Scored:
    """Rows that were scored in parts, at their places: `order` has those of the first part, then of the next."""
    places = sorted(range(len(order)), key=order.__getitem__)
    events = [event for part in parts for event in part.events]
    notes = [own for part in parts for own in part.notes]
    explained = [one for part in parts for one in part.explanations or ()]
    told = [explained[place] for place in places] if len(explained) == len(places) else None
    return Scored([events[place] for place in places], [notes[place] for place in places], told)


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
        self._predictor = predictor or Predictor(cache=parts.prediction_cache())
        self._publisher = parts.publisher
        self._models = parts.models
        self._privacy = parts.privacy
        self._mirroring = parts.mirroring
        self._kept = parts.feature_cache()
        self._encode = msgspec.json.Encoder().encode

    async def predict(self, task: str, body: bytes, options: PredictOptions = PLAIN) -> bytes:
        """The reply to a request, as JSON.

        Raises:
            UnknownTask, MalformedBody, InvalidInput, TooLarge: the request cannot be used.
            NotReady, DiskFull: nothing was recorded; the caller may try again.
            What `score` raises of a version.
        """
        started = perf_counter()
        deployment = live(self._holder).deployment(task)
        asked = read_request(body, deployment, self._clock.now(), self._limits, self._kept)
        explain = options.explain or asked.explain
        scored = await self._score(deployment, asked.asks, options.version, explain)
        rows = zip(scored.events, scored.notes, scored.explanations or repeat(None), strict=False)
        replies = [reply_of(deployment.task, *row) for row in rows]
        self._meters.latency.observe(perf_counter() - started, task)
        return self._encode(Replies(replies) if asked.many else replies[0])

    def failed(self, task: str, code: str, status: int) -> None:
        """Counts a request that failed, with the status it would have by HTTP; of its task, if that is declared."""
        self._meters.errors.add(code)
        snapshot = self._holder.current
        if snapshot is not None and task in snapshot.deployments:
            self._meters.failures.add(task, code, str(status))

    async def score(
        self,
        deployment: Deployment,
        asks: Sequence[Ask],
        *,
        version: int | None = None,
        explain: bool = False,
        started: float | None = None,
    ) -> Scored:
        """Scores rows, and records them: when this returns they are durable, and may be told to the caller.

        `version`: the one that must answer; no other one and no baseline stands in for it, and its predictions
        have the variant `pinned`: they are in the lake, but in no cohort that a model is judged or trained by.
        `explain`: with what each feature did, where the model that answers can tell. `started`: when the request was
        whole, by `perf_counter`, for the latency that is told.

        Raises:
            NotReady, DiskFull: nothing was recorded; the caller may try again, with another version if it says so.
            UnknownModel, UnknownVersion: there is no such version.
            ArtifactTampered, ArtifactRefused, NotFound, Conflict: the version cannot be served.
        """
        started = perf_counter() if started is None else started
        scored = await self._score(deployment, asks, version, explain)
        self._meters.latency.observe(perf_counter() - started, deployment.task.name)
        return scored

    async def _score(self, deployment: Deployment, asks: Sequence[Ask], version: int | None, explain: bool) -> Scored:
        now = self._clock.now()
        if deployment.task.views:
            asks = await filled(deployment, asks, now)
        if deployment.private:
            asks = [self._privacy.asked(deployment.task, ask) for ask in asks]
        if version is not None:
            return await self._made(deployment, asks, now, explain, pinned=await self._version(deployment, version))
        if not deployment.trials:
            return await self._made(deployment, asks, now, explain)
        return await self._seated(deployment, asks, now, explain)

    async def _seated(self, deployment: Deployment, asks: Sequence[Ask], now: int, explain: bool) -> Scored:
        """Rows of which some take part in an experiment: those with one variant are scored together."""
        places, chances = seated(deployment.trials, asks)
        if len(places) == 1:
            return await self._made(deployment, asks, now, explain, seat=next(iter(places)), chances=chances)
        return await self._apart(deployment, asks, now, explain, list(places.items()), chances)

    async def _apart(
        self,
        deployment: Deployment,
        asks: Sequence[Ask],
        now: int,
        explain: bool,
        groups: Sequence[tuple[Seat | None, list[int]]],
        chances: Sequence[float | None] | None,
    ) -> Scored:
        """Rows in groups, each of which is scored by itself: the seat and the places of its rows."""
        parts = []
        for seat, own in groups:
            rows = [asks[place] for place in own]
            drawn = None if chances is None else [chances[place] for place in own]
            parts.append(await self._made(deployment, rows, now, explain, seat=seat, chances=drawn))
        return together(parts, [place for _, own in groups for place in own])

    async def _made(
        self,
        deployment: Deployment,
        asks: Sequence[Ask],
        now: int,
        explain: bool,
        *,
        seat: Seat | None = None,
        chances: Sequence[float | None] | None = None,
        pinned: ServedModel | None = None,
    ) -> Scored:
        """Rows that one model answers: scored, recorded, and told. `chances`: with which a bandit chose it for each."""
        moments = [now if ask.at is None else ask.at for ask in asks]
        rows = [ask.row for ask in asks]
        if pinned is None:
            answer = self._predictor.answer(deployment, rows, moments, seat)
        else:
            answer = self._predictor.pinned(deployment, pinned, rows, moments)
        if len(rows) > 1 and any(reason.endswith(UNSCORED) for reason in answer.degraded):
            groups = _complete_or_not(deployment, seat, rows)
            if all(own for _, own in groups):
                return await self._apart(deployment, asks, now, explain, groups, chances)
        explained = await explained_rows(answer, rows, moments) if explain else NOT_ASKED
        each = zip(asks, moments, answer.scores, chances or [None] * len(asks), strict=True)
        events = [self._event(deployment, *one, answer) for one in each]
        unrecorded = await self._record(deployment, events)
        noted = [(*ask.notes, *unseen(answer.model, ask.row), *explained.notes) for ask in asks]
        self._count(deployment.task.name, answer, events, noted)
        if deployment.mirrors and pinned is None:
            self._mirroring.answered(deployment, answer, events)
        told = [(*notes, *own) for notes, own in zip(noted, _own_notes(answer, events, unrecorded), strict=True)]
        if self._publisher.active:
            self._publisher.publish(deployment.task, events, told)
        return Scored(events, told, explained.rows)

    async def _version(self, deployment: Deployment, version: int) -> ServedModel:
        if self._models is not None:
            return await self._models.get(deployment, version)
        found = live_version(deployment, version)
        if found is None:
            live = [str(one.version) for one in (deployment.served, deployment.previous) if one is not None]
            fix = f"use one of: {', '.join(live)}" if live else "leave the version out; there is no model yet"
            fault = Fault("version", str(version), fix)
            raise UnknownVersion(f"'{deployment.task.name}' has no live version {version}", fault)
        return found

    async def _record(self, deployment: Deployment, events: list[Prediction]) -> Mapping[str, Note]:
        """Records what the task's policy lets be recorded; a note on each prediction that is not, by its id."""
        if not deployment.private:
            await self._recorder.record(events)
            return {}
        task = deployment.task
        recorded = [self._privacy.recorded(task, event) for event in events]
        kept = [event for event in recorded if event is not None]
        if kept:
            await self._recorder.record(kept)
        if len(kept) < len(events):
            self._meters.unrecorded.add(task.name, by=len(events) - len(kept))
        note = Note(UNRECORDED, "", f"not recorded: the task's journal policy samples {task.journal.sample:.4g}")
        return {event.id: note for event, own in zip(events, recorded, strict=True) if own is None}

    def _event(
        self,
        deployment: Deployment,
        ask: Ask,
        at: int,
        scores: tuple[float, ...],
        propensity: float | None,
        answer: Answer,
    ) -> Prediction:
        kept = any(note.kind == FILLED for note in ask.notes)
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
            degraded=(*answer.degraded, *ask.degraded, *((FEATURES_CACHED,) if kept else ())),
            served=None if deployment.private else ask.served,
            propensity=propensity,
        )

    def _count(self, task: str, answer: Answer, events: list[Prediction], noted: list[tuple[Note, ...]]) -> None:
        meters = self._meters
        meters.predictions.add(task, str(answer.version), answer.variant, by=len(noted))
        for event in events:
            for reason in event.degraded:
                meters.degraded.add(task, reason)
        for notes in noted:
            for note in notes:
                meters.notes.add(task, note.feature, note.kind)


def _complete_or_not(
    deployment: Deployment, seat: Seat | None, rows: Sequence[dict[str, Value]]
) -> tuple[tuple[Seat | None, list[int]], ...]:
    """Places of the rows that have all values which the model knows, and of the others."""
    model = deployment.served if seat is None or seat.model is None else seat.model
    lacking = [model is not None and blank(deployment.task, model, row) for row in rows]
    return tuple((seat, [place for place, one in enumerate(lacking) if one == kind]) for kind in (False, True))


_KEPT = Note(CACHED, "", "the scores were kept from an equal row, asked for a short while ago")


def _own_notes(answer: Answer, events: list[Prediction], unrecorded: Mapping[str, Note]) -> Iterator[tuple[Note, ...]]:
    """What is to be said of each prediction itself."""
    if not unrecorded and not any(answer.kept):
        yield from repeat((), len(events))
        return
    for event, kept in zip(events, answer.kept or repeat(False), strict=False):
        cached = (_KEPT,) if kept else ()
        yield (*cached, unrecorded[event.id]) if event.id in unrecorded else cached
