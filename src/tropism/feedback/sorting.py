"""Sorts the journal's records: which table each belongs to, and why some belong to none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from tropism.core.events import LATENCY_BOUNDS, Measured, Outcome, Prediction, Push, decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Activity
    from tropism.core.task import Task
    from tropism.features import StreamSource

FindTask = Callable[[str], "Task | None"]
"""The task of that name, as it is now; None when there is none."""
FindStream = Callable[[str], "StreamSource | None"]
"""The stream of that name, as it is now; None when there is none."""

_EARLIEST = -62_135_596_800_000_000
_LATEST = 253_402_300_799_999_999
_VERSIONS = 2**31
_MOST = 2**53
_SENT_AS: dict[str, tuple[type, ...]] = {
    "number": (float, type(None)),
    "category": (str, type(None)),
    "boolean": (bool, type(None)),
}


class Record(Protocol):
    """One record of a journal."""

    @property
    def writer(self) -> str: ...

    @property
    def seq(self) -> int: ...

    @property
    def payload(self) -> bytes: ...


class Rejected(NamedTuple):
    """An event that no table can take, or a record that is none, and why. `payload`: what is to be kept of it."""

    record: Record
    reason: str
    payload: bytes


class PredictionBatch(NamedTuple):
    """Predictions of one task, beside their records."""

    task: Task
    records: list[Record]
    events: list[Prediction]


class OutcomeBatch(NamedTuple):
    """Outcomes of one task, beside their records."""

    records: list[Record]
    events: list[Outcome]


class PushBatch(NamedTuple):
    """Pushes into one stream, beside their records and the place of the first event of each in its record."""

    source: StreamSource
    records: list[Record]
    events: list[Push]
    firsts: list[int]


class MeasuredBatch(NamedTuple):
    """What data planes measured, beside the records."""

    records: list[Record]
    events: list[Measured]


class RecordSorter:
    """Sorts records one after the other into `predictions` and `outcomes`, by task, `pushes`, by stream, `measured`
    and `rejected`.

    Nothing is dropped: a record that cannot be decoded, or an event that does not fit its task, is rejected.
    """

    def __init__(self, tasks: FindTask, streams: FindStream | None = None) -> None:
        self.pushes: dict[str, PushBatch] = {}
        self._find_stream = streams or (lambda _: None)
        self._streams: dict[str, StreamSource | None] = {}
        self.predictions: dict[str, PredictionBatch] = {}
        self.outcomes: dict[str, OutcomeBatch] = {}
        self.measured = MeasuredBatch([], [])
        self.rejected: list[Rejected] = []
        self._find = tasks
        self._tasks: dict[str, Task | None] = {}
        self._types: dict[str, dict[str, tuple[type, ...]]] = {}

    def sort(self, records: Sequence[Record]) -> None:
        """Put each record where it belongs."""
        for record in records:
            try:
                events = decode(record.payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self.rejected.append(Rejected(record, f"not an event: {error}", record.payload))
                continue
            pushed: dict[str, int] = {}
            for event in events:
                if isinstance(event, Push):
                    self._push(record, event, pushed)
                elif isinstance(event, Measured):
                    self._measure(record, event)
                else:
                    self._place(record, event)

    def _push(self, record: Record, event: Push, pushed: dict[str, int]) -> None:
        """`pushed`: events of this record so far, by stream."""
        if event.source not in self._streams:
            self._streams[event.source] = self._find_stream(event.source)
        source = self._streams[event.source]
        if source is None:
            self.rejected.append(Rejected(record, f"there is no stream '{event.source}'", encode(event)))
            return
        batch = self.pushes.setdefault(event.source, PushBatch(source, [], [], []))
        batch.records.append(record)
        batch.events.append(event)
        batch.firsts.append(pushed.get(event.source, 0))
        pushed[event.source] = batch.firsts[-1] + len(event.rows)

    def _measure(self, record: Record, event: Measured) -> None:
        reason = _measured_misfit(event)
        if reason:
            self.rejected.append(Rejected(record, reason, encode(event)))
        else:
            self.measured.records.append(record)
            self.measured.events.append(event)

    def _place(self, record: Record, event: Prediction | Outcome) -> None:
        task = self._task(event.task)
        reason = f"there is no task '{event.task}'" if task is None else self._misfit(event)
        if task is None or reason:
            self.rejected.append(Rejected(record, reason, encode(event)))
        elif isinstance(event, Prediction):
            batch = self.predictions.setdefault(task.name, PredictionBatch(task, [], []))
            batch.records.append(record)
            batch.events.append(event)
        else:
            outcomes = self.outcomes.setdefault(task.name, OutcomeBatch([], []))
            outcomes.records.append(record)
            outcomes.events.append(event)

    def _task(self, name: str) -> Task | None:
        if name not in self._tasks:
            task = self._tasks[name] = self._find(name)
            if task is not None:
                self._types[name] = {feature.name: _SENT_AS[feature.type] for feature in task.features}
        return self._tasks[name]

    def _misfit(self, event: Prediction | Outcome) -> str:
        """Why the event does not fit its task; empty when it does."""
        if not _EARLIEST <= event.at <= _LATEST:
            return f"'at' is no time: {event.at}"
        if isinstance(event, Outcome):
            return _outcome_misfit(event)
        if not 0 <= event.version < _VERSIONS:
            return f"'version' is no version: {event.version}"
        types = self._types[event.task]
        for name, value in event.features.items():
            allowed = types.get(name)
            if allowed is None:
                return f"the task has no feature '{name}'"
            if type(value) not in allowed:
                return f"feature '{name}' is {type(value).__name__}, not {allowed[0].__name__}"
        return ""


def _outcome_misfit(outcome: Outcome) -> str:
    if not _EARLIEST <= outcome.received <= _LATEST:
        return f"'received' is no time: {outcome.received}"
    if outcome.value is None and not outcome.values:
        return "tells neither a label nor any values"
    if outcome.value is not None and not math.isfinite(outcome.value):
        return f"'value' is not finite: {outcome.value}"
    for name, figure in outcome.values.items():
        if not math.isfinite(figure):
            return f"'values.{name}' is not finite: {figure}"
    if outcome.prediction_id is None and outcome.entity is None:
        return "names neither a prediction nor an entity"
    return ""


def _measured_misfit(event: Measured) -> str:
    """Why what was measured cannot be kept; empty when it can. Only a damaged or foreign writer sends such."""
    for name, at in (("start", event.start), ("end", event.end)):
        if not _EARLIEST <= at <= _LATEST:
            return f"'{name}' is no time: {at}"
    if event.start > event.end:
        return f"it ends before it starts: {event.start}, {event.end}"
    counts = [event.gpus, event.memory_bytes or 0, event.gpu_memory_bytes or 0]
    seconds = [event.cpu_seconds, event.gpu_seconds or 0.0]
    for one in event.models:
        if one.requests and len(one.requests) != len(LATENCY_BOUNDS) + 1:
            return f"'requests' has {len(one.requests)} buckets, not {len(LATENCY_BOUNDS) + 1}"
        if not all(0 <= version < _VERSIONS for version in one.predictions):
            return f"'predictions' has what is no version: {sorted(one.predictions)}"
        counts += _counts(one)
        seconds.append(one.seconds)
    for told in event.mirrored:
        if told.calls and len(told.calls) != len(LATENCY_BOUNDS) + 1:
            return f"'calls' has {len(told.calls)} buckets, not {len(LATENCY_BOUNDS) + 1}"
        counts += [told.rows, told.failures, told.dropped, told.control_failures, told.differing, *told.calls]
        seconds += [told.seconds, told.difference, told.largest]
    if not all(0 <= count < _MOST for count in counts):
        return f"a count is out of range: {min(counts)} to {max(counts)}"
    if not all(0 <= length < math.inf for length in seconds):
        return f"seconds are out of range: {seconds}"
    return ""


def _counts(one: Activity) -> list[int]:
    plain = [one.errors, one.refused, one.degraded, one.outcomes]
    return [*plain, *one.requests, *one.predictions.values()]
