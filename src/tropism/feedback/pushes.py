"""Pushed events on their way into the lake: each push once, its events stamped with the moment they are taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from tropism.core.clock import DAY
from tropism.core.errors import DataInvalid
from tropism.core.events import Push, encode
from tropism.features.store.sources import FAILURES_SCHEMA
from tropism.features.streams import events_table
from tropism.feedback.schemas import MOMENT
from tropism.feedback.sorting import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.feedback.sorting import PushBatch, Record
    from tropism.storage.lake import Lake

PUSHES = "_pushes"
"""The lake's table of pushes that have an id: where in the journal each is."""
_PUSHES = pa.schema(
    [
        ("at", MOMENT),
        ("writer", pa.string()),
        ("seq", pa.int64()),
        ("row", pa.int64()),
        ("source", pa.string()),
        ("id", pa.string()),
    ]
)
REMEMBERED = DAY
"""A push with an id that came so long before, in µs, or sooner, is the same one again."""
_Place = tuple[str, int, int]


class Taken(NamedTuple):
    """A push that goes in, its record, and the place of its first event there."""

    push: Push
    record: Record
    first: int

    @property
    def place(self) -> _Place:
        return self.record.writer, self.record.seq, self.first


def taken(lake: Lake, batch: PushBatch, now: int) -> list[Taken]:
    """The pushes of a batch without those that came before. One that came at this very place is taken in again after
    it was cut short."""
    found = list(map(Taken, batch.events, batch.records, batch.firsts))
    ids = {one.push.id for one in found} - {""}
    places: dict[str, _Place] = {}
    if ids:
        rows = lake.read(PUSHES, schema=_PUSHES, since=now - REMEMBERED, ids=ids).sort_by("at")
        for row in rows.to_pylist():
            if row["source"] == batch.source.name:
                places.setdefault(row["id"], (row["writer"], row["seq"], row["row"]))
    return [one for one in found if not one.push.id or places.setdefault(one.push.id, one.place) == one.place]


def ids_table(taken: Sequence[Taken], now: int) -> pa.Table:
    """Those of the pushes that have an id."""
    rows = [
        {
            "at": now,
            "writer": one.record.writer,
            "seq": one.record.seq,
            "row": one.first,
            "source": one.push.source,
            "id": one.push.id,
        }
        for one in taken
        if one.push.id
    ]
    return pa.Table.from_pylist(rows, schema=_PUSHES)


def stream_events(batch: PushBatch, taken: Sequence[Taken], stamp: int) -> tuple[pa.Table, list[Rejected]]:
    """The events of pushes, and the pushes that do not fit the stream as it is now."""
    placed = [(one.push, one.record.writer, one.record.seq, one.first) for one in taken]
    try:
        return events_table(batch.source, placed, stamp), []
    except DataInvalid:
        if len(taken) == 1:
            one = taken[0]
            return events_table(batch.source, [], stamp), [Rejected(one.record, _reason(batch), encode(one.push))]
    halves = (taken[: len(taken) // 2], taken[len(taken) // 2 :])
    tables, rejected = zip(*(stream_events(batch, half, stamp) for half in halves), strict=True)
    return pa.concat_tables(tables), [one for some in rejected for one in some]


def failures_table(taken: Sequence[Taken], stamp: int) -> pa.Table:
    """The rules that events failed when they were pushed, a row for each push and rule."""
    rows = []
    for one in taken:
        by_rule: dict[tuple[str, str], list[str]] = {}
        for rule, policy, value in one.push.failures:
            by_rule.setdefault((rule, policy), []).append(value)
        rows += [
            {
                "at": stamp,
                "writer": one.record.writer,
                "seq": one.record.seq,
                "source": one.push.source,
                "while": "push",
                "rule": rule,
                "policy": policy,
                "rows": len(one.push.rows),
                "failures": len(values),
                "examples": values[:5],
            }
            for (rule, policy), values in by_rule.items()
        ]
    return pa.Table.from_pylist(rows, schema=FAILURES_SCHEMA)


def _numbered(key: tuple[str, str]) -> tuple[tuple[str, str], int | None]:
    start, mark, number = key[1].rpartition("#")
    return (key[0], start), int(number) if mark and number.isdecimal() and len(number) < 20 else None


def _reason(batch: PushBatch) -> str:
    schema = msgspec.json.encode(batch.source.schema).decode()
    return f"does not fit the stream '{batch.source.name}' as it is now: {schema}"
