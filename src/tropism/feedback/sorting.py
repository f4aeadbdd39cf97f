"""Sorts the journal's records: which table each belongs to, and why some belong to none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from tropism.core.events import Event, Outcome, Prediction, decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Task

FindTask = Callable[[str], "Task | None"]
"""The task of that name, as it is now; None when there is none."""

_EARLIEST = -62_135_596_800_000_000
_LATEST = 253_402_300_799_999_999
_VERSIONS = 2**31
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


class RecordSorter:
    """Sorts records one after the other into `predictions` and `outcomes`, by task, and `rejected`.

    Nothing is dropped: a record that cannot be decoded, or an event that does not fit its task, is rejected.
    """

    def __init__(self, tasks: FindTask) -> None:
        self.predictions: dict[str, PredictionBatch] = {}
        self.outcomes: dict[str, OutcomeBatch] = {}
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
            for event in events:
                self._place(record, event)

    def _place(self, record: Record, event: Event) -> None:
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

    def _misfit(self, event: Event) -> str:
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
    if not math.isfinite(outcome.value):
        return f"'value' is not finite: {outcome.value}"
    if outcome.prediction_id is None and outcome.entity is None:
        return "names neither a prediction nor an entity"
    return ""
