"""Moves events from the journal into the lake, each exactly once.

A batch goes into each table in one commit, which also moves that table's position for each of the journal's
writers (a Delta application transaction). Then the cursor is saved. Whatever is cut short is repeated by the
next run from the last cursor, and each table leaves out what it has. So a process may be killed at any moment,
and a second one that believes itself alone does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tropism.core.clock import SystemClock
from tropism.core.events import CURSOR
from tropism.features.store.sources import FAILURES
from tropism.features.store.streams import stream_table
from tropism.feedback.batches import outcomes_table, predictions_table, rejected_table, service_table
from tropism.feedback.pushes import PUSHES, failures_table, ids_table, stream_events, taken
from tropism.feedback.schemas import REJECTED_NAME, SERVICE_NAME, outcomes_name, predictions_name
from tropism.feedback.sorting import FindStream, FindTask, Record, RecordSorter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.clock import Clock
    from tropism.features.store.stamping import Stamps
    from tropism.storage.lake import Lake


_MOST_BYTES = 64 * 1_048_576
"""Of records in one batch: a record holds the events of one moment, be it one or thousands."""


class Journal(Protocol):
    """The reading side of a journal."""

    def read(self, after: Mapping[str, int], limit: int = ...) -> Sequence[Record]:
        """At most `limit` records after each writer's position, in order for each writer."""
        ...


class Cursors(Protocol):
    """Keeps small JSON values by name."""

    def get(self, name: str) -> Any: ...

    def set(self, name: str, value: Any, *, now: int) -> None: ...


class Streams(NamedTuple):
    """What taking events in needs: the streams by name, and the moments at which it is done, by the project's clock."""

    find: FindStream
    stamps: Stamps
    clock: Clock


class Ingested(NamedTuple):
    """What one run did: rows that are new in the lake, and how far each writer is there.

    `caught_up` says that the journal held nothing more when it was read.
    """

    predictions: int
    outcomes: int
    rejected: int
    positions: dict[str, int]
    caught_up: bool
    events: int = 0


class Ingestion:
    """Moves events of all tasks into `<task>/predictions` and `<task>/outcomes`, those of streams into
    `_streams/<stream>`, what data planes measured into `_service`.

    Records that no table can take go to `_rejected` with the reason. One run at a time.
    """

    def __init__(
        self,
        journal: Journal,
        lake: Lake,
        tasks: FindTask,
        cursors: Cursors,
        clock: Clock | None = None,
        streams: Streams | None = None,
    ) -> None:
        self._journal = journal
        self._lake = lake
        self._tasks = tasks
        self._cursors = cursors
        self._clock = clock or SystemClock()
        self._streams = streams

    def run(self, limit: int = 50_000) -> Ingested:
        """Move at most `limit` records, and not many more than `_MOST_BYTES`. With nothing new the lake is not touched.

        Raises:
            DiskFull, NotReady: part of the batch may be in the lake; run again.
        """
        after: dict[str, int] = self._cursors.get(CURSOR) or {}
        found = self._journal.read(after, limit)
        records = found[: _fitting(found)]
        if not records:
            return Ingested(0, 0, 0, after, caught_up=True)
        ends: dict[str, int] = {}
        for record in records:
            ends[record.writer] = max(ends.get(record.writer, 0), record.seq)
        sorter = RecordSorter(self._tasks, None if self._streams is None else self._streams.find)
        sorter.sort(records)
        events = 0
        if sorter.pushes and self._streams is not None:
            with self._streams.stamps.taken(self._streams.clock.now()) as stamp:
                events = self._append_pushes(sorter, ends, stamp)
        predictions, outcomes, rejected = self._append(sorter, ends)
        positions = after | ends
        self._cursors.set(CURSOR, positions, now=self._clock.now())
        return Ingested(
            predictions, outcomes, rejected, positions, caught_up=len(records) == len(found) < limit, events=events
        )

    def _append(self, sorter: RecordSorter, ends: Mapping[str, int]) -> tuple[int, int, int]:
        lake, predictions, outcomes, rejected = self._lake, 0, 0, 0
        for task, batch in sorter.predictions.items():
            predictions += lake.append(predictions_name(task), predictions_table(batch), positions=ends).rows
        for task, answers in sorter.outcomes.items():
            outcomes += lake.append(outcomes_name(task), outcomes_table(answers), positions=ends).rows
        if sorter.measured.events:
            lake.append(SERVICE_NAME, service_table(sorter.measured), positions=ends)
        if sorter.rejected:
            table = rejected_table(sorter.rejected, self._clock.now())
            rejected = lake.append(REJECTED_NAME, table, positions=ends).rows
        return predictions, outcomes, rejected

    def _append_pushes(self, sorter: RecordSorter, ends: Mapping[str, int], stamp: int) -> int:
        lake, now = self._lake, self._clock.now()
        tables, everything = [], []
        for name, batch in sorter.pushes.items():
            some = taken(lake, batch, now)
            table, rejected = stream_events(batch, some, stamp)
            sorter.rejected += rejected
            everything += some
            tables.append((stream_table(name), table))
        # Ids come first: a batch that is cut short here is decided in the same way when it is taken in again.
        failures = (FAILURES, failures_table(everything, stamp))
        for name, table in ((PUSHES, ids_table(everything, now)), *tables, failures):
            if table.num_rows:
                lake.append(name, table, positions=ends)
        return sum(table.num_rows for _, table in tables)


def _fitting(records: Sequence[Record]) -> int:
    """How many of the first records go into one batch: at least one, if there is one."""
    total = 0
    for index, record in enumerate(records):
        total += len(record.payload)
        if total > _MOST_BYTES:
            return index + 1
    return len(records)
