"""Reads events as they are pushed into a stream, by whatever way they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.clock import iso
from tropism.core.errors import InvalidInput
from tropism.core.faults import Faults, close_to, shown
from tropism.features.streams.columns import UNFIT, expected, value_reader
from tropism.features.streams.judging import Judge
from tropism.features.types import dtype

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tropism.features.sources import StreamSource
    from tropism.features.streams.judging import Failed, Row


class RejectedEvent(msgspec.Struct, frozen=True):
    """An event that was left out. `rule`: the first that keeps it out, such as `range of 'amount'`; `value`: its."""

    index: int
    rule: str
    value: str


class ReadEvents(NamedTuple):
    """Events as `core.events.Push` has them, in the order of `EventReader.names`, without those left out.

    `failures`: every rule that an event fails: the rule as JSON, its policy, the value as it was sent.
    """

    rows: list[Row]
    failures: list[Failed]
    rejected: list[RejectedEvent]


class EventReader:
    """Reads and checks events of one stream. Immutable; safe in any thread.

    A column that is not sent is null. `keys`: the columns of the keys of the entities that views of the stream are
    about; neither they nor the timestamp may be null. What the platform writes itself (`source.created`) is not sent.

    >>> from tropism.features import Decimal, StreamSource
    >>> schema = {"account_id": str, "amount": Decimal(2)}
    >>> reader = EventReader(StreamSource("payments", timestamp="at", schema=schema), keys=("account_id",))
    >>> event = {"account_id": "a-17", "amount": 9.5, "at": "2026-01-31T12:00:00Z"}
    >>> reader.names, reader.read([event], now=1769860800000000, tolerance=0).rows
    (('account_id', 'amount', 'at'), [('a-17', '9.50', 1769860800000000)])
    """

    def __init__(self, source: StreamSource, keys: Collection[str] = ()) -> None:
        self.source = source
        self.names = tuple(name for name in source.schema if name != source.created)
        self._keys = frozenset(keys)
        self._kinds = {name: dtype(source.schema[name]) for name in self.names}
        self._columns = [(name, value_reader(kind, key=name in self._keys)) for name, kind in self._kinds.items()]
        self._known = frozenset(self.names)
        needed = {*self._keys, source.timestamp} & self._known
        self._needed = [place for place, name in enumerate(self.names) if name in needed]
        self._timestamp = self.names.index(source.timestamp) if source.timestamp in self._known else None
        self._judge = Judge(source, self.names, needed)

    @property
    def exact(self) -> bool:
        """Whether fractions should be parsed as `decimal.Decimal`, as a float may not have all of their digits."""
        return any(kind.kind == "decimal" for kind in self._kinds.values())

    def read(self, events: Sequence[Any], now: int, tolerance: int, where: str = "events") -> ReadEvents:
        """All events, or none. `now`, `tolerance`: an event may be so far ahead of the time, in µs.

        `where`: what holds the events, for errors: `events[3].amount`.

        Raises:
            InvalidInput: names every value that cannot be used, and every one that fails a rule of policy `stop`;
                or a rule cannot judge a value.
            SettingInvalid, MissingExtra: as `checks.predicates.fails`.
        """
        faults, read = Faults(), ReadEvents([], [], [])
        latest = now + tolerance
        for index, event in enumerate(events):
            row = self._row(event, latest)
            if row is None:
                self._explain(event, f"{where}[{index}]", now, latest, faults)
            elif self._judge:
                self._judged(index, event, row, now, f"{where}[{index}]", read, faults)
            else:
                read.rows.append(row)
        faults.check()
        return read

    def _row(self, event: Any, latest: int) -> Row | None:
        """The row of an event; None if something is wrong with it."""
        if not isinstance(event, dict) or not event.keys() <= self._known:
            return None
        get = event.get
        row: Row = tuple([None if (value := get(name)) is None else read(value) for name, read in self._columns])
        for value in row:
            if value is UNFIT:
                return None
        for place in self._needed:
            if row[place] is None:
                return None
        ahead = self._timestamp is not None and row[self._timestamp] > latest
        return None if ahead else row

    def _judged(
        self, index: int, event: Mapping[str, Any], row: Row, now: int, place: str, read: ReadEvents, faults: Faults
    ) -> None:
        """Adds an event as its rules have it."""
        try:
            verdict = self._judge.judge(event, row, now)
        except InvalidInput as error:
            for fault in error.faults:
                faults.add(InvalidInput, error.message, f"{place}: {fault.field}", fault.value, fault.fix)
            return
        for column, title, value in verdict.stopped:
            headline = f"an event fails the rule {title}, which lets nothing through"
            fix = "mend the value, or leave the event out; nothing of what was sent was taken"
            faults.add(InvalidInput, headline, f"{place}.{column}", value, fix)
        read.failures.extend(verdict.failures)
        if verdict.row is not None:
            read.rows.append(verdict.row)
        elif verdict.refused is not None:
            read.rejected.append(RejectedEvent(index, *verdict.refused))

    def _explain(self, event: Any, place: str, now: int, latest: int, faults: Faults) -> None:
        if not isinstance(event, dict):
            faults.add(InvalidInput, "an event is not a JSON object", place, shown(event), f"send {self._example}")
            return
        for name in event:
            if name not in self._known:
                # A body has room for a million of them; those that are not listed should cost next to nothing.
                if faults.full:
                    faults.skip()
                else:
                    self._unknown(name, event[name], place, faults)
        for name, read in self._columns:
            value = event.get(name)
            kind, key = self._kinds[name], name in self._keys
            if value is None:
                if key or name == self.source.timestamp:
                    self._absent(name, name in event, f"{place}.{name}", faults)
                continue
            found = read(value)
            if found is UNFIT:
                headline = f"'{name}' cannot be a key" if key else f"'{name}' is not of type {kind.kind}"
                faults.add(InvalidInput, headline, f"{place}.{name}", shown(value), f"send {expected(kind, key=key)}")
            elif name == self.source.timestamp and found > latest:
                fix = f"send a time up to now, which is {iso(now)}; is the sender's clock right?"
                faults.add(InvalidInput, f"'{name}' is from the future", f"{place}.{name}", shown(value), fix)

    def _unknown(self, name: object, value: object, place: str, faults: Faults) -> None:
        text = str(name)[:100]
        close = close_to(text, self._known)
        if name == self.source.created:
            fix = "leave it out; the platform writes it when the event arrives"
        else:
            listed = ", ".join(self.names)[:400]
            fix = f"did you mean '{close}'?" if close else f"leave it out; the columns are: {listed}"
        faults.add(InvalidInput, f"there is no column {shown(text)}", f"{place}.{text}", shown(value), fix)

    def _absent(self, name: str, there: bool, field: str, faults: Faults) -> None:
        reason = "is null" if there else "is missing"
        why = "the key of an entity" if name in self._keys else "the timestamp"
        fix = f"send {expected(self._kinds[name], key=name in self._keys)}; {why} is never null"
        faults.add(InvalidInput, f"'{name}' {reason}", field, "null" if there else "", fix)

    @property
    def _example(self) -> str:
        return "{" + ", ".join(f'"{name}": ...' for name in self.names)[:200] + "}"
