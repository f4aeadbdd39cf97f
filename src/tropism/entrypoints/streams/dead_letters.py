"""Messages that cannot be used, in a table of the lake: each once, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.entrypoints.streams.sorting import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tropism.entrypoints.streams.base import Message
    from tropism.entrypoints.streams.sorting import Poison
    from tropism.storage.lake import Lake

TABLE = "_dead_letters"


class DeadLetter(msgspec.Struct, frozen=True):
    """`at`: µs. `origin`: broker, stream and offset. `payload`: its first million bytes."""

    at: int
    source: str
    reason: str
    origin: str
    payload: bytes


class DeadLetters:
    """The dead letters of a project. Safe in any thread; several processes may add at once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def add(self, source: str, letters: Sequence[Poison], now: int) -> int:
        """Adds those that are not there yet; how many.

        A partition's offsets are the positions of a writer of the lake. What comes late, after a message with a larger
        offset, would be taken for what is there already: such a message is looked up, and gets a writer of its own.

        Raises:
            DiskFull, NotReady, NotWritable: some may have been added; the same again adds the others.
        """
        by_writer: dict[str, list[Poison]] = {}
        for letter in letters:
            by_writer.setdefault(f"dead:{source}:{letter.message.partition}", []).append(letter)
        added = 0
        for writer, some in by_writer.items():
            places = {writer: max(letter.message.place for letter in some)}
            rows = _table(source, some, [writer] * len(some), [letter.message.place for letter in some], now)
            count = self._lake.append(TABLE, rows, positions=places).rows
            added += count
            if count < len(some):
                added += self._add_late(source, writer, some, now)
        return added

    def newest(self, source: str, limit: int) -> list[DeadLetter]:
        """Of one source, the newest first."""
        import pyarrow.compute as pc

        table = self._read(("at", "source", "reason", "origin", "payload"))
        table = table.filter(pc.equal(table["source"], source)).sort_by(
            [("at", "descending"), ("origin", "descending")]
        )
        rows = table.slice(0, limit)
        times = pc.cast(rows["at"], "int64").to_pylist()
        return [DeadLetter(**(row | {"at": at})) for row, at in zip(rows.to_pylist(), times, strict=True)]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many there are, by source and partition."""
        counts: dict[tuple[str, str], int] = {}
        for row in self._read(("source", "origin")).to_pylist():
            key = (row["source"], row["origin"].rpartition(":")[0])
            counts[key] = counts.get(key, 0) + 1
        return counts

    def _add_late(self, source: str, writer: str, letters: Sequence[Poison], now: int) -> int:
        ids = {_id(source, letter.message): letter for letter in letters}
        there = set(self._lake.read(TABLE, columns=["id"], ids=list(ids))["id"].to_pylist())
        late = [letter for identifier, letter in ids.items() if identifier not in there]
        if not late:
            return 0
        writers = [f"{writer}:{letter.message.offset}" for letter in late]
        rows = _table(source, late, writers, [1] * len(late), now)
        return self._lake.append(TABLE, rows, positions=dict.fromkeys(writers, 1)).rows

    def _read(self, names: Sequence[str]) -> pa.Table:
        schema = _schema()
        return self._lake.read(TABLE, schema=_only(schema, names))


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = {"id": pa.string(), "source": pa.string(), "reason": pa.string(), "origin": pa.string()}
    places = {"writer": pa.string(), "seq": pa.int64()}
    return pa.schema({"at": pa.timestamp("us", tz="UTC"), **places, **texts, "payload": pa.binary()})


def _only(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in names])


def _table(source: str, letters: Sequence[Poison], writers: list[str], places: list[int], now: int) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "at": [now] * len(letters),
        "writer": writers,
        "seq": places,
        "id": [_id(source, letter.message) for letter in letters],
        "source": [source] * len(letters),
        "reason": [letter.reason.encode(errors="replace").decode() for letter in letters],
        "origin": [letter.message.id for letter in letters],
        "payload": [letter.message.payload[:MOST_BYTES] for letter in letters],
    }
    return pa.table(columns, schema=_schema())


def _id(source: str, message: Message) -> str:
    return f"{source}:{message.id}"
